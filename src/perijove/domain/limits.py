"""Who may start now, who waits, in which order, and why: pure decisions with a reason.

The rule of the queue: everybody stands by the moment they asked, moved by steps (`Limits.queue_step`) - one earlier for each point
of the highest priority among their groups, one later for each server of theirs that exists already or that they asked for before. Whoever
stands first goes first, as soon as the site has room; who is held back by a limit of their own or of their group is passed by, and
keeps their place. A step is worth so much waiting and no more, so nobody waits for ever; among equals nobody overtakes anybody.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from perijove.domain.server import Phase, ServerId, UserId

STARTING_PHASES = frozenset({Phase.STARTING, Phase.WAITING, Phase.ROUTING})
"""Between admission and ready."""
ACTIVE_PHASES = STARTING_PHASES | {Phase.READY, Phase.STOPPING, Phase.UNKNOWN}
"""Something may exist outside the database."""
ANY = sys.maxsize


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """Of the people of one group together, and (`active_servers_per_user`) of each of them, in place of what holds for everybody: None
    leaves it at that. 0 lifts a limit. `priority`: steps before (or, below 0, behind) others in the queue."""

    active_servers: int = 0
    concurrent_starts: int = 0
    active_servers_per_user: int | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """0 lifts a limit."""

    concurrent_starts: int = 100
    active_servers: int = 0
    active_servers_per_user: int = 0
    queue_step: timedelta = timedelta(minutes=5)
    groups: Mapping[str, GroupLimits] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return bool(self.concurrent_starts or self.active_servers or self.per_user or any(self.full_groups))

    @property
    def per_user(self) -> bool:
        """Whether anybody's own number of servers is limited."""
        return bool(self.active_servers_per_user) or any(group.active_servers_per_user for group in self.groups.values())

    @property
    def full_groups(self) -> list[str]:
        """Groups that can be full."""
        return [name for name, group in self.groups.items() if group.active_servers or group.concurrent_starts]

    def of_person(self, groups: Sequence[str]) -> int:
        """How many servers somebody of these groups may have: the most generous of their groups decides, if one says anything. 0: any number."""
        said = [own for name in groups if (known := self.groups.get(name)) is not None and (own := known.active_servers_per_user) is not None]
        return 0 if 0 in said else max(said, default=self.active_servers_per_user)

    def priority_of(self, groups: Sequence[str]) -> int:
        """The highest of those of their groups that are known here; 0 without any."""
        return max((self.groups[name].priority for name in groups if name in self.groups), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is going on: servers between admission and ready, and servers that exist at all."""

    starting: int = 0
    active: int = 0


class Waiting(NamedTuple):
    """A server in the queue."""

    id: ServerId
    user_id: UserId
    queued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """All that decides beside the queue itself: the site's load; of people who wait, how many servers of theirs exist and in which of the
    groups with limits they are; and the load of these groups. Who is absent has none."""

    load: Load = Load()
    active_of: Mapping[UserId, int] = field(default_factory=dict)
    groups_of: Mapping[UserId, Sequence[str]] = field(default_factory=dict)
    load_of: Mapping[str, Load] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """By a limit that is not about everybody: that of `group`, or ("") the person's own. `reason`: in words for whoever waits. `flows`: it is one
    of starts at the same time, which passes by itself."""

    group: str
    reason: str
    flows: bool = False


class Place(NamedTuple):
    """`held`: None if only the site's own limits keep it."""

    waiting: Waiting
    held: Held | None


def room(load: Load, limits: Limits) -> int:
    """How many may start now, whoever they are."""
    free = limits.active_servers - load.active if limits.active_servers else ANY
    ways = limits.concurrent_starts - load.starting if limits.concurrent_starts else ANY
    return max(0, min(free, ways))


def why_full(load: Load, limits: Limits) -> str:
    """In words for whoever waits for the whole site; "" if there is room."""
    if limits.active_servers and load.active >= limits.active_servers:
        places = "The only place is" if limits.active_servers == 1 else f"All {limits.active_servers} places are"
        return f"{places} taken. Your server starts when one is free."
    if limits.concurrent_starts and load.starting >= limits.concurrent_starts:
        return "Many servers are starting just now. Yours is in the queue."
    return ""


def in_order(queue: Sequence[Waiting], crowd: Crowd, limits: Limits) -> list[Waiting]:
    """The queue by the rule above."""
    if not limits.queue_step:
        return sorted(queue, key=lambda waiting: (waiting.queued_at, waiting.id))
    turns, groups_of = dict(crowd.active_of), crowd.groups_of
    keyed: list[tuple[datetime, ServerId, Waiting]] = []
    for waiting in sorted(queue, key=lambda waiting: (waiting.queued_at, waiting.id)):
        turn = turns.get(waiting.user_id, 0)
        turns[waiting.user_id] = turn + 1
        steps = turn - limits.priority_of(groups) if (groups := groups_of.get(waiting.user_id)) else turn
        keyed.append((waiting.queued_at + steps * limits.queue_step if steps else waiting.queued_at, waiting.id, waiting))
    keyed.sort()
    return [waiting for _, _, waiting in keyed]


def line_up(queue: Sequence[Waiting], crowd: Crowd, limits: Limits) -> list[Place]:
    """The queue in its order, and who of it is held back by other limits than the site's, those before them having gone on. So the first
    `room` of those that are not are the ones who go on now."""
    own, per_user = dict(crowd.active_of), limits.per_user
    tallies = {name: _Tally(name, limits.groups[name], crowd.load_of.get(name, Load())) for name in limits.full_groups}
    places: list[Place] = []
    for waiting in in_order(queue, crowd, limits):
        groups = crowd.groups_of.get(waiting.user_id, ())
        mine = own.get(waiting.user_id, 0)
        theirs = [tally for name in groups if (tally := tallies.get(name)) is not None] if groups else ()
        held = _held_by_own(mine, limits.of_person(groups)) if per_user else None
        for tally in theirs:
            held = held or tally.held()
        if held is None:
            own[waiting.user_id] = mine + 1
            for tally in theirs:
                tally.passed += 1
        places.append(Place(waiting, held))
    return places


def _held_by_own(mine: int, most: int) -> Held | None:
    if not most or mine < most:
        return None
    servers = "1 server" if mine == 1 else f"{mine} servers"
    return Held("", f"You have {servers}, and one person may have {most} here. Stop one to start this one.")


class _Tally:
    """How full a group is while those before go on in thought."""

    def __init__(self, name: str, limits: GroupLimits, load: Load) -> None:
        self.name, self.limits, self.load, self.passed = name, limits, load, 0

    def held(self) -> Held | None:
        for most, now, what, flows in (
            (self.limits.active_servers, self.load.active, "servers running", False),
            (self.limits.concurrent_starts, self.load.starting, "servers starting", True),
        ):
            if most and now + self.passed >= most:
                before = "" if now >= most else ", with those before you in the queue,"
                words = what if most > 1 else what.replace("servers", "server")
                return Held(self.name, f"Your group {self.name}{before} has its {most} {words}.", flows)
        return None
