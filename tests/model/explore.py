"""Visit every state that can be reached, and check what must be true in each; then let calm reign, and see where it ends."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.model.protocol import Rules, World, steps


@dataclass(frozen=True, slots=True)
class Broken:
    """What is not true, and how it came about, step by step."""

    what: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join((f"{self.what}, after:", *self.path))


@dataclass(slots=True)
class Explored:
    """Every state, with the step and state it was first reached by."""

    came: dict[World, tuple[str, World] | None]
    edges: dict[World, list[World]]

    def path(self, world: World) -> tuple[str, ...]:
        names: list[str] = []
        while (before := self.came[world]) is not None:
            names.append(before[0])
            world = before[1]
        return tuple(reversed(names))

    def at_rest(self) -> Iterator[World]:
        """States in which nothing happens any more by itself: all that is left leads back to them."""
        for component in _final_components(self.edges):
            yield from component


def explore(start: World, rules: Rules, must_hold: Callable[[World], str], most: int = 5_000_000) -> Explored | Broken:
    """Breadth first, so that a broken promise is shown with the fewest steps. Raises RuntimeError beyond `most` states."""
    found = Explored({start: None}, {})
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        if wrong := must_hold(world):
            return Broken(wrong, found.path(world))
        following = found.edges[world] = []
        for name, after in steps(world, rules):
            following.append(after)
            if after not in found.came:
                found.came[after] = (name, world)
                waiting.append(after)
        if len(found.came) > most:
            raise RuntimeError(f"more than {most} states")
    return found


def _final_components(edges: dict[World, list[World]]) -> Iterator[list[World]]:
    """The sets of states that can reach each other and nothing else (Tarjan's algorithm, without recursion)."""
    index: dict[World, int] = {}
    low: dict[World, int] = {}
    on_stack: set[World] = set()
    stack: list[World] = []
    component_of: dict[World, int] = {}
    components: list[list[World]] = []
    for root, beginnings in edges.items():
        if root in index:
            continue
        trail = [(root, iter(beginnings))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while trail:
            world, following = trail[-1]
            for after in following:
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    on_stack.add(after)
                    trail.append((after, iter(edges[after])))
                    break
                if after in on_stack:
                    low[world] = min(low[world], index[after])
            else:
                trail.pop()
                if trail:
                    low[trail[-1][0]] = min(low[trail[-1][0]], low[world])
                if low[world] == index[world]:
                    members: list[World] = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component_of[member] = len(components)
                        members.append(member)
                        if member == world:
                            break
                    components.append(members)
    for number, members in enumerate(components):
        if all(component_of[after] == number for member in members for after in edges[member]):
            yield members
