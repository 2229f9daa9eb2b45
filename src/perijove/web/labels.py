"""What requests are called in metrics."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from perijove.web import proxies
from perijove.web.api import servers
from perijove.web.pages import spawn

THEIR_PROGRESS: Final = "jupyterhub.apihandlers.users.SpawnProgressAPIHandler"
"""JupyterHub's dashboards leave these out, for they last as long as somebody watches."""
NONE: Final = "none"
_PROGRESS: Final = frozenset({servers.watch, spawn.events})


def label_of(handler: Callable[..., Awaitable[Any]] | None) -> str | None:
    """The label of a route's handler: its function with its module, or "none" where nothing is. None: do not count it. Proxies follow
    the hub with a request that is open all the time, which says nothing of how fast it answers."""
    if handler is None:
        return NONE
    if handler is proxies.changes:
        return None
    return THEIR_PROGRESS if handler in _PROGRESS else f"{handler.__module__}.{handler.__qualname__}"
