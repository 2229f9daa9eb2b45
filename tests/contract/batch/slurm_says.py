"""Slurm 22.05's side of each dialogue, as its commands print it."""

from typing import Final

from perijove.adapters.spawners.batch.slurm.read import SQUEUE_FORMAT
from tests.contract.batch.dialogue import Line

PROGRAMS: Final = ("sbatch", "squeue", "scancel", "scontrol", "sacct", "sacctmgr")
JOB, OTHER, ENDED, UNKNOWN = "101", "102", "103", "199"
WAITS_FOR = "Resources"
_LIVING: Final = ("squeue", "--noheader", "--all", "--user=*", "--name=perijove-a1", "--format=%i")
_SUBMITTED: Final = (
    "sbatch", "--parsable", "--job-name=perijove-a1", "--time=0-03:00:00", "--partition=main", "--account=def-x", "--cpus-per-task=8",
    "--mem=24000M", "--gres=gpu:1", "--chdir=/", "--ntasks=1", "--requeue", "--export-file=*", "/proc/self/fd/*", "/bin/echo", "it is; touch /x",
)  # fmt: skip
_SQUEUE: Final = ("squeue", "--noheader", "--all", "--states=all", f"--format={SQUEUE_FORMAT}".replace("[", "[[]"))
_AWAY: Final = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"


def _row(job: str, state: str, reason: str, host: str, start: str, end: str, name: str = "perijove-a1") -> str:
    return "\x1f".join((job, state, reason, host, "" if host == "n/a" else host, start, end, "1700000000", "main", name, "ada", "(null)")) + "\n"


_ROWS: Final = (
    _row(JOB, "PENDING", "Resources", "n/a", "1700003600", "N/A")
    + _row(OTHER, "RUNNING", "None", "n1", "1700000100", "1700010900", "perijove-b")
    + _row(ENDED, "FAILED", "NonZeroExitCode", "n1", "1700000100", "1700000200", "perijove-c")
)
SAYS: Final[dict[str, list[Line]]] = {
    "submit": [Line(_LIVING), Line(_SUBMITTED, out=f"{JOB}\n")],
    "submit again": [Line(_LIVING, out=f"{JOB}\n")],
    "submit while away": [Line(_LIVING, err=_AWAY, code=1)],
    "refuse": [Line(_LIVING), Line(("sbatch", *["*"] * 15), err="sbatch: error: invalid partition specified: main\n", code=1)],
    "query": [
        Line((*_SQUEUE, f"--jobs={JOB},{OTHER},{ENDED},{UNKNOWN}"), out=_ROWS),
        Line(("scontrol", "show", "job", "-o", ENDED), out=f"JobId={ENDED} JobName=perijove-c ExitCode=3:0 StartTime=1700000100\n"),
    ],
    "query one unknown": [Line((*_SQUEUE, f"--jobs={UNKNOWN}"), err="slurm_load_jobs error: Invalid job id specified\n", code=1)],
    "query while away": [Line((*_SQUEUE, f"--jobs={JOB}"), err=_AWAY, code=1)],
    "find": [Line((*_SQUEUE, "--name=nothing,perijove-a1"), out=_row(JOB, "PENDING", "Resources", "n/a", "1700003600", "N/A"))],
    "past": [Line(("scontrol", "show", "config"), out="AccountingStorageType   = accounting_storage/none\n")],
    "cancel": [Line(("scancel", JOB))],
    "force": [Line(("scancel", "--full", "--signal=KILL", JOB)), Line(("scancel", JOB))],
    "cancel one that ended": [Line(("scancel", ENDED), err="scancel: error: Kill job error on job id 103: Job/step already completing or completed\n", code=1)],
    "cancel another's": [Line(("scancel", OTHER), err="scancel: error: Kill job error on job id 102: Access/permission denied\n", code=1)],
    "ping": [Line(("scontrol", "ping"), out="Slurmctld(primary) at head is UP\n")],
    "ping while away": [Line(("scontrol", "ping"), out="Slurmctld(primary) at head is DOWN\n", code=1)],
    "cluster": [
        Line(("scontrol", "show", "config"), out=(
            "ClusterName             = tst\nSLURM_VERSION           = 22.05.8\nMinJobAge               = 300 sec\nPrivateData             = none\n"
            "AccountingStorageType   = accounting_storage/none\nKillWait                = 30 sec\n")),
        Line(("scontrol", "show", "partition", "-o"), out=(
            "PartitionName=main AllowAccounts=ALL AllowQos=ALL Default=YES DefaultTime=NONE MaxNodes=2 MaxTime=1-00:00:00 State=UP Nodes=n1,n2\n"
            "PartitionName=short AllowAccounts=ALL AllowQos=ALL Default=NO DefaultTime=NONE MaxNodes=UNLIMITED MaxTime=00:30:00 State=DOWN Nodes=n2\n")),
        Line(("scontrol", "show", "node", "-d", "-o"), out=(
            "NodeName=n1 CPUAlloc=8 CPUEfctv=32 CPUTot=32 Gres=gpu:4 GresUsed=gpu:1(IDX:0) RealMemory=64000 AllocMem=16000 State=MIXED Partitions=main\n"
            "NodeName=n2 CPUAlloc=0 CPUEfctv=32 CPUTot=32 Gres=(null) GresUsed=gpu:0 RealMemory=64000 AllocMem=0 State=DOWN*+DRAIN Partitions=main,short\n")),
    ],
}  # fmt: skip
