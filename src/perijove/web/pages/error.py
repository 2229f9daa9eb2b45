"""Errors, for people."""

from http import HTTPStatus

from starlette.responses import Response

from perijove.domain.errors import PerijoveError
from perijove.web.call import Call
from perijove.web.pages.render import page


async def error_page(call: Call, error: PerijoveError) -> Response:
    """What happened and what to do next."""
    return await page(
        call,
        "error.html",
        status=error.status,
        number=error.status,
        phrase=HTTPStatus(error.status).phrase,
        message=error.message,
        hint=error.hint,
        code=error.code,
        request_id=call.request_id,
    )
