"""Both programs with the same options before the same servers."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tests.running.perijove import free_port

from .asking import Address, Answer, Ask, ask, shown
from .backend import ErrorPages, serving
from .certificates import Authority
from .option_sets import OptionSet

ITSELF = bool(os.environ.get("PERIJOVE_CHP_ITSELF"))
OURS = [sys.executable, "-m", "perijove", "chp"]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_START_S = 30.0


@dataclass
class World:
    """The servers behind, and files. `words` is what `<...>` stands for."""

    words: dict[str, str]
    files: Path

    def tls(self, *, client: str = "") -> ssl.SSLContext:
        """A client's context that trusts our authority, with a certificate if one is named."""
        context = ssl.create_default_context(cafile=str(self.files / "ca.pem"))
        if client:
            context.load_cert_chain(self.files / f"{client}.pem", self.files / f"{client}.key")
        return context


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Servers, certificates and error pages in `folder`, which both programs share."""
    authority = Authority("ours")
    authority.save(folder / "ca.pem")
    for name in ("server", "client"):
        authority.issue(name, folder)
    stranger = Authority("somebody else's")
    stranger.issue("stranger", folder)
    for name, pages in (("errors", {"404.html": "<p>Not here.", "error.html": "<p>It broke."}), ("no-errors", {})):
        (folder / name).mkdir()
        for page, text in pages.items():
            (folder / name / page).write_text(text)

    def server_tls(name: str, *, mutual: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        if mutual:
            context.load_verify_locations(folder / "ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    with ExitStack() as stack:
        unix = folder / "backend.sock"
        words = {
            "backend": f"http://{stack.enter_context(serving())}",
            "other": f"http://{stack.enter_context(serving())}",
            "errors": f"http://{stack.enter_context(serving(ErrorPages))}",
            "secure": f"https://{stack.enter_context(serving(tls=server_tls('server')))}",
            "mutual": f"https://{stack.enter_context(serving(tls=server_tls('server', mutual=True)))}",
            "stranger": f"https://{stack.enter_context(serving(tls=server_tls('stranger')))}",
            "socket": f"http+unix://{stack.enter_context(serving(path=unix))}",
            "socket-other-name": f"unix+http://{quote(str(unix), safe='')}",
            "no-socket": f"http+unix://{quote(str(folder / 'nobody.sock'), safe='')}",
            "closed": f"http://127.0.0.1:{free_port()}",
            "files": str(folder),
        }
        yield World(words, folder)


@dataclass
class Proxy:
    """One program, running. `words` are its own: ports and folder."""

    process: subprocess.Popen[bytes]
    options: OptionSet
    world: World
    words: dict[str, str]
    addresses: dict[str, Address]
    log: Path
    specs: list[str] = field(default_factory=list)

    def fill(self, text: str) -> str:
        """Put addresses and files for `<...>`."""
        for word, value in {**self.world.words, **self.words}.items():
            text = text.replace(f"<{word}>", value)
        return text

    def ask(self, question: Ask) -> list[Answer]:
        filled = Ask(
            self.fill(question.line),
            tuple(self.fill(one) for one in question.fields),
            self.fill(question.body.decode("latin-1")).encode("latin-1"),
            question.to,
            self.fill(question.raw.decode("latin-1")).encode("latin-1"),
            self.fill(question.host),
            question.part,
            self.fill(question.then.decode("latin-1")).encode("latin-1"),
            question.patience_s,
        )
        try:
            return ask(self.addresses[question.to], filled)
        except OSError:
            return [Answer(status=-3)]

    def api(self, line: str, data: object = None) -> Answer:
        """What the tests themselves want of the REST API."""
        fields = (f"Authorization: token {self.options.token}",)
        return self.ask(Ask(line, fields, b"" if data is None else json.dumps(data).encode(), to="api"))[0]

    def listens_for_api(self) -> bool:
        """Whether its REST API can be connected to, wherever it is."""
        for name in ("api", "next"):
            try:
                if name in self.addresses:
                    self.addresses[name].connect().close()
            except OSError:
                continue
            return True
        return False

    def reset(self) -> None:
        """Only the routes the option set begins with."""
        for path in json.loads(self.api("GET /api/routes").body):
            answer = self.api(f"DELETE /api/routes{quote(path)}")
            assert answer.status == 204, f"{path} could not be deleted: {answer}"
        for path, target in self.options.routes.items():
            assert self.api(f"POST /api/routes{quote(unquote(path))}", {"target": target}).status == 201, path

    def table(self) -> object:
        """The routes there are, as they are compared."""
        return json.loads(_TIME.sub("<time>", self.api("GET /api/routes").body.decode()))

    def told(self, question: Ask) -> list[dict[str, Any]]:
        """Answers as they are compared: what is this run's own is replaced by a word."""
        return [_told(answer, question, self.words) for answer in self.ask(question)]


def _told(answer: Answer, question: Ask, words: dict[str, str]) -> dict[str, Any]:
    # What the REST API says to a person about a mistake is each program's own words.
    told = shown(answer, "status" if question.to == "api" and answer.status >= 400 else question.part)
    text = json.dumps(told)
    for word, value in words.items():
        text = re.sub(rf"(?<![0-9A-Za-z]){re.escape(value)}(?!\d)", f"<{word}>", text) if value.isdigit() else text.replace(value, f"<{word}>")
    result: dict[str, Any] = json.loads(_TIME.sub("<time>", text))
    body = result.get("body")
    if isinstance(body, str) and "application/json" in str(result.get("headers")):
        with suppress(ValueError):
            result["body"] = json.loads(body)
    headers = result.get("headers")
    if isinstance(headers, dict) and "x-asked" in headers:
        headers["x-asked"] = json.loads(unquote(headers["x-asked"]))
    return result


def listening(options: OptionSet, world: World, words: dict[str, str]) -> dict[str, Address]:
    """Where each of the program's doors is."""
    if "--socket" in options.listen:
        return {name: Address(path=f"{words['own']}/{name}") for name in ("public", "api", "metrics")}
    secure = "--ssl-key" in options.options
    return {
        "public": Address(int(words["public"]), tls=world.tls() if secure else None),
        "unsafe": Address(int(words["public"])),
        "api": Address(int(words["api"]), tls=world.tls(client="client") if "--api-ssl-key" in options.options else None),
        "api-nobody": Address(int(words["api"]), tls=world.tls()),
        "api-stranger": Address(int(words["api"]), tls=world.tls(client="stranger")),
        "metrics": Address(int(words["metrics"])),
        "redirect": Address(int(words["redirect"])),
        "next": Address(int(words["public"]) + 1),
    }


def _free_pair() -> int:
    """A port that nobody listens on, nor on the next: where the REST API is by itself."""
    while True:
        port = free_port()
        with suppress(OSError, OverflowError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port + 1))
            return port


@contextmanager
def running(command: list[str], options: OptionSet, world: World, folder: Path, environ: dict[str, str] | None = None) -> Iterator[Proxy]:
    """Start one program; nothing is waited for."""
    folder.mkdir()
    words = {name: str(free_port()) for name in ("api", "metrics", "redirect")} | {"public": str(_free_pair()), "own": str(folder)}
    proxy = Proxy(None, options, world, words, listening(options, world, words), folder / "log")  # type: ignore[arg-type]
    environ = {**os.environ, **({"CONFIGPROXY_AUTH_TOKEN": options.token} if options.token else {}), **(environ or {})}
    with proxy.log.open("wb") as log:
        asked = [*command, *(proxy.fill(one) for one in (*options.listen, *options.options))]
        proxy.process = subprocess.Popen(asked, stdout=log, stderr=subprocess.STDOUT, env=environ, cwd=folder)
    try:
        yield proxy
    finally:
        if proxy.process.poll() is None:
            proxy.process.send_signal(signal.SIGTERM)
        try:
            proxy.process.wait(15)
        except subprocess.TimeoutExpired:
            proxy.process.kill()
            proxy.process.wait()


def ready(proxy: Proxy) -> None:
    """Wait until it answers on both doors, and give it its routes."""
    deadline = time.monotonic() + _START_S
    while True:
        if proxy.api("GET /api/routes").status == 200 and proxy.ask(Ask("GET /_chp_healthz"))[0].status == 200:
            break
        assert proxy.process.poll() is None, proxy.log.read_text()
        assert time.monotonic() < deadline, proxy.log.read_text()
        time.sleep(0.02)
    if proxy.options.name != "open":
        proxy.reset()


@contextmanager
def both(peer: list[str], options: OptionSet, world: World, folder: Path) -> Iterator[tuple[Proxy, Proxy]]:
    """configurable-http-proxy and ours, started at the same time."""
    with running(peer, options, world, folder / "theirs") as theirs, running(peer if ITSELF else OURS, options, world, folder / "ours") as ours:
        ready(theirs)
        ready(ours)
        yield theirs, ours
