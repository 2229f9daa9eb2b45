"""What the job uses: from its control group (cgroup v2 or v1), or else by counting its processes; GPUs from nvidia-smi."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Mapping

_GPU_S = 10.0
_UNLIMITED = 1 << 60
"""cgroup v1 says something near 2**63 where there is no limit."""


def usage(environ: Mapping[str, str], root: Path = Path("/")) -> dict[str, Any]:
    """memory_bytes, memory_limit_bytes, cpu_s, cpus; None where it is not known. Reads files only."""
    memory, limit, cpu_s = _of_group(root)
    if memory is None or cpu_s is None:
        counted_memory, counted_cpu_s = _of_processes(root, os.getpid())
        memory = counted_memory if memory is None else memory
        cpu_s = counted_cpu_s if cpu_s is None else cpu_s
    if limit is None and environ.get("SLURM_MEM_PER_NODE", "").isdigit():
        limit = int(environ["SLURM_MEM_PER_NODE"]) << 20 or None  # 0: all of it
    try:
        cpus: int | None = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        cpus = os.cpu_count()
    return {"memory_bytes": memory, "memory_limit_bytes": limit, "cpu_s": cpu_s, "cpus": cpus}


async def gpus(environ: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """name, memory_bytes, utilization (per cent) of each GPU of the job; None if nobody can tell."""
    words = ["nvidia-smi", "--query-gpu=name,memory.used,utilization.gpu", "--format=csv,noheader,nounits"]
    visible = environ.get("CUDA_VISIBLE_DEVICES", "")
    if visible and all(part.isdigit() or part.startswith(("GPU-", "MIG-")) for part in visible.split(",")):
        words.append(f"--id={visible}")
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _GPU_S)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        return None
    return parsed_gpus(out.decode(errors="replace")) if process.returncode == 0 else None


def parsed_gpus(text: str) -> list[dict[str, Any]]:
    """Lines "name, MiB, per cent"; what is "[N/A]" is None."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 2)]
        if len(parts) == 3 and parts[0]:
            memory = int(parts[1]) << 20 if parts[1].isdigit() else None
            found.append({"name": parts[0], "memory_bytes": memory, "utilization": float(parts[2]) if parts[2].isdigit() else None})
    return found


def _of_group(root: Path) -> tuple[int | None, int | None, float | None]:
    """Memory in use, its limit, seconds of CPU."""
    groups = _groups(root)
    top = root / "sys/fs/cgroup"
    if "" in groups and (top / "cgroup.controllers").exists():
        folder = _of_job(top, groups[""])
        cpu = _fields(folder / "cpu.stat").get("usage_usec")
        memory = _number(folder / "memory.current")
        inactive = _fields(folder / "memory.stat").get("inactive_file", 0)
        if folder == top:  # all of the machine, not the job
            return None, None, None
        limits = [_number(above / "memory.max") for above in (folder, *folder.parents) if top in (above, *above.parents)]
        return _less(memory, inactive), _least(limits), cpu / 1e6 if cpu is not None else None
    memory = limit = cpu_ns = None
    inactive = 0
    if groups.get("memory", "/") != "/":
        folder = _of_job(top / "memory", groups["memory"])
        memory, limit = _number(folder / "memory.usage_in_bytes"), _number(folder / "memory.limit_in_bytes")
        inactive = _fields(folder / "memory.stat").get("total_inactive_file", 0)
    if groups.get("cpuacct", "/") != "/":
        cpu_ns = _number(_of_job(top / "cpuacct", groups["cpuacct"]) / "cpuacct.usage")
    return _less(memory, inactive), _least([limit]), cpu_ns / 1e9 if cpu_ns is not None else None


def _groups(root: Path) -> dict[str, str]:
    """Controller -> path; "" is that of version 2."""
    found = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _of_job(top: Path, path: str) -> Path:
    """Batch systems make a group for each step of a job in the job's own."""
    parts = [part for part in path.split("/") if part and part != ".."]
    for at, part in enumerate(parts):
        if part.startswith("job_"):
            parts = parts[: at + 1]
            break
    return top.joinpath(*parts)


def _of_processes(root: Path, of: int) -> tuple[int | None, float | None]:
    """Memory and CPU of a process and all below it."""
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    costs: dict[int, tuple[int, float]] = {}
    for entry in root.glob("proc/[0-9]*"):
        words = _text(entry / "stat").rpartition(")")[2].split()
        if len(words) > 21:
            number = int(entry.name)
            parents[number] = int(words[1])
            costs[number] = int(words[21]) * page, (int(words[11]) + int(words[12])) / tick
    ours = {of}
    grown = True
    while grown:
        more = {number for number, parent in parents.items() if parent in ours} - ours
        ours |= more
        grown = bool(more)
    found = [costs[number] for number in ours if number in costs]
    return (sum(memory for memory, _ in found), sum(cpu for _, cpu in found)) if found else (None, None)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _fields(path: Path) -> dict[str, int]:
    pairs = [line.split() for line in _text(path).splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _less(value: int | None, other: int) -> int | None:
    return None if value is None else max(0, value - other)


def _least(limits: list[int | None]) -> int | None:
    known = [limit for limit in limits if limit is not None and limit < _UNLIMITED]
    return min(known) if known else None
