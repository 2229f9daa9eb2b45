"""What `perijove check` says about the files that TLS needs, and what the proxy is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from perijove.cli.proxy_tls import check_tls_files, with_tls
from perijove.config.load import Loaded, parse
from perijove.domain.errors import SettingsError
from perijove.proxy.certfiles import CertificateFiles
from perijove.proxy.settings import ProxySettings

MakePair = Callable[..., CertificateFiles]


def read(text: str, folder: Path) -> Loaded:
    return parse(text, "perijove.toml", folder, {})


def test_all_files_that_cannot_be_used_are_named_with_their_lines(make_pair: MakePair, tmp_path: Path) -> None:
    make_pair("a")
    make_pair("b")
    text = (
        '[proxy]\ntls_cert = "a.pem"\ntls_key = "b.key"\nredirect_listen = "127.0.0.1:0"\nacme_folder = "acme"\ntls_client_cert = "optional"\n'
        'tls_client_ca = "none.pem"\nupstream_ca = "a.key"\nupstream_cert = "a.pem"\n[[proxy.certificates]]\ncert = "b.pem"\nkey = "b.key"\n'
        '[[proxy.certificates]]\ncert = "none.pem"\n'
    )
    with pytest.raises(SettingsError) as caught:
        check_tls_files(read(text, tmp_path))
    lines = caught.value.message.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [f"perijove.toml:{line}", f"proxy.{name}"]
        for line, name in (
            (2, "tls_cert"), (5, "acme_folder"), (7, "tls_client_ca"), (8, "upstream_ca"), (9, "upstream_cert"), (14, "certificates[1].cert")
        )
    ]  # fmt: skip


def test_the_proxy_is_told_what_the_file_says(make_pair: MakePair, tmp_path: Path) -> None:
    make_pair("a")
    make_pair("b", password="word")
    (tmp_path / "acme").mkdir()
    loaded = read(
        '[hub]\npublic_url = "https://hub.example.org:8443"\n[proxy]\nredirect_listen = "0.0.0.0:80"\nacme_folder = "acme"\nhsts_max_age = "1d"\n'
        'tls_min_version = "1.3"\ntls_client_cert = "optional"\ntls_client_ca = "a.pem"\n'
        '[[proxy.certificates]]\ncert = "b.pem"\nkey = "b.key"\npassphrase = { value = "word" }\n',
        tmp_path,
    )
    check_tls_files(loaded)
    told = with_tls(ProxySettings(), loaded)
    assert told.all_certificates == (CertificateFiles(cert=f"{tmp_path}/b.pem", key=f"{tmp_path}/b.key", password="word"),)
    assert (told.redirect_host, told.redirect_port, told.redirect_to, told.acme_folder) == ("0.0.0.0", 80, 8443, f"{tmp_path}/acme")
    assert (told.hsts_max_age_s, told.tls_demands.min_version) == (86_400, "1.3")
    assert (told.tls_demands.request_cert, told.tls_demands.reject_unauthorized) == (True, False)
    assert "word" not in repr(told)


def test_a_file_without_tls_has_nothing_to_check(tmp_path: Path) -> None:
    loaded = read("", tmp_path)
    check_tls_files(loaded)
    told = with_tls(ProxySettings(), loaded)
    assert (told.all_certificates, told.redirect_port, told.upstream_verify) == ((), None, True)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("hub.test", "*.hub.test"), []),
        (("hub.test",), ["*.hub.test"]),
        (("*.hub.test",), ["hub.test"]),
        (("*.test",), ["*.hub.test"]),
        (("other.test",), ["hub.test", "*.hub.test"]),
    ],
)
def test_hosts_that_no_certificate_is_for_are_named(
    make_pair: MakePair, tmp_path: Path, caplog: pytest.LogCaptureFixture, names: tuple[str, ...], missing: list[str]
) -> None:
    make_pair("a", *names)
    check_tls_files(read('[hub]\nsubdomain_host = "https://hub.test"\n[proxy]\ntls_cert = "a.pem"\ntls_key = "a.key"\n', tmp_path))
    assert [record.args[0] for record in caplog.records if "no certificate is for" in record.msg and isinstance(record.args, tuple)] == missing
