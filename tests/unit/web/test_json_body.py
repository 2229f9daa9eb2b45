"""JSON from strangers."""

import pytest
from msgspec import Struct

from perijove.domain.errors import BadInputError
from perijove.web.json_body import MAX_DEPTH, decoded


class _Kept(Struct):
    options: dict[str, object]


def _nested(depth: int) -> bytes:
    return b'{"options":' * depth + b"1" + b"}" * depth


def test_what_is_nested_too_deep_to_be_kept_is_refused() -> None:
    assert decoded(_nested(MAX_DEPTH), _Kept)
    for depth in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(BadInputError, match="nested"):
            decoded(_nested(depth), _Kept)


def test_many_objects_beside_each_other_are_not_deep() -> None:
    assert decoded(b'{"options": {"all": [' + b",".join([b"[{}]"] * 500) + b"]}}", _Kept)


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'"\\ud800"', b"1e", b"[" * 50])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInputError, match="Invalid JSON"):
        decoded(raw)


def test_a_key_of_the_wrong_type_is_named() -> None:
    with pytest.raises(BadInputError, match=r"\$\.options"):
        decoded(b'{"options": 1}', _Kept)
