"""Whether packages come from the network, or from the wheels that a cluster keeps for nodes without any."""

from __future__ import annotations

import os
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Mapping
from urllib.parse import urlsplit

from perijove.agent.environment.trouble import TroubleError

REACHED_S = 5.0
"""Within which an index answers, or is taken for not to be reached: a compute node's firewall mostly says nothing at all."""
INDEX = "https://pypi.org/simple"
_ALLIANCE = "/cvmfs/soft.computecanada.ca/custom/python/wheelhouse"
WHEELHOUSES = (f"{_ALLIANCE}/gentoo2023/generic", f"{_ALLIANCE}/generic")
"""Known ones, in case that nobody told pip of them (PIP_CONFIG_FILE does where they are at home)."""


@dataclass(frozen=True)
class Source:
    """Where packages come from. `options`: pip's; `words`: for the person."""

    offline: bool
    options: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class PipSettings:
    """What pip is told by its configuration and its variables, whichever it is."""

    no_index: bool = False
    indexes: tuple[str, ...] = (INDEX,)
    find_links: tuple[str, ...] = ()


def settings(listed: str) -> PipSettings:
    """From `pip config list`: lines such as global.no-index='true'. Of one name, what pip itself gives the last word comes last."""
    found: dict[str, str] = {}
    order = ("global", "install", ":env:")
    for rank in order:
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            section, _, option = name.strip().rpartition(".")
            if section == rank:
                found[option.replace("_", "-")] = value.strip().strip("'\"").replace("\\n", " ")
    index = [found.get("index-url", INDEX), *found.get("extra-index-url", "").split()]
    no_index = found.get("no-index", "").lower() in {"1", "true", "yes", "on"}
    return PipSettings(no_index, tuple(index), tuple(found.get("find-links", "").split()))


def source(
    *, told: bool | None, find_links: Iterable[str], pip: PipSettings, environ: Mapping[str, str], wheelhouses: Iterable[str] = WHEELHOUSES
) -> Source:
    """`told`: the person's word, None to find out. Raises TroubleError if there are neither a network nor wheels."""
    given = list(find_links)
    links = [*given, *(one for one in pip.find_links if one not in given)]
    options = tuple(word for one in given for word in ("--find-links", one))
    if told is False:
        return Source(False, options, "from the package index")
    if pip.no_index:
        return Source(True, options, "from the wheels that this cluster's pip is told of")
    reached = None if told else next((index for index in pip.indexes if reachable(index, environ)), None)
    if reached is not None:
        return Source(False, options, f"from {shown(reached)}")
    if not links:
        links = [one for one in wheelhouses if has_wheels(one)]
        options = tuple(word for one in links for word in ("--find-links", one))
    if not links:
        asked = "Packages are to come from wheels" if told else f"The package index {shown(pip.indexes[0])} cannot be reached from this machine"
        raise TroubleError(
            f"{asked}, and no folder of wheels is known: give one in `find_links`, prepare the environment on a machine that has a network "
            "(mostly the login node), or ask the administrators for their wheelhouse or proxy."
        )
    return Source(True, ("--no-index", *options), f"from the wheels in {', '.join(map(shown, links))}")


def has_wheels(folder: str) -> bool:
    try:
        return next(Path(folder).glob("*.whl"), None) is not None
    except OSError:
        return False


def reachable(index: str, environ: Mapping[str, str], within_s: float = REACHED_S) -> bool:
    """Whether anything answers there, whatever it is. By a thread, since the resolver of names knows no deadline."""
    parts = urlsplit(index)
    if parts.scheme in {"", "file"}:
        return Path(parts.path).is_dir()
    answered: list[bool] = []

    def ask() -> None:
        proxies = {
            scheme: environ[name] for scheme in ("http", "https") for name in (f"{scheme.upper()}_PROXY", f"{scheme}_proxy") if environ.get(name)
        }
        if _spared(parts.hostname or "", environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
            proxies = {}
        context = ssl.create_default_context()
        context.check_hostname = False  # nothing is fetched: pip, which does, checks the certificate
        context.verify_mode = ssl.CERT_NONE
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context))
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        try:
            opener.open(urllib.request.Request(bare, method="HEAD"), timeout=within_s).close()  # noqa: S310 - http and https only, see above
            answered.append(True)
        except urllib.error.HTTPError as error:
            answered.append(error.code not in {502, 503, 504})  # a proxy's words for "nobody there"
        except (OSError, ValueError):
            answered.append(False)

    if parts.scheme not in {"http", "https"}:
        return False
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(within_s)
    return bool(answered and answered[0])


def _spared(host: str, no_proxy: str) -> bool:
    names = [name.strip().lstrip(".").lower() for name in no_proxy.split(",") if name.strip()]
    return any(name == "*" or host.lower() == name or host.lower().endswith(f".{name}") for name in names)


def shown(address: str) -> str:
    """Without the password that an index's address may have."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.scheme else os.fspath(address)
