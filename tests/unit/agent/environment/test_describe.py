"""What an environment is described by: every mistake is told, and nothing that a shell or a tool could take for its own gets in."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.agent.environment.describe import Environment, described, parsed
from perijove.agent.environment.trouble import DescriptionError


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(DescriptionError) as failed:
        described({"kind": "docker", "modules": ["python; rm -rf ~"], "packages": ["-r /etc/passwd"], "offline": "yes", "pyton": "3"})
    assert len(failed.value.mistakes) == 5
    assert "Not known of an environment: pyton." in failed.value.mistakes


@pytest.mark.parametrize(
    "wrong",
    [
        {"modules": ["--force"]},
        {"modules": ["a b"]},
        {"python": "../python"},
        {"python": "-c"},
        {"packages": ["https://example.org/x.whl"]},
        {"packages": ["x @ file:///x"]},
        {"packages": ["./x"]},
        {"packages": ["--index-url=x"]},
        {"packages": ["x; import os"]},
        {"packages": ["x>=1,"]},
        {"packages": ["x>=1\n--index-url=y"]},
        {"packages": ["x" + "=1" * 5000]},
        {"packages": ["x" + "=1" * 100 + ";"]},
        {"packages": ["x>=1" + " " * 300 + ";"]},
        {"packages": ["x" + ">=1," * 80 + ";"]},
        {"packages": "jupyterlab"},
        {"find_links": ["relative"]},
        {"kind": "existing", "path": "/x/../y"},
        {"kind": "container", "image": "x.sif"},
        {"kind": "container", "image": "docker://x y"},
        {"kind": "container", "image": "/x.sif", "binds": ["/a:/b:rw"]},
        {"kind": "container", "image": "/x.sif", "packages": ["numpy"]},
        {"kind": "existing"},
        {"kind": "existing", "path": "/x", "packages": ["numpy"]},
        {"image": "/x.sif"},
        {"name": "../x"},
        {"name": ""},
        {"channels": ["conda-forge"]},
        {"system_packages": 1},
    ],
)
def test_what_is_no_environment_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DescriptionError):
        described(wrong)


def test_nothing_given_is_a_virtualenv_with_jupyterlab() -> None:
    assert described({}) == Environment()
    assert described({"path": None, "offline": None}) == Environment()
    assert described({"kind": "existing", "path": "/opt/env"}).packages == ()


def test_requirements_with_versions_and_extras_pass() -> None:
    wanted = [
        "jupyterlab~=4.2",
        "dask[distributed,diagnostics]>=2024.1,<2025",
        "numpy==1.26.*",
        "gdal=3.8",
        "x != 1.0",
        "mkl=2024.1=h0_1",
        "torch==2.4.0+cu121",
    ]
    assert described({"packages": wanted}).packages == tuple(wanted)


def test_the_name_and_the_order_of_packages_make_no_difference() -> None:
    one = described({"name": "a", "packages": ["jupyterlab", "numpy"]})
    other = described({"name": "b", "packages": ["numpy", "jupyterlab"]})
    assert one.digest == other.digest
    assert one.digest != described({"packages": ["numpy"]}).digest
    # the order of modules does: each may hide what one before has brought
    assert described({"modules": ["gcc/12", "python/3.11"]}).digest != described({"modules": ["python/3.11", "gcc/12"]}).digest


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_anything_at_all_is_read_or_refused(told: object) -> None:
    with contextlib.suppress(DescriptionError):
        found = parsed(json.dumps(told))
        assert described(found.as_json()) == found
