"""How `perijove up --replace` asks a running `perijove up`, over a socket that only the same account and root can reach: lines of JSON."""

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from perijove.config.load import Loaded
from perijove.domain.errors import SettingsError
from perijove.proxy.listening import listen_unix
from perijove.runtime import runtime_dir

_REQUEST_S = 2.0


class Request(msgspec.Struct):
    """`python`: the interpreter, and so the installation, that is to take over."""

    python: str
    config: str | None
    within_s: float


class Answer(msgspec.Struct, omit_defaults=True):
    """One line: something said, or the end and how it went."""

    said: str = ""
    code: int | None = None


def control_path(loaded: Loaded, parts: Sequence[str]) -> Path:
    """Where the supervisor of these parts listens."""
    return runtime_dir(loaded) / ("up.sock" if len(parts) > 1 else f"up-{parts[0]}.sock")


def open_control(path: Path) -> socket.socket:
    """Raises SettingsError if another supervisor is there."""
    mask = os.umask(0o177)
    try:
        return listen_unix(str(path))
    except OSError as error:
        raise SettingsError(
            f"Another `perijove up` runs with this configuration ({path}: {error.strerror or error}).",
            "To have it take up a new version or configuration: perijove up --replace.",
        ) from None
    finally:
        os.umask(mask)


class Asker:
    """Whoever wants the replacement, or nobody, if a signal did."""

    def __init__(self, connection: socket.socket | None) -> None:
        self.connection = connection

    def say(self, text: str) -> None:
        click.echo(text, err=True)
        self._send(Answer(said=text))

    def end(self, code: int) -> None:
        self._send(Answer(code=code))
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _send(self, answer: Answer) -> None:
        if self.connection is not None:
            with suppress(OSError):
                self.connection.sendall(msgspec.json.encode(answer) + b"\n")


def asked(control: socket.socket) -> tuple[Asker, Request] | None:
    """Who waits at the socket, if anybody does."""
    try:
        connection, _ = control.accept()
    except OSError:
        return None
    connection.settimeout(_REQUEST_S)
    asker = Asker(connection)
    try:
        with connection.makefile("rb") as lines:
            return asker, msgspec.json.decode(lines.readline(64 * 1024), type=Request)
    except (OSError, msgspec.MsgspecError) as error:
        asker.say(f"The request was not understood: {error}")
        asker.end(1)
        return None


def ask(path: Path, request: Request) -> int:
    """Ask, show what is said, and return the exit code. Raises SettingsError if nobody is there."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError as error:
            raise SettingsError(
                f"No `perijove up` that runs with this configuration can be reached at {path}: {error.strerror or error}.",
                "Start it, or name the configuration that it runs with, as the account that it runs as.",
            ) from None
        connection.sendall(msgspec.json.encode(request) + b"\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                answer = json.loads(line)  # leniently: it may be of another version
                if answer.get("said"):
                    click.echo(answer["said"], err=True)
                if answer.get("code") is not None:
                    return int(answer["code"])
    raise SettingsError("The supervisor ended without saying how it went.", "Look into its log, and at `perijove status`.")
