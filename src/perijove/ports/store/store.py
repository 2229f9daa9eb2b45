"""The database, as use cases see it.

A transaction is a plain synchronous function of a `Tx`: it cannot wait for anything but the database, so no lock is ever
held across the network. `Store.write` may run many callers' functions in one commit (each behind its own savepoint) and
may run a function again (after a deadlock, or when another of its batch failed): it must have no effect but on the Tx.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from perijove.domain.change import Notice, Topic
from perijove.domain.errors import Blame, PerijoveError
from perijove.ports.store.access import Groups, Roles, Services, ServiceStates, Users
from perijove.ports.store.credentials import Invitations, OAuth, Passwords, Sessions, Throttle, Tokens
from perijove.ports.store.queue import Queue
from perijove.ports.store.reports import Reports
from perijove.ports.store.servers import Routes, Servers
from perijove.ports.store.shared import Audit, Leases, Notices, Proxies, Replicas
from perijove.ports.store.shares import ShareCodes, Shares

T = TypeVar("T")


class DatabaseUnavailableError(PerijoveError):
    """The database does not answer, or cannot write. Whether a change that was under way was made may be unknown."""

    code = "database-unavailable"
    status = 503
    blame = Blame.ADMINISTRATOR


class DatabaseOverloadedError(DatabaseUnavailableError):
    """The database answers too slowly for all that is asked: nothing was begun, or it took too long. Servers go on running."""

    code = "database-overloaded"


class AbandonedError(PerijoveError):
    """Whoever asked for a change has gone before it was made; nothing was changed (errand.py)."""

    code = "abandoned"
    status = 400
    blame = Blame.PERSON


class Tx(Protocol):
    """One transaction: a small repository per noun."""

    @property
    def users(self) -> Users: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def services(self) -> Services: ...
    @property
    def service_states(self) -> ServiceStates: ...
    @property
    def servers(self) -> Servers: ...
    @property
    def queue(self) -> Queue: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def routes(self) -> Routes: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def oauth(self) -> OAuth: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def passwords(self) -> Passwords: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def shares(self) -> Shares: ...
    @property
    def share_codes(self) -> ShareCodes: ...
    @property
    def throttle(self) -> Throttle: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def proxies(self) -> Proxies: ...
    @property
    def replicas(self) -> Replicas: ...
    @property
    def audit(self) -> Audit: ...

    def serialise(self, name: str) -> None:
        """Until this transaction ends, no other that asked for the same name is under way.

        For a change that decides on what it read of several rows (a limit, a queue): what it read then stays true. A user
        or server that a change reads by id or name is held in the same way without asking.
        """
        ...


class Store(Protocol):
    @property
    def epoch(self) -> str:
        """Names this database's numbering of notices, for ever."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other replicas may use it now (PostgreSQL). If not, leases held by anybody else are of the dead."""
        ...

    @property
    def deaf_s(self) -> float:
        """For how many seconds nothing could be heard of what replicas change: up to a few while all is well, and 0 if not `shared`."""
        ...

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Run a query on a consistent view. Raises what the query raises."""
        ...

    async def write(self, change: Callable[[Tx], T]) -> T:
        """Run a change in a transaction; when this returns it is committed. If `change` raises, nothing of it stays."""
        ...

    def follow(self, topics: Sequence[Topic], after: int | None = None) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Notice]]]:
        """Notices of any replica in order of revision, in batches, from `after` (None: from now on).

        Entering returns once the subscription stands, so nothing committed later is missed. Raises LookupError (inside the
        iteration) when notices after `after` are no longer kept, or a slow follower was left behind: start over.
        """
        ...
