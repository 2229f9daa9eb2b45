"""One server, some replicas of the hub, the place where its processes run, and everything that can happen to them.

What is left out does not matter to the protocol: times are replaced by "a lease may end at any moment, unless its holder is
well and calm reigns", the numbers of revisions by "has the row changed since I read it?", which is all that compare-and-swap asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from perijove.domain.lifecycle import ACTIVITY, Activity, Event, can, step
from perijove.domain.server import Phase

NOBODY: Final = -1
A_DEAD_ONE: Final = -2
IDLE: Final = frozenset({Phase.STOPPED, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class Row:
    """The server's row. `attempt` counts starts (the start_id); `known`: a checkpoint of this attempt is kept."""

    phase: Phase = Phase.STOPPED
    wanted: bool = False
    failed: bool = False
    attempt: int = 0
    known: bool = False
    holder: int = NOBODY
    lasting: bool = False
    """Whether the holder's lease still runs."""
    token: int = 0
    """The attempt whose token is valid; 0: none."""
    routed: int = 0
    """The attempt to which the route leads; 0: none."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a replica is in the middle of. `at` is the step it will do next, `saw` what it learned before."""

    activity: Activity
    attempt: int
    at: int = 0
    saw: bool = False
    fresh: bool = True
    """Whether the row is as it was when this replica read or wrote it: compare-and-swap succeeds."""


@dataclass(frozen=True, slots=True)
class Luck:
    """How much may still happen: every kind of bad luck is a number, so that there is an end."""

    wishes: int
    crashes: int
    pauses: int
    """Leases that end although their holder lives: it was paused, cut off, or its clock is wrong."""
    deaths: int
    breaks: int
    """Starts that fail."""

    @property
    def over(self) -> bool:
        return not (self.wishes or self.crashes or self.pauses or self.deaths or self.breaks)


@dataclass(frozen=True, slots=True)
class World:
    row: Row
    work: tuple[Work | None, ...]
    looking: tuple[Work | None, ...]
    """What each replica's poll of running servers is in the middle of."""
    processes: frozenset[int] = frozenset()
    """The attempts that live: the place makes at most one process of each (spawner_conformance.py)."""
    buried: frozenset[int] = frozenset()
    """The attempts that the place was told to stop, and will not begin again."""
    luck: Luck = Luck(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is true of the hub. Each can be turned off, to see that it is needed."""

    compare_and_swap: bool = True
    promise_before_start: bool = True
    """A checkpoint is in the database before anything is begun; the place can be asked to end only what it is told of."""
    place_remembers_stops: bool = True
    """A spawner that has stopped an attempt does not start that attempt any more."""


Step = tuple[str, World]


def begin(replicas: int, luck: Luck) -> World:
    return World(Row(), (None,) * replicas, (None,) * replicas, luck=luck)


def steps(world: World, rules: Rules) -> Iterator[Step]:
    """All that can happen next, with a name for each."""
    yield from _wishes(world)
    yield from _bad_luck(world)
    for me in range(len(world.work)):
        yield from _poll(world, rules, me)
        if world.row.phase is Phase.QUEUED:
            yield f"{me} admits", _admit(world, me)
        if (work := world.work[me]) is None:
            yield from _look(world, me)
        else:
            yield from _go_on(world, rules, me, work)


def _wishes(world: World) -> Iterator[Step]:
    row, luck = world.row, world.luck
    if not luck.wishes:
        return
    after = replace(world, luck=replace(luck, wishes=luck.wishes - 1))
    for me in range(len(world.work)):
        if row.phase in IDLE:
            asked = replace(row, wanted=True, failed=False, phase=step(row.phase, Event.ASK_START)[0], holder=NOBODY, lasting=False)
            yield f"somebody asks {me} for a start", _written(after, asked)
        elif row.phase is Phase.STOPPING and (not row.wanted or row.failed):
            yield f"somebody asks {me} for a start", _written(after, replace(row, wanted=True, failed=False))
        if row.phase is Phase.STOPPING and row.wanted:
            yield f"somebody asks {me} for an end", _written(after, replace(row, wanted=False))
        elif row.phase not in IDLE and row.phase is not Phase.STOPPING:
            yield (
                f"somebody asks {me} for an end",
                _written(after, _moved(replace(row, wanted=False, failed=False), Event.ASK_STOP, holder=_for_wish(row, me))),
            )


def _for_wish(row: Row, me: int) -> int:
    """Who works on a wish: the holder, else who was asked."""
    return row.holder if row.holder >= 0 and row.lasting else me


def _bad_luck(world: World) -> Iterator[Step]:
    row, luck = world.row, world.luck
    for me in range(len(world.work)):
        if luck.crashes:
            holder = A_DEAD_ONE if row.holder == me else row.holder
            gone = replace(world, row=replace(row, holder=holder), work=_with(world.work, me, None), looking=_with(world.looking, me, None))
            yield f"{me} is killed", replace(gone, luck=replace(luck, crashes=luck.crashes - 1))
    if row.lasting and row.holder == A_DEAD_ONE:
        yield "a dead one's lease ends", replace(world, row=replace(row, lasting=False))
    elif row.lasting and row.holder >= 0 and luck.pauses:
        yield "a living one's lease ends", replace(world, row=replace(row, lasting=False), luck=replace(luck, pauses=luck.pauses - 1))
    if luck.deaths:
        for attempt in world.processes:
            died = replace(world, processes=world.processes - {attempt}, luck=replace(luck, deaths=luck.deaths - 1))
            yield f"the process of attempt {attempt} dies", died


def _admit(world: World, me: int) -> World:
    attempt = world.row.attempt + 1
    return _written(world, _moved(world.row, Event.ADMIT, holder=me, attempt=attempt, known=False, failed=False))


def _look(world: World, me: int) -> Iterator[Step]:
    """Take what is free, or go on with one's own."""
    row = world.row
    activity = ACTIVITY.get(row.phase)
    if activity is None or activity is Activity.ADMISSION or (row.holder >= 0 and row.holder != me and row.lasting):
        return
    if row.holder == A_DEAD_ONE and row.lasting:
        return
    if row.holder == me and row.lasting:
        yield f"{me} looks", replace(world, work=_with(world.work, me, Work(activity, row.attempt)))
        return
    taken = replace(row, holder=me, lasting=True)
    if row.holder not in {NOBODY, me} and can(row.phase, Event.LOST):
        taken = _moved(taken, Event.LOST, holder=me)
    after = _written(world, taken)
    yield f"{me} takes the lease", replace(after, work=_with(after.work, me, Work(ACTIVITY[taken.phase], taken.attempt)))


def _go_on(world: World, rules: Rules, me: int, work: Work) -> Iterator[Step]:
    stale = rules.compare_and_swap and not work.fresh
    if stale:
        yield f"{me} hears that the row has changed", replace(world, work=_with(world.work, me, None))
    match work.activity:
        case Activity.START:
            yield from _start(world, rules, me, work, stale=stale)
        case Activity.STOP:
            yield from _stop(world, me, work)
        case _:
            yield from _ask(world, me, work, stale=stale)


def _start(world: World, rules: Rules, me: int, work: Work, *, stale: bool) -> Iterator[Step]:
    match work.at:
        case 0:
            if not rules.promise_before_start:
                yield f"{me} goes on", _at(world, me, work, 1)
            elif not stale:
                yield f"{me} writes a checkpoint", _commit(world, me, work, Event.CHECKPOINT, at=1, known=True)
        case 1:  # whatever has happened meanwhile: nobody can call back what is on its way to the place
            if work.attempt in world.buried and rules.place_remembers_stops:
                yield f"{me} is told that attempt {work.attempt} was stopped", replace(world, work=_with(world.work, me, None))
            else:
                begun = replace(world, processes=world.processes | {work.attempt})
                yield f"{me} has the process of attempt {work.attempt}", _at(begun, me, work, 2)
            if world.luck.breaks and not stale:
                unlucky = replace(world, luck=replace(world.luck, breaks=world.luck.breaks - 1))
                yield f"{me} sees the start fail", _commit(unlucky, me, work, Event.BROKE, failed=True)
        case 2 if not stale:
            yield f"{me} writes that it is up", _commit(world, me, work, Event.UP, known=True)


def _ask(world: World, me: int, work: Work, *, stale: bool) -> Iterator[Step]:
    row = world.row
    match work.activity, work.at:
        case Activity.PROBE, 0:
            yield f"{me} asks the server", _at(world, me, replace(work, saw=work.attempt in world.processes), 1)
        case Activity.PROBE, 1 if not stale:
            if work.saw:
                yield f"{me} opens the route", _commit(world, me, work, Event.ANSWERED, routed=row.attempt)
            else:
                yield f"{me} writes that it died", _commit(world, me, work, Event.DIED, failed=True)
        case Activity.ROUTE, _ if not stale:
            yield f"{me} writes that it is ready", _commit(world, me, work, Event.ROUTED)
        case Activity.POLL, 0:
            yield f"{me} asks the place", _at(world, me, replace(work, saw=work.attempt in world.processes), 1)
        case Activity.POLL, 1 if not stale:
            event, failed = (Event.FOUND, row.failed) if work.saw else (Event.DIED, True)
            yield f"{me} writes what the place said", _commit(world, me, work, event, failed=failed)


def _stop(world: World, me: int, work: Work) -> Iterator[Step]:
    row = world.row
    match work.at:
        case 0:
            told = {work.attempt} if row.known and row.attempt == work.attempt else set()
            ended = replace(world, processes=world.processes - told, buried=world.buried | told)
            yield f"{me} ends attempt {work.attempt}", _at(ended, me, work, 1)
        case 1:
            if (row.phase, row.attempt, row.holder) == (Phase.STOPPING, work.attempt, me):
                event = Event.GONE_FAILED if row.failed else Event.GONE_AGAIN if row.wanted else Event.GONE
                wanted = row.wanted and event is Event.GONE_AGAIN
                yield f"{me} writes that it is gone", _commit(world, me, work, event, wanted=wanted, known=False)
            else:
                yield f"{me} sees that it is not the one any more", replace(world, work=_with(world.work, me, None))


def _poll(world: World, rules: Rules, me: int) -> Iterator[Step]:
    """Look after a ready server: ask the place, then write, if the row is still what it was."""
    row, looking = world.row, world.looking[me]
    if looking is None:
        if row.phase is Phase.READY:
            seen = Work(Activity.POLL, row.attempt, saw=row.attempt in world.processes)
            yield f"{me} looks after it", replace(world, looking=_with(world.looking, me, seen))
        return
    rested = replace(world, looking=_with(world.looking, me, None))
    if looking.saw or (rules.compare_and_swap and not looking.fresh) or row.phase is not Phase.READY:
        yield f"{me} has looked after it", rested
    else:
        yield f"{me} found it dead", _written(rested, _moved(row, Event.DIED, holder=me, failed=True))


def _at(world: World, me: int, work: Work, at: int) -> World:
    return replace(world, work=_with(world.work, me, replace(work, at=at)))


def _commit(world: World, me: int, work: Work, event: Event, at: int = 0, **changes: object) -> World:
    """The row as it is now, moved; then the next activity, if there is one. Without compare-and-swap a row may be hit that is
    another by now: an event that it cannot have changes nothing."""
    if not can(world.row.phase, event):
        return replace(world, work=_with(world.work, me, None))
    moved = _moved(world.row, event, holder=me, **changes)
    after = _written(world, moved)
    activity = ACTIVITY.get(moved.phase)
    going_on = moved.holder == me and activity is not None
    return replace(after, work=_with(after.work, me, Work(activity, moved.attempt, at) if going_on and activity is not None else None))


def _moved(row: Row, event: Event, *, holder: int, **changes: object) -> Row:
    """One step of the hub's own table, with its effects on token and route."""
    phase, effects = step(row.phase, event)
    after = replace(row, phase=phase, **changes)  # type: ignore[arg-type]
    for effect in effects:
        match effect.value:
            case "issue_token":
                after = replace(after, token=after.attempt)
            case "revoke_token":
                after = replace(after, token=0)
            case "add_route":
                after = replace(after, routed=after.attempt)
            case "remove_route":
                after = replace(after, routed=0)
    works = ACTIVITY.get(phase) not in {None, Activity.ADMISSION}
    return replace(after, holder=holder if works else NOBODY, lasting=works)


def _written(world: World, row: Row) -> World:
    """A commit: what others have read is old now."""
    return replace(world, row=row, work=tuple(_old(work) for work in world.work), looking=tuple(_old(work) for work in world.looking))


def _old(work: Work | None) -> Work | None:
    return None if work is None else replace(work, fresh=False)


def _with(all_of: tuple[Work | None, ...], me: int, mine: Work | None) -> tuple[Work | None, ...]:
    return (*all_of[:me], mine, *all_of[me + 1 :])
