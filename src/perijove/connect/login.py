"""The seam to SSH: programs are run on the login node, and that is all that is asked of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from perijove.domain.errors import Blame, PerijoveError


class ConnectError(PerijoveError):
    """Something on the way to the job does not work; the message says what."""

    code = "connect"
    blame: ClassVar[Blame] = Blame.PERSON


class LoginLostError(ConnectError):
    """The SSH connection is gone, or could not be made just now. It may be tried again."""

    code = "connect-lost"


class SlowError(ConnectError):
    """A program over there takes too long. The connection may be well."""

    code = "connect-slow"


class RefusedLoginError(ConnectError):
    """The login node cannot be trusted, or does not let the person in. Trying again changes nothing."""

    code = "connect-refused"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a program over there said."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode(errors="replace")

    @property
    def trouble(self) -> str:
        """Its last words, fit for a sentence."""
        lines = [line.strip() for line in self.err.decode(errors="replace").splitlines() if line.strip()]
        return "; ".join(lines[-3:])[-500:] or f"it ended with {self.code} and said nothing"


class Pipe(Protocol):
    """A program over there that runs, with its standard input and output."""

    async def read(self) -> bytes:
        """The next bytes of its output; b"" at the end. Raises LoginLostError."""
        ...

    def write(self, data: bytes) -> None:
        """To its input. Lost if it has ended."""
        ...

    async def drain(self) -> None:
        """Until there is room again. Raises LoginLostError."""
        ...

    async def ended(self) -> Heard:
        """Once it has ended: its code and its last words; not its output. Raises LoginLostError."""
        ...


class Login(Protocol):
    """Of one person on one login node. All may raise LoginLostError."""

    async def run(self, argv: Sequence[str], given: bytes = b"", *, timeout_s: float = 60.0) -> Heard:
        """A program, to its end. Raises SlowError."""
        ...

    def open(self, argv: Sequence[str], given: bytes | None = None) -> AbstractAsyncContextManager[Pipe]:
        """A program that goes on; it is let go of at the end. `given`: all of its input; None: `write` says it."""
        ...


class Ways(Protocol):
    """How logins are made: time and again, since connections break."""

    async def login(self) -> Login:
        """The connection that stands, or a new one; those who ask at the same time get the same. Raises LoginLostError, RefusedLoginError."""
        ...

    async def aclose(self) -> None: ...


class Person(Protocol):
    """Who sits here."""

    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def tell(self, text: str) -> None:
        """How far something is; the next replaces it."""
        ...

    async def ask(self, question: str, *, secret: bool) -> str:
        """Raises RefusedLoginError if nobody is there to be asked."""
        ...


async def lines(pipe: Pipe) -> AsyncIterator[bytes]:
    """Of its output, without their ends."""
    rest = b""
    while data := await pipe.read():
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest
