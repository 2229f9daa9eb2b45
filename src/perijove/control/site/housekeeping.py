"""Throw away what has expired."""

from datetime import timedelta

from perijove.control.context import Hub
from perijove.control.periodic import every
from perijove.ports.store.store import Tx

EVERY_S = 300.0
NOTICES_KEPT = timedelta(hours=1)
PROXIES_KEPT = timedelta(hours=1)


async def keep_house(hub: Hub) -> None:
    """Until cancelled."""
    await every(hub, "housekeeping", EVERY_S, tidy_once)


async def tidy_once(hub: Hub) -> None:
    """Expired tokens, codes, sessions, invitations, sharing links and counters; old notices, proxies and audit events."""
    now = hub.clock.now()
    window = timedelta(seconds=hub.settings.limits.sign_in_window)
    audit = hub.settings.log.audit_keep

    def write(tx: Tx) -> None:
        tx.tokens.purge_expired(now)
        tx.oauth.purge_expired(now)
        tx.sessions.purge_expired(now)
        tx.invitations.purge_expired(now)
        tx.share_codes.purge_expired(now)
        tx.throttle.purge(now - window)
        tx.notices.trim(now - NOTICES_KEPT)
        tx.proxies.forget_before(now - PROXIES_KEPT)
        tx.replicas.forget_before(now - PROXIES_KEPT)
        if audit:
            tx.audit.trim(now - timedelta(seconds=audit))

    await hub.store.write(write)
