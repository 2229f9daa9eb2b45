"""Pages of lists: both of JupyterHub's shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec import Struct, field
from starlette.responses import Response

from perijove.domain.errors import BadInputError
from perijove.domain.page import Page
from perijove.web.call import Call, json_response
from perijove.web.described import Gives, Query, gives

T = TypeVar("T")
PAGED = "application/jupyterhub-pagination+json"
PAGING = (
    Query("offset", int, "how many to leave out at the beginning"),
    Query("limit", int, "how many to answer with at most; brought within 1 and the hub's page_max"),
)


class NextPage(Struct):
    """Where the list goes on."""

    offset: int
    limit: int
    url: str


class Pagination(Struct):
    """Which part of the list this is, of how many; `next` is null at the end."""

    offset: int
    limit: int
    total: int
    next: NextPage | None


class Paged(Struct, Generic[T]):
    """A part of a list: what is answered to whoever accepts application/jupyterhub-pagination+json."""

    items: Sequence[T]
    pagination: Pagination = field(name="_pagination")


@dataclass(frozen=True, slots=True)
class Window:
    """`shaped`: the asker reads the shape with "items" and "_pagination"."""

    offset: int
    limit: int
    shaped: bool


def listed(kind: Any) -> Gives:
    """A list of these, in both shapes."""
    return gives(200, list[kind], Paged[kind])


def window(call: Call, *, shaped: bool = False) -> Window:
    """Which part of the list is asked for. `shaped`: the list has only the shape with "items". Raises BadInputError."""
    hub = call.surface.hub.settings.hub
    asked = PAGED in call.request.headers.get("accept", "").lower()
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
    if number > 2**53 and name == "offset":
        raise BadInputError(f"{name} is too large.")
    return number


def paged(call: Call, part: Window, page: Page[Any], items: Sequence[Any]) -> Response:
    """The answer, in the shape the asker reads."""
    if not part.shaped:
        return json_response(items)
    following = page.next_offset
    more = None
    if following is not None:
        more = NextPage(following, part.limit, str(call.request.url.include_query_params(offset=following, limit=part.limit)))
    return json_response(Paged(items, Pagination(page.offset, page.limit, page.total, more)))
