"""The words of the feed survive the wire, and half-said ones are refused."""

import msgspec
import pytest

from perijove.wire.feed import Change, Changes, Report, Route, Snapshot

ROUTE = Route(spec="/user/alice/", target="http://127.0.0.1:1", data={"user": "alice", "server_name": ""})


def test_messages_look_as_agreed() -> None:
    assert msgspec.json.encode(Changes(7, (Change("set", ROUTE), Change("delete", spec="/user/bob/")))) == (
        b'{"revision":7,"changes":[{"op":"set","route":{"spec":"/user/alice/","target":"http://127.0.0.1:1",'
        b'"data":{"user":"alice","server_name":""}}},{"op":"delete","spec":"/user/bob/"}]}'
    )
    assert msgspec.json.decode(b'{"epoch":"e","revision":3,"activity":{"/user/a/":"2026-01-01T00:00:00Z"}}', type=Report).revision == 3
    assert msgspec.json.decode(msgspec.json.encode(Snapshot("e", 1, (ROUTE,))), type=Snapshot).routes == (ROUTE,)


@pytest.mark.parametrize("change", [b'{"op":"set","spec":"/x/"}', b'{"op":"delete"}', b'{"op":"move","spec":"/x/"}'])
def test_a_change_that_does_not_say_what_is_refused(change: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(change, type=Change)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'{"epoch":"e","revision":1,"routes":[{"spec":"/x/","target":"http://127.0.0.1:1","weight":3}],"signed":"no"}', Snapshot),
        (b'{"revision":7,"changes":[{"op":"delete","spec":"/x/","why":"gone"}],"pause_s":1}', Changes),
        (b'{"epoch":"e","revision":1,"load":0.5}', Report),
    ],
)
def test_what_a_newer_version_adds_is_passed_over(text: bytes, kind: type) -> None:
    assert msgspec.json.decode(text, type=kind).revision in {1, 7}


def test_what_an_older_version_leaves_out_has_a_default() -> None:
    """The fields of the first version; those added since must not be asked for."""
    assert msgspec.json.decode(b'{"spec":"/x/","target":"http://127.0.0.1:1"}', type=Route).data == {}
    assert msgspec.json.decode(b'{"epoch":"e","revision":1}', type=Snapshot).routes == ()
    assert msgspec.json.decode(b'{"revision":1}', type=Changes).changes == ()
    assert msgspec.json.decode(b'{"epoch":"e","revision":1}', type=Report).activity == {}
