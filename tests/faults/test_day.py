"""Nobody notices that hubs are killed, paused and cut off, and nothing is lost, doubled or left behind."""

from pathlib import Path

import pytest

from tests.faults.day import day
from tests.faults.site import FAKETIME


@pytest.fixture
def faketime() -> None:
    if not FAKETIME:
        pytest.skip("libfaketime is not installed: ask the administrator of this machine for `apt-get install faketime`")


@pytest.mark.usefixtures("faketime")
@pytest.mark.timeout(420)
async def test_three_hundred_people_work_while_hubs_die_and_clocks_disagree(postgresql_bin: Path) -> None:
    found = await day(postgresql_bin, people=300, break_s=45, seed=20, clocks=("+7m", "-4m"))
    assert not found.wrong, str(found)
    assert found.seen.stopped >= 300, str(found)
    assert found.seen.echoes > 1000, str(found)
