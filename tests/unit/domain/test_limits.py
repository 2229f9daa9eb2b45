"""Who may start now: a full house keeps all waiting, somebody with too many servers only themselves."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.limits import Limits, Load, admit, admit_queue
from perijove.domain.server import Phase, Server, ServerId, UserId
from perijove.wire.names import ServerName, UserName


def queued(number: int, user: int) -> Server:
    return Server(id=ServerId(number), user_id=UserId(user), user_name=UserName(f"u{user}"), name=ServerName(f"s{number}"), phase=Phase.QUEUED)


def test_each_limit_holds_back_at_its_number_and_says_so() -> None:
    limits = Limits(concurrent_starts=2, active_servers=4, active_servers_per_user=2)
    assert admit(Load(starting=1, active=3, active_of_user=1), limits).admitted
    full = admit(Load(starting=1, active=4, active_of_user=0), limits)
    assert (full.admitted, full.all_wait) == (False, True)
    assert "All 4 places" in full.reason
    busy = admit(Load(starting=2, active=3, active_of_user=0), limits)
    assert (busy.admitted, busy.all_wait) == (False, True)
    own = admit(Load(starting=0, active=3, active_of_user=2), limits)
    assert (own.admitted, own.all_wait) == (False, False)
    assert "You have 2 servers" in own.reason


def test_zero_lifts_a_limit() -> None:
    limits = Limits(concurrent_starts=0)
    assert not limits
    assert admit(Load(starting=10**6, active=10**6, active_of_user=10**6), limits).admitted


def test_who_has_too_many_is_passed_by_and_the_rest_keep_their_order() -> None:
    queue = [queued(1, 1), queued(2, 1), queued(3, 2), queued(4, 3)]
    admitted = admit_queue(queue, Load(starting=0, active=1), {UserId(1): 1}, Limits(concurrent_starts=2, active_servers_per_user=2))
    assert [server.id for server in admitted] == [1, 3]


@given(
    users=st.lists(st.integers(0, 3), max_size=12),
    starting=st.integers(0, 6),
    more=st.integers(0, 6),
    own=st.dictionaries(st.integers(0, 3).map(UserId), st.integers(0, 3)),
    limits=st.builds(Limits, concurrent_starts=st.integers(0, 5), active_servers=st.integers(0, 8), active_servers_per_user=st.integers(0, 3)),
)
def test_no_limit_is_passed_and_nobody_waits_without_need(users: list[int], starting: int, more: int, own: dict[UserId, int], limits: Limits) -> None:
    queue = [queued(number, user) for number, user in enumerate(users)]
    load = Load(starting=starting, active=starting + more)
    admitted = admit_queue(queue, load, own, limits)
    assert [server for server in queue if server in admitted] == admitted
    count = Counter(server.user_id for server in admitted)
    if admitted:
        assert not limits.concurrent_starts or load.starting + len(admitted) <= limits.concurrent_starts
        assert not limits.active_servers or load.active + len(admitted) <= limits.active_servers
    for user, number in count.items():
        assert not limits.active_servers_per_user or own.get(user, 0) + number <= limits.active_servers_per_user
    after = Load(starting=load.starting + len(admitted), active=load.active + len(admitted))
    for server in queue:
        if server not in admitted:
            mine = own.get(server.user_id, 0) + count[server.user_id]
            assert not admit(Load(starting=after.starting, active=after.active, active_of_user=mine), limits).admitted
