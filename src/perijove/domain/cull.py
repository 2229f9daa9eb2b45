"""Which servers are idle, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from perijove.domain.server import Phase, Server


@dataclass(frozen=True, slots=True, kw_only=True)
class CullRule:
    """None switches a rule off."""

    idle_after: timedelta | None = None
    max_age: timedelta | None = None


def cull_reason(server: Server, rule: CullRule, now: datetime) -> str | None:
    """Why a ready server should be stopped, or None. A server without any activity counts from when it got ready."""
    if server.phase is not Phase.READY:
        return None
    started = server.ready_at or server.started_at
    if rule.max_age is not None and started is not None and now - started >= rule.max_age:
        return f"it is older than {rule.max_age}"
    moments = [moment for moment in (server.last_activity, server.ready_at) if moment is not None]
    if rule.idle_after is not None and moments and now - max(moments) >= rule.idle_after:
        return f"it was idle for {rule.idle_after}"
    return None
