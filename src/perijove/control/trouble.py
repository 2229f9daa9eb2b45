"""What goes wrong in work that nobody waits for: into the log, and on."""

from typing import Any

import structlog

from perijove.domain.errors import PerijoveError


def complain(what: str, error: Exception, **more: Any) -> None:
    """In a sentence if the error is one of ours, which say all there is to say (a database that is away is asked again every
    few seconds); with where it came from if it is a bug."""
    log = structlog.get_logger("perijove.control")
    if isinstance(error, PerijoveError):
        log.warning(what, problem=str(error), **more)
    elif isinstance(error, TimeoutError):
        log.warning(what, problem="No answer in time.", **more)
    else:
        log.error(what, exc_info=error, **more)
