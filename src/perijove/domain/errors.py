"""What can go wrong, in words for the person who can mend it. The edges turn these into HTTP answers and exit codes."""

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar


class Blame(Enum):
    """Who can mend it."""

    PERSON = "person"
    ADMINISTRATOR = "administrator"
    PLUGIN = "plugin"
    HUB = "hub"


class PerijoveError(Exception):
    """Base of all errors of ours.

    `message` says what happened, `hint` what to do next and who does it. `code` is constant per class and documented in
    the reference of error codes. `status` is the HTTP status at the web edge.
    """

    code: ClassVar[str] = "hub-error"
    status: ClassVar[int] = 500
    blame: ClassVar[Blame] = Blame.HUB

    def __init__(self, message: str, hint: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class BadInputError(PerijoveError):
    """The request is malformed or asks for what cannot be."""

    code = "bad-input"
    status = 400
    blame = Blame.PERSON


class BadOptionsError(BadInputError):
    """What was asked for a start cannot be; `problems` has a sentence for each option by its name ("" for what is not about one of them)."""

    code = "bad-options"

    def __init__(self, problems: Mapping[str, str], hint: str = "") -> None:
        super().__init__(" ".join(problems.values()), hint)
        self.problems = dict(problems)


class NotSignedInError(PerijoveError):
    """No credentials, or credentials that no longer hold. JupyterHub answers 403 here, and clients rely on it."""

    code = "not-signed-in"
    status = 403
    blame = Blame.PERSON


class ForbiddenError(PerijoveError):
    """Known, but not allowed."""

    code = "forbidden"
    status = 403
    blame = Blame.ADMINISTRATOR


class NotFoundError(PerijoveError):
    """It does not exist, or the asker may not know that it does."""

    code = "not-found"
    status = 404
    blame = Blame.PERSON


class MisdirectedError(PerijoveError):
    """It came by a name that is not the hub's (RFC 9110 section 15.5.20)."""

    code = "wrong-host"
    status = 421
    blame = Blame.ADMINISTRATOR


class ConflictError(PerijoveError):
    """It exists already, or is in a state in which this cannot be done."""

    code = "conflict"
    status = 409
    blame = Blame.PERSON


class NotModifiableError(PerijoveError):
    """It is in the configuration file, and the API must not change it."""

    code = "not-modifiable"
    status = 405
    blame = Blame.ADMINISTRATOR


class TooManyAttemptsError(PerijoveError):
    """Throttled; `retry_after_s` says for how long."""

    code = "too-many-attempts"
    status = 429
    blame = Blame.PERSON


class SettingsError(PerijoveError):
    """The configuration cannot be used; the message lists every mistake."""

    code = "settings"
    blame = Blame.ADMINISTRATOR


class SpawnerError(PerijoveError):
    """A spawner could not do what it was asked; raised by spawners with words for the person who waits."""

    code = "spawner"
    status = 502
    blame = Blame.ADMINISTRATOR


class AuthenticatorUnavailableError(PerijoveError):
    """The source of identities does not answer. Nobody is signed out because of it."""

    code = "authenticator-unavailable"
    status = 503
    blame = Blame.ADMINISTRATOR


class StaleError(PerijoveError):
    """The row changed since it was read, or another replica holds it. Read again and decide anew."""

    code = "stale"
    status = 409
