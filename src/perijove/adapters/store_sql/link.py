"""One connection, in one thread, in one transaction at a time: what repositories speak to.

The two databases' links differ in how they begin, number notices and name their errors; what a repository sees is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from perijove.adapters.store_sql.rows import to_json
from perijove.adapters.store_sql.statement import Speech, Statement
from perijove.domain.change import Notice, Topic
from perijove.ports.clock import Clock

Row = tuple[Any, ...]
NOTHING: Mapping[str, Any] = {}


class TransactionLostError(Exception):
    """The transaction is gone through no fault of its functions (deadlock, lost connection, locked file, full disk).

    `final`: running it again is no use, or might do it twice (the connection broke at the COMMIT). `contended`: others wanted the same
    rows.
    """

    def __init__(self, message: str, hint: str, *, final: bool = False, contended: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.final = final
        self.contended = contended


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice that has no number yet."""

    topic: Topic
    key: str
    data: Mapping[str, Any]
    text: str
    """`data` as JSON: made here, so that what has no JSON fails its own function and not the whole batch."""
    at: datetime


class Link(ABC):
    """`changed` tells whether the function under way has changed anything; `lost` is why the transaction cannot go on."""

    speech: ClassVar[Speech]

    def __init__(self, clock: Clock, *, writable: bool) -> None:
        self.clock = clock
        self.writable = writable
        self.changed = False
        self.broken = False
        """A statement failed in a way after which the database takes no more of this transaction (PostgreSQL: any error)."""
        self.lost: TransactionLostError | None = None
        self.hurried = False
        """Others wait for this transaction's end: commit it now, before running more functions in it."""
        self.drafts: list[Draft] = []
        self.busy_since: float | None = None
        """When its thread began what it is doing, on the monotonic clock; None: it does nothing."""

    def now(self) -> datetime:
        return self.clock.now()

    def announce(self, topic: Topic, key: str, data: Mapping[str, Any] = NOTHING, *, at: datetime | None = None) -> None:
        """Tell followers after the commit."""
        self.must_write()
        self.drafts.append(Draft(topic, key, data, to_json(data), at or self.clock.now()))

    @abstractmethod
    def announced(self) -> int:
        """The revision of the notice announced last in this transaction."""

    @abstractmethod
    def rows(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows of a SELECT."""

    def row(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row of a SELECT, if any."""
        found = self.rows(statement, **given)
        return found[0] if found else None

    def value(self, statement: Statement, /, **given: Any) -> Any:
        """The first column of the first row of a SELECT that always has one."""
        return self.rows(statement, **given)[0][0]

    @abstractmethod
    def run(self, statement: Statement, /, **given: Any) -> int:
        """Change something; returns how many rows it touched."""

    def returned(self, statement: Statement, /, **given: Any) -> list[Row]:
        """Change something, with RETURNING."""
        self.must_write()
        found = self.rows(statement, **given)
        if found:
            self.changed = True
        return found

    def must_write(self) -> None:
        """Raises RuntimeError in a read: a mistake of ours, told before the database does."""
        if not self.writable:
            raise RuntimeError("A read-only transaction was asked to change something: use Store.write.")

    @abstractmethod
    def serialise(self, name: str) -> None:
        """Until this transaction ends, no other that asked for the same name is under way."""

    # What the transaction's runner (batch.py) uses.

    @abstractmethod
    def open(self) -> None:
        """Connect, if not connected. Raises TransactionLostError."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def commit(self) -> list[Notice]:
        """Number and write the drafts, commit, and return what followers in this process should be told now."""

    @abstractmethod
    def rollback(self) -> None:
        """Forget the transaction, if there is one; never raises."""

    @abstractmethod
    def savepoint(self) -> None: ...

    @abstractmethod
    def release(self) -> None: ...

    @abstractmethod
    def undo(self) -> None:
        """Back to the savepoint, and release it."""

    def idle(self) -> list[Notice]:
        """Called now and then while there is nothing to do; returns notices of other processes."""
        return []

    def _reset(self) -> None:
        self.changed = self.broken = self.hurried = False
        self.lost = None
        self.drafts = []
