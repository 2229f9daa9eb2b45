"""Fetch pip itself, for a Python that came without: from the package index pip would use, checked against the index's digest."""

from __future__ import annotations

import base64
import configparser
import hashlib
import os
import ssl
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import SplitResult, unquote, urldefrag, urljoin, urlsplit, urlunsplit

PYPI = "https://pypi.org/simple"
TIMEOUT_S = 60


class NoPipError(Exception):
    """Why pip could not be fetched."""


@contextmanager
def fetch_pip() -> Iterator[Path]:
    """The newest pip this Python can run, as a wheel: `python WHEEL/pip install …` runs it in place. Raises NoPipError."""
    index = setting("index-url") or PYPI
    page = f"{index.rstrip('/')}/pip/"
    links = Links()
    links.feed(fetch(page).decode())
    wheels = [(version(name), href) for name, href in links.found if version(name)]
    if not wheels:
        raise NoPipError(f"the package index {without_password(index)} has no pip for this Python")
    _, href = max(wheels)
    url, fragment = urldefrag(urljoin(page, href))
    content = fetch(url)
    algorithm, _, expected = fragment.partition("=")
    if algorithm == "sha256" and hashlib.sha256(content).hexdigest() != expected:
        raise NoPipError(f"what came from {without_password(url)} is not what the index announced")
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / unquote(urlsplit(url).path.rpartition("/")[2])
        wheel.write_bytes(content)
        yield wheel


class Links(HTMLParser):
    """The files of a page of the simple index (PEP 503) that this Python can install and that were not withdrawn."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        href = given.get("href")
        if tag == "a" and href and "data-yanked" not in given and suits(given.get("data-requires-python") or ""):
            self.found.append((unquote(urlsplit(href).path.rpartition("/")[2]), href))


def suits(requires: str) -> bool:
    """Whether this Python is new enough; pip asks for nothing else."""
    for clause in requires.split(","):
        if clause.strip().startswith(">="):
            least = tuple(int(part) for part in clause.strip()[2:].strip().split(".") if part.isdigit())
            if sys.version_info[: len(least)] < least:
                return False
    return True


def version(name: str) -> tuple[int, ...]:
    """Of a pip wheel's file name; empty for anything else, and for releases that are not final."""
    parts = name.split("-")
    if parts[0] != "pip" or not name.endswith("-none-any.whl") or not parts[1].replace(".", "").isdigit():
        return ()
    return tuple(int(part) for part in parts[1].split("."))


def fetch(url: str) -> bytes:
    """What is at this address. HTTPS_PROXY and NO_PROXY are heeded, as is a name and password in the address. Raises NoPipError."""
    split = urlsplit(url)
    headers = {"Accept": "text/html, */*;q=0.1"}
    if split.username:
        login = f"{unquote(split.username)}:{unquote(split.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=setting("cert")))]
    if proxy := setting("proxy"):
        handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
    request = urllib.request.Request(urlunsplit(bare(split)), headers=headers)
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S) as response:
            return bytes(response.read())
    except (OSError, ValueError) as error:
        raise NoPipError(f"the package index does not answer at {without_password(url)} ({getattr(error, 'reason', error)})") from error


def bare(split: SplitResult) -> SplitResult:
    return split._replace(netloc=split.netloc.rpartition("@")[2])


def without_password(url: str) -> str:
    """The address as it may be shown."""
    return urlunsplit(bare(urlsplit(url)))


def setting(name: str) -> str | None:
    """What pip is told about this on this machine: the environment first, then its files, the most personal first."""
    if given := os.environ.get(f"PIP_{name.upper().replace('-', '_')}"):
        return given
    home = Path.home()
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    own = os.environ.get("PIP_CONFIG_FILE")
    for file in (own, config_home / "pip" / "pip.conf", home / ".pip" / "pip.conf", "/etc/xdg/pip/pip.conf", "/etc/pip.conf"):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file or [])
        except (OSError, configparser.Error):
            continue
        for section in ("install", "global"):
            if value := parser.get(section, name, fallback=None):
                return value
    return None
