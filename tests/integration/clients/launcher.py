"""A client that starts servers for visitors who have no account, with JupyterHub's API and one service's token: BinderHub's way."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Event
from time import monotonic
from typing import Any, TypeVar

import httpx2 as httpx

T = TypeVar("T")
RETRIES = 6
FIRST_PAUSE_S = 0.25


class LaunchError(Exception):
    """The server did not come up; says what the hub said."""


@dataclass
class Launcher:
    """Asks the hub at `url` (the public address). `retried` counts what had to be asked again."""

    url: str
    token: str
    retried: int = 0
    said: list[str] = field(default_factory=list)
    """The messages of all progress so far."""

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One call, again after a while when the hub is busy or gone. Raises HTTPStatusError for what trying again does not help."""
        return self._again(lambda: self._ask(method, path, body))

    def launch(self, name: str, server: str, options: dict[str, Any]) -> dict[str, str]:
        """Have a user and a server; returns the server's address and a token for it. Raises LaunchError."""
        with suppress(httpx.HTTPStatusError):  # 409: an earlier try made it
            self.ask("POST", f"users/{name}")
        try:
            self.ask("POST", f"users/{name}/servers/{server}", options)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 400 or not self._there(name, server):  # an earlier try started it
                raise LaunchError(error.response.text) from error
        last = self._again(lambda: self._follow(name, server))
        if not last.get("ready"):
            raise LaunchError(last["message"])
        made = self.ask("POST", f"users/{name}/tokens", {"note": "launcher", "expires_in": 3600, "scopes": [f"access:servers!user={name}"]})
        return {"url": self.url + last["url"], "token": made.json()["token"]}

    def remove(self, name: str, server: str) -> None:
        """Leave nothing."""
        self.ask("DELETE", f"users/{name}/servers/{server}", {"remove": True})
        deadline = monotonic() + 60
        while True:
            try:
                self.ask("DELETE", f"users/{name}")
            except httpx.HTTPStatusError as error:
                if "is in the process of stopping" not in error.response.text or monotonic() > deadline:
                    raise
                Event().wait(FIRST_PAUSE_S)
            else:
                return

    def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = httpx.request(method, f"{self.url}/hub/api/{path}", headers=self._headers, json=body, timeout=30)
        answer.raise_for_status()
        return answer

    def _there(self, name: str, server: str) -> bool:
        return server in self.ask("GET", f"users/{name}").json()["servers"]

    def _follow(self, name: str, server: str) -> dict[str, Any]:
        """The last event."""
        for event in self._events(name, server):
            self.said.append(event["message"])
            assert isinstance(event["progress"], int | float)
            if event.get("ready") or event.get("failed"):
                return event
        raise httpx.RemoteProtocolError("the stream ended before the start did")

    def _events(self, name: str, server: str) -> Iterator[dict[str, Any]]:
        url = f"{self.url}/hub/api/users/{name}/servers/{server}/progress"
        with httpx.stream("GET", url, headers=self._headers, timeout=120) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"token {self.token}"}

    def _again(self, call: Callable[[], T]) -> T:
        pause_s = FIRST_PAUSE_S
        for _ in range(RETRIES):
            try:
                return call()
            except httpx.HTTPStatusError as error:
                if error.response.status_code < 500 and error.response.status_code != 429:
                    raise
            except httpx.TransportError:
                pass
            self.retried += 1
            Event().wait(pause_s)
            pause_s *= 2
        return call()


def visitor_name(repository: str) -> str:
    """A name that nobody has, with what the server is for."""
    return f"{repository}-{token_hex(4)}"
