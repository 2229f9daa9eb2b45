"""What one supervisor tells the next."""

import pytest

from perijove.cli.handover import HandedChild, HandedPart, Handover, handed_over
from perijove.cli.landing import HANDOVER
from perijove.domain.errors import SettingsError

FULL = Handover(
    parts=[HandedPart("hub", HandedChild(10, 5, 1.5)), HandedPart("proxy", HandedChild(11, 6, 2.5), [HandedChild(12, 7, 0.5)])],
    sockets={"hub 127.0.0.1:8081": [8], "public 127.0.0.1:8000": [9, 10]},
    control=3,
    within_s=60.0,
    asker=4,
)


def test_all_of_it_arrives_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HANDOVER, FULL.text())
    assert handed_over() == FULL
    assert handed_over() is None, "children do not inherit it"


def test_every_descriptor_in_it_is_kept_open() -> None:
    assert sorted(FULL.numbers()) == [3, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("text", ["{}", '{"version":2', FULL.text().replace('"version":1', '"version":2')])
def test_what_is_not_understood_is_refused_with_the_way_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HANDOVER, text)
    with pytest.raises(SettingsError) as refused:
        handed_over()
    assert "start it anew" in refused.value.hint


def test_fields_of_a_newer_version_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HANDOVER, FULL.text().replace('"control":3', '"control":3,"invented_later":true'))
    assert handed_over() == FULL
