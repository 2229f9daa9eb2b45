"""Errors, for people."""

from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from perijove.domain.errors import PerijoveError
from perijove.ports.store.store import DatabaseUnavailableError
from perijove.web.call import Call
from perijove.web.pages.render import page


async def error_page(call: Call, error: PerijoveError, *, alone: bool = False) -> Response:
    """What happened and what to do next. What is over soon is asked for again by the page itself. `alone`: without the menu, which is in the
    database."""
    again_s = error.retry_after_s if error.status == HTTPStatus.SERVICE_UNAVAILABLE and call.request.method == "GET" else None
    without_menu: dict[str, Any] = {"services": []} if alone or isinstance(error, DatabaseUnavailableError) else {}
    response = await page(
        call,
        "error.html",
        status=error.status,
        number=error.status,
        phrase=HTTPStatus(error.status).phrase,
        message=error.message,
        hint=error.hint,
        code=error.code,
        request_id=call.request_id,
        again=again_s is not None,
        **without_menu,
    )
    if again_s is not None:
        response.headers["refresh"] = str(again_s)  # works without scripts, too; the time is another each time (store_sql/jitter.py)
    return response
