"""The REST API that configurable-http-proxy has, and who may use it."""

import hmac
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

import msgspec

from perijove.proxy.chp.httpserver import Ask, Connection, answer
from perijove.proxy.chp.paths import clean_path
from perijove.proxy.chp.routes import Routes
from perijove.wire.routespec import BadRouteSpecError
from perijove.wire.target import BadTargetError

_log = logging.getLogger("perijove.proxy.chp.api")
_ROUTES: Final = "/api/routes"
_JSON: Final = "application/json"
_MONTH = re.compile(r"\d{4}(-\d\d)?")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Keeper(Protocol):
    """What the API needs of the keeper."""

    routes: Routes

    async def put(self, path: str, target: str, data: dict[str, Any]) -> None: ...
    async def delete(self, path: str) -> bool: ...
    async def refresh(self) -> None: ...


class Api:
    """A handler for `HttpServer`."""

    def __init__(self, keeper: Keeper, token: str) -> None:
        """`token` empty: the API is open to whoever reaches it."""
        self._keeper = keeper
        self._token = token.encode()
        self.answered: Counter[int] = Counter()
        """By status."""
        self.asked: Counter[str] = Counter()
        """By "get" (of the whole table), "add" and "delete"."""

    def admit(self, ask: Ask) -> bytes | None:
        if not self._token:
            return None
        scheme, *given = ask.authorization.split() or [b""]
        if scheme.lower() in {b"token", b"bearer"} and len(given) == 1 and hmac.compare_digest(given[0], self._token):
            return None
        _log.warning("%s %s was refused: the token is missing or wrong (CONFIGPROXY_AUTH_TOKEN)", ask.method, ask.path)
        return self._count(answer(403))

    def serve(self, ask: Ask, connection: Connection) -> bytes | Awaitable[bytes]:  # noqa: ARG002 - the handler's shape
        return self._serve(ask)

    async def _serve(self, ask: Ask) -> bytes:
        text = await self._answer(ask)
        _log.info("%s %s %s", ask.method, ask.path, text[9:12].decode())
        return self._count(text)

    def _count(self, text: bytes) -> bytes:
        self.answered[int(text[9:12])] += 1
        return text

    async def _answer(self, ask: Ask) -> bytes:
        if ask.path != _ROUTES and not ask.path.startswith(_ROUTES + "/"):
            return answer(404, b"Not Found")
        below = ask.path[len(_ROUTES) :]
        try:
            path = clean_path(below)
            if ask.method == "GET":
                return await (self._all(ask.query) if below in {"", "/"} else self._one(path))
            if ask.method == "POST":
                return await self._set(path, ask.body)
            if ask.method == "DELETE":
                self.asked["delete"] += 1
                return answer(204 if await self._keeper.delete(path) else 404)
        except BadRouteSpecError as error:
            return answer(400, str(error).encode())
        return answer(405, b"Method not supported", extra="Allow: GET, POST, DELETE\r\n")

    async def _all(self, query: str) -> bytes:
        since = None
        asked = parse_qs(query, keep_blank_values=True)
        text = next((asked[name][0] for name in ("inactiveSince", "inactive_since") if asked.get(name, [""])[0]), "")
        if text:
            since = _moment(text)
            if since is None:
                return answer(400, f"{text!r} is not a time in ISO 8601, such as 2026-01-31T12:00:00Z.".encode())
        self.asked["get"] += 1
        await self._keeper.refresh()
        return answer(200, msgspec.json.encode(self._keeper.routes.models(since)), _JSON)

    async def _one(self, path: str) -> bytes:
        await self._keeper.refresh()
        kept = self._keeper.routes.by_path.get(path)
        return answer(404) if kept is None else answer(200, msgspec.json.encode(kept.model()), _JSON)

    async def _set(self, path: str, body: bytes) -> bytes:
        try:
            posted = _decode(body)
        except msgspec.ValidationError:
            return answer(400, b"The body must be a JSON object with a 'target'.")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return answer(400, f"The body is not JSON: {error}".encode())
        target = posted.get("target")
        if not isinstance(target, str):
            return answer(400, b"The body must have a 'target' that is text.")
        self.asked["add"] += 1
        try:
            await self._keeper.put(path, target, posted)
        except BadTargetError as error:
            return answer(400, str(error).encode())
        return answer(201)


def _moment(text: str) -> float | None:
    """Seconds since the epoch; without a zone, UTC."""
    if _MONTH.fullmatch(text):
        text = f"{text}-01-01"[:10]
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if text.count(":") > 2 else text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def wall() -> float:
    return time.time()  # noqa: TID251 - the proxy has no Clock port
