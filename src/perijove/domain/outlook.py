"""What people who wait are told: their place, why they wait, and for how long yet."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from perijove.domain.limits import Crowd, GroupLimits, Held, Limits, Load, Place, why_full
from perijove.domain.pace import WINDOW, Pace, Span, in_words, time_left
from perijove.domain.server import ServerId

SITE = ""
"""Where the name of a group stands: the whole site's limits."""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """The `place`-th of `length`. `reason`: why it waits, "" if it will go on in a moment. `left`: None if nobody can know."""

    place: int
    length: int
    reason: str
    left: Span | None

    @property
    def words(self) -> str:
        """ "12th of 340 in the queue, about 2 minutes to go"."""
        left = f", {in_words(self.left)} to go" if self.left else ""
        return f"{ordinal(self.place)} of {self.length} in the queue{left}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQueue:
    """A group with limits or a priority: how many of its people's servers wait, and what it has already. The load of one that cannot be full is
    not counted."""

    name: str
    waiting: int
    load: Load
    limits: GroupLimits


class _Stand(NamedTuple):
    """`before`: how many at least, and at most, go before it."""

    place: int
    before: tuple[int, int] | None
    held: Held | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The queue at one moment. `longest_wait`: of those whom only the site or their group keeps. `paces`: how quickly people come through the
    site's limits (SITE), and through those of groups."""

    at: datetime
    length: int = 0
    reason: str = ""
    longest_wait: timedelta | None = None
    groups: Sequence[GroupQueue] = ()
    paces: Mapping[str, Pace] = field(default_factory=dict)
    stands: Mapping[ServerId, _Stand] = field(default_factory=dict)

    def place_of(self, server_id: ServerId) -> QueuePlace | None:
        """None if it did not wait then."""
        stand = self.stands.get(server_id)
        if stand is None:
            return None
        held = stand.held
        pace = self.paces.get(SITE if held is None else held.group)
        left = time_left(*stand.before, pace) if pace is not None and stand.before is not None else None
        return QueuePlace(stand.place, self.length, self.reason if held is None else held.reason, left)

    @property
    def per_minute(self) -> float | None:
        """How many leave the queue; None if nobody can know."""
        pace = self.paces.get(SITE)
        return pace.left / (pace.within / timedelta(minutes=1)) if pace is not None and pace.known else None


def outlook(
    places: Sequence[Place], length: int, crowd: Crowd, limits: Limits, now: datetime, left_since: Callable[[datetime, str], int]
) -> QueueView:
    """`places` as limits.line_up gave them, of a queue of `length`; `left_since`: how many left it since a moment, of all (SITE) or a group.

    The pace is that since the longest waiting of those asked whom the same limit keeps, for before there may have been no queue; a quarter of
    an hour at most. It is asked for once for the site, and for each group that is full. Who is kept by a group's starts at the same time may or may
    not go before those behind; who is kept by its number of servers will not, as far as anybody can know.
    """
    stands: dict[ServerId, _Stand] = {}
    through, members, since, flowing = Counter[str](), Counter[str](), dict[str, datetime](), 0
    for number, (waiting, held) in enumerate(places, 1):
        groups = crowd.groups_of.get(waiting.user_id, ())
        limit = SITE if held is None else held.group
        own = held is not None and not held.group
        before = through[limit]
        stands[waiting.id] = _Stand(number, None if own else (before, before + flowing if held is None else before), held)
        members.update(groups)
        if own:
            continue
        through.update((SITE, *groups) if held is None else (limit,))
        flowing += held is not None and held.flows
        if limit not in since or waiting.queued_at < since[limit]:
            since[limit] = waiting.queued_at
    paces = {name: _pace(name, max(first, now - WINDOW), now, left_since) for name, first in since.items()}
    return QueueView(
        at=now,
        length=length,
        reason=why_full(crowd.load, limits),
        longest_wait=now - min(since.values()) if since else None,
        groups=[
            GroupQueue(name=name, waiting=members[name], load=crowd.load_of.get(name, Load()), limits=group)
            for name, group in sorted(limits.groups.items())
        ],
        paces=paces,
        stands=stands,
    )


def _pace(name: str, since: datetime, now: datetime, left_since: Callable[[datetime, str], int]) -> Pace:
    return Pace(left_since(since, name), left_since(now - (now - since) / 2, name), now - since)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
