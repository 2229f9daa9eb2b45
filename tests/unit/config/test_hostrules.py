"""subdomain_host is a name that can have names below it, and is where people really come in."""

from pathlib import Path

import pytest

from perijove.config.load import parse
from perijove.config.settings import HubSection
from perijove.domain.errors import SettingsError


def read(hub: str, more: str = "") -> HubSection:
    return parse(f"[hub]\n{hub}\n{more}", "perijove.toml", Path("/nowhere"), {}).settings.hub


@pytest.mark.parametrize("text", ["https://hub.example.org", "http://hub.localhost:8000", "https://xn--8mr68b.example.org/", "https://1.example.org"])
def test_a_host_name_will_do_and_is_the_public_address_then(text: str) -> None:
    assert read(f'subdomain_host = "{text}"').public_address == text.rstrip("/")
    assert read(f'subdomain_host = "{text}"\npublic_url = "{text}"').public_address == text.rstrip("/")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hub.example.org", "scheme://host"),
        ("ftp://hub.example.org", "scheme://host"),
        ("https://hub.example.org/jupyter", "without a path"),
        ("https://me@hub.example.org", "scheme://host"),
        ("https://hub.example.org:port", "cannot be read"),
        ("http://127.0.0.1:8000", "address of digits"),
        ("http://[::1]:8000", "address of digits"),
        ("http://localhost:8000", "hub.localhost"),
        ("https://Hub.example.org", "lower case"),
        ("https://hub.example.org.", "dot at its end"),
        ("https://hub_1.example.org", "not a host name"),
        ("https://用户.example.org", "not a host name"),
        (f"https://{'.'.join(['a' * 60] * 4)}.org", "no room"),
        ("https://hub.example.org:443", "leave it out"),
    ],
)
def test_what_is_no_name_for_this_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(f'subdomain_host = "{text}"')
    assert words in str(caught.value)
    assert "subdomain_host" in str(caught.value)


def test_it_agrees_with_the_other_settings() -> None:
    with pytest.raises(SettingsError, match="is not public_url"):
        read('subdomain_host = "https://hub.example.org"\npublic_url = "https://jupyter.example.org"')
    with pytest.raises(SettingsError, match="must begin with https"):
        read('subdomain_host = "http://hub.example.org"', '[proxy]\ntls_cert = "a.pem"\ntls_key = "b.pem"')
    with pytest.raises(SettingsError, match="subdomain_naming"):
        read('subdomain_host = "https://hub.example.org"\nsubdomain_naming = "own"')
