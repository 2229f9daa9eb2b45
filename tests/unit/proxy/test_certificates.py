"""Which certificate is shown to whom, and what is said about those that cannot be."""

import logging
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from perijove.proxy.certfiles import CertificateFiles, UnusableFilesError, examine
from perijove.proxy.certificates import Certificates, server_context
from perijove.proxy.tlsdemands import TlsDemands

MakePair = Callable[..., CertificateFiles]
NOW = time.time()


@pytest.fixture
def certificates(make_pair: MakePair) -> Certificates:
    files = (
        make_pair("first", "hub.example.org"),
        make_pair("wild", "*.lab.example.org", "lab.example.org"),
        make_pair("one", "One.lab.example.org", "hub.example.org", "192.0.2.7", "2001:db8::1"),
        make_pair("old"),
    )
    return Certificates(files, TlsDemands(), NOW)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hub.example.org", "first"),
        ("HUB.Example.Org", "first"),
        ("hub.example.org.", "first"),
        ("lab.example.org", "wild"),
        ("any.lab.example.org", "wild"),
        ("one.lab.example.org", "one"),
        ("192.0.2.7", "one"),
        ("2001:db8::1", "one"),
        ("old", "old"),
        ("deep.any.lab.example.org", None),
        ("*.lab.example.org", "wild"),
        (".lab.example.org", "wild"),
        ("example.org", None),
        ("org", None),
        (".", None),
        ("", None),
        (None, None),
    ],
)
def test_a_name_finds_its_certificate(certificates: Certificates, name: str | None, shown: str | None) -> None:
    found = certificates.certificate_for(name)
    assert (Path(found.files.cert).stem if found is not None else None) == shown


def test_of_two_with_the_same_names_the_second_is_told_to_be_useless(make_pair: MakePair, caplog: pytest.LogCaptureFixture) -> None:
    Certificates((make_pair("a", "x.org"), make_pair("b", "x.org"), make_pair("c", "y.org")), TlsDemands(), NOW)
    (record,) = caplog.records
    assert "b.pem is never shown" in record.getMessage()


def exchange_key(one: CertificateFiles, other: CertificateFiles) -> CertificateFiles:
    return replace(one, key=other.key)


def test_what_is_wrong_with_a_pair_is_said_with_its_remedy(make_pair: MakePair, tmp_path: Path) -> None:
    good, other, locked = make_pair("good"), make_pair("other"), make_pair("locked", password="word")
    (tmp_path / "text").write_text("nothing")
    (tmp_path / "broken").write_text(re.sub("(?<=\n)M...", "MAAA", Path(good.cert).read_text()))
    text, missing = str(tmp_path / "text"), str(tmp_path / "missing")
    for files, words in (
        (replace(good, cert=missing), "missing cannot be read .No such file or directory.: correct the path"),
        (replace(good, cert=text), "text holds no usable certificate: .*PEM"),
        (replace(good, cert=str(tmp_path / "broken")), "broken holds no usable certificate"),
        (replace(good, key=missing), "the key .*missing cannot be read"),
        (replace(good, key=text), "text holds no private key in PEM form"),
        (replace(good, key=""), "good.pem holds no private key"),
        (exchange_key(good, other), "other.key does not belong to the certificate in .*good.pem"),
        (replace(locked, password=""), "locked.key is encrypted: give its passphrase"),
        (replace(locked, password="wrong"), "its passphrase is wrong"),
    ):
        with pytest.raises(UnusableFilesError, match=words) as caught:
            examine(files)
        assert "\n" not in str(caught.value)
        with pytest.raises(UnusableFilesError):
            Certificates((files,), TlsDemands(), NOW)
    assert examine(locked).names == ("locked",)
    assert "word" not in repr(locked)
    both = tmp_path / "both.pem"
    both.write_bytes(Path(good.key).read_bytes() + Path(good.cert).read_bytes())
    assert Certificates((CertificateFiles(cert=str(both)),), TlsDemands(), NOW).certificate_for("good")


@pytest.mark.parametrize(("days", "words"), [(-1, "has expired"), (2, "expires in 4[78] hours"), (30, None)])
def test_an_end_that_is_near_or_past_is_told_each_day(make_pair: MakePair, caplog: pytest.LogCaptureFixture, days: int, words: str | None) -> None:
    certificates = Certificates((make_pair("a", days=days),), TlsDemands(), NOW)
    certificates.reload(NOW + 3600)
    certificates.reload(NOW + 86_500)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (2 if words else 0)
    assert not words or re.search(words, told[0])


def test_files_that_change_come_into_use_and_broken_ones_do_not(make_pair: MakePair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    files = make_pair("a", "old.org"), make_pair("b", "b.org")
    certificates = Certificates(files, TlsDemands(), NOW)
    begins, before = certificates.context, certificates.certificate_for("old.org")
    assert before is not None
    context = before.context
    certificates.reload(NOW)
    assert before.context is context
    Path(files[0].cert).write_text("half of a certifi")
    certificates.reload(NOW)
    certificates.reload(NOW)
    assert before.context is context
    assert [record.levelname for record in caplog.records] == ["ERROR"], "it is told once, not again every half minute"
    certificates.reload(NOW, anyway=True)
    assert len(caplog.records) == 2, "but again to who asks"
    make_pair("a", "new.org")
    certificates.reload(NOW)
    assert certificates.certificate_for("old.org") is None
    assert certificates.certificate_for("new.org") is before
    assert before.context is not context
    assert certificates.context is begins, "the keys of session tickets stay"


def test_only_forward_secret_authenticated_ciphers_are_spoken() -> None:
    context = server_context(TlsDemands())
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert names
    assert all(name.startswith(("TLS_AES_", "TLS_CHACHA20_", "ECDHE-")) and ("GCM" in name or "CHACHA20" in name) for name in names)
    assert server_context(TlsDemands(min_version="1.3")).minimum_version == ssl.TLSVersion.TLSv1_3


def test_authorities_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("rubbish")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(UnusableFilesError, match=f"the authorities in .*{name}"):
            server_context(TlsDemands(request_cert=True, client_ca=str(tmp_path / name)))
