"""Amounts as people write them."""

import pytest

from perijove.domain.batch.amounts import gpus, megabytes, seconds
from perijove.domain.batch.request import Gpus
from perijove.domain.errors import BadInputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("3:00:00", 10800),
        ("1-0", 86400),
        ("1-12:30", 131400),
        ("0-0:0:90", 90),
        ("90m", 5400),
        ("3h", 10800),
        ("2d", 172800),
    ],
)
def test_times_mean_what_sbatch_means(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("3000M", 3000), ("3000", 3000), ("8G", 8192), ("8gb", 8192), ("1.5GiB", 1536), ("1K", 1), ("1T", 1048576)]
)
def test_memory_is_in_megabytes_rounded_up(text: str, expected: int) -> None:
    assert megabytes(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "-1", "3 h", "1e3", "3h\n"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        seconds(text)


def test_gpus_are_a_number_or_types_with_numbers() -> None:
    assert gpus("2") == (Gpus(2),)
    assert gpus("a100:2,t4:1") == (Gpus(2, "a100"), Gpus(1, "t4"))
    assert gpus("0") == ()
    for text in ("a100", "a100:", ":x", "1.5"):
        with pytest.raises(BadInputError):
            gpus(text)
