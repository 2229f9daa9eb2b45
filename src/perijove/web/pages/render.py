"""Render templates: what every page needs, strict headers, static files by their content's hash."""

import hashlib
import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.responses import HTMLResponse, Response

from perijove.control.people.groups import list_services
from perijove.domain.access import may as may_do
from perijove.domain.access import service_resource
from perijove.domain.errors import NotFoundError
from perijove.domain.pace import lasting
from perijove.web.call import Call

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action {form}; frame-ancestors 'none'; "
    "base-uri 'none'; report-uri {report}"
)


def _contents(folder: str) -> dict[str, bytes]:
    """name -> what is in the file."""
    return {entry.name: entry.read_bytes() for entry in files("perijove.web").joinpath(folder).iterdir() if entry.is_file()}


# Read once, before anybody comes: while the next version is being installed over this one, files vanish under a hub that runs.
_STATIC = _contents("static")
_TEMPLATES = {name: content.decode() for name, content in _contents("templates").items()}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@pass_context
def _ago(context: Context, moment: datetime) -> str:
    """ "5 minutes ago", "in 3 days"."""
    seconds = (context["now"] - moment).total_seconds()
    ahead, seconds = seconds < 0, abs(seconds)
    if seconds < 60:
        return "in a moment" if ahead else "just now"
    for size, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            text = f"{count} {name}{'' if count == 1 else 's'}"
            return f"in {text}" if ahead else f"{text} ago"
    raise AssertionError


@cache
def static_hash(name: str) -> str:
    """First 12 hex digits of the file's SHA-256."""
    return hashlib.sha256(_STATIC[name]).hexdigest()[:12]


@cache
def templates() -> Environment:
    """All of them; none is read from a file any more."""
    environment = Environment(loader=DictLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"iso": _iso, "ago": _ago, "lasting": lasting, "seconds": lambda seconds: lasting(timedelta(seconds=seconds))}
    return environment


async def page(call: Call, template: str, *, status: int = 200, form_action: str = "", **values: Any) -> Response:
    """A page for whoever asks, signed in or not. `form_action`: where its forms lead besides to ourselves and, in subdomain mode, to
    servers and services (browsers look at redirects, too)."""
    surface = call.surface
    forms = " ".join(place for place in ("'self'", surface.hub.addresses.everyones_hosts, form_action) if place)
    common: dict[str, Any] = {
        "me": call.identity if call.session is not None else None,
        "prefix": surface.prefix,
        "xsrf": call.page_token,
        "here": "",
        "now": surface.hub.clock.now(),
        "notice": "",
        "problem": None,
        "services": [] if "services" in values else await _menu(call),
        "may_administer": call.identity is not None and bool(may_do(call.identity, "admin-ui")),
        "static": lambda name: f"{surface.prefix}static/{name}?v={static_hash(name)}",
    }
    text = templates().get_template(template).render(common | values)
    policy = POLICY.format(form=forms, report=f"{surface.prefix}security/csp-report")
    response = HTMLResponse(
        text,
        status,
        headers={"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "same-origin"},
    )
    call.keep_marks(response)
    return response


async def _menu(call: Call) -> list[Mapping[str, str]]:
    """The services whose pages the person may open."""
    identity = call.identity
    if identity is None or call.session is None:
        return []
    services = await list_services(call.surface.hub)
    return [
        {"name": service.name, "prefix": call.surface.hub.addresses.service_url(service.name)}
        for service in services
        if service.url and service.display and may_do(identity, "access:services", service_resource(service.name))
    ]


async def static_file(call: Call) -> Response:
    """A file of ours; for ever, if asked for by its hash."""
    name = call.params["path"]
    content = _STATIC.get(name)
    if content is None:
        raise NotFoundError("There is no such file.")
    lasting = call.request.query_params.get("v") == static_hash(name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(content, media_type=kind, headers={"cache-control": "public, max-age=31536000, immutable" if lasting else "no-cache"})
