"""The hub's side of the single-user contract, small enough to see what it decides."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

VERSION = "6.9.9"
CLIENT_ID = "jupyterhub-user-alice"
CALLBACK = "/user/alice/oauth_callback"
SERVER_TOKEN = "a-server-token-of-the-hub"


@dataclass
class Code:
    user: str
    session_id: str
    challenge: str


@dataclass
class FakeHub:
    """Signs `user` in without asking. `answers` set to 503 makes it an unhappy hub."""

    scopes: dict[str, list[str]] = field(
        default_factory=lambda: {
            "alice": ["access:servers!server=alice/", "read:users:name!user=alice"],
            "carol": ["access:servers!server=alice/"],
            "mallory": ["access:servers!user=mallory"],
            "admin": ["access:servers", "admin:users"],
        }
    )
    user: str = "alice"
    answers: int = 200
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked_who: int = 0
    activity: list[dict[str, Any]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def __enter__(self) -> Self:
        self.tokens[SERVER_TOKEN] = ("alice", "")
        self.listen()
        return self

    def __exit__(self, *exc: object) -> None:
        self.hang_up()

    def listen(self) -> None:
        """Start to answer, on the same port as before if there was one."""
        hub = self

        class Handler(_Handler):
            fake = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def hang_up(self) -> None:
        """Stop to listen: connections are refused, as while every hub is down."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def listening_on(self, path: Path) -> Iterator[None]:
        """Answer on a unix socket too."""
        hub = self

        class Handler(_Handler):
            fake = hub

        server = _UnixServer(str(path), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hub/api"

    def give_token(self, user: str) -> str:
        token = secrets.token_hex(8)
        self.tokens[token] = (user, "")
        return token

    def wait_for_activity(self, count: int, timeout_s: float = 20) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.activity) >= count, timeout_s):
                raise AssertionError(f"{len(self.activity)} activity reports, wanted {count}")


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        hub = self.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if hub.answers != 200:
            self.reply(hub.answers, {"status": hub.answers, "message": "down"})
        elif url.path == "/hub/api":
            self.reply(200, {"version": VERSION})
        elif url.path == "/hub/api/user":
            hub.asked_who += 1
            name, _ = hub.tokens.get(self.token(), ("", ""))
            if name:
                model = {"kind": "user", "name": name, "scopes": hub.scopes[name], "groups": []}
                self.reply(200, model)
            else:
                self.reply(403, {"status": 403, "message": None})
        elif url.path == "/hub/api/oauth2/authorize":
            self.authorize(query)
        elif url.path == "/hub/api/oauth2/token":
            self.exchange({name: values[0] for name, values in parse_qs(body).items()})
        elif url.path == "/hub/api/users/alice/activity":
            if self.token() != SERVER_TOKEN:
                self.reply(403, {"status": 403, "message": None})
                return
            with hub.changed:
                hub.activity.append(json.loads(body))
                hub.changed.notify_all()
            self.reply(204, None)
        elif url.path == "/hub/logout":
            session_id = self.session_id()
            for token, (_, session) in list(hub.tokens.items()):
                if session == session_id:
                    del hub.tokens[token]
            self.reply(200, {}, {"Set-Cookie": "jupyterhub-session-id=; Path=/; Max-Age=0"})
        else:
            self.reply(404, {"status": 404, "message": None})

    def authorize(self, query: dict[str, str]) -> None:
        assert query["client_id"] == CLIENT_ID
        assert query["redirect_uri"] == CALLBACK
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        session_id = self.session_id() or secrets.token_hex(8)
        code = secrets.token_hex(8)
        self.fake.codes[code] = Code(self.fake.user, session_id, query["code_challenge"])
        back = urlencode({"code": code, "state": query["state"]})
        self.reply(
            302,
            None,
            {
                "Location": f"{CALLBACK}?{back}",
                "Set-Cookie": f"jupyterhub-session-id={session_id}; Path=/; HttpOnly",
            },
        )

    def exchange(self, form: dict[str, str]) -> None:
        hub = self.fake
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != SERVER_TOKEN:
            self.reply(401, {"error": "invalid_client"})
            return
        code = hub.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
        if code is None or challenge != code.challenge or form.get("redirect_uri") != CALLBACK:
            self.reply(400, {"error": "invalid_grant"})
            return
        token = secrets.token_hex(15)
        hub.tokens[token] = (code.user, code.session_id)
        self.reply(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def token(self) -> str:
        return (self.headers.get("Authorization") or "").partition(" ")[2]

    def session_id(self) -> str:
        morsel = SimpleCookie(self.headers.get("Cookie") or "").get("jupyterhub-session-id")
        return morsel.value if morsel else ""

    def reply(self, status: int, model: Any, headers: dict[str, str] | None = None) -> None:
        body = b"" if model is None else json.dumps(model).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("X-JupyterHub-Version", VERSION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
