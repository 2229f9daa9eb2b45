"""Sockets that stay open while those who serve at them change."""

import errno
import os
import socket
from pathlib import Path

import pytest

from perijove.cli.doors import Door, Doors
from perijove.domain.errors import SettingsError


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def port_of(doors: Doors, role: str) -> int:
    with socket.socket(fileno=os.dup(doors.of("hub" if role == "hub" else "proxy")[role][0])) as copy:
        port: int = copy.getsockname()[1]
        return port


def test_who_comes_is_refused_until_somebody_serves_and_waits_once_that_gives_way() -> None:
    doors = Doors([Door("hub", "127.0.0.1", 0)], {})
    doors.open()
    port = port_of(doors, "hub")
    assert not connects(port)
    with socket.socket(fileno=os.dup(doors.of("hub")["hub"][0])) as hub:
        hub.listen()
    assert connects(port), "the hub has closed its copy, and requests wait for the next one"
    doors.refuse("hub")
    assert not connects(port)
    doors.shut()


def test_more_workers_get_more_sockets_at_the_same_port_and_those_there_are_stay() -> None:
    doors = Doors([Door("public", "127.0.0.1", 0, number=2)], {})
    doors.open()
    first, port = doors.of("proxy")["public"], port_of(doors, "public")
    copies = {"public 127.0.0.1:0": [os.dup(number) for number in first]}
    after = Doors([Door("public", "127.0.0.1", 0, number=3), Door("plain", "127.0.0.1", 0)], copies)
    after.open()
    assert after.of("proxy")["public"][:2] == copies["public 127.0.0.1:0"]
    assert len(after.of("proxy")["public"]) == 3
    assert port_of(after, "public") == port
    assert len(after.of("proxy")["plain"]) == 1
    assert after.of("hub") == {}
    doors.shut()
    after.shut()


def test_what_nobody_wants_any_more_is_closed_when_the_new_ones_serve(tmp_path: Path) -> None:
    path = str(tmp_path / "public.sock")
    before = Doors([Door("public", path=path)], {})
    before.open()
    assert Path(path).is_socket()
    handed = {key: [os.dup(number) for number in numbers] for key, numbers in before.numbers().items()}
    after = Doors([Door("public", "127.0.0.1", 0)], handed)
    after.open()
    assert Path(path).is_socket(), "not before"
    after.shut_others()
    assert not Path(path).exists()
    assert list(after.numbers()) == ["public 127.0.0.1:0"]
    before.shut()
    after.shut()


def test_an_address_that_is_taken_says_which() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}"):
            Doors([Door("hub", "127.0.0.1", port)], {}).open()
        with pytest.raises(SettingsError) as caught:
            Doors([Door("plain", "127.0.0.1", port)], {}).open()
        assert "[proxy] redirect_listen" in caught.value.hint
