"""The command line, and what it becomes."""

import pytest

from perijove.proxy.chp.options import parse
from perijove.proxy.chp.start import api_token, keeper_settings, proxy_settings
from perijove.proxy.settings import ProxySettings

JUPYTERHUB = [
    "--ip", "", "--port", "8000", "--api-ip", "127.0.0.1", "--api-port", "8001", "--error-target", "http://127.0.0.1:8081/hub/error", "--log-level", "info",
    "--host-routing", "--ssl-key", "k", "--ssl-cert", "c", "--api-ssl-key", "ak", "--api-ssl-cert", "ac", "--api-ssl-ca", "aca", "--api-ssl-request-cert",
    "--api-ssl-reject-unauthorized", "--client-ssl-key", "ck", "--client-ssl-cert", "cc", "--client-ssl-ca", "cca", "--client-ssl-request-cert",
    "--client-ssl-reject-unauthorized", "--metrics-ip", "127.0.0.1", "--metrics-port", "8002",
]  # fmt: skip
"""All the flags that JupyterHub passes, with internal TLS on."""


def _settings(*arguments: str) -> ProxySettings:
    return proxy_settings(parse(arguments), {}, "feed-token", "/tmp/x/feed.sock")


def test_what_jupyterhub_passes_is_understood() -> None:
    options = parse(JUPYTERHUB)
    keeper = keeper_settings(options, {"CONFIGPROXY_API_SSL_KEY_PASSPHRASE": "pass"}, "api-token", "feed-token", "/tmp/x")
    assert keeper.host_routing
    assert keeper.tls is not None
    assert (keeper.tls.cert, keeper.tls.key, keeper.tls.password) == ("ac", "ak", "pass")
    assert keeper.tls.demands.request_cert
    assert keeper.tls.demands.reject_unauthorized
    assert keeper.tls.demands.client_ca == "aca"
    settings = proxy_settings(options, {"CONFIGPROXY_SSL_KEY_PASSPHRASE": "word"}, "feed-token", "/tmp/x/feed.sock")
    assert (settings.host, settings.port, settings.tls_cert, settings.tls_key, settings.tls_key_password) == ("", 8000, "c", "k", "word")
    assert (settings.upstream_ca, settings.upstream_cert, settings.upstream_key, settings.upstream_verify) == ("cca", "cc", "ck", True)
    assert settings.feeds == ("http+unix://%2Ftmp%2Fx%2Ffeed.sock",)
    assert settings.chp is not None
    assert settings.chp.error_target == "http://127.0.0.1:8081/hub/error"


def test_secrets_are_not_in_what_is_logged() -> None:
    options = parse(["--api-ssl-key", "k", "--api-ssl-cert", "c"])
    shown = repr(keeper_settings(options, {"CONFIGPROXY_API_SSL_KEY_PASSPHRASE": "s3cret"}, "s3cret", "s3cret", "/tmp/x"))
    shown += repr(proxy_settings(options, {"CONFIGPROXY_SSL_KEY_PASSPHRASE": "s3cret"}, "s3cret", "/tmp/x"))
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--socket", "/x", "--port", "1"], "--socket excludes"),
        (["--api-socket", "/x", "--api-port", "1"], "--api-socket excludes"),
        (["--metrics-socket", "/x", "--metrics-port", "1"], "--metrics-socket excludes"),
        (["--error-target", "http://x", "--error-path", "/x"], "exclude each other"),
        (["--redirect-port", "80"], "needs --ssl-key"),
        (["--ssl-key", "k"], "give both"),
        (["--custom-header", "no colon"], "NAME:VALUE"),
        (["--custom-header", "a: b\r\nc: d"], "NAME:VALUE"),
        (["--storage-backend", "x"], "Node.js"),
        (["--port", "99999"], "not a port"),
        (["--timeout", "soon"], "milliseconds"),
        (["--ssl-protocol", "SSLv3"], "not spoken"),
        (["--nonsense"], "--nonsense"),
        (["word"], "word"),
        (["--default", "http://x"], "--default"),
    ],
)
def test_what_cannot_be_is_refused_with_code_1(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 1
    assert says in capsys.readouterr().err


def test_flags_can_be_switched_off_and_headers_repeated() -> None:
    plain, changed = _settings().chp, _settings(
        "--no-x-forward", "--no-prepend-path", "--no-include-prefix", "--custom-header", "k1:v1", "--custom-header", "Accept: a:b",
        "--auto-rewrite", "--change-origin", "--protocol-rewrite", "https",
    ).chp  # fmt: skip
    assert plain is not None
    assert changed is not None
    assert (plain.x_forward, plain.prepend_path, plain.include_prefix, plain.rewrites_locations) == (True, True, True, False)
    assert (changed.x_forward, changed.prepend_path, changed.include_prefix, changed.rewrites_locations) == (False, False, False, True)
    assert changed.custom_headers == (("k1", "v1"), ("Accept", "a:b"))
    assert changed.change_origin
    assert changed.protocol_rewrite == "https"


@pytest.mark.parametrize(("value", "means"), [([], True), (["true"], True), (["false"], False)])
def test_certificate_demands_are_flags_with_or_without_a_value(value: list[str], means: bool) -> None:
    assert _settings("--ssl-request-cert", *value, "--port", "1").tls_demands.request_cert is means


def test_times_are_milliseconds_and_become_limits() -> None:
    assert _settings().limits.idle_s == 5
    limits = _settings("--timeout", "90000", "--proxy-timeout", "30000", "--keep-alive-timeout", "1500").limits
    assert (limits.body_s, limits.response_s, limits.idle_s) == (90, 30, 1.5)
    assert _settings("--timeout", "90000").limits.response_s == 90


def test_load_balancers_of_private_networks_are_trusted_unless_told_otherwise() -> None:
    assert "10.0.0.0/8" in _settings().trusted_proxies
    assert "unix:" in _settings().trusted_proxies
    assert _settings("--trusted-proxy", "192.0.2.0/24").trusted_proxies == ("192.0.2.0/24",)
    assert _settings("--trusted-proxy", "none").trusted_proxies == ()


def test_the_token_may_be_in_a_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text("from-file\n")
    assert api_token({"CONFIGPROXY_AUTH_TOKEN_FILE": str(path)}) == "from-file"
    assert api_token({"CONFIGPROXY_AUTH_TOKEN_FILE": str(path), "CONFIGPROXY_AUTH_TOKEN": "set"}) == "set"
    assert api_token({}) == ""
