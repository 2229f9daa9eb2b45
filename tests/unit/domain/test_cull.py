"""Which servers are idle: ready ones only, counted from the last sign of life."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from perijove.domain.cull import CullRule, cull_reason
from perijove.domain.server import Phase, Server, ServerId, UserId
from perijove.wire.names import DEFAULT_SERVER, UserName

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
HOUR, MOMENT = timedelta(hours=1), timedelta(microseconds=1)
READY = Server(id=ServerId(1), user_id=UserId(1), user_name=UserName("alice"), name=DEFAULT_SERVER, phase=Phase.READY, ready_at=NOW)


def test_idle_begins_with_the_last_activity_or_with_being_ready_whichever_is_later() -> None:
    rule = CullRule(idle_after=HOUR)
    assert cull_reason(READY, rule, NOW + HOUR - MOMENT) is None
    assert "idle" in (cull_reason(READY, rule, NOW + HOUR) or "")
    used = replace(READY, last_activity=NOW + HOUR)
    assert cull_reason(used, rule, NOW + 2 * HOUR - MOMENT) is None
    assert cull_reason(used, rule, NOW + 2 * HOUR) is not None
    long_ago = replace(READY, last_activity=NOW - 10 * HOUR)  # of an earlier attempt
    assert cull_reason(long_ago, rule, NOW + HOUR - MOMENT) is None


def test_age_counts_however_busy_it_is() -> None:
    busy = replace(READY, last_activity=NOW + HOUR)
    assert cull_reason(busy, CullRule(max_age=HOUR), NOW + HOUR - MOMENT) is None
    assert "older" in (cull_reason(busy, CullRule(max_age=HOUR), NOW + HOUR) or "")


def test_without_rules_nothing_is_stopped() -> None:
    assert cull_reason(READY, CullRule(), NOW + 10_000 * HOUR) is None


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.READY])
def test_only_what_is_ready_is_stopped(phase: Phase) -> None:
    rule = CullRule(idle_after=HOUR, max_age=HOUR)
    assert cull_reason(replace(READY, phase=phase), rule, NOW + 10 * HOUR) is None
