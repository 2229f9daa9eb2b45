"""By asyncssh: needs no ssh program. Reads ~/.ssh/config (User, Port, HostName, IdentityFile, ProxyJump), uses the person's agent and keys, asks for
second factors, and checks host keys by the person's known_hosts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncssh

from perijove.connect.host_keys import Asked, HostKeys
from perijove.connect.login import Heard, LoginLostError, Person, RefusedLoginError, SlowError
from perijove.connect.words import Destination, command_line, destination

_ALIVE_S: Final = 15
_SIGN_IN_S: Final = 300
_MOST_ERR: Final = 16384
_MOST_HOPS: Final = 8


class AsyncSsh:
    """Implements Ways and Login. `config`: paths of configuration files; () for ~/.ssh/config. `agent`: the person's agent's socket, "" for none."""

    def __init__(self, to: Destination, person: Person, *, config: Sequence[str] = (), agent: str = "") -> None:
        self._to = to
        self._person = person
        self._config = tuple(config)
        self._agent = agent
        self._connections: list[asyncssh.SSHClientConnection] = []
        """Each through the one before it; the last is to the login node."""
        self._signing_in = asyncio.Lock()

    async def login(self) -> "AsyncSsh":
        async with self._signing_in:
            if not self._connections or any(connection.is_closed() for connection in self._connections):
                self._drop()
                await self._connect(self._to, 0)
        return self

    def _drop(self) -> None:
        connections, self._connections = self._connections, []
        for connection in reversed(connections):
            connection.abort()

    async def aclose(self) -> None:
        connections, self._connections = self._connections, []
        for connection in reversed(connections):
            connection.close()
            await connection.wait_closed()

    async def _connect(self, to: Destination, hops: int) -> asyncssh.SSHClientConnection:
        """Through its jump hosts, if it has some; unknown host keys are asked about. Raises LoginLostError, RefusedLoginError."""
        if hops > _MOST_HOPS:
            raise RefusedLoginError(f"{to} is behind more than {_MOST_HOPS} jump hosts.", "See ProxyJump in ~/.ssh/config.")
        options = asyncssh.SSHClientConnectionOptions(**self._named(to), client_keys=None, agent_path=None)
        through: asyncssh.SSHClientConnection | None = None
        for jump in options.tunnel.split(",") if isinstance(options.tunnel, str) else ():
            through = await self._connect(destination(jump), hops + 1)
        keys = HostKeys(options.known_hosts, Path.home() / ".ssh/known_hosts")
        for _ in range(2):
            asked = Asked()
            try:
                connection = await self._once(to, through, keys, asked)
            except asyncssh.HostKeyNotVerifiable as error:
                if asked.key is None:
                    raise RefusedLoginError(
                        f"The host key of {to} is not to be trusted: {error}.", "Ask the administrators of the cluster."
                    ) from None
                await keys.decide(asked, self._person)
                continue
            self._connections.append(connection)
            return connection
        raise RefusedLoginError(f"{to} shows another host key each time.", "Ask the administrators of the cluster.")

    async def _once(
        self, to: Destination, through: asyncssh.SSHClientConnection | None, keys: HostKeys, asked: Asked
    ) -> asyncssh.SSHClientConnection:
        try:
            async with asyncio.timeout(_SIGN_IN_S):
                return await asyncssh.connect(
                    **self._named(to),
                    client_factory=lambda: _Client(to, self._person, keys, asked),
                    known_hosts=keys.trusted(),
                    tunnel=through or (),
                    agent_path=self._agent or None,
                    passphrase=None if self._agent else self._passphrase,
                    keepalive_interval=_ALIVE_S,
                    keepalive_count_max=3,
                    login_timeout=_SIGN_IN_S,
                )
        except asyncssh.HostKeyNotVerifiable:
            raise
        except asyncssh.PermissionDenied as error:
            raise RefusedLoginError(
                f"{to} does not let you in: {error.reason}.",
                "Try `ssh` by hand: if that works, so does --ssh openssh. Keys with a passphrase are best held by an agent (ssh-add).",
            ) from None
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, FileNotFoundError) as error:
            raise RefusedLoginError(f"A key of yours cannot be used: {error}.", "See IdentityFile in ~/.ssh/config, or use --ssh openssh.") from None
        except TimeoutError:
            raise LoginLostError(f"{to} did not answer in time.") from None
        except (OSError, asyncssh.Error, ValueError) as error:
            raise LoginLostError(f"{to} cannot be reached: {error}.", "Is the network there, and a VPN if the cluster needs one?") from None

    def _named(self, to: Destination) -> dict[str, object]:
        given: dict[str, object] = {"host": to.host}
        if to.user:
            given["username"] = to.user
        if to.port:
            given["port"] = to.port
        if self._config:
            given["config"] = list(self._config)
        return given

    async def _passphrase(self, file: str) -> str:
        return await self._person.ask(f"Passphrase of {file}: ", secret=True)

    async def run(self, argv: Sequence[str], given: bytes = b"", *, timeout_s: float = 60.0) -> Heard:
        line = command_line(argv)
        try:
            async with asyncio.timeout(timeout_s):
                done = await self._last.run(line, input=given, encoding=None, check=False)
        except TimeoutError:
            raise SlowError(f"{self._to} did not answer within {timeout_s:.0f} s.") from None
        except (OSError, asyncssh.Error) as error:
            raise LoginLostError(f"The connection to {self._to} broke: {error}.") from None
        return Heard(_code(done.exit_status, done.returncode), _bytes(done.stdout), _bytes(done.stderr))

    @asynccontextmanager
    async def open(self, argv: Sequence[str], given: bytes | None = None) -> AsyncIterator["_Program"]:
        line = command_line(argv)
        try:
            process = await self._last.create_process(line, encoding=None)
        except (OSError, asyncssh.Error) as error:
            raise LoginLostError(f"The connection to {self._to} broke: {error}.") from None
        program = _Program(process)
        try:
            if given is not None:
                program.write(given)
                process.stdin.write_eof()
            yield program
        finally:
            await program.aclose()

    @property
    def _last(self) -> asyncssh.SSHClientConnection:
        if not self._connections:
            raise LoginLostError(f"There is no connection to {self._to}.")
        return self._connections[-1]


class _Client(asyncssh.SSHClient):
    def __init__(self, to: Destination, person: Person, keys: HostKeys, asked: Asked) -> None:
        self._to = to
        self._person = person
        self._keys = keys
        self._asked = asked
        self._tried = 0

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        # the answer cannot wait for a person here: this connection fails, and the next one knows
        self._asked.host, self._asked.address, self._asked.port, self._asked.key = host, addr, port, key
        return False

    async def password_auth_requested(self) -> str | None:
        if self._tried >= 3:
            return None
        self._tried += 1
        return await self._person.ask(f"Password of {self._to}: ", secret=True)

    def kbdint_auth_requested(self) -> str | None:
        self._tried += 1
        return "" if self._tried <= 3 else None

    async def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
        del lang
        for text in (name, instructions):
            if text.strip():
                self._person.say(text.strip())
        return [await self._person.ask(prompt, secret=not echo) for prompt, echo in prompts]


class _Program:
    """Implements Pipe."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]") -> None:
        self._process = process
        self._err = bytearray()
        self._reading = asyncio.get_running_loop().create_task(self._read_err())

    async def _read_err(self) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            while data := await self._process.stderr.read(4096):
                self._err += data
                del self._err[:-_MOST_ERR]

    async def read(self) -> bytes:
        try:
            return await self._process.stdout.read(1 << 16)
        except (OSError, asyncssh.Error) as error:
            raise LoginLostError(f"The connection broke: {error}.") from None

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            self._process.stdin.write(data)

    async def drain(self) -> None:
        try:
            await self._process.stdin.drain()
        except (OSError, asyncssh.Error) as error:
            raise LoginLostError(f"The connection broke: {error}.") from None

    async def ended(self) -> Heard:
        await self._process.wait_closed()
        if self._process.exit_status is None and self._process.exit_signal is None:
            raise LoginLostError("The connection broke.")
        return Heard(_code(self._process.exit_status, self._process.returncode), b"", bytes(self._err))

    async def aclose(self) -> None:
        self._process.close()
        self._reading.cancel()
        await asyncio.wait([self._reading])


def _code(status: int | None, returncode: int | None) -> int:
    """Raises LoginLostError if it has none: then the connection ended first."""
    code = status if status is not None else returncode
    if code is None:
        raise LoginLostError("The connection broke before the program ended.")
    return code


def _bytes(said: object) -> bytes:
    return said if isinstance(said, bytes) else b""
