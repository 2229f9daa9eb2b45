"""Which hubs are well? Asked every few seconds, so that requests go to those that are. Needed where there are several."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, MutableSet
from typing import Final

from perijove.proxy.hubclient import HubAnswerError, HubClient
from perijove.proxy.settings import ProxySettings
from perijove.proxy.upstreams import Origin

_log = logging.getLogger("perijove.proxy.hubs")
_EVERY_S: Final = 2.0
_PATIENCE_S: Final = 3.0
"""A hub that is paused accepts connections, and never answers."""
_SILENT: Final = "it does not answer"
_OLDER: Final = 404
"""A hub of a version before this question existed, during an upgrade: it answers, and so is well."""


class HubWatch:
    """Keeps `unwell` up to date. Run `run` as a task; it ends only by being cancelled."""

    def __init__(
        self,
        settings: ProxySettings,
        hubs: Mapping[str, Origin],
        unwell: MutableSet[Origin],
        tls: ssl.SSLContext | None,
        silent: Callable[[Origin], None],
    ) -> None:
        """`silent` is told of a hub that takes connections and does not answer, each time that it does not."""
        self._path = f"{settings.base_url}hub/perijove/ready"
        self._token = settings.token
        self._hubs = hubs
        self._unwell = unwell
        self._tls = tls
        self._silent = silent

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for url, origin in self._hubs.items():
                group.create_task(self._watch(url, origin))

    async def _watch(self, url: str, origin: Origin) -> None:
        client = HubClient(url, self._token, self._tls, timeout_s=_PATIENCE_S)
        try:
            while True:
                trouble = await _trouble(client, self._path)
                self._note(url, origin, trouble)
                if trouble == _SILENT:
                    self._silent(origin)
                await asyncio.sleep(_EVERY_S)
        finally:
            client.close()

    def _note(self, url: str, origin: Origin, trouble: str) -> None:
        if trouble and origin not in self._unwell:
            _log.warning("%s is not well (%s): requests go to other hubs", url, trouble)
            self._unwell.add(origin)
        elif not trouble and origin in self._unwell:
            _log.info("%s is well again", url)
            self._unwell.discard(origin)


async def _trouble(client: HubClient, path: str) -> str:
    """What is wrong with the hub; "" if nothing."""
    try:
        status, _ = await client.request("GET", path)
    except TimeoutError:
        return _SILENT
    except (OSError, EOFError, HubAnswerError) as error:
        return str(error) or type(error).__name__
    return "" if status in {200, _OLDER} else f"it says {status}"
