"""Metrics under the names that configurable-http-proxy gives them."""

from collections.abc import Awaitable
from http import HTTPStatus

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
            return answer(HTTPStatus.NOT_FOUND)
        return None if ask.method in {"GET", "HEAD"} else answer(HTTPStatus.METHOD_NOT_ALLOWED, extra="Allow: GET, HEAD\r\n")

    def serve(self, ask: Ask, connection: Connection) -> bytes | Awaitable[bytes]:  # noqa: ARG002 - the handler's shape
        text = answer(HTTPStatus.OK, self.text().encode(), "text/plain; version=0.0.4; charset=utf-8")
        return text if ask.method == "GET" else text[: text.index(b"\r\n\r\n") + 4]

    def text(self) -> str:
        """Prometheus' text format."""
        lines: list[str] = []
        for name, what in (("get", "Requests for routes"), ("add", "Routes set"), ("delete", "Requests to delete a route")):
            lines += _counter(f"api_route_{name}", what, {"": self._api.asked[name]})
        lines += _counter("requests_api", "Answers of the API, by status", _labelled(self._api.answered))
        totals = [*self._board.rows(), self._board.past()]
        upgraded = sum(row["tunnels_opened"] for row in totals)
        lines += _counter("requests_ws", "Connections upgraded", {"": upgraded})
        lines += _counter("requests_web", "Other requests", {"": sum(row["requests"] for row in totals) - upgraded})
        answers = {status: count for status, count in self._board.answers().items() if status != HTTPStatus.SWITCHING_PROTOCOLS}
        lines += _counter("requests_proxy", "Answers sent to clients, by status", _labelled(answers))
        return "\n".join(lines) + "\n"


def _labelled(counts: dict[int, int]) -> dict[str, int]:
    return {f'{{status="{status}"}}': count for status, count in sorted(counts.items())}


def _counter(name: str, what: str, values: dict[str, int]) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} counter", *(f"{name}{labels} {value}" for labels, value in values.items())]
