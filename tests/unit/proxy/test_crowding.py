"""Connections of one address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.crowding import Crowding, Place, place_of


def test_an_address_has_its_room_and_no_more() -> None:
    crowding = Crowding(2)
    first, second, third = (crowding.enter("192.0.2.1") for _ in range(3))
    assert (first[1], second[1], third[1]) == (True, True, False)
    assert crowding.enter("192.0.2.2")[1], "another address has room of its own"
    crowding.leave(third[0])
    assert not crowding.enter("192.0.2.1")[1]
    crowding.leave(first[0])
    crowding.leave(first[0])
    assert crowding.enter("192.0.2.1")[1]


def test_far_too_many_are_not_even_counted() -> None:
    crowding = Crowding(1)
    answers = [crowding.enter("192.0.2.1") for _ in range(100)]
    counted = [place for place, _ in answers if place]
    assert 1 < len(counted) < 60
    for place in counted:
        crowding.leave(place)
    assert not crowding.counts


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True), ("2001:db8:0:1::1", "2001:db8:0:2::1", False), ("fe80::1%eth0", "fe80::2%eth1", True),
        ("192.0.2.1", "192.0.2.2", False), ("192.0.2.1", "192.0.2.1", True),
    ],
)  # fmt: skip
def test_of_ipv6_the_network_is_counted(one: str, other: str, together: bool) -> None:
    assert (place_of(one) == place_of(other)) is together


def test_without_a_limit_and_for_unix_sockets_nothing_is_counted() -> None:
    for crowding, address in ((Crowding(0), "192.0.2.1"), (Crowding(1), "")):
        assert [crowding.enter(address) for _ in range(3)] == [("", True)] * 3
        assert not crowding.counts


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", ""]), st.booleans())))
def test_all_who_came_and_left_leave_nothing_behind(moves: list[tuple[str, bool]]) -> None:
    crowding = Crowding(3)
    inside: list[Place] = []
    for address, leaves in moves:
        if leaves and inside:
            crowding.leave(inside.pop())
        else:
            inside.append(crowding.enter(address)[0])
    for place in inside:
        crowding.leave(place)
    assert not crowding.counts
