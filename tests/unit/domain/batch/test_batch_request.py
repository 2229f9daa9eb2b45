"""What a person may ask a batch system for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.batch.cluster import Association, Cluster, Node, Partition, never_starts
from perijove.domain.batch.request import Gpus, JobRequest, request_of
from perijove.domain.batch.slurm import job_script, sbatch_words
from perijove.domain.errors import BadInputError


def test_every_mistake_is_told_at_once() -> None:
    wrong = JobRequest(name="a b", time_limit_s=1, memory_mb=1, memory_per_cpu_mb=1, partition="-p", gpus=(Gpus(0), Gpus(1, "a")), folder="x/../y")
    assert len(wrong.mistakes()) == 7
    with pytest.raises(BadInputError, match="in all and per CPU"):
        wrong.checked()


def test_a_request_becomes_one_word_an_option() -> None:
    request = JobRequest(
        name="n-1", comment="hub=a;server=b", time_limit_s=90061, partition="a,b", account="def-x", qos="high", cpus=8, memory_per_cpu_mb=3000,
        gpus=(Gpus(1, "a100_3g.20gb"), Gpus(2, "h100")), constraint="[x|y]&z", reservation="r", folder="/scratch/a b", output="/o/100%.log",
        may_requeue=False, warn_before_end_s=600,
    )  # fmt: skip
    assert sbatch_words(request) == [
        "--job-name=n-1", "--comment=hub=a;server=b", "--time=1-01:01:01", "--partition=a,b", "--account=def-x", "--qos=high", "--cpus-per-task=8",
        "--mem-per-cpu=3000M", "--gres=gpu:a100_3g.20gb:1,gpu:h100:2", "--constraint=[x|y]&z", "--reservation=r", "--chdir=/scratch/a b",
        "--output=/o/100%%.log", "--signal=B:USR1@600", "--ntasks=1", "--no-requeue",
    ]  # fmt: skip


@given(st.dictionaries(st.sampled_from(["partition", "account", "qos", "constraint", "reservation", "comment", "folder", "output"]), st.text()))
def test_no_text_makes_more_words_or_lines(words: dict[str, str]) -> None:
    try:
        request = request_of({"name": "n", **words})
    except BadInputError:
        return
    made = sbatch_words(request)
    assert all(word.startswith("--") and "\n" not in word and "\0" not in word for word in made)
    assert len(made) == 3 + sum(1 for name, value in words.items() if value or name != "comment")


@pytest.mark.parametrize(
    "given_",
    [
        {"name": "n", "wrap": "x"},
        {"name": "n", "cpus": "2"},
        {"name": "n", "cpus": True},
        {},
        {"name": "n", "gpus": [1]},
        {"name": "n", "gpus": [{"count": 1, "kind": []}]},
    ],
)
def test_json_that_is_no_request_is_refused(given_: dict[str, object]) -> None:
    with pytest.raises(BadInputError):
        request_of(given_)


def test_the_program_takes_the_shells_place() -> None:
    assert job_script("") == '#!/bin/bash\nexec "$@"\n'
    assert job_script("module load x\n").endswith('\nmodule load x\nexec "$@"\n')
    assert job_script("#SBATCH --uid=0").splitlines()[1] == ":"  # sbatch reads directives up to the first command only


NODE = Node(
    name="n1", partitions=frozenset({"gpu"}), cpus=8, free_cpus=8, memory_mb=16000, free_memory_mb=16000, gpus={"a100": 2}, free_gpus={"a100": 1}
)
CLUSTER = Cluster(
    name="c",
    version=(22, 5, 8),
    partitions=(Partition(name="gpu", default=True, max_time_s=7200, nodes=(NODE,)), Partition(name="long", max_time_s=None)),
)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (JobRequest(name="n"), ""),
        (JobRequest(name="n", partition="x"), "There is no partition 'x'"),
        (JobRequest(name="n", time_limit_s=7260), "allows 2:00 h, not 2:01 h"),
        (JobRequest(name="n", time_limit_s=7260, partition="gpu,long"), ""),
        (JobRequest(name="n", gpus=(Gpus(3),)), "has 3 GPUs"),
        (JobRequest(name="n", gpus=(Gpus(1, "h100"),)), "has 1 h100 GPU"),
        (JobRequest(name="n", cpus=8, memory_per_cpu_mb=3000), "8 CPUs and 24000 MB"),
        (JobRequest(name="n", account="b"), "'b' is not one of yours (a)"),
        (JobRequest(name="n", account="a", qos="z"), "'z' is not one of yours (q)"),
    ],
)
def test_a_request_that_can_never_start_is_known_before(request_: JobRequest, words: str) -> None:
    found = never_starts(request_, CLUSTER, [Association(account="a", qos=("q",))])
    assert words in " ".join(found)
    assert bool(found) == bool(words)
