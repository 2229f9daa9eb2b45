"""The ASGI application: look the route up, find out who asks, call the handler, turn errors into answers.

One layer instead of a stack of middleware: a token check costs little more than uvicorn's own parsing.
"""

import asyncio
import time
from contextlib import nullcontext, suppress
from secrets import token_hex
from urllib.parse import quote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from perijove.domain.errors import NotFoundError, NotSignedInError, PerijoveError
from perijove.ports.store.asking import on_request
from perijove.web.call import Call
from perijove.web.credentials import identify, known_browser
from perijove.web.failure import api_failure, failure
from perijove.web.labels import label_of
from perijove.web.leaving import errand_of
from perijove.web.router import Access, Match, Route, Router
from perijove.web.strays import astray
from perijove.web.surface import PROTOCOL_VERSION, Surface
from perijove.web.visitor import believe_proxies
from perijove.web.wants import Wants
from perijove.wire.proxymark import proxy_mark
from perijove.wire.secretpaths import without_secrets

_log = structlog.get_logger("perijove.web")
_HEADERS = ((b"x-jupyterhub-version", PROTOCOL_VERSION.encode()), (b"x-content-type-options", b"nosniff"))
_API_HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'none'; default-src 'none'"),
    (b"access-control-allow-headers", b"accept, content-type, authorization"),
)
_VITAL = frozenset({"/health", "/api/health", "/perijove/ready", "/metrics", "/api/metrics"})
"""Answered however much there is to do: by these others find out how the hub is."""
HubRoute = Route[Call, Response]


class App:
    """`routes` are relative to "{base_url}hub/". What is outside it goes there; see `_outside`."""

    def __init__(self, surface: Surface, routes: tuple[HubRoute, ...]) -> None:
        self._surface = surface
        self._router: Router[Call, Response] = Router(routes)
        self._prefix = surface.prefix.rstrip("/").encode()
        self._cut = len(self._prefix)
        self._labels = {handler: label_of(handler) for handler in (None, *(route.handler for route in routes))}
        self._mark = proxy_mark(surface.proxy_token).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"cannot serve {scope['type']}")
        began = time.perf_counter()
        believe_proxies(scope, self._mark)
        request = Request(scope, receive)
        request_id = request.headers.get("x-request-id") or token_hex(8)
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        raw = raw.partition(b"?")[0]
        inside = raw.startswith(self._prefix) and raw[self._cut : self._cut + 1] in (b"/", b"")
        path = raw[self._cut :].decode("latin-1") if inside else ""
        match: Match[Call, Response] = self._router.match(request.method, path) if inside else Match(None)
        call = Call(request, self._surface, dict(match.params), request_id)
        api = path.startswith("/api")
        structlog.contextvars.bind_contextvars(request_id=request_id)  # uvicorn gives each request a task, and so a context, of its own
        with on_request():
            response = await self._answer(call, match, path, inside=inside, api=api)
        response.raw_headers.extend(_HEADERS)
        if api and response.media_type != "text/html":  # the question of OAuth is a page, with a policy of its own
            response.raw_headers.extend(_API_HEADERS)
        if self._surface.ending.leaving or self._surface.ending.is_set():
            response.headers["connection"] = "close"
        await response(scope, receive, send)
        label = self._labels[match.route.handler if match.route else None]
        if label is not None:
            self._surface.metrics.request(request.method, label, response.status_code, time.perf_counter() - began)

    async def _answer(self, call: Call, match: Match[Call, Response], path: str, *, inside: bool, api: bool) -> Response:
        access = match.route.access if match.route is not None else None
        wants = Wants.PAGE if access is Access.PAGE else Wants.JSON if api else Wants.of(call.request)
        try:
            stray = astray(call, access, inside=inside)
            if stray is not None:
                return stray
            if not inside:
                return self._outside(call)
            if match.route is None:
                if wants is Wants.PAGE:
                    with suppress(PerijoveError), self._surface.crowd.request():
                        await known_browser(call)  # for the page's menu
                return self._no_route(call, match)
            with nullcontext() if access is Access.PROXY or path in _VITAL else self._surface.crowd.request():
                await identify(call, match.route.access)
                async with errand_of(call):
                    return await match.route.handler(call)
        except NotSignedInError as error:
            if wants is Wants.PAGE and access in {Access.PAGE, Access.READ}:
                return self._to_sign_in(call)
            return await failure(call, error, wants)
        except PerijoveError as error:
            return await failure(call, error, wants)
        except asyncio.CancelledError:
            if not self._surface.ending.is_set():
                raise
            return api_failure(
                503, "The hub ends before this was done. Ask again in a moment."
            )  # uvicorn's last moments: nothing is to be waited for
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception:  # noqa: BLE001 - the last resort: whoever asks gets an answer, the log the cause
            kept = without_secrets(b"/hub" + path.encode()).decode("latin-1")
            _log.exception("request failed", method=call.request.method, path=kept.removeprefix("/hub"))
            broken = PerijoveError(
                "Something went wrong inside the hub.", f"An administrator finds the cause in the hub's log under request {call.request_id}."
            )
            return await failure(call, broken, wants)

    def _outside(self, call: Call) -> Response:
        """JupyterHub sends what reaches the hub outside its prefix to the same place below it; so do we."""
        path, query = call.path, call.query
        target = self._surface.prefix + path.removeprefix(self._surface.base_url).lstrip("/")
        return RedirectResponse(f"{target}?{query}" if query else target, 302)

    def _no_route(self, call: Call, match: Match[Call, Response]) -> Response:
        if match.allowed:
            methods = ", ".join(sorted({*match.allowed, "OPTIONS"}))
            if call.request.method == "OPTIONS":
                return Response(status_code=200, headers={"allow": methods})
            response = api_failure(405, f"{call.request.method} is not possible here; this address takes {methods}.")
            response.headers["allow"] = methods
            return response
        raise NotFoundError("There is nothing at this address.", "Check the address, or start from the home page.")

    def _to_sign_in(self, call: Call) -> Response:
        return RedirectResponse(f"{self._surface.prefix}login?{_next(call.path, call.query)}", 302)


def _next(path: str, query: str) -> str:
    return "next=" + quote(f"{path}?{query}" if query else path, safe="")
