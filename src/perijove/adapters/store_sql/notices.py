"""The numbered announcements of changes, as kept for those who come late."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, bindparam, delete, func, select

from perijove.adapters.store_sql.link import NOTHING, Link, Row
from perijove.adapters.store_sql.rows import from_json, from_us, to_json, to_us
from perijove.adapters.store_sql.schema import META, NOTICES
from perijove.adapters.store_sql.statement import Statement, constant, equals
from perijove.domain.change import Notice, Topic
from perijove.domain.server import ServerId

_SELECT: Final = select(NOTICES.c.revision, NOTICES.c.topic, NOTICES.c.key, NOTICES.c.data, NOTICES.c.at)
_TOPICS: Final = {topic.value: topic for topic in Topic}

_LAST = Statement(select(func.max(NOTICES.c.revision)))
_TRIMMED = Statement(select(META.c.value).where(META.c.name == constant("trimmed")))
_AFTER = Statement(
    lambda speech: (
        _SELECT.where(NOTICES.c.revision > bindparam("after"), NOTICES.c.topic.in_(speech.listed("topics", Text())))
        .order_by(NOTICES.c.revision)
        .limit(bindparam("size"))
    )
)
_FOLLOWING = Statement(_SELECT.where(NOTICES.c.revision > bindparam("after")).order_by(NOTICES.c.revision).limit(bindparam("size")))
_AFTER_OF_KEY = Statement(
    lambda speech: (
        _SELECT.where(NOTICES.c.revision > bindparam("after"), NOTICES.c.topic.in_(speech.listed("topics", Text())), equals(NOTICES.c.key, "only"))
        .order_by(NOTICES.c.revision)
        .limit(bindparam("size"))
    )
)
_PROGRESS = Statement(
    _SELECT.where(NOTICES.c.topic == constant(Topic.PROGRESS.value), equals(NOTICES.c.key, "only"), NOTICES.c.revision > bindparam("after")).order_by(
        NOTICES.c.revision
    )
)
_TRIM = Statement(delete(NOTICES).where(NOTICES.c.revision <= bindparam("upto")))
_NEWEST_BEFORE = Statement(select(func.max(NOTICES.c.revision)).where(NOTICES.c.at < bindparam("before")))
_SET_TRIMMED = Statement(lambda speech: speech.upsert(META, "name", "value", keys=("name",), update=("value",)))


def notice_of(row: Row) -> Notice:
    revision, topic, key, data, at = row
    return Notice(revision=revision, topic=_TOPICS[topic], key=key, data=from_json(data), at=from_us(at))


def last_revision(link: Link) -> int:
    """As this transaction sees it, without its own."""
    newest = link.value(_LAST)
    return _trimmed(link) if newest is None else int(newest)


def _trimmed(link: Link) -> int:
    row = link.row(_TRIMMED)
    return 0 if row is None else int(row[0])


class SqlNotices:
    """Implements ports.store.Notices."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def add(self, topic: Topic, key: str, data: Mapping[str, Any] | None = None, *, at: datetime) -> None:
        self._link.announce(topic, key, NOTHING if data is None else data, at=at)

    def after(self, revision: int, topics: Sequence[Topic], *, key: str | None = None, limit: int = 1000) -> list[Notice] | None:
        if revision < _trimmed(self._link) or revision > last_revision(self._link):
            return None
        wanted = to_json([topic.value for topic in topics])
        if key is None:
            found = self._link.rows(_AFTER, after=revision, topics=wanted, size=limit)
        else:
            found = self._link.rows(_AFTER_OF_KEY, after=revision, topics=wanted, only=key, size=limit)
        return [notice_of(row) for row in found]

    def following(self, revision: int, *, limit: int) -> list[Notice]:
        """As `after`, of all topics, without looking whether some are gone."""
        return [notice_of(row) for row in self._link.rows(_FOLLOWING, after=revision, size=limit)]

    def progress(self, server_id: ServerId, after: int = 0) -> list[Notice]:
        return [notice_of(row) for row in self._link.rows(_PROGRESS, only=str(server_id), after=after)]

    def last(self) -> int:
        return last_revision(self._link)

    def trim(self, before: datetime) -> int:
        upto = self._link.value(_NEWEST_BEFORE, before=to_us(before))
        if upto is None:
            return 0
        gone = self._link.run(_TRIM, upto=upto)
        self._link.run(_SET_TRIMMED, name="trimmed", value=str(max(upto, _trimmed(self._link))))
        return gone
