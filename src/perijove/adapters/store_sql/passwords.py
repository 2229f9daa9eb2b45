"""Local accounts' password hashes."""

from sqlalchemy import delete, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.schema import PASSWORDS
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.domain.server import UserId

_GET = Statement(select(PASSWORDS.c.phc).where(equals(PASSWORDS.c.user_id, "key")))
_PUT = Statement(lambda speech: speech.upsert(PASSWORDS, "user_id", "phc", keys=("user_id",), update=("phc",)))
_DELETE = Statement(delete(PASSWORDS).where(equals(PASSWORDS.c.user_id, "key")))


class SqlPasswords:
    """Implements ports.store.Passwords."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, user_id: UserId) -> str | None:
        row = self._link.row(_GET, key=user_id)
        return None if row is None else str(row[0])

    def put(self, user_id: UserId, phc: str) -> None:
        self._link.run(_PUT, user_id=user_id, phc=phc)

    def delete(self, user_id: UserId) -> None:
        self._link.run(_DELETE, key=user_id)
