"""Pages of lists: both of JupyterHub's shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from perijove.domain.errors import BadInputError
from perijove.domain.page import Page
from perijove.web.call import Call, json_response

PAGED = "application/jupyterhub-pagination+json"


@dataclass(frozen=True, slots=True)
class Window:
    """`shaped`: the asker reads the shape with "items" and "_pagination"."""

    offset: int
    limit: int
    shaped: bool


def window(call: Call, *, shaped: bool = False) -> Window:
    """Which part of the list is asked for. `shaped`: the list has only the shape with "items". Raises BadInputError."""
    hub = call.surface.hub.settings.hub
    asked = PAGED in call.request.headers.get("accept", "")
    default = hub.page_default if asked else hub.page_max
    offset, limit = _number(call, "offset", 0), _number(call, "limit", default)
    return Window(offset, max(1, min(limit, hub.page_max)), asked or shaped)


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.query_params.get(name)
    if text is None:
        return default
    try:
        number = abs(int(text))
    except ValueError:
        raise BadInputError(f"{name} must be a whole number, not {text!r}.") from None
    if number > 2**53:
        raise BadInputError(f"{name} is too large.")
    return number


def paged(call: Call, part: Window, page: Page[Any], items: Sequence[Any]) -> Response:
    """The answer, in the shape the asker reads."""
    if not part.shaped:
        return json_response(items)
    following = page.next_offset
    url = call.request.url.include_query_params(offset=following, limit=part.limit) if following is not None else None
    return json_response(
        {
            "items": items,
            "_pagination": {
                "offset": page.offset,
                "limit": page.limit,
                "total": page.total,
                "next": None if url is None else {"offset": following, "limit": part.limit, "url": str(url)},
            },
        }
    )
