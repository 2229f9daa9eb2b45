"""Browsers tell here what our pages' policies (Content-Security-Policy) kept them from doing; servers' pages name this address, too."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from starlette.responses import Response

from perijove.domain.errors import BadInputError
from perijove.web.call import Call
from perijove.web.router import Access, Route
from perijove.wire.secretpaths import without_secrets

_log = structlog.get_logger("perijove.web")
MAX_REPORT = 16 * 1024
_LONGEST = 200
_ADDRESSES = ("document-uri", "blocked-uri", "source-file")
_WORDS = ("violated-directive", "effective-directive")


async def take_report(call: Call) -> Response:
    """Counted, and logged without queries and secrets in addresses: pages' addresses may hold some."""
    raw = await call.body()
    if len(raw) > MAX_REPORT:
        raise BadInputError(f"The report is larger than {MAX_REPORT} bytes.")
    call.surface.metrics.csp_reports.inc()
    _log.warning("a browser kept a page to its security policy", user=call.who.name, **_said(raw))
    return Response(media_type="text/html")


def _said(raw: bytes) -> dict[str, str]:
    try:
        report: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    found = report.get("csp-report") if isinstance(report, dict) else None
    if not isinstance(found, dict):
        return {}
    words = {name.replace("-", "_"): str(found[name])[:_LONGEST] for name in _WORDS if name in found}
    return words | {name.replace("-", "_"): _address(str(found[name])) for name in _ADDRESSES if name in found}


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return text[:20] if text.isalpha() else f"{parts.scheme}:"
    path = without_secrets(parts.path.encode()).decode("utf-8", "replace")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"[:_LONGEST]


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(method="POST", path="/security/csp-report", handler=take_report, access=Access.READ, summary="Report a breach of a page's policy"),
)
