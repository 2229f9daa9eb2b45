"""Where gateways are, and what agents dial."""

from pathlib import Path

import pytest

from perijove.config.gateways import agent_url, doubts_of_gateways, gateways_of
from perijove.config.load import Loaded, load
from perijove.domain.errors import SettingsError


def loaded(folder: Path, text: str) -> Loaded:
    file = folder / "perijove.toml"
    file.write_text(text)
    return load(file, {}, lambda *_: None)


@pytest.mark.parametrize(
    ("text", "gateways", "dial", "doubts"),
    [
        ("", (), "", 0),
        ("[gateway]\nenabled = true", ("http://127.0.0.1:8082",), "ws://127.0.0.1:8000/tunnel/", 0),
        ('[gateway]\nenabled = true\nlisten = "unix:/run/g.sock"', ("http+unix://%2Frun%2Fg.sock",), "ws://127.0.0.1:8000/tunnel/", 0),
        (
            '[hub]\npublic_url = "https://hub.example.org"\nbase_url = "/j/"\n[proxy]\ngateways = ["http://a:1", "http://b:1"]',
            ("http://a:1", "http://b:1"),
            "wss://hub.example.org/j/tunnel/",
            0,
        ),
        ('[gateway]\nenabled = true\nurl = "wss://inside.example.org/tunnel/"', ("http://127.0.0.1:8082",), "wss://inside.example.org/tunnel/", 0),
        (
            '[proxy]\nlisten = "0.0.0.0:80"\n[gateway]\nenabled = true\nlisten = "0.0.0.0:8082"',
            ("http://127.0.0.1:8082",),
            "ws://127.0.0.1:80/tunnel/",
            2,
        ),
        (
            '[hub]\npublic_url = "http://hub.example.org"\n[proxy]\nlisten = "0.0.0.0:80"\ngateways = ["http://a:1"]',
            ("http://a:1",),
            "ws://hub.example.org/tunnel/",
            1,
        ),
    ],
)
def test_agents_dial_the_sites_public_address(tmp_path: Path, text: str, gateways: tuple[str, ...], dial: str, doubts: int) -> None:
    found = loaded(tmp_path, text)
    assert gateways_of(found.settings) == gateways
    assert agent_url(found) == dial
    assert len(list(doubts_of_gateways(found))) == doubts


@pytest.mark.parametrize(
    "text",
    [
        '[proxy]\ngateways = ["https://a:1"]',
        '[proxy]\ngateways = ["tunnel://x"]',
        '[gateway]\nlisten = "8082"',
        '[gateway]\nurl = "https://hub/tunnel/"',
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"gateways|listen|url"):
        loaded(tmp_path, text)
