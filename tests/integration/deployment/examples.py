"""The files of deploy/, and how tests read them."""

import shlex
from collections.abc import Mapping
from pathlib import Path

CLONE = Path(__file__).parents[3]
DEPLOY = CLONE / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CONFIGURATIONS = {"perijove.toml": "one-machine", "hub.toml": "two-machines", "proxy.toml": "two-machines"}
"""name in /etc/perijove -> its folder in deploy/"""


def unit(path: Path) -> dict[str, list[str]]:
    """What a unit sets, by name; a name may come several times."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def commands(path: Path) -> list[list[str]]:
    """All that the unit ever runs, in words."""
    return [shlex.split(line) for name, lines in unit(path).items() if name.startswith("Exec") for line in lines]


def with_words(text: str, becomes: Mapping[str, str]) -> str:
    """Put a test's own addresses and folders in place of the example's. Each must be there, or the test would not see that the example changed."""
    for was, now in becomes.items():
        assert was in text, f"{was} is not in the example any more"
        text = text.replace(was, now)
    return text
