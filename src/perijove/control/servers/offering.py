"""What a cluster offers a person, and what it says of a request beforehand, where the spawner can tell. That it cannot be told refuses nothing."""

from collections.abc import Awaitable
from typing import Final, TypeVar

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
AWAY: Final = "The scheduler did not answer in time."


async def offers_for(hub: Hub, user: str) -> tuple[Offers | None, str]:
    """None where the spawner offers nothing, or cannot tell what; then the words say why, or are empty."""
    if not isinstance(hub.spawner, OffersChoices):
        return None, ""
    return await _told(hub, hub.spawner.offers(user), user)


def estimates(hub: Hub) -> bool:
    """Whether requests can be judged beforehand."""
    return isinstance(hub.spawner, Estimates)


async def verdict_for(hub: Hub, user: str, options: JsonObject) -> tuple[Verdict | None, str]:
    """Of checked options; likewise."""
    if not isinstance(hub.spawner, Estimates):
        return None, ""
    return await _told(hub, hub.spawner.estimate(user, options), user)


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
