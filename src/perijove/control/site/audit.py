"""The audit log, for administrators."""

from perijove.control.context import Hub
from perijove.domain.page import Page
from perijove.ports.observer import AuditEvent


async def audit_page(hub: Hub, offset: int, limit: int, search: str) -> Page[AuditEvent]:
    """Newest first; `search` matches action, actor or target."""
    return await hub.store.read(lambda tx: tx.audit.page(offset, limit, search=search))
