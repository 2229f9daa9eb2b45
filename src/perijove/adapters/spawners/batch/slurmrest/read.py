"""Reads slurmrestd's answers. Up to v0.0.39 numbers are plain and a state is one word; later numbers say whether they are set, and states are lists."""

from typing import Any

from perijove.adapters.spawners.batch.slurm.facts import read_gpus, unusable
from perijove.adapters.spawners.batch.slurm.read import read_state, read_time, said, with_code
from perijove.domain.batch.cluster import Node, Partition
from perijove.domain.batch.status import JobId, JobStatus, State

LISTS_FROM = 40


def read_job(given: dict[str, Any]) -> JobStatus:
    raw = word(given.get("job_state"))
    state, ending = read_state(raw)
    begun = state not in {State.PENDING, State.REQUEUED}
    start, end, host = moment(given.get("start_time")), moment(given.get("end_time")), said(str(given.get("batch_host") or ""))
    return JobStatus(
        job=JobId(str(given.get("job_id", ""))), state=state, raw_state=raw, ending=with_code(ending, exit_code(given.get("exit_code"))) if ending else None,
        reason=said(str(given.get("state_reason") or "")), host=host if begun else "", nodes=said(str(given.get("nodes") or "")),
        submitted=moment(given.get("submit_time")), start=start if begun else None, end=end if begun else None, expected_start=None if begun else start,
        partition=str(given.get("partition") or ""), name=str(given.get("name") or ""), user=str(given.get("user_name") or ""),
        comment=said(str(given.get("comment") or "")),
    )  # fmt: skip


def read_past(given: dict[str, Any]) -> JobStatus:
    """A job of slurmdb."""
    states, times = table(given, "state"), table(given, "time")
    raw = word(states.get("current"))
    state, ending = read_state(raw)
    return JobStatus(
        job=JobId(str(given.get("job_id", ""))), state=state, raw_state=raw, ending=with_code(ending, exit_code(given.get("exit_code"))) if ending else None,
        reason=said(str(states.get("reason") or "")), nodes=said(str(given.get("nodes") or "")), submitted=moment(times.get("submission")),
        start=moment(times.get("start")), end=moment(times.get("end")), partition=str(given.get("partition") or ""), name=str(given.get("name") or ""),
        user=str(given.get("user") or ""),
    )  # fmt: skip


def read_node(given: dict[str, Any]) -> Node:
    states = given.get("state")
    flags = [*(states if isinstance(states, list) else [states]), *(given.get("state_flags") or [])]
    state = "+".join(str(one).upper() for one in flags if one)
    cpus = number(given.get("effective_cpus")) or number(given.get("cpus")) or 0
    memory = number(given.get("real_memory")) or 0
    gpus, used = read_gpus(str(given.get("gres") or "")), read_gpus(str(given.get("gres_used") or ""))
    parts, features = given.get("partitions") or [], given.get("active_features") or []
    return Node(
        name=str(given.get("name", "")),
        partitions=frozenset(map(str, parts if isinstance(parts, list) else str(parts).split(","))),
        cpus=cpus,
        free_cpus=max(0, cpus - (number(given.get("alloc_cpus")) or 0)),
        memory_mb=memory,
        free_memory_mb=max(0, memory - (number(given.get("alloc_memory")) or 0)),
        gpus=gpus,
        free_gpus={kind: max(0, count - used.get(kind, 0)) for kind, count in gpus.items()},
        features=frozenset(map(str, features if isinstance(features, list) else filter(None, str(features).split(",")))),
        state=state,
        usable=not unusable(state),
    )


def read_partition(given: dict[str, Any], nodes: list[Node]) -> Partition:
    name, most, usual = str(given.get("name", "")), table(given, "maximums"), table(given, "defaults")
    flags = [str(one).lower() for one in given.get("flags") or []]
    states = given.get("state") or table(given, "partition").get("state")
    max_minutes = number(given.get("max_time_limit", most.get("time")))
    usual_minutes = number(given.get("default_time_limit", usual.get("time")))
    max_nodes = number(given.get("maximum_nodes_per_job", most.get("nodes")))
    return Partition(
        name=name,
        default="default" in flags,
        up=word(states).upper() in {"UP", ""},
        max_time_s=max_minutes * 60 if max_minutes else None,
        default_time_s=usual_minutes * 60 if usual_minutes else None,
        max_nodes=max_nodes if max_nodes and max_nodes > 0 else None,
        nodes=tuple(node for node in nodes if name in node.partitions),
        allowed_accounts=_allowed(given.get("allowed_accounts", table(given, "accounts").get("allowed"))),
        allowed_qos=_allowed(given.get("allowed_qos", table(given, "qos").get("allowed"))),
    )


def number(value: object) -> int | None:
    """5, {"set": true, "infinite": false, "number": 5}; None for one that is not set, or infinite."""
    if isinstance(value, dict):
        value = value.get("number") if value.get("set", True) and not value.get("infinite") else None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value < 1 << 40 else None


def word(value: object) -> str:
    """A state: the one that counts stands alone, or a flag beside it (COMPLETING, REQUEUED …) does."""
    if isinstance(value, list):
        words = [str(one) for one in value]
        return words[-1] if len(words) > 1 else "".join(words)
    return str(value or "")


def exit_code(value: object) -> str:
    """ "code:signal", from a wait status (up to v0.0.39) or an object."""
    if isinstance(value, dict):
        signals = table(value, "signal")
        by = number(signals.get("id", signals.get("signal_id"))) or 0
        return f"{number(value.get('return_code')) or 0}:{by}"
    status = number(value)
    return "" if status is None else f"{status >> 8}:{status & 0x7F}"


def moment(value: object) -> Any:
    return read_time(str(number(value) or ""))


def table(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    return value if isinstance(value, dict) else {}


def rows(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in answer.get(name) or [] if isinstance(one, dict)]


def _allowed(value: object) -> frozenset[str] | None:
    text = str(value or "")
    return frozenset(text.split(",")) if text and text.upper() != "ALL" else None
