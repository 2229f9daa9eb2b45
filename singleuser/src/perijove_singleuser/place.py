"""How long this server may run yet, for the page in the browser: the hub knows it, and is asked with the server's own token."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError, authenticated

from .hub import HubClient, HubRefusedError, HubUnavailableError

LABEXTENSIONS = str(Path(__file__).parent / "labextensions")
"""Where JupyterLab finds the part of it that people see."""
_FRESH_S = 20.0
_NOTHING_S = 300.0
_NOTHING: dict[str, Any] = {"left_s": None, "extendable_s": 0}


class Place:
    """Asks the hub, and remembers the answer: several tabs may be open, and most hubs have nothing to tell."""

    def __init__(self, hub: HubClient) -> None:
        self._hub = hub
        self._told = _NOTHING
        self._at = 0.0
        self._until = 0.0

    async def get(self) -> dict[str, Any]:
        """`left_s` None: it has no end that anybody knows. Raises HubUnavailableError."""
        now = time.monotonic()
        if now >= self._until:
            try:
                self._keep(_told(await self._hub.place()))
            except HubRefusedError:  # a hub that knows nothing of places
                self._keep(_NOTHING)
        left_s = self._told["left_s"]
        passed_s = time.monotonic() - self._at
        return {**self._told, "left_s": None if left_s is None else max(0.0, left_s - passed_s)}

    async def extend(self, by_s: int) -> dict[str, Any]:
        """How it is then. Raises HubUnavailableError, HubRefusedError."""
        answer = await self._hub.extend(by_s)
        left_s = answer.get("left_s")
        if not isinstance(left_s, (int, float)):
            raise HubUnavailableError("it does not say how much time there is now")
        self._keep({**self._told, "left_s": float(left_s)})
        self._until = time.monotonic()  # how often this may be done is asked anew
        return dict(self._told)

    def _keep(self, told: dict[str, Any]) -> None:
        self._told, self._at = told, time.monotonic()
        self._until = self._at + (_FRESH_S if told["left_s"] is not None else _NOTHING_S)


def _told(answer: dict[str, Any]) -> dict[str, Any]:
    report, extendable = answer.get("report"), answer.get("extendable_s")
    left_s = report.get("left_s") if isinstance(report, dict) else None
    return {
        "left_s": float(left_s) if isinstance(left_s, (int, float)) else None,
        "extendable_s": extendable if isinstance(extendable, int) else 0,
    }


class PlaceHandler(APIHandler):
    """GET and POST {base_url}perijove/place."""

    auth_resource = "server"

    def initialize(self, place: Place) -> None:
        self._place = place

    @authenticated
    @authorized
    async def get(self) -> None:
        """How long yet, and by how much that may be prolonged, in seconds."""
        try:
            self.finish(json.dumps(await self._place.get()))
        except HubUnavailableError:
            raise HTTPError(503, "The hub does not answer just now; your server goes on.") from None

    @authenticated
    @authorized
    async def post(self) -> None:
        """Ask for more time: {"by_s": 3600}."""
        wanted = self.get_json_body()
        by_s = wanted.get("by_s") if isinstance(wanted, dict) else None
        if not isinstance(by_s, int) or isinstance(by_s, bool) or by_s < 1:
            raise HTTPError(400, "by_s must be a number of seconds.")
        try:
            self.finish(json.dumps(await self._place.extend(by_s)))
        except HubRefusedError as refusal:
            raise HTTPError(409, refusal.error or "The hub refused it.") from None
        except HubUnavailableError:
            raise HTTPError(503, "The hub does not answer just now. Try again in a minute.") from None
