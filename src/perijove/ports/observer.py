"""Who is told of what happened: metrics, audit, logs. Observers never raise and never wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from perijove.domain.lifecycle import Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """A sign-in, permission change or server action. `action` is a documented constant such as "sign-in" or "user.blocked"."""

    action: str
    at: datetime
    actor: str
    """Name of the user or "service:NAME", "hub" for the hub itself, "" for nobody known."""
    target: str = ""
    outcome: str = "success"
    address: str = ""
    request_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class Observer(Protocol):
    def transition(self, transition: Transition, at: datetime) -> None:
        """A server moved; called after the move was committed."""
        ...

    def audit(self, event: AuditEvent) -> None:
        """Something happened that an administrator may want to look up later; called after the commit that recorded it."""
        ...
