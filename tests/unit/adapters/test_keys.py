"""The master secret: made once, kept private, and the keys from it."""

import threading
from pathlib import Path

import pytest

from perijove.adapters.keys import Keys, open_keys
from perijove.domain.errors import SettingsError

MASTER = "m" * 40


def test_the_first_start_makes_a_private_file_and_later_starts_read_the_same_keys(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    first = open_keys(path, None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    again = open_keys(path, None)
    assert first.key("proxy") == again.key("proxy")
    assert again.decrypt(first.encrypt(b"state")) == b"state"


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    path, found, start = tmp_path / "master.key", [], threading.Barrier(8)

    def run() -> None:
        start.wait()
        found.append(open_keys(path, None).key("proxy"))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_each_purpose_has_its_own_key_of_32_bytes() -> None:
    keys = Keys(MASTER)
    assert len({keys.key(purpose) for purpose in ("server-token", "proxy", "page-token")}) == 3
    assert len(keys.key("proxy")) == 32
    assert keys.key("proxy") != Keys("n" * 40).key("proxy")


def test_a_configured_master_secret_leaves_no_file(tmp_path: Path) -> None:
    assert open_keys(tmp_path / "master.key", MASTER).key("proxy") == Keys(MASTER).key("proxy")
    assert not list(tmp_path.iterdir())


def test_old_encryption_keys_still_decrypt_and_the_newest_encrypts() -> None:
    before_any, old, both = Keys(MASTER), Keys(MASTER, ["o" * 32]), Keys(MASTER, ["n" * 32, "o" * 32])
    assert both.decrypt(before_any.encrypt(b"a")) == b"a"
    assert both.decrypt(old.encrypt(b"b")) == b"b"
    with pytest.raises(ValueError, match="none of the keys fits"):
        old.decrypt(both.encrypt(b"c"))


def test_what_was_changed_is_not_decrypted() -> None:
    keys = Keys(MASTER)
    sealed = bytearray(keys.encrypt(b"state"))
    sealed[-5] ^= 1
    with pytest.raises(ValueError, match="changed"):
        keys.decrypt(bytes(sealed))


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    open_keys(path, None)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        open_keys(path, None)


def test_a_damaged_or_short_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text("short\n")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="damaged"):
        open_keys(path, None)
    with pytest.raises(SettingsError, match="cookie_secret"):
        open_keys(path, "short")
    with pytest.raises(SettingsError, match=r"crypt_keys\[1\]"):
        open_keys(path, MASTER, ["k" * 32, "short"])


def test_no_secret_shows_in_a_representation() -> None:
    assert MASTER not in repr(Keys(MASTER))
