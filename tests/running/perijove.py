"""A Perijove of one's own: `perijove up` (or hub alone) on free ports, with its state in a temporary folder."""

import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow, token_hex
from tempfile import TemporaryDirectory
from typing import TypeVar

import httpx2 as httpx

T = TypeVar("T")
LINK = re.compile(r"https?://\S+/hub/invite/\S+")
START_S = 60.0


def accounts() -> str:
    """Lines for [spawner]: as root, people get Unix accounts of this run's own (removed with it); otherwise nothing."""
    return 'account = "ACCOUNT{username}"\ncreate_accounts = true\n' if os.geteuid() == 0 else ""


def free_port() -> int:
    """A port that nobody listens on just now, outside of those the system gives to the connections of other tests."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", 10_000 + randbelow(20_000)))
            port: int = probe.getsockname()[1]
            return port


def until(look: Callable[[], T], *, what: str, within_s: float = 60.0, pause_s: float = 0.05) -> T:
    """Look again and again until there is something; fail with `what` after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        threading.Event().wait(pause_s)


@dataclass
class Running:
    """A running Perijove. `url` is the public address without a path, `hub_url` the hub's own."""

    folder: Path
    config: Path
    url: str
    hub_url: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None
    base: str = ""
    """The path below which all of it lives, without a last slash."""

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def first_link(self) -> str:
        """The one-time link for the first administrator."""
        return until(lambda: next(iter(LINK.findall(self.output)), None), what=f"the one-time link in:\n{self.output}") or ""

    def child(self, name: str) -> int:
        """The process id of the supervisor's child `perijove NAME`."""

        def look() -> int | None:
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if parent == self.process.pid and name.encode() in words:
                    return int(entry.name)
            return None

        return until(look, what=f"a child {name}") or 0

    def healthy(self, url: str = "") -> bool:
        """Whether the hub answers, asked directly or through the proxy at `url`."""
        try:
            return httpx.get(f"{url or self.hub_url}{self.base}/hub/health", timeout=2, verify=False).status_code == 200
        except httpx.HTTPError:
            return False

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self) -> None:
        """Once nothing writes any more: read the rest of the output."""
        if self.reader is not None:
            self.reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def perijove(settings: str, *, command: str = "up", environ: dict[str, str] | None = None, host: str = "127.0.0.1") -> Iterator[Running]:
    """Run `perijove COMMAND` with these settings. "{folder}" in them is the temporary folder, PROXY and HUB are listening addresses at `host`."""
    with TemporaryDirectory(prefix="pj-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        proxy, hub = f"{host}:{free_port()}", f"{host}:{free_port()}"
        config = folder / "perijove.toml"
        account = f"pj{token_hex(3)}-"
        meant = {"PROXY": proxy, "HUB": hub, "ACCOUNT": account}  # as words of their own: JUPYTERHUB_… is something else
        config.write_text(re.sub(r"\b(PROXY|HUB|ACCOUNT)\b", lambda found: meant[found[0]], settings.replace("{folder}", name)))
        running = _start(folder, config, command, environ or {}, proxy, hub)
        try:
            asked = running.url if command == "up" else running.hub_url
            until(lambda: running.healthy(asked) or running.process.poll() is not None, what=f"the hub in:\n{running.output}", within_s=START_S)
            assert running.process.poll() is None, running.output
            yield running
        finally:
            running.end()
            _stop_servers(running, account)
            running.close()
            _remove_accounts(account)


def _start(folder: Path, config: Path, command: str, environ: dict[str, str], proxy: str, hub: str) -> Running:
    settings = tomllib.loads(config.read_text())
    scheme = "https" if settings.get("proxy", {}).get("tls_cert") else "http"
    process = subprocess.Popen(
        [sys.executable, "-m", "perijove", command, "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
    )
    base = settings.get("hub", {}).get("base_url", "/").rstrip("/")
    running = Running(folder, config, f"{scheme}://{proxy}", f"http://{hub}", process, base=base)
    assert process.stdout is not None
    stdout = process.stdout

    def read() -> None:
        for line in stdout:
            running.lines.append(line)

    running.reader = threading.Thread(target=read, daemon=True)
    running.reader.start()
    return running


def restart(running: Running, was: str, becomes: str) -> None:
    """End `perijove up` and start it again with other words in its settings; servers go on meanwhile."""
    running.end()
    running.close()
    text = running.config.read_text()
    assert was in text
    running.config.write_text(text.replace(was, becomes))
    proxy, hub = (url.removeprefix("http://") for url in (running.url, running.hub_url))
    again = _start(running.folder, running.config, "up", {}, proxy, hub)
    running.process, running.lines, running.reader = again.process, again.lines, again.reader
    until(lambda: running.healthy(running.url) or running.process.poll() is not None, what=f"the hub in:\n{running.output}", within_s=START_S)
    assert running.process.poll() is None, running.output


def _remove_accounts(prefix: str) -> None:
    for entry in pwd.getpwall():
        if entry.pw_name.startswith(prefix):
            subprocess.run(["userdel", "--force", "--remove", entry.pw_name], check=False, capture_output=True)


def _stop_servers(running: Running, account: str) -> None:
    """Servers outlive the hub by design: end those this test's hub started, found by what their environment says of it."""
    marks = str(running.folder).encode(), account.encode(), f"JUPYTERHUB_API_URL={running.hub_url}/".encode(), f"{running.url}/".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if int(entry.name) not in {os.getpid(), running.process.pid} and any(mark in words for mark in marks):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue
