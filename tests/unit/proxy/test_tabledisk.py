"""The table on disk is whole or not there, and nobody else may read it."""

from pathlib import Path

import pytest

from perijove.proxy.tabledisk import TableDisk
from perijove.wire.feed import Route, Snapshot

TABLE = Snapshot("e", 5, (Route("/user/a/", "http://127.0.0.1:1", {"user": "a"}), Route("/user/b/", "http+unix://%2Fx")))


async def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "routes.json"
    await TableDisk(str(path)).save(TABLE.epoch, TABLE.revision, TABLE.routes)
    assert TableDisk(str(path)).load() == TABLE
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_nothing_saved_is_nothing_loaded(tmp_path: Path) -> None:
    assert TableDisk(str(tmp_path / "routes.json")).load() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format":2,"table":{"epoch":"e","revision":1}}', b'{"format":1}', b"\xff"])
def test_a_file_that_cannot_be_used_is_left_aside(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "routes.json"
    path.write_bytes(content)
    assert TableDisk(str(path)).load() is None
    assert str(path) in caplog.text


async def test_a_disk_that_cannot_be_written_does_not_stop_the_proxy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    await TableDisk(str(tmp_path / "file" / "routes.json")).save(TABLE.epoch, TABLE.revision, TABLE.routes)
    assert "cannot be kept" in caplog.text
