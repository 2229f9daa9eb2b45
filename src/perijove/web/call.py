"""One request, as handlers see it: who asks, what for, and the one place that says whether they may."""

from secrets import token_urlsafe
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from perijove.domain.access import HUB, Identity, Resource, may
from perijove.domain.errors import BadInputError, ForbiddenError, NotSignedInError
from perijove.domain.server import ServerId
from perijove.domain.token import Session
from perijove.web.cookies import VISIT, XSRF, Jar
from perijove.web.json_body import decoded
from perijove.web.origin import navigation, page_token
from perijove.web.redirect import COUNT
from perijove.web.surface import Surface

S = TypeVar("S", bound=Struct)
MAX_BODY = 8 * 1024 * 1024
_SENT = "".join(chr(code) for code in range(0x21, 0x7F))
"""What stands in an address as it is; only what no address may contain is quoted."""


class Call:
    """`params` are the decoded path parameters. `identity` is None where nobody signed in (only on open routes)."""

    __slots__ = ("_body", "_form", "cookie", "identity", "params", "request", "request_id", "session", "surface", "visit")

    def __init__(self, request: Request, surface: Surface, params: dict[str, str], request_id: str) -> None:
        self.request = request
        self.surface = surface
        self.params = params
        self.request_id = request_id
        self.identity: Identity | None = None
        self.session: Session | None = None
        self.cookie: str | None = None
        self.visit: str = ""
        self._body: bytes | None = None
        self._form: list[tuple[str, str]] | None = None

    @property
    def who(self) -> Identity:
        """The asker. Raises NotSignedInError."""
        if self.identity is None:
            raise NotSignedInError("Missing or invalid credentials.", "Sign in, or send a valid token.")
        return self.identity

    @property
    def path(self) -> str:
        """The path as the browser sent it, still quoted: file names may contain "?", "#" or "%"."""
        raw: bytes = self.request.scope.get("raw_path") or quote(self.request.scope["path"]).encode()
        return _ascii(raw.partition(b"?")[0])

    @property
    def query(self) -> str:
        """The query as the browser sent it, without "?"."""
        return _ascii(self.request.scope["query_string"])

    @property
    def host(self) -> str:
        """Our own public host[:port], as the browser sees it."""
        public = self.surface.hub.addresses.public_url
        return urlsplit(public).netloc if public else self.request.headers.get("host", "")

    @property
    def secure(self) -> bool:
        """Whether the browser reached us over HTTPS."""
        public = self.surface.hub.addresses.public_url
        return (urlsplit(public).scheme if public else self.request.url.scheme) == "https"

    @property
    def public_origin(self) -> str:
        """ "https://host[:port]"."""
        return f"{'https' if self.secure else 'http'}://{self.host}"

    @property
    def page_token(self) -> str:
        """The token that forms of this browser must carry (web/origin.py). Makes the visit mark of an unknown browser."""
        if self.cookie is None and not self.visit:
            self.visit = token_urlsafe(24)
        return page_token(self.surface.page_key, self.cookie or self.visit)

    def keep_marks(self, response: Response) -> None:
        """Let an unknown browser keep its mark, and any browser that opens a page the token for requests."""
        if self.cookie is None and self.visit and self.kept(VISIT) != self.visit:
            self.jar.set(response, VISIT, self.visit)
        if navigation(self.request.headers) and self.kept(XSRF) != (token := self.page_token):
            self.jar.set(response, XSRF, token)

    @property
    def redirects(self) -> int:
        """How often this browser was sent to a server and came back (web/redirect.py)."""
        text = self.request.query_params.get(COUNT, "")
        return min(int(text), 100) if text.isascii() and text.isdigit() else 0

    @property
    def jar(self) -> Jar:
        """The hub's own cookies, as this browser has them."""
        return Jar(self.surface.hub.addresses, self.secure)

    def kept(self, cookie: str) -> str:
        """What the browser sent of a cookie of ours (web/cookies.py); "" if nothing."""
        return self.jar.get(self.request.cookies, cookie)

    @property
    def address(self) -> str:
        """The client's address, as far as the proxy tells."""
        return self.request.client.host if self.request.client else ""

    @property
    def actor(self) -> str:
        """The asker's name for the audit log."""
        who = self.who
        return who.name if who.kind == "user" else f"service:{who.name}"

    def require(self, needed: str | tuple[str, ...], on: Resource = HUB) -> None:
        """The one choke point. Raises NotSignedInError, ForbiddenError, or NotFoundError where the asker may not know that the
        resource exists."""
        may(self.identity, needed, on).enforce()

    def require_own_server(self) -> ServerId:
        """For what only a server itself may do, beside `require`: which one asks, with its own token. Raises NotSignedInError, ForbiddenError."""
        if self.who.server_id is None:
            raise ForbiddenError("Only a server itself may do this.", "Send its own token, which the hub gave it in JUPYTERHUB_API_TOKEN.")
        return self.who.server_id

    async def body(self, most: int = MAX_BODY) -> bytes:
        """The request's body, which may be read again. Raises BadInputError when it is larger than `most` bytes."""
        if self._body is None:
            self._body = await self._read_body()
        if len(self._body) > most:
            raise BadInputError(f"The body is larger than {most} bytes.")
        return self._body

    async def _read_body(self) -> bytes:
        chunks, size = [], 0
        async for chunk in self.request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise BadInputError(f"The body is larger than {MAX_BODY} bytes.")
            chunks.append(chunk)
        return b"".join(chunks)

    async def form(self) -> dict[str, str]:
        """A posted form's fields, the last of each name. Raises BadInputError."""
        return dict(await self._pairs())

    async def form_values(self, name: str) -> tuple[str, ...]:
        """All values of a field that may come several times. Raises BadInputError."""
        return tuple(value for found, value in await self._pairs() if found == name)

    async def _pairs(self) -> list[tuple[str, str]]:
        if self._form is None:
            kind = self.request.headers.get("content-type", "").partition(";")[0].strip()
            if kind not in {"application/x-www-form-urlencoded", ""}:
                raise BadInputError(f"A form must be sent as application/x-www-form-urlencoded, not {kind}.")
            try:
                text = (await self.body()).decode()
                self._form = parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
            except ValueError:
                raise BadInputError("The form cannot be read.") from None
        return self._form

    async def json(self) -> Any:
        """The body as JSON; None if it is empty. Raises BadInputError."""
        raw = await self.body()
        if not raw:
            return None
        return decoded(raw)

    async def json_as(self, kind: type[S], *, required: bool = False, most: int = MAX_BODY) -> S:
        """The body as a struct (an empty body counts as {} unless it is `required`). Raises BadInputError that says which key is wrong, or that
        it is larger than `most` bytes."""
        raw = await self.body(most)
        if required and not raw:
            raise BadInputError("The request needs a body: a JSON object.")
        found: S = decoded(raw or b"{}", kind)
        return found


def _ascii(raw: bytes) -> str:
    return quote(raw, safe=_SENT)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Encode with msgspec."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")
