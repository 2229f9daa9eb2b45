"""What a site offers is checked when the hub starts; what a person asks for, before anything is submitted."""

import pytest

from perijove.domain.batch.environments import choices
from perijove.domain.errors import BadInputError, SettingsError

SITE: dict[str, dict[str, object]] = {
    "lab": {"title": "JupyterLab, Python 3.11", "modules": ["python/3.11"], "packages": ["jupyterlab", "ipykernel"]},
    "torch": {"kind": "container", "image": "/images/torch.sif"},
}


def test_offered_ones_are_chosen_by_name() -> None:
    found = choices(SITE, own=False)
    assert found.titles == (("lab", "JupyterLab, Python 3.11"), ("torch", "torch"))
    assert found.default == "lab"
    lab = found.described("lab")
    assert lab is not None
    assert (lab["name"], lab["kind"], lab["modules"]) == ("lab", "venv", ["python/3.11"])
    assert found.described(None) is found.described("") is None


@pytest.mark.parametrize("value", ["/home/ann/env", "other", {"packages": ["jupyterlab"]}, 7])
def test_where_people_may_not_describe_their_own_only_offered_ones_pass(value: object) -> None:
    with pytest.raises(BadInputError, match="there are: lab, torch"):
        choices(SITE, own=False).described(value)


@pytest.mark.parametrize(
    ("value", "kind", "name"),
    [
        ("/home/ann/geo/bin/python3", "existing", "geo"),
        ("/home/ann/.venv", "existing", "ann"),
        ("/images/Tórch.sif", "container", "T-rch.sif"),
        ("docker://quay.io/jupyter/base-notebook:latest", "container", "latest"),
        ({"kind": "conda", "packages": ["jupyterlab"], "channels": ["conda-forge"]}, "conda", "default"),
    ],
)
def test_a_persons_own_is_a_path_an_image_or_a_description(value: object, kind: str, name: str) -> None:
    found = choices({}, own=True).described(value)
    assert found is not None
    assert (found["kind"], found["name"]) == (kind, name)


@pytest.mark.parametrize("value", ["geo", "../x", "/x/../y", "docker://a b", {"modules": ["x; y"]}, 7, [], True])
def test_what_is_none_is_refused_with_a_hint(value: object) -> None:
    with pytest.raises(BadInputError):
        choices(SITE, own=True).described(value)


def test_all_of_the_administrators_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as failed:
        choices({"a b": {}, "x": {"kind": "image"}, "y": {"title": 3, "packages": ["ok"]}}, own=True)
    assert [f"environments.{name}:" in str(failed.value) for name in ("a b", "x", "y")] == [True] * 3
