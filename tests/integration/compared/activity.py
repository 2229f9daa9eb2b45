"""Reports of activity, with good moments and bad ones."""

from collections.abc import Iterator
from typing import Any

from tests.integration.compared.talk import NOBODY, Ask, Step

GOOD = "2020-01-01T00:00:00.000000Z"
MOMENTS: tuple[Any, ...] = (
    GOOD, "2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "2020-01-01 00:00:00", "2020-01-01T00:00:00+02:00", "2020-01-01T00:00:00.123456789Z", "2020-01-01",
    "20200101T000000Z", "2020-01-01T00:00Z", "2020-W01-1", "2020-13-01T00:00:00Z", "2020-02-30T00:00:00Z", "2020-01-01T25:00:00Z", "2020-01-01T00:00:60Z",
    "2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1", "0", "", "now", "yesterday", "nothing", "2020", "Jan 1 2020", "1577836800",
    "Wed, 01 Jan 2020 00:00:00 GMT", 0, 1577836800, 1.5, True, None, [], {}, "x" * 1000, "2020-01-01T00:00:00Zx", "٢٠٢٠-01-01T00:00:00Z",
)  # fmt: skip


def moments() -> Iterator[Step]:
    for moment in MOMENTS:
        yield Ask(who="test", method="POST", path="/users/dan/activity", json={"last_activity": moment})
        yield Ask(who="test", method="POST", path="/users/ann/activity", json={"servers": {"lab": {"last_activity": moment}}})
    yield Ask(who="test", path="/users/dan")


REPORTS: tuple[Any, ...] = (
    {"servers": {}}, {"servers": None}, {"servers": []}, {"servers": "lab"}, {"servers": {"lab": {}}}, {"servers": {"lab": None}}, {"servers": {"lab": GOOD}},
    {"servers": {"nothing": {"last_activity": GOOD}}}, {"servers": {"": {"last_activity": GOOD}}}, {"last_activity": None}, {"last_activity": GOOD, "servers": {}},
    {"last_activity": GOOD, "servers": {"lab": {"last_activity": GOOD}}}, {"last_activity": GOOD, "more": 1},
    {"last_activity": GOOD, "servers": {"nothing": {"last_activity": GOOD}}}, {"servers": {"lab": {"last_activity": GOOD, "more": 1}}},
    {"last_activity": None, "servers": {"lab": {"last_activity": GOOD}}}, {"last_activity": GOOD, "servers": None}, {"kernels": 1},
)  # fmt: skip


def reports() -> Iterator[Step]:
    for body in REPORTS:
        yield Ask(who="test", method="POST", path="/users/ann/activity", json=body)
    for who in (
        "ann",
        "bob",
        "server of ann",
        "ann's lab",
        "activity of ann",
        "ann, reading",
        "user admin",
        "server admin",
        "weak",
        NOBODY,
        "wrong",
        "expired",
    ):
        yield Ask(who=who, method="POST", path="/users/ann/activity", json={"last_activity": GOOD})
        yield Ask(who=who, method="POST", path="/users/ann/activity", json={"servers": {"lab": {"last_activity": GOOD}}})
        yield Ask(who=who, method="POST", path="/users/bob/activity", json={"last_activity": GOOD})
        yield Ask(who=who, method="POST", path="/users/nobody/activity", json={"last_activity": GOOD})


AREAS = (moments, reports)
