"""What people ask for becomes a request, or is refused beside the option that is wrong."""

from typing import Any

import pytest

from perijove.domain.batch.options import NAMES, Policy, requested
from perijove.domain.batch.request import Gpus, JobRequest
from perijove.domain.errors import BadOptionsError, SettingsError


def problems(policy: Policy, **given: Any) -> dict[str, str]:
    with pytest.raises(BadOptionsError) as caught:
        policy.options(given)
    return caught.value.problems


def test_the_words_of_the_form_become_a_request() -> None:
    options = Policy().options({"time": "3:00:00", "gpus": "a100:2", "cpus": "8", "memory_per_cpu": "3000M", "account": "def-x", "nodes": 1})
    assert requested(options, name="one", comment="c") == JobRequest(
        name="one", comment="c", time_limit_s=10800, gpus=(Gpus(2, "a100"),), cpus=8, memory_per_cpu_mb=3000, account="def-x", nodes=1
    )


def test_what_is_not_said_is_the_administrators_and_what_is_fixed_always_is() -> None:
    policy = Policy(defaults={"time": "1:00:00", "cpus": 2}, fixed={"partition": "jupyter"})
    assert policy.options({"cpus": 4, "profile": "small", "time": ""}) == {"profile": "small", "time": "1:00:00", "cpus": 4, "partition": "jupyter"}
    assert policy.options({"partition": "jupyter"})["partition"] == "jupyter"
    assert problems(policy, partition="gpu") == {"partition": "The partition is always jupyter here."}


def test_one_kind_of_memory_takes_the_place_of_the_others_default() -> None:
    policy = Policy(defaults={"memory": "4G"})
    assert policy.options({"memory_per_cpu": "1G"}) == {"memory_per_cpu": "1G"}
    assert problems(policy, memory="4G", memory_per_cpu="1G") == {"memory": "Memory is given in all and per CPU: choose one of the two."}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", "soon"), ("time", ["1"]), ("time", "0"), ("time", True), ("cpus", 0), ("cpus", "many"), ("cpus", 1.5), ("memory", "lots"), ("gpus", "a100"),
        ("gpus", "--x:1"), ("partition", "--help"), ("partition", 7), ("account", "a b"), ("folder", "../x"), ("constraint", "$(id)"), ("nodes", -1),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_beside_its_field(name: str, value: Any) -> None:
    assert set(problems(Policy(), **{name: value})) == {name}


def test_every_mistake_is_told_at_once() -> None:
    assert set(problems(Policy(), time="soon", cpus="many", memory="lots")) == {"time", "cpus", "memory"}


@pytest.mark.parametrize(
    ("most", "fine", "over"),
    [
        ({"time": "8:00:00"}, {"time": "8:00:00"}, {"time": "8:00:01"}),
        ({"memory": "16G"}, {"memory": "16384M"}, {"memory": "17G"}),
        ({"gpus": "2"}, {"gpus": "a100:1,t4:1"}, {"gpus": "a100:2,t4:1"}),
        ({"gpus": "a100:1"}, {"gpus": "t4:4"}, {"gpus": "a100:2"}),
        ({"cpus": 8}, {"cpus": 8}, {"cpus": 9}),
    ],
)
def test_more_than_the_most_is_refused(most: dict[str, Any], fine: dict[str, Any], over: dict[str, Any]) -> None:
    policy = Policy(most=most)
    assert policy.options(fine) == fine
    assert set(problems(policy, **over)) == set(over)


def test_what_is_not_shown_cannot_be_sent_either() -> None:
    policy = Policy(shown=("time",), defaults={"partition": "main"})
    assert problems(policy, qos="high") == {"qos": "The qos cannot be chosen here."}
    assert policy.options({"partition": "main"}) == {"partition": "main"}, "as a form sends it that was drawn before"
    assert [one.name for one in policy.fields((), own_environments=True)] == ["time"]


def test_the_form_has_all_that_may_be_chosen_with_its_defaults() -> None:
    policy = Policy(defaults={"time": "2:00:00"}, fixed={"partition": "jupyter"})
    fields = {one.name: one for one in policy.fields((("lab", "JupyterLab"),), own_environments=False)}
    assert set(fields) == set(NAMES) - {"partition"}
    assert fields["time"].default == "2:00:00"
    assert fields["environment"].choices == (("lab", "JupyterLab"),)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(defaults={"tiem": "1:00:00"}), Policy(fixed={"cpus": "two"}), Policy(most={"partition": "x"}), Policy(most={"time": "long"}),
        Policy(shown=("colour",)),
    ],
)  # fmt: skip
def test_an_administrators_mistake_is_found_before_anybody_starts(policy: Policy) -> None:
    with pytest.raises(SettingsError):
        policy.checked()
