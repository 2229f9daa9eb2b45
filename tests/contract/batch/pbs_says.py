"""OpenPBS's side of each dialogue, in the form that its documentation and its sources give; no OpenPBS was at hand to record it from."""

import json
from typing import Any, Final

from tests.contract.batch.dialogue import Line

PROGRAMS: Final = ("qsub", "qstat", "qselect", "qdel", "qsig", "pbsnodes")
JOB, OTHER, ENDED, UNKNOWN = "101.head", "102.head", "103.head", "199.head"
WAITS_FOR = "Insufficient amount of resource: ngpus (R: 1 A: 0 T: 4)"
_LIVING: Final = ("qselect", "-u", "*", "-N", "perijove-a1")
_SUBMITTED: Final = (
    "qsub", "-f", "-N", "perijove-a1", "-q", "main", "-A", "def-x", "-l", "select=1:ncpus=8:mem=24000mb:ngpus=1", "-l", "walltime=03:00:00",
    "-j", "oe", "-r", "y", "-S", "/bin/bash", "-C", "", "-",
)  # fmt: skip
_QSTAT: Final = ("qstat", "-x", "-f", "-F", "json")
_AWAY: Final = "Connection refused\n{}: cannot connect to server head (errno=15010)\n"


def _answer(**what: Any) -> str:
    return json.dumps({"timestamp": 1700000300, "pbs_version": "22.05.11", "pbs_server": "head", **what}, indent=4) + "\n"


def _job(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "Job_Name": name, "Job_Owner": "ada@login1", "job_state": state, "queue": "main", "server": "head", "ctime": "Tue Nov 14 22:13:20 2023",
        "qtime": "Tue Nov 14 22:13:20 2023", "mtime": "Tue Nov 14 22:16:40 2023", "Resource_List": {"ncpus": 8, "walltime": "03:00:00"}, **more,
    }  # fmt: skip


_WAITING: Final = _job(
    "perijove-a1", "Q", substate=10, comment=f"Not Running: {WAITS_FOR}", estimated={"start_time": "Tue Nov 14 23:13:20 2023", "exec_vnode": "(n1:ncpus=8)"},
)  # fmt: skip
_JOBS: Final = {
    JOB: _WAITING,
    OTHER: _job("perijove-b", "R", substate=42, exec_host="n1/0*8+n2/0*8", stime="Tue Nov 14 22:15:00 2023", run_count=1),
    ENDED: _job("perijove-c", "F", substate=92, exec_host="n1/0*8", stime="Tue Nov 14 22:15:00 2023", Exit_status=3),
}
_UNKNOWN: Final = f"qstat: Unknown Job Id {UNKNOWN}\n"
SAYS: Final[dict[str, list[Line]]] = {
    "submit": [Line(_LIVING), Line(_SUBMITTED, out=f"{JOB}\n", given="script")],
    "submit again": [Line(_LIVING, out=f"{JOB}\n")],
    "submit while away": [Line(_LIVING, err=_AWAY.format("qselect"), code=255)],
    "refuse": [Line(_LIVING), Line(("qsub", *["*"] * (len(_SUBMITTED) - 1)), err="qsub: Unknown queue\n", code=170, given="script")],
    "query": [Line((*_QSTAT, JOB, OTHER, ENDED, UNKNOWN), out=_answer(Jobs=_JOBS), err=_UNKNOWN, code=153)],
    "query one unknown": [Line((*_QSTAT, UNKNOWN), out=_answer(), err=_UNKNOWN, code=153)],
    "query while away": [Line((*_QSTAT, JOB), out=_answer(), err=_AWAY.format("qstat"), code=255)],
    "find": [
        Line(("qselect", "-x", "-N", "nothing")),
        Line(("qselect", "-x", "-N", "perijove-a1"), out=f"{JOB}\n"),
        Line((*_QSTAT, JOB), out=_answer(Jobs={JOB: _WAITING})),
    ],
    "past": [
        Line(("qstat", "-B", "-f", "-F", "json"), out=_answer(Server={"head": {"server_state": "Active"}})),
        Line(("qstat", "-Q", "-f", "-F", "json"), out=_answer(Queue={})),
        Line(("pbsnodes", "-a", "-F", "json"), out=_answer(nodes={})),
    ],
    "cancel": [Line(("qdel", JOB))],
    "force": [Line(("qsig", "-s", "SIGKILL", JOB), err=f"qsig: Request invalid for state of job {JOB}\n", code=168), Line(("qdel", JOB))],
    "cancel one that ended": [Line(("qdel", ENDED), err=f"qdel: Job has finished {ENDED}\n", code=35)],
    "cancel another's": [Line(("qdel", OTHER), err=f"qdel: Unauthorized Request  {OTHER}\n", code=159)],
    "ping": [Line(("qstat", "-B"), out="Server Max Tot Que Run Hld Wat Trn Ext Status\nhead 0 3 1 2 0 0 0 0 Active\n")],
    "ping while away": [Line(("qstat", "-B"), err=_AWAY.format("qstat"), code=255)],
    "cluster": [
        Line(("qstat", "-B", "-f", "-F", "json"), out=_answer(Server={"tst": {"server_state": "Active", "default_queue": "main", "query_other_jobs": "True"}})),
        Line(("qstat", "-Q", "-f", "-F", "json"), out=_answer(Queue={
            "main": {"queue_type": "Execution", "enabled": "True", "started": "True", "resources_max": {"walltime": "24:00:00", "nodect": 2}},
            "short": {"queue_type": "Execution", "enabled": "True", "started": "False", "resources_max": {"walltime": "00:30:00"}},
        })),
        Line(("pbsnodes", "-a", "-F", "json"), out=_answer(nodes={
            "n1": {"state": "free", "resources_available": {"ncpus": 32, "mem": "65536000kb", "ngpus": 4},
                   "resources_assigned": {"ncpus": 8, "mem": "16384000kb", "ngpus": 1}},
            "n2": {"state": "down,offline", "resources_available": {"ncpus": 32, "mem": "65536000kb"}, "resources_assigned": {}},
        })),
    ],
}  # fmt: skip
