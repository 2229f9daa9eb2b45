"""What a job uses, as the kernel tells it in either of its ways."""

import os
from pathlib import Path

from perijove.agent.usage import parsed_gpus, usage


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_the_jobs_own_group_is_asked_not_that_of_a_step(tmp_path: Path) -> None:
    job = "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7"
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/slurmstepd.scope/job_7/step_batch/user/task_0\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            f"{job}/memory.current": "3000000\n",
            f"{job}/memory.stat": "anon 1000000\ninactive_file 500000\n",
            f"{job}/memory.max": "max\n",
            "sys/fs/cgroup/system.slice/slurmstepd.scope/memory.max": "8000000\n",
            f"{job}/cpu.stat": "usage_usec 12500000\nuser_usec 1\n",
            f"{job}/step_batch/user/task_0/memory.current": "1\n",
        },
    )
    found = usage({}, tmp_path)
    assert (found["memory_bytes"], found["memory_limit_bytes"], found["cpu_s"]) == (2_500_000, 8_000_000, 12.5)


def test_the_older_kind_of_groups_is_understood(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "5:memory:/slurm/uid_1/job_7/step_0\n4:cpu,cpuacct:/slurm/uid_1/job_7/step_0\n1:name=systemd:/x\n",
            "sys/fs/cgroup/memory/slurm/uid_1/job_7/memory.usage_in_bytes": "4096\n",
            "sys/fs/cgroup/memory/slurm/uid_1/job_7/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpuacct/slurm/uid_1/job_7/cpuacct.usage": "1500000000\n",
        },
    )
    found = usage({"SLURM_MEM_PER_NODE": "3"}, tmp_path)
    assert (found["memory_bytes"], found["memory_limit_bytes"], found["cpu_s"]) == (4096, 3 << 20, 1.5)


def test_without_groups_processes_are_counted(tmp_path: Path) -> None:
    def stat(parent: int, ticks: int, pages: int) -> str:
        return f"1 (a) b) S {parent} 0 0 0 0 0 0 0 0 0 {ticks} 0 0 0 0 0 0 0 0 0 {pages} 0\n"

    us, child = os.getpid(), os.getpid() + 1
    write(tmp_path, {f"proc/{us}/stat": stat(1, 100, 2), f"proc/{child}/stat": stat(us, 50, 3), "proc/2/stat": stat(1, 9999, 9999)})
    found = usage({}, tmp_path)
    assert found["memory_bytes"] == 5 * os.sysconf("SC_PAGE_SIZE")
    assert found["cpu_s"] == 150 / os.sysconf("SC_CLK_TCK")
    assert found["memory_limit_bytes"] is None


def test_gpus_say_what_they_know() -> None:
    assert parsed_gpus("NVIDIA A100-SXM4-40GB, 1024, 37\nOdd, name, [N/A], [N/A]\nnonsense\n") == [
        {"name": "NVIDIA A100-SXM4-40GB", "memory_bytes": 1 << 30, "utilization": 37.0},
        {"name": "Odd, name", "memory_bytes": None, "utilization": None},
    ]
