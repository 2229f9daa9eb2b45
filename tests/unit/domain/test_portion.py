"""Several share servers without asking each other."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.portion import owner_of
from perijove.domain.server import ServerId

NAMES = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=6)
IDS = st.integers(min_value=1, max_value=2**40).map(ServerId)


@given(NAMES, st.lists(IDS, max_size=30), st.randoms())
def test_whoever_counts_the_same_members_finds_the_same_one_in_charge(members: set[str], ids: list[ServerId], chance: Random) -> None:
    shuffled = sorted(members)
    chance.shuffle(shuffled)
    for server_id in ids:
        assert owner_of(server_id, members) == owner_of(server_id, shuffled)
        assert sum(owner_of(server_id, members) == member for member in members) == 1


@given(NAMES, st.data(), st.lists(IDS, max_size=30))
def test_while_members_come_and_counts_differ_every_server_is_in_somebodys_share(members: set[str], data: st.DataObject, ids: list[ServerId]) -> None:
    views = {member: data.draw(st.sets(st.sampled_from(sorted(members)))) | {member} for member in sorted(members)}
    for server_id in ids:
        assert any(owner_of(server_id, view) == member for member, view in views.items())


@given(NAMES, st.data(), st.lists(IDS, max_size=30))
def test_when_one_goes_only_its_own_servers_change_hands_and_each_has_somebody(members: set[str], data: st.DataObject, ids: list[ServerId]) -> None:
    gone = data.draw(st.sampled_from(sorted(members)))
    left = members - {gone}
    for server_id in ids if left else ():
        before, after = owner_of(server_id, members), owner_of(server_id, left)
        assert after in left
        assert before in {gone, after}


def test_shares_are_even() -> None:
    members = [f"hub-{number}:4711:a{number}" for number in range(4)]
    shares = Counter(owner_of(ServerId(number), members) for number in range(1, 4001))
    assert set(shares) == set(members)
    assert max(shares.values()) < 1.15 * min(shares.values())
