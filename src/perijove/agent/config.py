"""What the agent is told: JSON in the variable PERIJOVE_AGENT, and its secret in PERIJOVE_AGENT_TOKEN."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Mapping, MutableMapping

VARIABLE = "PERIJOVE_AGENT"
TOKEN_VARIABLE = "PERIJOVE_AGENT_TOKEN"


class ConfigError(Exception):
    """What was told cannot be used; the message says why."""


@dataclass(frozen=True)
class Config:
    """Keys that are not known are passed over: whoever writes this may be newer."""

    start_id: str
    token: str = field(repr=False)
    dial: list[str] = field(default_factory=list)
    """Addresses of the site's tunnel, wss://host/path/. With several, those that do not answer are passed over."""
    ca_file: str | None = None
    listen: str | None = None
    """Listen on a port of this machine, and write to this file which it is."""
    report_url: str | None = None
    environment: dict[str, Any] | None = None
    """What the server's programs are taken from; none: from PATH."""
    command: list[str] = field(default_factory=lambda: ["python", "-m", "perijove_singleuser"])
    arguments: list[str] = field(default_factory=list)
    folder: str | None = None
    """Where the server begins; none: the home folder."""
    grace_s: float = 10.0
    """For the server to end in good order."""
    warn_s: float = 600.0
    """How long before the job's end people are told."""


def taken(environ: MutableMapping[str, str]) -> Config:
    """Read it and take it out, so that nothing that is started finds it. Raises ConfigError."""
    text, token = environ.pop(VARIABLE, ""), environ.pop(TOKEN_VARIABLE, "")
    if not text or not token:
        raise ConfigError(f"{VARIABLE} and {TOKEN_VARIABLE} must be set: this program is started by a hub or by `perijove connect`")
    try:
        told = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{VARIABLE} is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise ConfigError(f"{VARIABLE} must be a JSON object")
    return _made(told, token)


def _made(told: Mapping[str, Any], token: str) -> Config:
    given: dict[str, Any] = {"start_id": _text(told, "start_id"), "token": token}
    for name in ("dial", "command", "arguments"):
        if told.get(name) is not None:
            given[name] = _texts(told, name)
    for name in ("ca_file", "report_url", "folder"):
        if told.get(name) is not None:
            given[name] = _text(told, name)
    for name in ("grace_s", "warn_s"):
        if told.get(name) is not None:
            given[name] = _seconds(told, name)
    for name in ("listen", "environment"):
        if told.get(name) is not None and not isinstance(told[name], dict):
            raise ConfigError(f"{name} must be an object")
    if told.get("listen") is not None:
        given["listen"] = _text(told["listen"], "state_file")
    given["environment"] = told.get("environment")
    if not given.get("dial") and not given.get("listen"):
        raise ConfigError("there must be an address to dial, or a port to listen on")
    return Config(**given)


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"{name} must be a text")
    return value


def _texts(told: Mapping[str, Any], name: str) -> list[str]:
    value = told[name]
    if not isinstance(value, list) or not all(isinstance(text, str) and "\0" not in text for text in value):
        raise ConfigError(f"{name} must be a list of texts")
    return value


def _seconds(told: Mapping[str, Any], name: str) -> float:
    value = told[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ConfigError(f"{name} must be a number of seconds")
    return float(value)
