"""Metrics under the names that configurable-http-proxy gives them, and all of ours."""

from collections.abc import Awaitable

from perijove.proxy.chp.api import Api
from perijove.proxy.chp.httpserver import Ask, Connection, answer
from perijove.proxy.stats import Board


class Metrics:
    """A handler for `HttpServer`: GET /metrics."""

    def __init__(self, board: Board, api: Api) -> None:
        self._board = board
        self._api = api

    def admit(self, ask: Ask) -> bytes | None:
        if ask.path != "/metrics":
            return answer(404)
        return None if ask.method in {"GET", "HEAD"} else answer(405, extra="Allow: GET\r\n")

    def serve(self, ask: Ask, connection: Connection) -> bytes | Awaitable[bytes]:  # noqa: ARG002 - the handler's shape
        return answer(200, self.text().encode(), "text/plain; version=0.0.4; charset=utf-8")

    def text(self) -> str:
        lines: list[str] = []
        for name, what in (("get", "Requests for routes"), ("add", "Routes set"), ("delete", "Requests to delete a route")):
            lines += _counter(f"api_route_{name}", what, {"": self._api.asked[name]})
        lines += _counter("requests_api", "Answers of the API, by status", {f'{{status="{code}"}}': n for code, n in self._api.answered.items()})
        return "\n".join(lines) + "\n"


def _counter(name: str, what: str, values: dict[str, int]) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} counter", *(f"{name}{labels} {value}" for labels, value in values.items())]
