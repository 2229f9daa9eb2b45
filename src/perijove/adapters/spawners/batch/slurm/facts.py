"""Reads what a cluster has: scontrol's nodes, partitions and configuration, sacctmgr's associations."""

import re
from typing import Final

from perijove.adapters.spawners.batch.slurm.read import read_pairs
from perijove.domain.batch.cluster import Association, Cluster, Node, Partition

_UNUSABLE: Final = ("DOWN", "DRAIN", "FAIL", "MAINT", "NOT_RESPONDING", "INVAL", "POWERING_DOWN", "REBOOT", "RESERVED", "UNKNOWN")
ASSOCIATION_FIELDS: Final = "account,partition,qos,defaultqos"


def read_cluster(config: str, partitions: str, nodes: str) -> Cluster:
    """From `scontrol show config`, `show partition -o` and `show node -d -o`."""
    known = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", config, re.MULTILINE))
    each = [_node(read_pairs(line)) for line in nodes.split("\n") if line.startswith("NodeName=")]
    parts = [_partition(read_pairs(line), each) for line in partitions.split("\n") if line.startswith("PartitionName=")]
    private = known.get("PrivateData", "none").lower()
    return Cluster(
        name=known.get("ClusterName", ""),
        version=tuple(int(part) for part in re.findall(r"\d+", known.get("SLURM_VERSION", ""))[:3]),
        partitions=tuple(parts),
        kept_s=_seconds(known.get("MinJobAge", ""), 300.0),
        kill_wait_s=_seconds(known.get("KillWait", ""), 30.0),
        shows_all_jobs=not {"jobs", "all"} & set(private.split(",")),
        has_history="slurmdbd" in known.get("AccountingStorageType", ""),
    )


def _partition(given: dict[str, str], nodes: list[Node]) -> Partition:
    name = given["PartitionName"]
    return Partition(
        name=name,
        default=given.get("Default") == "YES",
        up=given.get("State") == "UP",
        max_time_s=read_duration(given.get("MaxTime", "")),
        default_time_s=read_duration(given.get("DefaultTime", "")),
        max_nodes=int(given["MaxNodes"]) if given.get("MaxNodes", "").isdigit() else None,
        nodes=tuple(node for node in nodes if name in node.partitions),
        allowed_accounts=_allowed(given.get("AllowAccounts", "ALL")),
        allowed_qos=_allowed(given.get("AllowQos", "ALL")),
    )


def _node(given: dict[str, str]) -> Node:
    cpus = _number(given.get("CPUEfctv", given.get("CPUTot", "")))
    gpus, used = read_gpus(given.get("Gres", "")), read_gpus(given.get("GresUsed", ""))
    memory = _number(given.get("RealMemory", ""))
    features = given.get("ActiveFeatures", "(null)")
    state = given.get("State", "UNKNOWN")
    return Node(
        name=given["NodeName"],
        partitions=frozenset(given.get("Partitions", "").split(",")) - {""},
        cpus=cpus,
        free_cpus=max(0, cpus - _number(given.get("CPUAlloc", ""))),
        memory_mb=memory,
        free_memory_mb=max(0, memory - _number(given.get("AllocMem", ""))),
        gpus=gpus,
        free_gpus={kind: max(0, count - used.get(kind, 0)) for kind, count in gpus.items()},
        features=frozenset() if features == "(null)" else frozenset(features.split(",")),
        state=state,
        usable=not unusable(state),
    )


def unusable(state: str) -> bool:
    """Whether nothing can begin on a node now, by its state ("IDLE", "DOWN*+DRAIN")."""
    return any(word in state for word in _UNUSABLE) or "*" in state


def read_gpus(text: str) -> dict[str, int]:
    """ "gpu:a100:2(S:0-1),gpu:a100_3g.20gb:1(IDX:0),gpu:4,shard:8": GPUs by type ("" for one without); other resources are left out."""
    found: dict[str, int] = {}
    for kind, count in re.findall(r"(?:^|,)gpu(?::([^,:()]*[^,:()\d][^,:()]*|[^,:()]+(?=:)))?(?::(\d+))?(?=[,(]|$)", re.sub(r"\([^)]*\)", "", text)):
        found[kind] = found.get(kind, 0) + int(count or 1)
    return found


def read_duration(text: str) -> int | None:
    """ "1-00:00:00", "02:00:00", "30:00", "30" (minutes); "UNLIMITED", "NONE", "INFINITE": None."""
    matched = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not matched:
        return None
    days, first, second, third = (int(part) if part else None for part in matched.groups())
    if days is not None:
        return days * 86400 + (first or 0) * 3600 + (second or 0) * 60 + (third or 0)
    if third is not None:
        return (first or 0) * 3600 + (second or 0) * 60 + third
    return (first or 0) * 60 + (second or 0)


def read_associations(text: str) -> list[Association]:
    """Lines of ASSOCIATION_FIELDS by sacctmgr -nP."""
    rows = [line.split("|") for line in text.split("\n") if line.count("|") >= 3]
    return [Association(account=row[0], partition=row[1], qos=tuple(sorted(filter(None, row[2].split(","))))) for row in rows if row[0]]


def _allowed(text: str) -> frozenset[str] | None:
    return None if text in {"ALL", "", "(null)"} else frozenset(text.split(","))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _seconds(text: str, otherwise: float) -> float:
    matched = re.match(r"\d+", text)
    return float(matched[0]) if matched else otherwise
