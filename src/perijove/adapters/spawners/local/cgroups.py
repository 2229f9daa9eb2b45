"""Limits by control groups: which of them this machine lets us set, and how.

Facts: cgroups(7), and the kernel's admin guide, "cgroup-v1" and "Control Group v2". In version 2 a group that hands
controllers down may hold no processes itself, and below systemd only delegated groups are ours to divide.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from perijove.adapters.spawners.local.limits import Limits

CONTROLLERS: Final = ("memory", "cpu", "pids")
_OWN: Final = "perijove-hub"
_SERVERS: Final = "perijove"
_PERIOD_US: Final = 100_000


@dataclass(frozen=True, slots=True)
class CgroupPlan:
    """Where servers' groups go: a parent folder for each controller (the same one for all in version 2), and why a controller has none."""

    version: int
    parents: Mapping[str, Path] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def missing(self, limits: Limits) -> list[str]:
        """The limits that cannot be kept here, with the reason."""
        return [f"{name} ({self.refused.get(name, 'not offered by this machine')})" for name in limits.controllers if name not in self.parents]

    def folders(self, key: str, limits: Limits) -> list[Path]:
        """The groups one server gets."""
        return list(dict.fromkeys(self.parents[name] / key for name in limits.controllers if name in self.parents))

    def make(self, key: str, limits: Limits) -> list[Path]:
        """Make a server's groups and set their limits; again is no harm. Raises OSError."""
        folders = self.folders(key, limits)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for name in limits.controllers:
            if name in self.parents:
                self._set(self.parents[name] / key, name, limits)
        return folders

    def _set(self, folder: Path, controller: str, limits: Limits) -> None:
        quota = int(limits.cpu * _PERIOD_US)
        if controller == "pids":
            _write(folder / "pids.max", str(limits.processes))
        elif controller == "cpu" and self.version == 2:
            _write(folder / "cpu.max", f"{quota} {_PERIOD_US}")
        elif controller == "cpu":
            _write(folder / "cpu.cfs_period_us", str(_PERIOD_US))
            _write(folder / "cpu.cfs_quota_us", str(quota))
        elif self.version == 2:
            _write(folder / "memory.max", str(limits.memory))
            if (folder / "memory.swap.max").exists():
                _write(folder / "memory.swap.max", "0")
        else:
            _set_memory_v1(folder, limits.memory)


def _set_memory_v1(folder: Path, memory: int) -> None:
    both = folder / "memory.memsw.limit_in_bytes"
    with suppress(OSError):
        # lowering: memory may not be above memory and swap together, so this one comes last; raising: it comes first
        if both.exists():
            _write(both, str(memory))
    _write(folder / "memory.limit_in_bytes", str(memory))
    if both.exists():
        _write(both, str(memory))


def find_cgroups(configured: str = "", proc: Path = Path("/proc/self"), systemd: Path = Path("/run/systemd/system")) -> CgroupPlan:
    """What this machine offers to us. Reads only; `prepare` changes."""
    mounts = _mounts(proc / "mountinfo")
    groups = _groups(proc / "cgroup")
    unified = mounts.get("cgroup2")
    if unified is not None and "" in groups and not any(name in mounts for name in CONTROLLERS):
        own = _below(unified, configured or groups[""])
        return _plan_v2(own, delegated=bool(configured) or not systemd.exists() or _is_delegated(own))
    parents: dict[str, Path] = {}
    refused: dict[str, str] = {}
    for name in CONTROLLERS:
        if name not in mounts or name not in groups:
            refused[name] = "the kernel has no such controller mounted"
            continue
        own = _below(mounts[name], configured or groups[name])
        if os.access(own if own.exists() else own.parent, os.W_OK):
            parents[name] = own / _SERVERS
        else:
            refused[name] = f"{own} is not ours to divide"
    return CgroupPlan(1, parents, refused)


def prepare(plan: CgroupPlan) -> CgroupPlan:
    """Make the groups servers' groups go below; what fails is refused with the reason."""
    if plan.version == 1:
        parents: dict[str, Path] = dict(plan.parents)
        refused = dict(plan.refused)
        for name, parent in plan.parents.items():
            try:
                parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                del parents[name]
                refused[name] = f"{parent} cannot be made: {error.strerror}"
        return CgroupPlan(1, parents, refused)
    if not plan.parents:
        return plan
    servers = next(iter(plan.parents.values()))
    own = servers.parent
    try:
        _step_aside(own)
        servers.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return CgroupPlan(2, {}, dict.fromkeys(CONTROLLERS, f"{own} cannot be divided: {error.strerror}"))
    parents = {}
    refused = dict(plan.refused)
    for name in plan.parents:
        try:
            for group in (own, servers):
                _write(group / "cgroup.subtree_control", f"+{name}")
            parents[name] = servers
        except OSError as error:
            refused[name] = f"{own} does not hand it down: {error.strerror}"
    return CgroupPlan(2, parents, refused)


def tidy(plan: CgroupPlan) -> None:
    """Remove what `prepare` made, unless servers are in it. Version 2 keeps it: it hands down controllers, and goes with the hub's own."""
    if plan.version == 1:
        for parent in plan.parents.values():
            remove(parent)


def processes_in(folder: Path) -> list[int]:
    """The processes of a group; none if it is gone."""
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text("ascii").split()]
    except OSError:
        return []


def remove(folder: Path) -> bool:
    """Remove an empty group. False: something still lives in it."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def oom_file(folder: Path) -> Path | None:
    """The file of a memory group in which the kernel counts whom it killed, as the line "oom_kill N"."""
    return next((file for name in ("memory.events", "memory.oom_control") if (file := folder / name).exists()), None)


def _plan_v2(own: Path, *, delegated: bool) -> CgroupPlan:
    own = own.parent if own.name == _OWN else own
    if not delegated or not os.access(own, os.W_OK):
        why = f"the control group {own} is not delegated to the hub; in its systemd unit set Delegate=yes, or name a group in spawner.cgroup"
        return CgroupPlan(2, {}, dict.fromkeys(CONTROLLERS, why))
    try:
        offered = (own / "cgroup.controllers").read_text("ascii").split()
    except OSError:
        offered = []
    parents: dict[str, Path] = {name: own / _SERVERS for name in CONTROLLERS if name in offered}
    return CgroupPlan(2, parents, {name: f"{own} does not offer it" for name in CONTROLLERS if name not in offered})


def _step_aside(own: Path) -> None:
    """Move everybody in the group into a leaf of it, so that it may hand down controllers."""
    if not processes_in(own) or not (own / "cgroup.type").exists():  # the root of all has no type, and may keep its processes
        return
    leaf = own / _OWN
    leaf.mkdir(exist_ok=True)
    for _ in range(3):  # a process that forks meanwhile leaves a child behind
        for pid in processes_in(own):
            with suppress(ProcessLookupError):
                _write(leaf / "cgroup.procs", str(pid))


def _is_delegated(own: Path) -> bool:
    """Whether systemd marked it so (or the group above our leaf). See systemd's "Control Group APIs and Delegation"."""
    for group in (own, own.parent):
        for name in ("user.delegate", "trusted.delegate"):
            with suppress(OSError):
                if os.getxattr(group, name) == b"1":
                    return True
    return False


def _mounts(mountinfo: Path) -> dict[str, tuple[str, Path]]:
    """Controller, or "cgroup2", to (root of the mount within its hierarchy, mount point). See proc(5)."""
    found: dict[str, tuple[str, Path]] = {}
    with suppress(OSError):
        for line in mountinfo.read_text("utf-8").splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            root, point = before.split(" ")[3:5]
            if kind == "cgroup2":
                found["cgroup2"] = (root, Path(point))
            elif kind == "cgroup":
                for name in options.split(","):
                    if name in CONTROLLERS:
                        found[name] = (root, Path(point))
    return found


def _groups(cgroup: Path) -> dict[str, str]:
    """Controller ("" in version 2) to our own group's path. See cgroups(7)."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in cgroup.read_text("utf-8").splitlines():
            _, names, path = line.split(":", 2)
            found |= dict.fromkeys(names.split(","), path)
    return found


def _below(mount: tuple[str, Path], group: str) -> Path:
    root, point = mount
    inside = group.removeprefix(root) if root != "/" else group
    return point / inside.lstrip("/")


def _write(file: Path, text: str) -> None:
    file.write_text(text, "ascii")  # in one write(2), as the kernel wants it
