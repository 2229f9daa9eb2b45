import pytest

from perijove.adapters.spawners.local.config import Config
from perijove.adapters.spawners.local.limits import Limits, check_options, limits_for, option_fields, size_text
from perijove.domain.errors import BadInputError

GB = 1024**3
CHOICE = Config(memory_choices=(GB, 4 * GB), memory_limit=GB, cpu_choices=(0.5, 2.0))


def test_people_choose_only_where_the_administrator_offers_a_choice() -> None:
    assert option_fields(Config(memory_limit=GB)) == []
    memory, cpu = option_fields(CHOICE)
    assert memory.choices == ((str(GB), "1 GB"), (str(4 * GB), "4 GB"))
    assert (memory.default, cpu.default) == (str(GB), "0.5")


@pytest.mark.parametrize("memory", ["4G", str(4 * GB), 4 * GB, "4 GB"])
def test_a_choice_is_taken_however_it_is_written_and_checking_again_changes_nothing(memory: object) -> None:
    checked = check_options(CHOICE, {"memory": memory, "cpu": "2.0", "theirs": 1})
    assert checked == {"memory": str(4 * GB), "cpu": "2", "theirs": 1}
    assert check_options(CHOICE, checked) == checked
    assert limits_for(CHOICE, checked) == Limits(memory=4 * GB, cpu=2.0)


def test_what_is_not_offered_is_refused_with_all_mistakes() -> None:
    with pytest.raises(BadInputError, match=r"memory '64G' is not offered; choose one of: 1 GB, 4 GB.*cpu nan is not offered"):
        check_options(CHOICE, {"memory": "64G", "cpu": float("nan")})


def test_an_option_that_is_not_offered_changes_no_limit() -> None:
    assert limits_for(Config(memory_limit=GB), {"memory": "64G"}) == Limits(memory=GB)


def test_limits_are_told_as_jupyterhub_tells_them() -> None:
    assert Limits(memory=GB, cpu=1.5).environment() == {"MEM_LIMIT": str(GB), "CPU_LIMIT": "1.5"}
    assert Limits().environment() == {}


@pytest.mark.parametrize(("size", "text"), [(2 * GB, "2 GB"), (1536 * 1024**2, "1.5 GB"), (512 * 1024**2, "512 MB"), (10, "10 bytes")])
def test_sizes_read_well(size: int, text: str) -> None:
    assert size_text(size) == text
