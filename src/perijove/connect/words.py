"""What is said to the other machine: a destination, and command lines made of words."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from perijove.domain.errors import BadInputError

_DESTINATION: Final = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.@+\\-]*)@)?(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
)
_BETWEEN: Final = "\x1f"
"""The separator that Slurm's commands are asked to use: to shells it is a letter like others."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Destination:
    """As given to ssh; None: by ~/.ssh/config. `host` may be an alias from there."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host


def destination(text: str) -> Destination:
    """[USER@]HOST[:PORT]. Nothing that ssh could read as an option. Raises BadInputError."""
    matched = _DESTINATION.fullmatch(text)
    if matched is None:
        raise BadInputError(f"{text!r} is not a login node: [USER@]HOST[:PORT] is needed.")
    port = int(matched["port"]) if matched["port"] else None
    if port is not None and not 0 < port < 65536:
        raise BadInputError(f"{text!r}: a port is from 1 to 65535.")
    return Destination(matched["host"].strip("[]"), matched["user"], port)


def session_name(text: str) -> str:
    """Of one connection: it becomes part of files' and jobs' names. Raises BadInputError."""
    if not _NAME.fullmatch(text):
        raise BadInputError(f"{text!r} is not a name: at most 32 letters, digits, '_' and '-' are needed.")
    return text


def command_line(argv: Sequence[str]) -> str:
    """One line that the login shell over there reads as exactly these words, be it of the Bourne or the C family, or fish. Raises BadInputError.

    Line breaks and exclamation marks have no quoting that all understand; no word of ours has any, and what a person gave may not.
    """
    for word in argv:
        if not word.replace(_BETWEEN, "").isprintable() or "!" in word:
            raise BadInputError(f"{word!r} cannot be said to a login shell.", "Line breaks, control characters and '!' are not possible here.")
    return " ".join(map(_quoted, argv))


def _quoted(word: str) -> str:
    """Backslashes stand outside of quotes: within them, fish reads them otherwise than the rest."""
    return r"\\".join(shlex.quote(part) if part else "" for part in word.split("\\")) or "''"
