"""Reads what qstat and pbsnodes say with `-F json`. Times come as "Tue Oct  4 21:23:20 2022" in UTC, for the commands are run with TZ=UTC."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from perijove.domain.batch.cluster import Cluster, Node, Partition
from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State

_STATES: Final = {
    "Q": State.PENDING, "H": State.PENDING, "W": State.PENDING, "T": State.PENDING, "R": State.RUNNING, "B": State.RUNNING,
    "S": State.SUSPENDED, "U": State.SUSPENDED, "E": State.COMPLETING, "F": State.ENDED, "X": State.ENDED,
}  # fmt: skip
_STARTING: Final = frozenset({41, 71, 72})
"""Substates of a running job whose node gets ready (OpenPBS, job.h: prerun, provision, waiting to join)."""
_TERMINATED: Final = 91
_CAUSES: Final = {  # exit statuses that PBS itself gives (OpenPBS, job.h)
    -1: Cause.LAUNCH_FAILURE, -2: Cause.LAUNCH_FAILURE, -3: Cause.LAUNCH_FAILURE, -4: Cause.NODE_FAILURE, -10: Cause.LAUNCH_FAILURE,
    -11: Cause.NODE_FAILURE, -13: Cause.LAUNCH_FAILURE, -14: Cause.NODE_FAILURE, -17: Cause.LAUNCH_FAILURE, -19: Cause.LAUNCH_FAILURE,
    -20: Cause.NODE_FAILURE, -21: Cause.LAUNCH_FAILURE, -22: Cause.LAUNCH_FAILURE, -26: Cause.OUT_OF_MEMORY, -27: Cause.OUT_OF_MEMORY,
    -28: Cause.TIME_LIMIT, -29: Cause.TIME_LIMIT, -30: Cause.LAUNCH_FAILURE,
}  # fmt: skip
_UNUSABLE: Final = ("down", "offline", "unknown", "stale", "sleep", "maintenance", "provisioning", "resv-exclusive")
_SIGNALLED: Final = 256


def parsed(text: str) -> dict[str, Any]:
    """Raises ValueError."""
    found = json.loads(text, strict=False)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def read_jobs(text: str) -> dict[JobId, JobStatus]:
    """Of `qstat -x -f -F json`. Raises ValueError."""
    jobs = _table(parsed(text), "Jobs")
    return {JobId(name): read_job(name, about) for name, about in jobs.items() if isinstance(about, dict) and "job_state" in about}


def read_job(job: str, about: dict[str, Any]) -> JobStatus:
    raw, substate = str(about["job_state"]), _number(about.get("substate"))
    state, ending = _STATES.get(raw, State.UNKNOWN), None
    if state is State.RUNNING and substate in _STARTING:
        state = State.STARTING
    elif state is State.PENDING and _number(about.get("run_count")) > 0 and raw != "H":
        state = State.REQUEUED
    elif state is State.ENDED:
        ending = _ending(about, substate)
    comment = str(about.get("comment", ""))
    begun = state not in {State.PENDING, State.REQUEUED}
    start = read_time(about.get("stime")) if begun else None
    limit_s = read_duration(str(_table(about, "Resource_List").get("walltime", "")))
    end = read_time(about.get("obittime") or about.get("mtime")) if ending else None
    if ending is None and start is not None and limit_s is not None:
        end = start + timedelta(seconds=limit_s)
    hosts = list(dict.fromkeys(re.findall(r"(?:^|\+)([^/+]+)/", str(about.get("exec_host", "")))))
    return JobStatus(
        job=JobId(job), state=state, raw_state=f"{raw}{f'/{substate}' if substate else ''}", ending=ending,
        reason=re.sub(r"^Not Running: ", "", comment) if not begun else "", host=hosts[0] if begun and hosts else "", nodes=",".join(hosts) if begun else "",
        submitted=read_time(about.get("qtime") or about.get("ctime")), start=start, end=end,
        expected_start=None if begun else read_time(_table(about, "estimated").get("start_time")), partition=str(about.get("queue", "")),
        name=str(about.get("Job_Name", "")), user=str(about.get("Job_Owner", "")).partition("@")[0],
    )  # fmt: skip


def _ending(about: dict[str, Any], substate: int) -> Ending:
    """Exit statuses: below 0 PBS's own; of 256 and more the process was killed by the signal that is the rest."""
    status, comment = about.get("Exit_status"), str(about.get("comment", "")).lower()
    if not isinstance(status, int):
        return Ending(Cause.CANCELLED if substate == _TERMINATED else Cause.UNKNOWN)
    if status in _CAUSES:
        return Ending(_CAUSES[status])
    signal = status - _SIGNALLED if _SIGNALLED <= status < _SIGNALLED + 65 else 0
    code = None if signal else status
    if "exceeded resource walltime" in comment or ("exceeded limit" in comment and "walltime" in comment):
        return Ending(Cause.TIME_LIMIT, code, signal)
    if "exceeded resource mem" in comment or "exceeded resource vmem" in comment or "oom" in comment:
        return Ending(Cause.OUT_OF_MEMORY, code, signal)
    if substate == _TERMINATED:
        return Ending(Cause.CANCELLED, code, signal)
    return Ending(Cause.FAILED if status else Cause.FINISHED, code, signal)


def read_cluster(server: str, queues: str, nodes: str, *, gpu_type: str = "") -> Cluster:
    """From `qstat -B -f`, `qstat -Q -f` and `pbsnodes -a`, all with `-F json`. Raises ValueError."""
    about = parsed(server)
    name, attributes = next(iter(_table(about, "Server").items()), ("", {}))
    attributes = attributes if isinstance(attributes, dict) else {}
    default = str(attributes.get("default_queue", ""))
    each = [_node(node, given, gpu_type) for node, given in _table(parsed(nodes), "nodes").items() if isinstance(given, dict)]
    parts = [
        _partition(queue, given, each, default=queue == default)
        for queue, given in _table(parsed(queues), "Queue").items()
        if isinstance(given, dict)
    ]
    return Cluster(
        name=str(name),
        version=tuple(int(part) for part in re.findall(r"\d+", str(about.get("pbs_version", "")))[:3]),
        partitions=tuple(parts),
        kept_s=60.0,  # with a history an ended job is told as such for days; without one it is gone at once
        kill_wait_s=10.0,
        shows_all_jobs=_true(attributes.get("query_other_jobs", True)),
        has_history=_true(attributes.get("job_history_enable", False)),
    )


def _partition(name: str, given: dict[str, Any], nodes: list[Node], *, default: bool) -> Partition:
    most, usual = _table(given, "resources_max"), _table(given, "resources_default")
    own = tuple(node for node in nodes if name in node.partitions)
    route = str(given.get("queue_type", "")).lower().startswith("r")
    open_to_all = tuple(node for node in nodes if not node.partitions)
    return Partition(
        name=name,
        default=default,
        up=_true(given.get("enabled", True)) and _true(given.get("started", True)),
        max_time_s=read_duration(str(most.get("walltime", ""))),
        default_time_s=read_duration(str(usual.get("walltime", ""))),
        max_nodes=_number(most.get("nodect")) or None,
        nodes=() if route else own or open_to_all,  # where a routing queue leads, only the server knows
    )


def _node(name: str, given: dict[str, Any], gpu_type: str) -> Node:
    has, used = _table(given, "resources_available"), _table(given, "resources_assigned")
    kind = str(has.get(gpu_type, "")) if gpu_type else ""
    gpus, state = _number(has.get("ngpus")), str(given.get("state", ""))
    memory = read_size_mb(has.get("mem"))
    return Node(
        name=name,
        partitions=frozenset(filter(None, [str(given.get("queue", "")), *str(has.get("Qlist", "")).split(",")])),
        cpus=_number(has.get("ncpus")),
        free_cpus=max(0, _number(has.get("ncpus")) - _number(used.get("ncpus"))),
        memory_mb=memory,
        free_memory_mb=max(0, memory - read_size_mb(used.get("mem"))),
        gpus={kind: gpus} if gpus else {},
        free_gpus={kind: max(0, gpus - _number(used.get("ngpus")))} if gpus else {},
        state=state,
        usable=not any(word in state for word in _UNUSABLE),
    )


def read_time(value: object) -> datetime | None:
    """A date in ctime's words, or seconds since 1970."""
    text = str(value or "")
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC) if 0 < int(text) < 1 << 33 else None
    with suppress(ValueError):
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    return None


def read_duration(text: str) -> int | None:
    """ "48:00:00", "30:00", "90"."""
    if not re.fullmatch(r"\d+(:\d+){0,2}", text):
        return None
    seconds = 0
    for part in text.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def read_size_mb(value: object) -> int:
    """ "263719936kb", "132gb", "512" (bytes); words ("8mw") are eight bytes each."""
    matched = re.fullmatch(r"(\d+)([kmgtp]?)([bw]?)", str(value or "").lower())
    if not matched:
        return 0
    shift = 10 * " kmgtp".index(matched[2] or " ")
    return (int(matched[1]) << shift) * (8 if matched[3] == "w" else 1) >> 20


def _table(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    return int(str(value)) if re.fullmatch(r"\d+", str(value)) else 0


def _true(value: object) -> bool:
    return value is True or str(value).lower() in {"true", "1"}
