import pytest

from perijove.domain.batch.pbs import qsub_words
from perijove.domain.batch.request import Gpus, JobRequest
from perijove.domain.errors import BadInputError


def test_what_is_asked_for_becomes_words_of_qsub() -> None:
    request = JobRequest(name="perijove-1", nodes=2, cpus=4, memory_per_cpu_mb=3000, gpus=(Gpus(2, "a100"),), reservation="R7", may_requeue=False)
    words = qsub_words(request, gpu_type="gpu_model")
    assert "select=2:ncpus=4:mem=12000mb:ngpus=2:gpu_model=a100" in words
    assert words[words.index("-q") + 1] == "R7"
    assert words[words.index("-r") + 1] == "n"
    assert "place=scatter" in words
    assert words[words.index("-C") + 1] == ""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"qos": "high"}, "no QOS"),
        ({"constraint": "skylake"}, "no constraint"),
        ({"partition": "a,b"}, "one queue"),
        ({"partition": "a", "reservation": "R1"}, "one of the two"),
        ({"gpus": (Gpus(1, "a100"),)}, "no types"),
        ({"partition": "main@elsewhere"}, "no '@'"),
        ({"gpus": (Gpus(1, "a100+9"),)}, r"no '\+'"),
        ({"output": "/a:b"}, "no ':'"),
        ({"account": "a b"}, "not a name"),
        ({"name": "1x"}, "begin with a letter"),
    ],
)
def test_what_pbs_has_no_word_for_is_refused_and_not_left_out(more: dict[str, object], why: str) -> None:
    given: dict[str, object] = {"name": "x"} | more
    with pytest.raises(BadInputError, match=why):
        qsub_words(JobRequest(**given))  # type: ignore[arg-type]  # a test's own words
