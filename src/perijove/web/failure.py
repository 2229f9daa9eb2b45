"""Errors as answers: JSON for programs (JupyterHub's shape), a page for people."""

import structlog
from starlette.responses import Response

from perijove.domain.errors import NotModifiableError, PerijoveError
from perijove.web.api.models import Problem
from perijove.web.call import Call, json_response
from perijove.web.pages.error import error_page
from perijove.web.wants import Wants

_log = structlog.get_logger("perijove.web")


def api_failure(status: int, message: str, hint: str = "", code: str = "", request_id: str = "") -> Response:
    """`status` and `message` are JupyterHub's; the rest is ours and only there when it says something."""
    return json_response(Problem(status=status, message=message, hint=hint, code=code, request_id=request_id), status)


async def _page(call: Call, error: PerijoveError) -> Response:
    """Whatever happens while it is made, for it is what people see when nothing else works."""
    try:
        return await error_page(call, error)
    except Exception:  # noqa: BLE001 - what it shows besides the error is asked of a database that may have gone just now
        _log.warning("a page for an error could not be made as usual", exc_info=True)
    try:
        return await error_page(call, error, alone=True)
    except Exception:  # noqa: BLE001 - a template's bug
        _log.exception("a page for an error could not be made")
        return api_failure(error.status, error.message, error.hint, error.code, call.request_id)


async def failure(call: Call, error: PerijoveError, wants: Wants) -> Response:
    """The answer for an error of ours."""
    if wants is Wants.PAGE:
        response = await _page(call, error)
    else:
        response = api_failure(error.status, error.message, error.hint, error.code, call.request_id)
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, NotModifiableError):  # it can be read all the same; RFC 9110 section 15.5.6 wants to be told
        response.headers["allow"] = "GET, HEAD, OPTIONS"
    return response
