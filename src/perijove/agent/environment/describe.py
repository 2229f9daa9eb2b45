"""What an environment is to be: typed, read from JSON with every mistake told at once.

Nothing in it becomes part of a shell's text: names are checked here, and passed on as arguments.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Mapping

from perijove.agent.environment.trouble import DescriptionError

KINDS = ("venv", "conda", "existing", "container")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/@:=-]{0,199}")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
# a requirement (PEP 508) without URL, path or option, or a conda spec (name=version=build): a name, then clauses with commas between. No two
# neighbours of these can take the same character, so that nothing a person types keeps the hub busy.
_PACKAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,99})(\[[A-Za-z0-9._,-]{1,99}\])?")
_CLAUSE = re.compile(r"(?:===|==|~=|!=|<=|>=|<|>|=) ?[A-Za-z0-9*][A-Za-z0-9.*+!_-]{0,99}(?:=[A-Za-z0-9_.*-]{1,99})?")
_CHANNEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:+-]{0,199}")
_REGISTRY = re.compile(r"(docker|oras|library|shub)://[A-Za-z0-9][A-Za-z0-9_./:@+-]{0,400}")
_URL = re.compile(r"https?://[^\s'\"\\]{1,400}")
_MOST = 64


@dataclass(frozen=True)
class Environment:
    """`path`: of one that exists (its folder, or its python). `offline` None: to be found out. `find_links`: folders or pages with wheels.
    `system_packages`: packages of the python it is made from are seen too. `binds`: folders that a container sees. `server` False: it is there for
    its kernels only, which servers of the person's other environments offer."""

    name: str = "default"
    kind: str = "venv"
    modules: tuple[str, ...] = ()
    python: str = "python3"
    path: str | None = None
    packages: tuple[str, ...] = ("jupyterlab",)
    offline: bool | None = None
    find_links: tuple[str, ...] = ()
    system_packages: bool = False
    channels: tuple[str, ...] = ()
    image: str | None = None
    binds: tuple[str, ...] = ()
    server: bool = True

    @property
    def made_here(self) -> bool:
        """Whether there is anything for us to make and keep."""
        return self.kind == "venv" or (self.kind == "conda" and self.path is None) or (self.kind == "container" and self.pulled)

    @property
    def pulled(self) -> bool:
        """Whether the image comes from a registry."""
        return self.image is not None and "://" in self.image

    @property
    def digest(self) -> str:
        """Of what it is made of, whatever its name."""
        told = {name: value for name, value in sorted(self.as_json().items()) if name not in ("name", "offline", "binds")}
        told["packages"] = sorted(self.packages)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


def described(told: object) -> Environment:
    """Raises DescriptionError with every mistake. Keys that are not known are mistakes: one that is misspelled is not to be passed over."""
    if not isinstance(told, Mapping):
        raise DescriptionError(["An environment is described by a JSON object."])
    mistakes: list[str] = []
    strange = sorted(str(key) for key in set(told) - set(vars(Environment())))
    if strange:
        mistakes.append(f"Not known of an environment: {', '.join(strange)}.")
    given = {key: value for key, value in told.items() if value is not None and key not in strange}
    values: dict[str, Any] = {}
    for key, value in given.items():
        fault = _fault(key, value)
        if fault:
            mistakes.append(fault)
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    kind = values.get("kind", "venv")
    if kind not in ("venv", "conda") and "packages" not in values:
        values["packages"] = ()
    if not mistakes:
        found = Environment(**values)
        mistakes = _together(found)
        if not mistakes:
            return found
    raise DescriptionError(mistakes)


def parsed(text: str) -> Environment:
    """Raises DescriptionError."""
    try:
        told = json.loads(text)
    except ValueError as error:
        raise DescriptionError([f"The description is no JSON: {error}."]) from None
    return described(told)


def _fault(key: str, value: object) -> str | None:
    """What is wrong with one value by itself."""
    if key in ("offline", "system_packages", "server"):
        return None if isinstance(value, bool) else f"{key} must be true or false, not {_shown(value)}."
    if key == "kind":
        return None if value in KINDS else f"kind must be one of {', '.join(KINDS)}, not {_shown(value)}."
    if key == "name":
        return None if _matches(_NAME, value) else f"name {_shown(value)} must be letters, digits, '_', '.' and '-'."
    if key == "python":
        fine = _matches(_PROGRAM, value) or _is_path(value)
        return None if fine else f"python must be a program's name or its absolute path, not {_shown(value)}."
    if key == "path":
        return None if _is_path(value) else f"path must be an absolute path without '..', not {_shown(value)}."
    if key == "image":
        fine = _is_path(value) or _matches(_REGISTRY, value)
        return None if fine else f"image must be an absolute path, or an address such as docker://name:tag, not {_shown(value)}."
    return _list_fault(key, value)


def _list_fault(key: str, value: object) -> str | None:
    if not isinstance(value, list) or len(value) > _MOST:
        return f"{key} must be a list of at most {_MOST} texts."
    wrong = [one for one in value if not _fits(key, one)]
    if not wrong:
        return None
    what = {
        "modules": "a module's name",
        "packages": "a package with its versions, such as numpy>=1.26 (no address, path or option)",
        "find_links": "an absolute path or an http address",
        "channels": "a channel's name or address",
        "binds": "an absolute path without ':' and ','",
    }[key]
    return f"{key}: {', '.join(map(_shown, wrong))} is not {what}."


def _fits(key: str, value: object) -> bool:
    if key == "modules":
        return _matches(_MODULE, value)
    if key == "packages":
        return isinstance(value, str) and len(value) <= 400 and _is_package(value)
    if key == "channels":
        return _matches(_CHANNEL, value)
    if key == "binds":
        return _is_path(value) and not set(str(value)) & set(":,")
    return _is_path(value) or _matches(_URL, value)


def _is_package(text: str) -> bool:
    found = _PACKAGE.match(text)
    clauses = text[found.end() :].strip(" ") if found is not None else "?"
    return not clauses or all(_CLAUSE.fullmatch(clause.strip(" ")) for clause in clauses.split(","))


def _together(found: Environment) -> list[str]:
    mistakes = []
    if found.kind == "existing" and found.path is None:
        mistakes.append("An existing environment needs its path.")
    if found.kind == "container" and found.image is None:
        mistakes.append("A container needs its image.")
    if found.kind != "container" and (found.image is not None or found.binds):
        mistakes.append("image and binds are for containers.")
    if found.kind in ("venv", "container") and found.path is not None:
        mistakes.append(f"path is for existing environments, not for kind {found.kind}.")
    if found.packages and not found.made_here:
        mistakes.append("Packages are not put into an environment that was made by somebody else: leave packages out, or choose kind venv.")
    if found.packages and found.kind == "container":
        mistakes.append("Packages cannot be put into a container: choose an image that has them.")
    if found.channels and found.kind != "conda":
        mistakes.append("channels are for kind conda.")
    if found.system_packages and found.kind != "venv":
        mistakes.append("system_packages is for kind venv.")
    return mistakes


def _matches(shape: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and shape.fullmatch(value) is not None


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and value.isprintable() and len(value) < 4096 and ".." not in value.split("/")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
