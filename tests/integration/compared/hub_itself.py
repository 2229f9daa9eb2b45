"""The hub as a whole: its routes, its end (only with bodies that must be refused), and what it says of itself."""

from collections.abc import Iterator
from typing import Any

from tests.integration.compared.talk import NOBODY, Ask, Step

PROXIES: tuple[Any, ...] = ({}, {"api_url": "http://127.0.0.1:1"}, {"nothing": 1}, 5, [])
ENDS: tuple[Any, ...] = (
    {"proxy": "yes"}, {"proxy": 1}, {"proxy": None}, {"servers": "yes"}, {"servers": 0}, {"servers": None}, {"servers": []}, {"proxy": {}},
)  # fmt: skip


def proxy() -> Iterator[Step]:
    for query in ("limit=2", "limit=x", "offset=9", "offset=x"):
        yield Ask(who="test", path=f"/proxy?{query}")
    for who in ("test", "ann", "weak", NOBODY):
        yield Ask(who=who, method="POST", path="/proxy")
        for body in PROXIES:
            if who != "test" or not isinstance(body, dict):
                yield Ask(who=who, method="PATCH", path="/proxy", json=body)


def shutdown() -> Iterator[Step]:
    """Only with what must be refused."""
    for body in ENDS:
        for who in ("test", "ann", NOBODY):
            yield Ask(who=who, method="POST", path="/shutdown", json={"proxy": "never", "servers": "never", **body})
    for method in ("GET", "DELETE", "PUT"):
        yield Ask(who="test", method=method, path="/shutdown")


AREAS = (proxy, shutdown)
