"""Who visitors are: asked of the hub, remembered for a while, and kept through its outages."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .hub import HubUnavailableError, Identity

# Short, so that someone who is given access just now does not wait five minutes.
FRESH_REFUSAL_S = 10.0
# Others than the owner come by a share or a role that can be taken back: that must not take minutes.
VISITOR_S = 10.0
ASK_AGAIN_S = 15.0
LIMIT = 1024

Key = tuple[str, str]


@dataclass
class _Known:
    identity: Identity
    confirmed_at: float
    hub_failed_at: float | None = None


class Identities:
    """Answers who holds a token.

    The key holds the browser's hub session beside the token, so that after a sign-out at the hub,
    which changes the session, the very next request asks the hub again.

    When the hub does not answer, a person it confirmed less than `grace_s` ago is still let in:
    their kernel is on this machine and their work must not stop because the hub does. The price is
    that a sign-out or a withdrawn permission takes effect here only when a hub is back or the grace
    ends, whichever is first; so the grace has a bound, and nobody unknown is let in by it.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Identity | None]],
        *,
        owner: str,
        max_age_s: float,
        grace_s: float,
        monotonic: Callable[[], float],
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._ask = ask
        self._owner = owner
        self._max_age_s = max_age_s
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._log = log
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Identity | None]] = {}
        self._outage = False

    async def identify(self, token: str, session_id: str) -> Identity | None:
        """Who holds this token, or None if the hub does not accept it.

        Raises HubUnavailableError if no hub answers and the visitor is not known from before.
        """
        key = (session_id, hashlib.sha256(token.encode()).hexdigest())
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            now = self._monotonic()
            age = now - known.confirmed_at
            if age < self._lasts_s(known.identity):
                return known.identity
            if known.hub_failed_at is not None and self._in_grace(known, now):
                # The hub failed us a moment ago: do not make this request wait for it again.
                if now - known.hub_failed_at >= ASK_AGAIN_S:
                    self._ask_once(key, token)
                return known.identity
        try:
            return await asyncio.shield(self._ask_once(key, token))
        except HubUnavailableError:
            known = self._known.get(key)
            if known is not None and self._in_grace(known, self._monotonic()):
                return known.identity
            raise

    async def close(self) -> None:
        """Give up questions under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _lasts_s(self, identity: Identity) -> float:
        """How old an answer may grow."""
        if not identity.may_enter:
            return FRESH_REFUSAL_S
        owner = identity.kind == "user" and identity.name == self._owner
        return self._max_age_s if owner else min(self._max_age_s, VISITOR_S)

    def _in_grace(self, known: _Known, now: float) -> bool:
        return known.identity.may_enter and now - known.confirmed_at < self._grace_s

    def _ask_once(self, key: Key, token: str) -> asyncio.Task[Identity | None]:
        """One question at a time for each key: JupyterLab opens with dozens of requests."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._asked(key, token))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._answered(key, done))
        return task

    def _answered(self, key: Key, done: asyncio.Task[Identity | None]) -> None:
        del self._asking[key]
        if not done.cancelled():
            # Marks the exception as seen, for questions nobody waits for.
            done.exception()

    async def _asked(self, key: Key, token: str) -> Identity | None:
        try:
            identity = await self._ask(token)
        except HubUnavailableError as error:
            known = self._known.get(key)
            if known is not None:
                known.hub_failed_at = self._monotonic()
            if not self._outage:
                self._outage = True
                self._log.warning(
                    "The hub does not answer (%s). People who are already here keep working for up "
                    "to %.0f more minutes; others must wait for the hub's administrator.",
                    error,
                    self._grace_s / 60,
                )
            raise
        if self._outage:
            self._outage = False
            self._log.info("The hub answers again.")
        if identity is None:
            self._known.pop(key, None)
            return None
        self._known[key] = _Known(identity, self._monotonic())
        self._known.move_to_end(key)
        while len(self._known) > LIMIT:
            self._known.popitem(last=False)
        return identity
