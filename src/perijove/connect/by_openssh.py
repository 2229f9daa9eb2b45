"""By the system's own `ssh`: it knows every site's special setup, asks what it needs on the terminal, and shares a connection that stands.

If ~/.ssh/config keeps a shared connection to the host (ControlMaster), that one is used. If not, one is made for as long as we run, so that a person
with a second factor is asked once.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from perijove.connect.login import Heard, LoginLostError, Person, RefusedLoginError, SlowError
from perijove.connect.words import Destination, command_line

_FAILED: Final = 255
"""ssh's own exit code; programs over there end with others."""
_ONLY: Final = ("-T", "-o", "ClearAllForwardings=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no")
"""Nothing of the person's configuration that would be in the way of a second connection, and nothing lent to the other machine."""
_ALIVE: Final = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3")
_MOST_ERR: Final = 16384
_SIGN_IN_S: Final = 300.0
_REFUSALS: Final = ("permission denied", "host key verification failed", "too many authentication failures", "no matching host key")


class OpenSsh:
    """Implements Ways and Login."""

    def __init__(self, to: Destination, person: Person, *, program: str = "ssh", options: Sequence[str] = ()) -> None:
        self._to = to
        self._person = person
        self._program = program
        self._options = list(options)
        self._folder: Path | None = None
        self._master: asyncio.subprocess.Process | None = None
        self._shared = False
        """Over a connection of the person's own."""
        self._signing_in = asyncio.Lock()
        self._stood = False
        """We have made one before."""

    async def shares(self) -> bool:
        """Whether the person has a connection to this host that stands already."""
        return (await self._control(self._where(), "check"))[0] == 0

    async def login(self) -> "OpenSsh":
        async with self._signing_in:
            if self._master is None or self._master.returncode is not None:
                self._shared = await self.shares()
                if not self._shared:
                    await self._sign_in()
        return self

    async def _sign_in(self) -> None:
        self._drop()
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="pj-ssh-"))
        words = [*self._where(), "-o", "ControlMaster=yes", "-o", "ControlPersist=no", *self._through(), *_ALIVE, *_ONLY]
        # its standard error is ours: there it asks, of unknown host keys too; `cat` ends when we do, however that comes
        self._master = await self._start([*words, "--", self._to.host, "cat"], err=None)
        try:
            async with asyncio.timeout(_SIGN_IN_S):
                while self._master.returncode is None and not (self._folder / "s").exists():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._master.wait(), 0.1)
        except TimeoutError:
            self._drop()
            raise LoginLostError(f"{self._to} did not let you in within {_SIGN_IN_S:.0f} s.") from None
        if self._master.returncode is not None:
            kind = LoginLostError if self._stood else RefusedLoginError  # the first time, trying again would ask again
            raise kind(f"ssh could not connect to {self._to}.", "What it said is above.")
        self._stood = True

    def _drop(self) -> None:
        if self._master is not None and self._master.returncode is None:
            self._master.terminate()
        self._master = None
        if self._folder is not None:
            (self._folder / "s").unlink(missing_ok=True)

    async def aclose(self) -> None:
        master = self._master
        self._drop()
        if master is not None:
            await master.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def run(self, argv: Sequence[str], given: bytes = b"", *, timeout_s: float = 60.0) -> Heard:
        process = await self._begin(argv)
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate(given)
        except TimeoutError:
            raise SlowError(f"{self._to} did not answer within {timeout_s:.0f} s.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return self._judged(Heard(process.returncode or 0, out, err))

    @asynccontextmanager
    async def open(self, argv: Sequence[str], given: bytes | None = None) -> AsyncIterator["_Program"]:
        process = await self._begin(argv)
        program = _Program(process, self._judged)
        try:
            if given is not None:
                program.write(given)
                program.close()
            yield program
        finally:
            await program.aclose()

    async def _begin(self, argv: Sequence[str]) -> asyncio.subprocess.Process:
        line = command_line(argv)
        # never past the shared connection: a new one of its own would ask for the second factor again
        only = (*_ONLY, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ControlMaster=no", "-o", "ProxyCommand=false")
        words = [*self._where(), *([] if self._shared else self._through()), *only]
        return await self._start([*words, "--", self._to.host, line], err=asyncio.subprocess.PIPE)

    async def _start(self, words: list[str], *, err: int | None) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        try:
            return await asyncio.create_subprocess_exec(self._program, *words, stdin=pipe, stdout=pipe, stderr=err, limit=1 << 20)
        except FileNotFoundError:
            raise RefusedLoginError(f"There is no program {self._program} here.", "Install OpenSSH's client, or use --ssh asyncssh.") from None

    async def _control(self, words: list[str], verb: str) -> tuple[int, str]:
        argv = [self._program, *words, "-O", verb, "--", self._to.host]
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
        except FileNotFoundError:
            return 127, ""
        _, err = await process.communicate()
        return process.returncode or 0, err.decode(errors="replace")

    def _where(self) -> list[str]:
        to = self._to
        return [*self._options, *(["-l", to.user] if to.user else []), *(["-p", str(to.port)] if to.port else [])]

    def _through(self) -> list[str]:
        return ["-o", f"ControlPath={self._folder}/s"]

    def _judged(self, heard: Heard) -> Heard:
        """Raises LoginLostError, RefusedLoginError."""
        if heard.code != _FAILED:
            return heard
        said = heard.trouble
        if any(one in said.lower() for one in _REFUSALS):
            raise RefusedLoginError(f"{self._to} does not let you in: {said}.", "Try `ssh` by hand: what works there works here.")
        raise LoginLostError(f"The connection to {self._to} broke: {said}.")


class _Program:
    """Implements Pipe."""

    def __init__(self, process: asyncio.subprocess.Process, judged: Callable[[Heard], Heard]) -> None:
        self._process = process
        self._judged = judged
        self._err = bytearray()
        self._reading = asyncio.get_running_loop().create_task(self._read_err())

    async def _read_err(self) -> None:
        stream = self._process.stderr
        while stream is not None and (data := await stream.read(4096)):
            self._err += data
            del self._err[:-_MOST_ERR]

    async def read(self) -> bytes:
        stream = self._process.stdout
        return await stream.read(1 << 16) if stream is not None else b""

    def write(self, data: bytes) -> None:
        stream = self._process.stdin
        if stream is not None and not stream.is_closing():
            stream.write(data)

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def drain(self) -> None:
        stream = self._process.stdin
        try:
            if stream is not None:
                await stream.drain()
        except OSError as error:
            raise LoginLostError(f"The program over there ended: {error}.") from None

    async def ended(self) -> Heard:
        code = await self._process.wait()
        await asyncio.wait([self._reading], timeout=1.0)
        return self._judged(Heard(code, b"", bytes(self._err)))

    async def aclose(self) -> None:
        self.close()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._reading.cancel()
        await asyncio.wait([self._reading])
