"""The agents that a gateway knows, and their tunnels."""

import asyncio
import logging
import secrets
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

from perijove.agent.carry import Carrier, Wire
from perijove.agent.dial import REPLACED
from perijove.agent.frames import HELLO, Frame, FrameError
from perijove.agent.mux import Mux

_log = logging.getLogger("perijove.gateway")
_AT_ONCE: Final = 1000
"""Agents that may come back within a second: they are asked to spread so."""
_MOST_SPREAD_S: Final = 4.0
"""Requests wait a little longer than that for an agent."""


class Agent:
    """One start of a server. Its streams outlive the connection for a while."""

    def __init__(self, start_id: str, session: str) -> None:
        self.start_id = start_id
        self.session = session
        self.since = datetime.now(UTC)  # noqa: TID251 - shown to people, and nothing depends on it
        self.version = ""
        self.address = ""
        self.carrier = Carrier(Mux(opens=True))
        self.forgetting: asyncio.TimerHandle | None = None

    @property
    def here(self) -> bool:
        return self.carrier.wire is not None


class Agents:
    """All of one gateway."""

    def __init__(self, keep_s: float) -> None:
        self.id = secrets.token_hex(8)
        """Of this gateway: agents see by it whether it is the one they knew."""
        self._keep_s = keep_s
        self._known: dict[str, Agent] = {}
        self.resumed = 0
        """Connections with which streams went on."""
        self.broken = 0
        """Connections lost."""

    def __len__(self) -> int:
        return len(self._known)

    def find(self, start_id: str) -> Agent | None:
        return self._known.get(start_id)

    def greet(self, start_id: str, hello: Frame, wire: Wire, address: str) -> Agent:
        """An agent has come, with its first frame. Its connection before this one, if there is one, is dropped. Raises FrameError."""
        words = hello.words if hello.kind == HELLO else {}
        session = words.get("session")
        if not isinstance(session, str) or not 0 < len(session) <= 64:
            raise FrameError("a greeting without a session")
        agent = self._known.get(start_id)
        fresh = agent is None or agent.session != session
        if agent is None or agent.session != session:
            if agent is not None:
                self._replace(agent)
            agent = self._known[start_id] = Agent(start_id, session)
        elif agent.carrier.wire is not None:
            before = agent.carrier.wire
            agent.carrier.detach(before)
            before.drop("it came again")
        if agent.forgetting is not None:
            agent.forgetting.cancel()
            agent.forgetting = None
        agent.address, agent.version = address, str(words.get("agent", ""))[:64]
        self.resumed += not fresh
        wire.send([agent.carrier.mux.hello(fresh=fresh, spread_s=min(_MOST_SPREAD_S, len(self._known) / _AT_ONCE)).encoded()])
        try:
            agent.carrier.attach(wire, hello)
        except BaseException:
            self._expect(agent)
            raise
        _log.info("agent %s from %s is here%s", start_id, address or "this machine", "" if fresh else " again")
        return agent

    def retire(self) -> None:
        """Other gateways take over: agents go to them, and what is carried here goes on."""
        for agent in self._known.values():
            agent.carrier.mux.note({"retiring": True})
            agent.carrier.pump()

    def lost(self, agent: Agent, wire: Wire, reason: str, *, farewell: bool) -> None:
        """A connection ended. `farewell`: the agent said that it will not come back."""
        if not agent.carrier.detach(wire):
            return
        if farewell:
            _log.info("agent %s has gone", agent.start_id)
            self._forget(agent)
            return
        self.broken += 1
        _log.info("the connection of agent %s is lost: %s", agent.start_id, reason)
        self._expect(agent)

    def clear(self) -> None:
        """The gateway ends."""
        for agent in tuple(self._known.values()):
            self._forget(agent)

    def listed(self) -> list[dict[str, Any]]:
        """For status pages: no secrets."""
        return [
            {
                "start_id": agent.start_id,
                "here": agent.here,
                "since": agent.since.isoformat(timespec="seconds"),
                "address": agent.address,
                "version": agent.version,
                "connections": len(agent.carrier),
            }
            for agent in self._known.values()
        ]

    def counts(self) -> Counter[str]:
        """Of agents that are here and away, and of connections through them."""
        found = Counter(here=0, away=0, connections=0)
        for agent in self._known.values():
            found["here" if agent.here else "away"] += 1
            found["connections"] += len(agent.carrier)
        return found

    def _expect(self, agent: Agent) -> None:
        """It may come back, for a while."""
        agent.forgetting = asyncio.get_running_loop().call_later(self._keep_s, self._forget, agent)

    def _replace(self, agent: Agent) -> None:
        """The job was started again elsewhere, or the agent has given its streams up."""
        wire = agent.carrier.wire
        if wire is not None:
            agent.carrier.detach(wire)
            wire.drop(REPLACED)
        if agent.forgetting is not None:
            agent.forgetting.cancel()
        agent.carrier.forget("the server was started again")

    def _forget(self, agent: Agent) -> None:
        if self._known.get(agent.start_id) is agent:
            del self._known[agent.start_id]
        if agent.forgetting is not None:
            agent.forgetting.cancel()
        wire = agent.carrier.wire
        agent.carrier.forget("its agent is gone")
        if wire is not None:
            agent.carrier.detach(wire)
            wire.drop("the gateway ends")
