"""Records' values as columns hold them."""

from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.adapters.store_sql.rows import from_json, from_us, sorted_strings, strings, to_json, to_us


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_comes_back_to_the_microsecond(moment: datetime) -> None:
    assert from_us(to_us(moment)) == moment


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(timezone(timedelta(hours=-7)))))
def test_numbers_sort_as_moments_do_in_any_zone(one: datetime, other: datetime) -> None:
    assert (to_us(one) < to_us(other)) == (one < other)


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        to_us(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_strings_come_back_in_their_order(texts: list[str]) -> None:
    assert strings(to_json(texts)) == tuple(texts)
    assert sorted_strings(to_json(texts)) == tuple(sorted(texts))


def test_any_mapping_is_kept_and_what_has_no_json_is_refused() -> None:
    assert from_json(to_json(MappingProxyType({"a": MappingProxyType({"b": (1, None)})}))) == {"a": {"b": [1, None]}}
    assert (from_json("{}"), strings(None), sorted_strings(None)) == ({}, (), ())
    with pytest.raises(TypeError, match="object"):
        to_json({"a": object()})
