"""What a store must know before its first transaction."""

from sqlalchemy import select

from perijove.adapters.store_sql.link import Link, TransactionLostError
from perijove.adapters.store_sql.notices import last_revision
from perijove.adapters.store_sql.schema import META
from perijove.adapters.store_sql.statement import Statement, constant
from perijove.ports.store.store import DatabaseUnavailableError

_EPOCH = Statement(select(META.c.value).where(META.c.name == constant("epoch")))


def beginnings(link: Link) -> tuple[str, int]:
    """The epoch, and the newest revision. Raises DatabaseUnavailableError."""
    try:
        link.open()
        link.begin()
        return str(link.value(_EPOCH)), last_revision(link)
    except TransactionLostError as lost:
        raise DatabaseUnavailableError(lost.message, lost.hint) from None
    finally:
        link.rollback()
