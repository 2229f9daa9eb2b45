"""Observer that writes transitions and audit events to the log."""

from datetime import datetime

import structlog

from perijove.domain.lifecycle import Transition
from perijove.domain.server import Phase
from perijove.ports.observer import AuditEvent

_log = structlog.get_logger("perijove")


class Journal:
    """One log line per transition, one per audit event."""

    def transition(self, transition: Transition, at: datetime) -> None:  # noqa: ARG002 - the log has its own clock
        before, after = transition.before, transition.after
        say = _log.warning if after.phase is Phase.FAILED else _log.debug if before.phase is after.phase else _log.info
        say(
            "server",
            server=after.full_name,
            server_id=after.id,
            attempt=after.attempt,
            move=f"{before.phase.value} -> {after.phase.value}",
            cause=transition.event.value,
            **({"failure": after.failure.code, "message": after.failure.message} if after.failure else {}),
        )

    def audit(self, event: AuditEvent) -> None:
        _log.info(
            "audit",
            action=event.action,
            actor=event.actor,
            target=event.target,
            outcome=event.outcome,
            address=event.address,
            request_id=event.request_id,
            detail=dict(event.detail),
        )
