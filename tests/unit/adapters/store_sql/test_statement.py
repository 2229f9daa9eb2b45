"""Statements are compiled once per database and bound by position."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, bindparam, select

from perijove.adapters.store_sql.statement import POSTGRES, SQLITE, Speech, Statement, constant, equals

THINGS = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text), Column("kind", Text))


def test_named_values_go_where_each_database_wants_them() -> None:
    statement = Statement(
        select(THINGS.c.id).where(equals(THINGS.c.name, "called"), THINGS.c.kind == "fixed", equals(THINGS.c.kind, "called")).limit(bindparam("size"))
    )
    for speech in (SQLITE, POSTGRES):
        sql, bind = statement.on(speech)
        marks = sql.count("?") + sql.count("%s")
        values = list(bind({"called": "x", "size": 3}))
        assert len(values) == marks
        assert values[:4] == ["x", "fixed", "x", 3]


def test_one_value_and_none_are_sequences_too() -> None:
    assert list(Statement(select(THINGS.c.id).where(equals(THINGS.c.id, "key"))).on(SQLITE)[1]({"key": 7})) == [7]
    sql, bind = Statement(select(THINGS.c.id).where(THINGS.c.kind == constant("a"))).on(SQLITE)
    assert list(bind({})) == []
    assert "'a'" in sql, "a constant is in the text, where the planner sees it"


def test_each_database_is_asked_in_its_own_words_once() -> None:
    built: list[Speech] = []

    def build(speech: Speech) -> object:
        built.append(speech)
        return select(THINGS.c.id).where(THINGS.c.id.in_(speech.listed("ids", BigInteger())))

    statement = Statement(build)  # type: ignore[arg-type] # an Executable
    for _ in range(2):
        assert "json_each" in statement.on(SQLITE)[0]
        assert "json_array_elements_text" in statement.on(POSTGRES)[0]
    assert built == [SQLITE, POSTGRES]
