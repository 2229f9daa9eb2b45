import re

from hypothesis import given
from hypothesis import strategies as st

from perijove.adapters.spawners.local.names import filled, safe_name

NAMES = st.one_of(st.text(min_size=1, max_size=80), st.text("abü-_ .@0", min_size=1, max_size=45))


@given(NAMES, st.sampled_from([24, 32, 64]))
def test_every_name_becomes_one_that_useradd_and_file_systems_take(name: str, longest: int) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", safe_name(name, longest))
    assert len(safe_name(name, longest)) <= longest


@given(NAMES, NAMES)
def test_two_people_never_meet_in_one_name(one: str, other: str) -> None:
    assert one == other or safe_name(one) != safe_name(other)


@given(NAMES)
def test_nobody_can_sign_up_under_the_name_another_was_turned_into(name: str) -> None:
    made = safe_name(name)
    assert made == name or safe_name(made) != made


def test_a_plain_name_stays_as_it_is() -> None:
    assert safe_name("alice-b_2") == "alice-b_2"


def test_braces_around_anything_else_stay() -> None:
    assert filled('{"a": {username}, {other}}', {"username": "alice"}) == '{"a": alice, {other}}'
