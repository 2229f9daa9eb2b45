"""The command line: what is refused and with which code, what is served, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.running.perijove import free_port

from .asking import Ask
from .comparing import comparable
from .differences import COMMAND_LINE
from .option_sets import LISTEN, SOCKETS, TLS, OptionSet
from .running import ITSELF, OURS, Proxy, World, running

_PORTS = LISTEN
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Command:
    """Options to start with. `asks` are asked once it serves; `ends` is the signal it ends by. `stuck`: configurable-http-proxy does not answer there."""

    options: tuple[str, ...] = ()
    listen: tuple[str, ...] = _PORTS
    environ: dict[str, str] = field(default_factory=dict)
    asks: tuple[Ask, ...] = ()
    ends: signal.Signals = signal.SIGTERM
    stuck: bool = False


_TABLE = Ask("GET /api/routes", to="api", part="status")
_TOKEN = Ask("GET /api/routes", ("Authorization: token abc",), to="api", part="status")
_HELLO = Ask("GET /x", part="status")
_ECHO = Ask("GET /x")

COMMANDS = {
    "version": Command(("--version",)),
    "version, short": Command(("-V",)),
    "help": Command(("--help",)),
    "help, short": Command(("-h",)),
    "unknown option": Command(("--nothing",)),
    "unknown short option": Command(("-x",)),
    "shortened option": Command(("--default", "<backend>")),
    "an argument too many": Command(("more",)),
    "option without its value": Command((), (*_PORTS, "--default-target")),
    "flag with a value": Command(("--host-routing=yes",)),
    "custom header without a colon": Command(("--custom-header", "X-One 1")),
    "custom header without a name": Command(("--custom-header", ": 1")),
    "custom header without a value": Command(("--custom-header", "X-One:", "--default-target", "<backend>"), asks=(_ECHO,)),
    "custom headers with spaces": Command(
        ("--custom-header", " X-One : 1 ", "--custom-header=X-Two:2:3", "--default-target", "<backend>"), asks=(_ECHO,)
    ),
    "custom header twice": Command(("--custom-header", "X-One: 1", "--custom-header", "X-One: 2", "--default-target", "<backend>"), asks=(_ECHO,)),
    "redirect without TLS": Command(("--redirect-port", "<redirect>")),
    "two places for error pages": Command(("--error-target", "<errors>", "--error-path", "<files>/errors")),
    "socket and port": Command(("--socket", "<own>/s"), ("--port", "<public>", "--api-port", "<api>")),
    "socket and address": Command(("--socket", "<own>/s"), ("--ip", "127.0.0.1", "--api-port", "<api>")),
    "API socket and port": Command(("--api-socket", "<own>/s"), stuck=True),
    "metrics socket and port": Command(("--metrics-socket", "<own>/s", "--metrics-port", "<metrics>")),
    "missing key": Command(("--ssl-key", "<own>/none", "--ssl-cert", "<files>/server.pem")),
    "missing certificate": Command(("--ssl-key", "<files>/server.key", "--ssl-cert", "<own>/none")),
    "not a certificate": Command(("--ssl-key", "<files>/server.key", "--ssl-cert", "<files>/server.key")),
    "certificate of another key": Command(("--ssl-key", "<files>/server.key", "--ssl-cert", "<files>/client.pem")),
    "no such storage": Command(("--storage-backend", "no-such-storage")),
    "pid file nowhere": Command(("--pid-file", "<own>/none/pid")),
    "port in use": Command((), ("--ip", "127.0.0.1", "--port", "<taken>", "--api-ip", "127.0.0.1", "--api-port", "<api>"), stuck=True),
    "API port in use": Command((), ("--ip", "127.0.0.1", "--port", "<public>", "--api-ip", "127.0.0.1", "--api-port", "<taken>"), stuck=True),
    "no options": Command(asks=(_TABLE, _HELLO)),
    "equals signs": Command((), ("--ip=127.0.0.1", "--port=<public>", "--api-ip=127.0.0.1", "--api-port=<api>"), asks=(_TABLE,)),
    "any address": Command((), ("--ip", "*", "--port", "<public>", "--api-port", "<api>", "--api-ip", "127.0.0.1"), asks=(_TABLE,)),
    "no address": Command((), ("--ip", "", "--port", "<public>", "--api-port", "<api>", "--api-ip", "127.0.0.1"), asks=(_TABLE,)),
    "API port by itself": Command((), ("--port", "<public>", "--ip", "127.0.0.1"), asks=(Ask("GET /api/routes", to="next", part="status"),)),
    "token in the environment": Command(environ={"CONFIGPROXY_AUTH_TOKEN": "abc"}, asks=(_TABLE, _TOKEN)),
    "empty token": Command(environ={"CONFIGPROXY_AUTH_TOKEN": ""}, asks=(_TABLE, _TOKEN)),
    "token in a file": Command(environ={"CONFIGPROXY_AUTH_TOKEN_FILE": "<files>/token"}, asks=(_TABLE, _TOKEN)),
    "log level in capitals": Command(("--log-level", "WARN")),
    "unknown log level": Command(("--log-level", "shout")),
    "time limit not a number": Command(("--timeout", "soon"), asks=(_TABLE,)),
    "metrics port zero": Command(("--metrics-port", "0")),
    "TLS 1.2 only": Command((*TLS, "--ssl-protocol", "TLSv1_2"), asks=(_HELLO,)),
    "ciphers": Command((*TLS, "--ssl-ciphers", "ECDHE-RSA-AES256-GCM-SHA384"), asks=(_HELLO,)),
    "RC4": Command((*TLS, "--ssl-allow-rc4"), asks=(_HELLO,)),
    "key with a passphrase": Command(
        ("--ssl-key", "<files>/locked.key", "--ssl-cert", "<files>/server.pem"), environ={"CONFIGPROXY_SSL_KEY_PASSPHRASE": "sesame"}, asks=(_HELLO,)
    ),
    "key without its passphrase": Command(("--ssl-key", "<files>/locked.key", "--ssl-cert", "<files>/server.pem")),
    "pid file": Command(("--pid-file", "<own>/pid")),
    "pid file, interrupted": Command(("--pid-file", "<own>/pid"), ends=signal.SIGINT),
    "sockets": Command((), SOCKETS),
    "as JupyterHub starts it": Command(
        ("--error-target", "<errors>/hub/error", "--log-level", "info"),
        ("--ip", "", "--port", "<public>", "--api-ip", "127.0.0.1", "--api-port", "<api>"),
        environ={"CONFIGPROXY_AUTH_TOKEN": "abc"},
        asks=(_TABLE, _TOKEN, _ECHO),
    ),
}


@pytest.fixture(scope="module")
def prepared(behind: World) -> Iterator[World]:
    """With a locked key, a token in a file and a port that is taken."""
    key = serialization.load_pem_private_key((behind.files / "server.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"sesame")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    (behind.files / "locked.key").write_bytes(pem)
    (behind.files / "token").write_text("abc\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        behind.words["taken"] = str(taken.getsockname()[1])
        yield behind


@contextmanager
def _started(program: list[str], command: Command, world: World, folder: Path) -> Iterator[Proxy]:
    options = OptionSet("command line", command.options, command.listen, token="")
    environ = {name: value.replace("<files>", str(world.files)) for name, value in command.environ.items()}
    with running(program, options, world, folder, environ) as proxy:
        yield proxy


def _outcome(proxy: Proxy, command: Command, patience_s: float = _PATIENCE_S) -> dict[str, Any]:
    """How it went: the exit code, or what it answered and how it ended when told to."""
    deadline = time.monotonic() + patience_s
    while proxy.process.poll() is None:
        if proxy.ask(Ask("GET /_chp_healthz"))[0].status == 200 and proxy.listens_for_api():
            break
        if time.monotonic() > deadline:
            assert command.stuck, proxy.log.read_text()
            return {"neither serves nor ends": True}
        time.sleep(0.02)
    if proxy.process.poll() is not None:
        return {"code": proxy.process.returncode}
    told: dict[str, Any] = {"answers": [answer for one in command.asks for answer in proxy.told(one)]}
    pid = Path(proxy.words["own"], "pid")
    if pid.exists():
        told["pid"] = pid.read_text() == str(proxy.process.pid)
    proxy.process.send_signal(command.ends)
    told["code"] = proxy.process.wait(15)
    told["left behind"] = sorted(one.name for one in Path(proxy.words["own"]).iterdir() if one.name != "log")
    return told


Outcomes = dict[str, tuple[dict[str, Any], dict[str, Any], str]]


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, prepared: World, configurable_http_proxy: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Outcomes:
    """How the commands that are tested went with configurable-http-proxy and with ours, and what ours logged: several at a time, for each waits much."""
    ours_program = configurable_http_proxy if ITSELF else OURS

    def run(name: str) -> tuple[dict[str, Any], dict[str, Any], str]:
        command, folder = COMMANDS[name], tmp_path_factory.mktemp("command")
        with (
            _started(configurable_http_proxy, command, prepared, folder / "theirs") as theirs,
            _started(ours_program, command, prepared, folder / "ours") as ours,
        ):
            expected = _outcome(theirs, command, 1.0 if command.stuck else _PATIENCE_S)
            told = _outcome(ours, command, 1.0 if command.stuck and ITSELF else _PATIENCE_S)
            expected["answers"], told["answers"] = comparable(expected.get("answers", []), told.get("answers", []))
            return expected, told, ours.log.read_text()

    chosen = [item for item in request.session.items if isinstance(item, pytest.Function) and item.function is test_both_go_alike]
    names = [str(item.callspec.params["name"]) for item in chosen]
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(run, names), strict=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_both_go_alike(outcomes: Outcomes, name: str) -> None:
    expected, told, log = outcomes[name]
    if name in COMMAND_LINE and not ITSELF:
        assert told != expected, f"{name} is listed as a difference, and both go alike: take it from the table"
    else:
        assert told == expected, log


def test_the_help_names_every_option(configurable_http_proxy: list[str]) -> None:
    texts = [subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout for program in (configurable_http_proxy, OURS)]
    theirs, ours = (set(re.findall(r"(?<![\w`:-])(?:--[a-zA-Z][\w-]*|-[a-zA-Z]\b)", text)) for text in texts)
    assert theirs - ours == set()


def test_the_version_is_said(configurable_http_proxy: list[str]) -> None:
    for program in (configurable_http_proxy, OURS):
        said = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True, env=dict(os.environ))
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", said.stdout)


def test_what_is_wrong_is_said_in_a_sentence_without_a_trace(tmp_path: Path) -> None:
    port = str(free_port())
    for wrong in (["--redirect-port", "1"], ["--custom-header", "x"], ["--port", port, "--ssl-key", str(tmp_path / "no"), "--ssl-cert", "no"]):
        done = subprocess.run([*OURS, *wrong], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr + done.stdout
        assert "Traceback" not in done.stderr + done.stdout


def test_every_listed_difference_is_of_a_command_there_is() -> None:
    assert set(COMMAND_LINE) <= set(COMMANDS)
