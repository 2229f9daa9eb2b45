"""Who of several looks after which servers, so that all agree without asking each other."""

from collections.abc import Collection
from hashlib import blake2b

from perijove.domain.server import ServerId


def owner_of(server_id: ServerId, members: Collection[str]) -> str:
    """The member that looks after this server: the one whose hash with the server's id is highest (rendezvous hashing, Thaler and
    Ravishankar 1998). `members` must not be empty.

    When one comes or goes, only its own servers change hands. And whoever is highest among all the members that anybody counts is highest
    among those it counts itself: so while members come, no server is in nobody's share, however much the counts differ. Only the servers of
    one that is gone wait, until nobody counts it any more.
    """
    key = int(server_id).to_bytes(8, "big", signed=True)
    return max(members, key=lambda member: (blake2b(key + member.encode(), digest_size=8).digest(), member))
