"""What a cluster offers a person, and what it says of a request beforehand, where the spawner can tell. That it cannot be told refuses nothing."""

from collections import OrderedDict
from collections.abc import Awaitable
from typing import Final, TypeVar

import msgspec
import structlog

from perijove.control.bounded import bounded
from perijove.control.context import Hub
from perijove.domain.batch.offers import Offers
from perijove.domain.errors import PerijoveError
from perijove.domain.server import JsonObject
from perijove.ports.cluster_spawner import Estimates, OffersChoices, Verdict

T = TypeVar("T")
_log = structlog.get_logger("perijove.spawner")
MOST_S: Final = 5.0
"""A page is not kept waiting longer for what it can do without."""
FRESH_S: Final = 30.0
PER_MINUTE: Final = 60
AT_ONCE: Final = 30
_MOST_KNOWN: Final = 1000
AWAY: Final = "The scheduler did not answer in time."


async def offers_for(hub: Hub, user: str) -> tuple[Offers | None, str]:
    """None where the spawner offers nothing, or cannot tell what; then the words say why, or are empty."""
    if not isinstance(hub.spawner, OffersChoices):
        return None, ""
    return await _told(hub, hub.spawner.offers(user), user)


def estimates(hub: Hub) -> bool:
    """Whether requests can be judged beforehand."""
    return isinstance(hub.spawner, Estimates)


class Judge:
    """Asks the place what it says of requests, and spares it: while one types in the form it is asked again and again, and for three hundred people
    at the beginning of a class. An answer counts for half a minute, and only so many questions a minute come from one hub; who asks beyond that
    is told so, and may start all the same: what cannot be is refused then."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: OrderedDict[tuple[str, bytes], tuple[float, Verdict]] = OrderedDict()
        self._left = float(AT_ONCE)
        self._counted = hub.clock.monotonic()

    async def verdict(self, user: str, options: JsonObject) -> tuple[Verdict | None, str]:
        """Of checked options; as for `offers_for`."""
        spawner = self._hub.spawner
        if not isinstance(spawner, Estimates):
            return None, ""
        key, now = (user, msgspec.json.encode(dict(options), order="sorted")), self._hub.clock.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < FRESH_S:
            return known[1], ""
        if not self._may_ask(now):
            return None, "Many people ask just now. Try again in a minute, or start it."
        verdict, said = await _told(self._hub, spawner.estimate(user, options), user)
        if verdict is not None:
            self._known[key] = (self._hub.clock.monotonic(), verdict)
            self._known.move_to_end(key)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return verdict, said

    def _may_ask(self, now: float) -> bool:
        self._left = min(float(AT_ONCE), self._left + (now - self._counted) * PER_MINUTE / 60)
        self._counted = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


async def _told(hub: Hub, asked: Awaitable[T], user: str) -> tuple[T | None, str]:
    limit_s = min(hub.settings.limits.hook_timeout or MOST_S, MOST_S)
    try:
        return await bounded(asked, limit_s), ""
    except PerijoveError as error:
        return None, str(error)
    except TimeoutError:
        return None, AWAY
    except Exception:  # noqa: BLE001 - a plugin's bug must not keep anybody from their server
        _log.exception("spawner cannot tell what there is", user=user)
        return None, "What the cluster says cannot be read; an administrator finds more in the hub's log."
