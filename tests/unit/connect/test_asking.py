"""What a person types, as a typed request."""

import pytest

from perijove.connect.asking import Wanted, environment
from perijove.domain.batch.slurm import sbatch_words
from perijove.domain.errors import BadInputError


def test_the_line_of_the_readme_becomes_the_words_of_sbatch() -> None:
    wanted = Wanted(time="3:00:00", gpus="1", cpus=8, mem_per_cpu="3000M", account="def-x")
    words = sbatch_words(wanted.request(name="perijove-1", comment="", output="/home/ada/log"))
    assert {"--time=0-03:00:00", "--gres=gpu:1", "--cpus-per-task=8", "--mem-per-cpu=3000M", "--account=def-x"} <= set(words)


def test_memory_in_all_and_per_cpu_exclude_each_other() -> None:
    with pytest.raises(BadInputError, match="choose one of the two"):
        Wanted(mem="8G", mem_per_cpu="1G").request(name="x", comment="", output="/x")


def test_an_environment_is_of_one_kind() -> None:
    given = {"modules": (), "packages": (), "python": "python3", "existing": None, "conda": False, "image": None, "offline": None}
    assert environment(**given)["packages"] == ["jupyterlab"]  # type: ignore[arg-type]
    for wrong in ({"existing": "/x", "conda": True}, {"existing": "/x", "packages": ("numpy",)}):
        with pytest.raises(BadInputError):
            environment(**{**given, **wrong})  # type: ignore[arg-type]
