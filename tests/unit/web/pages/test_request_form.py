"""What the form of a start shows, and what is made of what comes back."""

from dataclasses import replace

import pytest

from perijove.domain.batch.offers import Offers, offers
from perijove.domain.errors import BadOptionsError
from perijove.domain.options import OptionField, Profile
from perijove.web.pages.request_form import Form, Input, beside_preset, fixed_by, form_of, link, linked, options_of, typed_in, without_preset
from tests.running.cluster import ASSOCIATIONS, CLUSTER

TIME = OptionField(name="time", label="Time", kind="text")
PARTITION = OptionField(name="partition", label="Partition", kind="text", offered="partition", more=True)
CPUS = OptionField(name="cpus", label="CPUs", kind="integer", more=True)
MEMORY = OptionField(name="memory", label="In all", kind="text", one_of="Memory", more=True)
PER_CPU = OptionField(name="memory_per_cpu", label="Per CPU", kind="text", one_of="Memory", more=True)
GPUS = OptionField(name="gpus", label="GPUs", kind="gpus", offered="gpus", more=True)
FAST = OptionField(name="fast", label="Fast", kind="boolean", more=True)
FIELDS = (TIME, PARTITION, CPUS, MEMORY, PER_CPU, GPUS, FAST)
OFFERS = offers(CLUSTER, ASSOCIATIONS)


def one(form: Form, name: str) -> Input:
    return next(found for group in (*form.first, *form.more) for found in group.inputs if found.field.name == name)


def test_only_few_fields_are_seen_at_once_and_those_that_exclude_each_other_stand_together() -> None:
    form = form_of(FIELDS, {}, None, {})
    assert [group.legend or group.inputs[0].field.name for group in form.first] == ["time"]
    assert [group.legend or group.inputs[0].field.name for group in form.more] == ["partition", "cpus", "Memory", "gpus", "fast"]
    assert not form.more_open
    assert form_of(FIELDS, {"cpus": 3}, None, {}).more_open, "what was asked for before is seen"
    wrong = form_of(FIELDS, {}, None, {"cpus": "Too many."})
    assert (wrong.more_open, one(wrong, "cpus").problem) == (True, "Too many.")


def test_with_presets_to_choose_from_only_what_must_be_given_is_seen_beside_them() -> None:
    must = replace(PARTITION, required=True, more=False)
    form = form_of((TIME, must), {}, None, {}, presets=True)
    assert ([group.inputs[0].field.name for group in form.first], [group.inputs[0].field.name for group in form.more]) == (["partition"], ["time"])


def test_fields_that_exclude_each_other_stand_where_the_first_of_them_stands() -> None:
    form = form_of((replace(MEMORY, more=False), TIME, PER_CPU), {}, None, {})
    assert [[one.field.name for one in group.inputs] for group in form.first] == [["memory", "memory_per_cpu"], ["time"]]
    assert form.more == ()


def test_what_the_cluster_offers_is_chosen_from_with_what_is_free_now() -> None:
    form = form_of(FIELDS, {"partition": "gone", "gpus": "a100:2"}, OFFERS, {})
    assert one(form, "partition").choices == (
        ("", "the cluster's choice (short)"),
        ("short", "short: 5 of 16 CPUs free, up to 4 h"),
        ("gpu", "gpu: 30 of 32 CPUs free, 1 of 4 a100 free, 0 of 2 v100 free, up to 1 d"),
        ("gone", "gone (not offered now)"),
    )
    gpus = one(form, "gpus")
    assert (gpus.value, gpus.kind, gpus.choices[1]) == ("2", "a100", ("a100", "a100: 1 free, up to 4 on a node"))


@pytest.mark.parametrize("told", [None, Offers(cluster="c", partitions=(), accounts=None, age_s=0.0)])
def test_without_offers_it_is_typed(told: Offers | None) -> None:
    form = form_of(FIELDS, {"partition": "gpu"}, told, {})
    assert (one(form, "partition").value, one(form, "partition").choices, one(form, "gpus").choices) == ("gpu", (), ())


def test_what_comes_back_has_the_fields_types() -> None:
    sent = {
        "option.time": " 1:00:00 ",
        "option.cpus": "4",
        "option.gpus": "2",
        "option.gpus.kind": "a100",
        "option.fast": "true",
        "option.other": "x",
    }
    assert options_of(sent, FIELDS, profiled=False) == {"time": "1:00:00", "cpus": 4, "gpus": "a100:2", "fast": True}
    assert options_of({"option.gpus": "0", "option.gpus.kind": "a100", "option.profile": "p"}, FIELDS, profiled=True) == {
        "profile": "p",
        "fast": False,
    }


def test_every_mistake_is_told_beside_its_field() -> None:
    with pytest.raises(BadOptionsError) as caught:
        options_of({"option.cpus": "many", "option.memory": "8G", "option.memory_per_cpu": "1G"}, FIELDS, profiled=False)
    assert caught.value.problems == {"cpus": "CPUs: 'many' is not a number.", "memory_per_cpu": "Memory: only one of these can be given."}
    assert typed_in({"option.cpus": "many", "option.gpus": "1", "option.gpus.kind": "a100"}, FIELDS) == {"cpus": "many", "gpus": "a100:1"}


def test_a_link_shows_the_request_again_and_carries_nothing_else() -> None:
    values = {"profile": "big", "time": "3:00:00", "gpus": "a100:2", "fast": True, "folder": "/secret"}
    made = link("/hub/spawn", values, FIELDS)
    assert made == "/hub/spawn?profile=big&time=3%3A00%3A00&gpus=a100%3A2&fast=true"
    assert linked({"time": "3:00:00", "next": "//evil", "fast": "true", "folder": "/secret", "cpus": ""}, FIELDS) == {
        "time": "3:00:00",
        "fast": "true",
    }
    assert link("/hub/spawn", {}, FIELDS) == "/hub/spawn"


def test_what_a_preset_set_does_not_stay_when_another_is_chosen() -> None:
    preset = Profile(name="gpu", display_name="GPU", options={"gpus": "a100:1", "cpus": 4, "hidden": "x"})
    assert fixed_by(preset, FIELDS) == {"gpus": "a100:1", "cpus": "4"}
    remembered = {"profile": "gpu", "gpus": "a100:1", "cpus": 4, "time": "1:00:00"}
    assert without_preset(remembered, preset) == {"profile": "gpu", "time": "1:00:00"}
    assert without_preset(remembered, replace(preset, options={})) == remembered


def test_beside_a_preset_nothing_counts_that_it_sets_or_that_excludes_it() -> None:
    preset = Profile(name="p", display_name="P", options={"memory_per_cpu": "3000M", "cpus": 2})
    typed = {"profile": "p", "memory": "16G", "cpus": 8, "time": "1:00:00"}
    assert beside_preset(typed, preset, FIELDS) == {"profile": "p", "time": "1:00:00"}
    assert beside_preset(typed, None, FIELDS) == typed
