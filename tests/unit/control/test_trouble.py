"""What the log says of work that nobody waits for."""

import pytest
from structlog.testing import capture_logs

from perijove.control.trouble import complain
from perijove.ports.store.store import DatabaseUnavailableError


def test_the_same_trouble_of_many_is_told_once_and_in_a_sentence() -> None:
    with capture_logs() as lines:
        complain("cannot look", ExceptionGroup("two of a task group", [DatabaseUnavailableError("Away."), DatabaseUnavailableError("Away.")]))
    assert [(line["log_level"], line["problem"]) for line in lines] == [("warning", "Away.")]


@pytest.mark.parametrize("other", [KeyError("a bug"), DatabaseUnavailableError("Away for another reason.")])
def test_trouble_of_several_kinds_is_told_in_full(other: Exception) -> None:
    with capture_logs() as lines:
        complain("cannot look", ExceptionGroup("two of a task group", [DatabaseUnavailableError("Away."), other]))
    assert lines[0]["log_level"] == "error"
    assert isinstance(lines[0]["exc_info"], ExceptionGroup)
