"""Control groups on fake trees; version 1 is also tested on the real thing in tests/integration/spawners/test_limits.py."""

import os
from pathlib import Path

import pytest

from perijove.adapters.spawners.local.cgroups import CgroupPlan, find_cgroups, oom_file, prepare
from perijove.adapters.spawners.local.limits import Limits

MB = 1024**2
ALL = Limits(memory=100 * MB, cpu=1.5, processes=64)
SERVICE = "/system.slice/perijove.service"


def machine(tmp_path: Path, mountinfo: list[str], cgroup: list[str]) -> Path:
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text("".join(line + "\n" for line in mountinfo))
    (proc / "cgroup").write_text("".join(line + "\n" for line in cgroup))
    return proc


def unified(tmp_path: Path, group: str = SERVICE, controllers: str = "cpuset cpu io memory pids") -> tuple[Path, Path]:
    """A version 2 machine; the hub is in `group`."""
    mount = tmp_path / "cgroup"
    own = mount / group.lstrip("/")
    own.mkdir(parents=True)
    for name, text in {
        "cgroup.controllers": controllers,
        "cgroup.procs": "101\n102\n",
        "cgroup.type": "domain",
        "cgroup.subtree_control": "",
    }.items():
        (own / name).write_text(text)
    proc = machine(tmp_path, [f"30 23 0:26 / {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"], [f"0::{group}"])
    return proc, own


def test_version_2_hands_controllers_down_and_sets_limits(tmp_path: Path) -> None:
    proc, own = unified(tmp_path)
    plan = prepare(find_cgroups(proc=proc, systemd=tmp_path / "none"))
    assert plan.missing(ALL) == []
    assert (own / "perijove-hub/cgroup.procs").read_text() in {"101", "102"}  # the hub stepped aside into a leaf
    assert (own / "cgroup.subtree_control").read_text().startswith("+")
    assert (own / "perijove/cgroup.subtree_control").read_text().startswith("+")
    (own / "perijove/k").mkdir()
    (own / "perijove/k/memory.swap.max").touch()
    assert plan.make("k", ALL) == [own / "perijove/k"]
    found = {file.name: file.read_text() for file in (own / "perijove/k").iterdir()}
    assert found == {"memory.max": str(100 * MB), "memory.swap.max": "0", "cpu.max": "150000 100000", "pids.max": "64"}


def test_a_hub_that_stepped_aside_before_finds_the_same_place_again(tmp_path: Path) -> None:
    proc, own = unified(tmp_path, SERVICE + "/perijove-hub")
    (own.parent / "cgroup.controllers").write_text("memory")
    plan = find_cgroups(proc=proc, systemd=tmp_path / "none")
    assert plan.parents == {"memory": own.parent / "perijove"}
    assert "does not offer it" in plan.refused["cpu"]


def test_below_systemd_only_a_delegated_group_is_divided(tmp_path: Path) -> None:
    proc, own = unified(tmp_path)
    plan = find_cgroups(proc=proc, systemd=tmp_path)
    assert not plan.parents
    assert "Delegate=yes" in plan.missing(ALL)[0]
    try:
        os.setxattr(own, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system keeps no user attributes; run the tests on another (TMPDIR)")
    assert set(find_cgroups(proc=proc, systemd=tmp_path).parents) == {"memory", "cpu", "pids"}


def test_a_configured_group_is_taken_as_delegated(tmp_path: Path) -> None:
    proc, own = unified(tmp_path)
    other = own.parent / "people"
    other.mkdir()
    (other / "cgroup.controllers").write_text("memory")
    assert find_cgroups("/system.slice/people", proc, tmp_path).parents == {"memory": other / "perijove"}


def test_version_1_has_a_place_for_each_controller(tmp_path: Path) -> None:
    mounts = {"memory": "memory", "cpu,cpuacct": "cpu,cpuacct"}
    for name in mounts:
        (tmp_path / name / "jobs/7").mkdir(parents=True)
    lines = [f"31 24 0:27 / {tmp_path / name} rw - cgroup cgroup rw,{options}" for name, options in mounts.items()]
    # the unified hierarchy of a hybrid machine hands nothing down
    lines.append(f"30 24 0:26 / {tmp_path / 'unified'} rw - cgroup2 cgroup2 rw")
    proc = machine(tmp_path, lines, ["4:memory:/jobs/7", "3:cpu,cpuacct:/jobs/7", "0::/jobs/7"])
    plan = prepare(find_cgroups(proc=proc, systemd=tmp_path / "none"))
    assert plan.missing(ALL) == ["pids (the kernel has no such controller mounted)"]
    memory, cpu = tmp_path / "memory/jobs/7/perijove/k", tmp_path / "cpu,cpuacct/jobs/7/perijove/k"
    memory.mkdir(parents=True)
    (memory / "memory.memsw.limit_in_bytes").touch()
    assert plan.make("k", ALL) == [memory, cpu]
    assert (memory / "memory.limit_in_bytes").read_text() == (memory / "memory.memsw.limit_in_bytes").read_text() == str(100 * MB)
    assert (cpu / "cpu.cfs_quota_us").read_text() == "150000"


def test_in_a_container_the_group_is_looked_up_below_the_mounts_root(tmp_path: Path) -> None:
    mount = tmp_path / "memory"
    mount.mkdir()
    proc = machine(tmp_path, [f"31 24 0:27 /docker/abc {mount} ro - cgroup cgroup rw,memory"], ["4:memory:/docker/abc"])
    assert find_cgroups(proc=proc, systemd=tmp_path / "none").parents == {"memory": mount / "perijove"}


def test_only_what_is_limited_gets_a_group() -> None:
    plan = CgroupPlan(1, {"memory": Path("/m"), "cpu": Path("/c"), "pids": Path("/p")})
    assert plan.folders("k", Limits(cpu=1)) == [Path("/c/k")]
    assert plan.folders("k", Limits()) == []
    assert CgroupPlan(0).missing(Limits(memory=1)) == ["memory (not offered by this machine)"]


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_the_count_of_out_of_memory_kills_is_found_in_both_versions(tmp_path: Path, name: str) -> None:
    assert oom_file(tmp_path) is None
    (tmp_path / name).touch()
    assert oom_file(tmp_path) == tmp_path / name
