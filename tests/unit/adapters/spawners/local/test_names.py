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


def test_nobody_finds_a_name_that_is_turned_into_the_same_as_anothers() -> None:
    """Who makes an account chooses its name, and a computer tries 2**40 of them in an hour: 80 bits it does not."""
    ends = [safe_name(f"josé {number}", 24).rpartition("-")[2] for number in range(500)]
    assert {len(end) for end in ends} == {16}
    assert all(len({end[place] for end in ends}) == 32 for place in range(16)), "5 bits each"


@given(NAMES, st.integers(1, 23))
def test_where_little_room_is_left_the_name_is_too_long_but_still_a_name(name: str, longest: int) -> None:
    """Accounts are then named by a hash of the whole."""
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", safe_name(name, longest))


def test_a_plain_name_stays_as_it_is() -> None:
    assert safe_name("alice-b_2") == "alice-b_2"


def test_braces_around_anything_else_stay() -> None:
    assert filled('{"a": {username}, {other}}', {"username": "alice"}) == '{"a": alice, {other}}'
