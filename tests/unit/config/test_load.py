"""Settings: what is read, and that every mistake is reported at once, with its place and what was perhaps meant."""

from pathlib import Path

import pytest

from perijove.config.load import Loaded, parse
from perijove.config.section import Secret
from perijove.domain.errors import SettingsError


def read(text: str, environ: dict[str, str] | None = None, folder: Path = Path("/nowhere")) -> Loaded:
    return parse(text, "perijove.toml", folder, environ or {})


def mistakes(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text, environ)
    return caught.value.message.splitlines()


def test_an_empty_file_means_the_defaults() -> None:
    settings = read("").settings
    assert settings.proxy.listen == "127.0.0.1:8000"
    assert settings.spawner == {"use": "local"}
    assert not settings.access.allow_all


def test_durations_may_be_written_with_units() -> None:
    settings = read('[limits]\nstart_timeout = "1h30m"\nready_timeout = 7\n[cull]\nidle_after = "2d"').settings
    assert (settings.limits.start_timeout, settings.limits.ready_timeout, settings.cull.idle_after) == (5400.0, 7.0, 172800.0)


def test_all_mistakes_are_listed_with_line_and_suggestion() -> None:
    found = mistakes(
        '[hub]\nlisten = "nowhere"\n[limits]\nstart_timout = 3\nconcurrent_starts = -1\nready_timeout = "5 parsecs"\n\n[[services]]\nname = "a"\n'
        '[[services]]\nname = "b"\nurll = "http://x"\n'
    )
    assert [line.split(": ")[0] for line in found] == [f"perijove.toml:{line}" for line in (2, 4, 5, 6, 12)]
    assert "limits.start_timout" in found[1]
    assert "Did you mean 'start_timeout'?" in found[1]
    assert "services[1].urll" in found[4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[hub]\nbase_url = "jupyter"', "Did you mean '/jupyter/'?"),
        ('[hub]\npublic_url = "https://example.org/jupyter"', "without a path"),
        ('[proxy]\ntls_cert = "cert.pem"', "go together"),
        ('[proxy]\ntls_client_cert = "required"\ntls_client_ca = "ca.pem"', "where TLS ends"),
        ('[proxy]\ntls_client_ca = "ca.pem"', "go together"),
        ('[proxy]\ntls_min_version = "1.1"', "tls_min_version"),
        ('[proxy]\nhsts_max_age = "1d"', "load balancer"),
        ("[proxy]\nhsts_subdomains = true", "hsts_max_age"),
        ('[proxy]\nredirect_listen = "0.0.0.0:80"', "nothing to send people to"),
        ('[proxy]\nredirect_listen = "unix:/a"\n[hub]\npublic_url = "https://a"', "not a unix socket"),
        ('[proxy]\nredirect_listen = "127.0.0.1:8000"\n[hub]\npublic_url = "https://a"', "a port each"),
        ('[proxy]\nacme_folder = "/srv"', "Authorities look at port 80"),
        ('[proxy]\nupstream_key = "a.key"', "upstream_cert"),
        ('[[proxy.certificates]]\ncert = "a.pem"\n[[proxy.certificates]]\nkey = "b"', "proxy.certificates[1].cert: is missing"),
        ('[[proxy.certificates]]\ncert = "a.pem"\npassphrase = { env = "NOT_SET" }', "NOT_SET is empty or not set"),
        ('[proxy]\ntrusted_proxies = ["ten"]', "is not a network"),
        ("[proxy]\nproxy_protocol = true", "needs trusted_proxies"),
        ("[proxy]\naccess_log = true", "access_log"),
        ("[proxy]\naccess_log_sample = 1.5", "access_log_sample"),
        ('[access]\nadmin_users = ["Ada"]', "Write 'ada'"),
        ('[access]\nadmin_users = ["ada"]\nblocked_users = ["ada"]', "blocking wins"),
        ('[[services]]\nname = "a"\n[[services]]\nname = "a"', "is there twice"),
        ('[[services]]\nname = "cull"\n[[roles]]\nname = "r"\nservices = ["culler"]', "Did you mean 'cull'?"),
        ('[[services]]\nname = "a"\napi_token = "short"', "at least 8 characters"),
        ('[[services]]\nname = "a"\napi_token = "same-token"\n[[services]]\nname = "b"\napi_token = "same-token"', "needs its own"),
        ('[[services]]\nname = "a"\napi_token = { env = "NOT_SET" }', "NOT_SET is empty or not set"),
        ('[hub]\ncookie_secret = { value = "short" }', "at least 32"),
        ('[hub]\ncookie_secret = { env = "A", file = "b" }', "exactly one of env, file or value"),
        ('[custom_scopes]\nreports = "x"', "begin with 'custom:'"),
        ('[custom_scopes]\n"custom:a" = { description = "a", subscopes = 5 }', "subscopes"),
        ('[limits]\nnamed_servers = "yes"', "true or false"),
        ("[limits]\nconcurrent_starts = 1.5", "whole number"),
        ("limits = 3", "expected a table"),
        ('[limits]\nqueue_step = "2d"', "longer than a day"),
        ("[[limits.groups]]\nactive_servers = 3", "limits.groups[0].name: is missing"),
        ('[[limits.groups]]\nname = "a"\nactive_servers = -1', "limits.groups[0].active_servers"),
        ('[[limits.groups]]\nname = "a"\npriority = 101', "limits.groups[0].priority"),
        ('[[limits.groups]]\nname = "a"\nactive_server = 3', "Did you mean 'active_servers'?"),
        ('[[limits.groups]]\nname = "a"', "neither limits nor a priority"),
        ('[[limits.groups]]\nname = "a/b"\npriority = 1', "cannot be empty or contain"),
        ('[[limits.groups]]\nname = "a"\npriority = 1\n[[limits.groups]]\nname = "a"\npriority = 2', "Put all limits of a group into one entry"),
    ],
)
def test_a_mistake_is_named(text: str, words: str) -> None:
    assert words in "\n".join(mistakes(text))


def test_text_that_is_not_toml_is_refused_with_its_line() -> None:
    (line,) = mistakes("[hub\n")
    assert "line 1" in line


def test_secrets_come_from_environment_and_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    text = '[[services]]\nname = "a"\napi_token = { env = "TOKEN" }\n[[services]]\nname = "b"\napi_token = { file = "token" }\n'
    loaded = read(text, {"TOKEN": "from-the-environment"}, tmp_path)
    tokens = [loaded.secret(entry.api_token or Secret()) for entry in loaded.settings.services]
    assert tokens == ["from-the-environment", "from-a-file"]
    assert "from-the-environment" not in repr(loaded)


def test_a_section_that_is_broken_does_not_hide_mistakes_in_others() -> None:
    found = "\n".join(
        mistakes('[limits]\nstart_timeout = []\n[hub]\nbase_url = "x"\n[[services]]\nname = "a"\nbad = 1\n[[roles]]\nname = "r"\nservices = ["a"]')
    )
    assert "limits.start_timeout" in found
    assert "hub.base_url" in found
    assert "roles" not in found  # the service is there, only its section is broken
