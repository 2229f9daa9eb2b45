"""What goes wrong in work that nobody waits for: into the log, and on."""

from typing import Any

import structlog

from perijove.domain.errors import PerijoveError


def complain(what: str, error: Exception, **more: Any) -> None:
    """In a sentence if the error is one of ours, which say all there is to say (a database that is away is asked again every
    few seconds); with where it came from if it is a bug."""
    log = structlog.get_logger("perijove.control")
    error = _one_for_all(error)
    if isinstance(error, PerijoveError):
        log.warning(what, problem=str(error), **more)
    elif isinstance(error, TimeoutError):
        log.warning(what, problem="No answer in time.", **more)
    else:
        log.error(what, exc_info=error, **more)


def _one_for_all(error: Exception) -> Exception:
    """A task group's errors come as a group: if all have been told of by the same words, they are told once."""
    if isinstance(error, ExceptionGroup) and all(isinstance(one, PerijoveError) for one in error.exceptions):
        said = {str(one) for one in error.exceptions}
        return error.exceptions[0] if len(said) == 1 else error
    return error
