"""How a database goes about statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from perijove.adapters.store_sql.statement import Speech, Statement


class Explained(Statement):
    """What the database would do for another statement."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def on(self, speech: Speech) -> tuple[str, Any]:
        sql, bind = self._statement.on(speech)
        how = "EXPLAIN QUERY PLAN" if speech.dialect.name == "sqlite" else "EXPLAIN (FORMAT JSON)"
        return f"{how} {sql}", bind


class Recording:
    """A link that remembers what it was asked."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self.asked: list[tuple[Statement, dict[str, Any]]] = []

    def rows(self, statement: Statement, /, **given: Any) -> Any:
        self.asked.append((statement, given))
        return self._link.rows(statement, **given)

    def value(self, statement: Statement, /, **given: Any) -> Any:
        self.asked.append((statement, given))
        return self._link.value(statement, **given)

    def plans(self) -> list[Any]:
        return [self._link.rows(Explained(statement), **given) for statement, given in self.asked]

    def going_through(self, table: str) -> list[Any]:
        """The plans that would go through the whole of a table."""
        return [plan for plan in self.plans() if table in _scanned(plan)]


@contextmanager
def recorded(repository: Any) -> Iterator[Recording]:
    """What a repository asks meanwhile."""
    link = repository._link
    repository._link = Recording(link)
    try:
        yield repository._link
    finally:
        repository._link = link


def _scanned(plan: list[Any]) -> Iterator[str]:
    if isinstance(plan[0][-1], str):  # SQLite: rows of (id, parent, unused, text)
        for *_, text in plan:
            words = text.split()
            if words[0] == "SCAN" and "ix_servers_queue" not in text:  # that index has those who wait, and nobody else
                yield words[1]
    else:
        yield from _sequential(plan[0][0][0]["Plan"])


def _sequential(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for deeper in node.get("Plans", ()):
        yield from _sequential(deeper)
