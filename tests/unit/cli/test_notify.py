"""What systemd hears."""

import socket
from pathlib import Path

import pytest

from perijove.cli.notify import NOTIFY_SOCKET, notify


@pytest.mark.parametrize("abstract", [True, False])
def test_it_is_said_where_systemd_listens(abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{path}" if abstract else path)
        systemd.settimeout(5)
        monkeypatch.setenv(NOTIFY_SOCKET, f"@{path}" if abstract else path)
        notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_nobody_has_to_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NOTIFY_SOCKET, str(tmp_path / "nobody"))
    notify("READY=1")
    monkeypatch.delenv(NOTIFY_SOCKET)
    notify("READY=1")
