"""SQL statements: written once in SQLAlchemy Core, compiled once per database, run on the driver's own cursor.

Why not through SQLAlchemy's engine: an execution there costs 40 to 60 microseconds before the driver is asked, which is
several times what SQLite takes to answer. Compiling once and binding by position leaves less than one.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Executable,
    FromClause,
    GenerativeSelect,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    except_,
    exists,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.types import JSON, TypeEngine


class Speech(Protocol):
    """What the two databases say differently."""

    dialect: Dialect

    def insert_missing(self, table: Table, *names: str, keys: Sequence[str]) -> Any:
        """INSERT, or nothing if a row with these keys exists."""
        ...

    def insert_missing_from(self, table: Table, names: Sequence[str], rows: Select[Any], *, keys: Sequence[str]) -> Any:
        """INSERT the rows of a SELECT, but for those whose keys exist."""
        ...

    def upsert(self, table: Table, *names: str, keys: Sequence[str], update: Sequence[str]) -> Any:
        """INSERT, or UPDATE these columns of the row with these keys."""
        ...

    def upsert_values(self, table: Table, *names: str, keys: Sequence[str], update: Mapping[str, ColumnElement[Any]]) -> Any:
        """INSERT, or set columns of the row with these keys to expressions."""
        ...

    def listed(self, name: str, kind: TypeEngine[Any]) -> Select[Any]:
        """The elements of a JSON array given as the parameter `name`: one statement for lists of any length."""
        ...

    def pairs(self, name: str) -> Select[Any]:
        """Columns `id` and `at` of a JSON array of pairs of numbers given as the parameter `name`."""
        ...

    def tuples(self, name: str, **columns: TypeEngine[Any]) -> Select[Any]:
        """These columns of a JSON array of arrays given as the parameter `name`: many rows in one statement."""
        ...

    def upsert_from(self, table: Table, names: Sequence[str], rows: Select[Any], *, keys: Sequence[str]) -> Any:
        """INSERT the rows of a SELECT, or UPDATE all other columns named of those whose keys exist."""
        ...

    def gathered(self, values: Column[Any]) -> ColumnElement[Any]:
        """Aggregate into the text of a JSON array; NULL or "[]" of nothing."""
        ...

    def contains(self, text: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether the text has the parameter `name` (in lower case already) in it, whatever its case: in SQLite, that of ASCII letters."""
        ...

    def without(self, ids: Select[Any], others: Select[Any]) -> GenerativeSelect:
        """The numbers of one column that are not in the other, to be sorted by `ORDER BY 1` and read in part: by what comes to the part soonest."""
        ...

    def holds(self, text: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether the text has the parameter `name` in it, character for character: a third of the price, for names, which are in lower case."""
        ...


def _values(names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam(name) for name in names}


class _HintedCompiler(SQLiteCompiler):
    """Lets `with_hint(table, "INDEXED BY …", "sqlite")` through, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002 - the name of the table stands before it
        return text


class SqliteSpeech:
    dialect: Dialect = SQLiteDialect_pysqlite(paramstyle="qmark")
    dialect.statement_compiler = _HintedCompiler

    def insert_missing(self, table: Table, *names: str, keys: Sequence[str]) -> Any:
        return sqlite.insert(table).values(_values(names)).on_conflict_do_nothing(index_elements=list(keys))

    def insert_missing_from(self, table: Table, names: Sequence[str], rows: Select[Any], *, keys: Sequence[str]) -> Any:
        return sqlite.insert(table).from_select(list(names), rows).on_conflict_do_nothing(index_elements=list(keys))

    def upsert(self, table: Table, *names: str, keys: Sequence[str], update: Sequence[str]) -> Any:
        excluded = sqlite.insert(table).excluded
        return self.upsert_values(table, *names, keys=keys, update={name: excluded[name] for name in update})

    def upsert_values(self, table: Table, *names: str, keys: Sequence[str], update: Mapping[str, ColumnElement[Any]]) -> Any:
        return sqlite.insert(table).values(_values(names)).on_conflict_do_update(index_elements=list(keys), set_=dict(update))

    def listed(self, name: str, kind: TypeEngine[Any]) -> Select[Any]:  # noqa: ARG002 - SQLite's values have types of their own
        return select(column("value")).select_from(func.json_each(bindparam(name))).where(true())  # an upsert's SELECT needs a WHERE

    def pairs(self, name: str) -> Select[Any]:
        value: ColumnElement[Any] = column("value")
        return select(func.json_extract(value, "$[0]").label("id"), func.json_extract(value, "$[1]").label("at")).select_from(
            func.json_each(bindparam(name))
        )

    def tuples(self, name: str, **columns: TypeEngine[Any]) -> Select[Any]:
        value: ColumnElement[Any] = column("value")
        parts = [func.json_extract(value, f"$[{index}]").label(label) for index, label in enumerate(columns)]
        return select(*parts).select_from(func.json_each(bindparam(name)))

    def upsert_from(self, table: Table, names: Sequence[str], rows: Select[Any], *, keys: Sequence[str]) -> Any:
        made = sqlite.insert(table).from_select(list(names), rows)
        return made.on_conflict_do_update(index_elements=list(keys), set_={name: made.excluded[name] for name in names if name not in keys})

    def gathered(self, values: Column[Any]) -> ColumnElement[Any]:
        return func.json_group_array(values)

    def contains(self, text: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return func.instr(func.lower(text), bindparam(name)) > 0

    def without(self, ids: Select[Any], others: Select[Any]) -> GenerativeSelect:
        return except_(ids, others)  # goes through both in their order, side by side

    def holds(self, text: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return func.instr(text, bindparam(name)) > 0


class PostgresSpeech:
    dialect: Dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call] # SQLAlchemy leaves it so

    def insert_missing(self, table: Table, *names: str, keys: Sequence[str]) -> Any:
        return postgresql.insert(table).values(_values(names)).on_conflict_do_nothing(index_elements=list(keys))

    def insert_missing_from(self, table: Table, names: Sequence[str], rows: Select[Any], *, keys: Sequence[str]) -> Any:
        return postgresql.insert(table).from_select(list(names), rows).on_conflict_do_nothing(index_elements=list(keys))

    def upsert(self, table: Table, *names: str, keys: Sequence[str], update: Sequence[str]) -> Any:
        excluded = postgresql.insert(table).excluded
        return self.upsert_values(table, *names, keys=keys, update={name: excluded[name] for name in update})

    def upsert_values(self, table: Table, *names: str, keys: Sequence[str], update: Mapping[str, ColumnElement[Any]]) -> Any:
        return postgresql.insert(table).values(_values(names)).on_conflict_do_update(index_elements=list(keys), set_=dict(update))

    def listed(self, name: str, kind: TypeEngine[Any]) -> Select[Any]:
        return select(cast(func.json_array_elements_text(cast(bindparam(name), JSON)), kind))

    def pairs(self, name: str) -> Select[Any]:
        element = func.json_array_elements(cast(bindparam(name), JSON)).table_valued("value").alias("elements")
        server: ColumnElement[Any] = cast(element.c.value.op("->>")(literal_column("0")), BigInteger)
        moment: ColumnElement[Any] = cast(element.c.value.op("->>")(literal_column("1")), BigInteger)
        return select(server.label("id"), moment.label("at"))

    def tuples(self, name: str, **columns: TypeEngine[Any]) -> Select[Any]:
        element = func.json_array_elements(cast(bindparam(name), JSON)).table_valued("value").alias("elements")
        return select(
            *(cast(element.c.value.op("->>")(literal_column(str(index))), kind).label(label) for index, (label, kind) in enumerate(columns.items()))
        )

    def upsert_from(self, table: Table, names: Sequence[str], rows: Select[Any], *, keys: Sequence[str]) -> Any:
        made = postgresql.insert(table).from_select(list(names), rows)
        return made.on_conflict_do_update(index_elements=list(keys), set_={name: made.excluded[name] for name in names if name not in keys})

    def gathered(self, values: Column[Any]) -> ColumnElement[Any]:
        return cast(func.json_agg(values), Text)

    def contains(self, text: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return func.strpos(func.lower(text), cast(bindparam(name), Text)) > 0

    def without(self, ids: Select[Any], others: Select[Any]) -> GenerativeSelect:
        here, there = ids.subquery("here"), others.subquery("there")
        return select(here.c[0]).where(~exists().where(there.c[0] == here.c[0]))  # of EXCEPT it would hash the whole

    def holds(self, text: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return func.strpos(text, cast(bindparam(name), Text)) > 0


SQLITE = SqliteSpeech()
POSTGRES = PostgresSpeech()

Bind = Callable[[Mapping[str, Any]], Sequence[Any]]


class Statement:
    """One statement with named parameters. Made at import time, compiled at its first use."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Executable | Callable[[Speech], Executable]) -> None:
        self._build = build
        self._compiled: dict[Speech, tuple[str, Bind]] = {}

    def on(self, speech: Speech) -> tuple[str, Bind]:
        """The text, and what makes the driver's positional parameters of named ones."""
        try:
            return self._compiled[speech]
        except KeyError:
            made = self._compiled[speech] = self._compile(speech)
            return made

    def _compile(self, speech: Speech) -> tuple[str, Bind]:
        element: Any = self._build if isinstance(self._build, Executable) else self._build(speech)
        compiled = element.compile(dialect=speech.dialect)
        order = tuple(compiled.positiontup or ())
        fixed = {name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required}
        return str(compiled.string), _binder(order, fixed)


def _binder(order: tuple[str, ...], fixed: Mapping[str, Any]) -> Bind:
    if not order:
        return lambda _: ()
    if fixed:
        return lambda given: [fixed[name] if name in fixed else given[name] for name in order]
    if len(order) == 1:
        only = order[0]
        return lambda given: (given[only],)
    return itemgetter(*order)


def equals(col: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """`col = :name`."""
    return col == bindparam(name)


def constant(text: str) -> ColumnElement[Any]:
    """A text of ours as part of the SQL, so that the planner sees that a partial index fits."""
    return literal_column(f"'{text}'")


def constants(values: Sequence[str]) -> list[ColumnElement[Any]]:
    return [constant(value) for value in values]


def insert_all(table: Table, *names: str) -> Any:
    """INSERT with a parameter per column."""
    return table.insert().values(_values(names)).inline()
