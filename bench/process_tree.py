"""What a process uses together with all below it, ours or not."""

import os
from contextlib import suppress
from pathlib import Path


def processes(pid: int) -> list[int]:
    """A process and all below it."""
    with suppress(OSError):
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
        return [pid, *(below for child in children for below in processes(child))]
    return []


def cpu_s(pid: int) -> float:
    """What a process and all below it have used, in seconds, those that have ended included."""
    ticks = 0
    for one in processes(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """What a process and all below it hold, shared pages divided among them (PSS)."""
    total = 0
    for one in processes(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total
