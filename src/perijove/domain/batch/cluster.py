"""What a cluster has and allows, and whether a request can ever start there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from perijove.domain.batch.request import JobRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: what it has, and what of it is free now. GPUs by type ("" for one without); `usable` False: down, drained or kept back."""

    name: str
    partitions: frozenset[str]
    cpus: int
    free_cpus: int
    memory_mb: int
    free_memory_mb: int
    gpus: dict[str, int] = field(default_factory=dict)
    free_gpus: dict[str, int] = field(default_factory=dict)
    features: frozenset[str] = frozenset()
    state: str = ""
    usable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """`max_time_s` None: no limit."""

    name: str
    default: bool = False
    up: bool = True
    max_time_s: int | None = None
    default_time_s: int | None = None
    max_nodes: int | None = None
    nodes: tuple[Node, ...] = ()
    allowed_accounts: frozenset[str] | None = None
    allowed_qos: frozenset[str] | None = None

    @property
    def free_cpus(self) -> int:
        return sum(node.free_cpus for node in self.nodes if node.usable)

    @property
    def free_gpus(self) -> dict[str, int]:
        return _added(node.free_gpus for node in self.nodes if node.usable)

    @property
    def gpus(self) -> dict[str, int]:
        return _added(node.gpus for node in self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`kept_s`: how long the queue remembers an ended job. `shows_all_jobs`: whether anybody may see everybody's jobs. `kill_wait_s`: between
    the polite signal and the last one at the time limit."""

    name: str
    version: tuple[int, ...]
    partitions: tuple[Partition, ...]
    kept_s: float = 300.0
    kill_wait_s: float = 30.0
    shows_all_jobs: bool = True
    has_history: bool = False

    def partition(self, name: str | None) -> Partition | None:
        """By name, or the default one."""
        return next((one for one in self.partitions if one.name == name or (name is None and one.default)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One account that a person may use. `partition` "": in every one. `qos` (): the cluster tells none."""

    account: str
    partition: str = ""
    qos: tuple[str, ...] = ()
    default: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a request can never begin. `option`: the one that it is about, by the name a form calls it ("" if about none by itself)."""

    option: str
    text: str


def never_starts(request: JobRequest, cluster: Cluster, associations: Sequence[Association] | None = None) -> list[str]:
    """The texts of `objections`."""
    return [one.text for one in objections(request, cluster, associations)]


def objections(request: JobRequest, cluster: Cluster, associations: Sequence[Association] | None = None) -> list[Objection]:
    """Why it could never begin on this cluster as it is; [] if nothing speaks against it. `associations` None: not known, so not judged.

    A list of partitions passes if one of them takes it.
    """
    found: list[Objection] = []
    if associations is not None and request.account is not None and request.account not in {one.account for one in associations}:
        yours = ", ".join(sorted({one.account for one in associations})) or "none"
        found.append(Objection("account", f"The account '{request.account}' is not one of yours ({yours})."))
    if associations is not None and request.qos is not None:
        allowed = {qos for one in associations if request.account in {None, one.account} for qos in one.qos}
        if allowed and request.qos not in allowed:
            found.append(Objection("qos", f"The QOS '{request.qos}' is not one of yours ({', '.join(sorted(allowed))})."))
    names: list[str | None] = [*request.partition.split(",")] if request.partition else [None]
    each = [_against(request, cluster, name) for name in names]
    if all(each):
        together = Objection("partition", "; or ".join(" ".join(one.text for one in reasons) for reasons in each))
        found += each[0] if len(each) == 1 else [together]
    return found


def _against(request: JobRequest, cluster: Cluster, name: str | None) -> list[Objection]:
    partition = cluster.partition(name)
    if partition is None:
        if name is None:
            return []  # the site has no default: the scheduler says so in its own words
        return [Objection("partition", f"There is no partition '{name}'; there are {', '.join(one.name for one in cluster.partitions)}.")]
    found = []
    if request.time_limit_s is not None and partition.max_time_s is not None and request.time_limit_s > partition.max_time_s:
        text = f"The partition {partition.name} allows {_lasting(partition.max_time_s)}, not {_lasting(request.time_limit_s)}."
        found.append(Objection("time", text))
    if request.nodes is not None and partition.max_nodes is not None and request.nodes > partition.max_nodes:
        found.append(Objection("nodes", f"The partition {partition.name} allows {partition.max_nodes} nodes, not {request.nodes}."))
    if request.account and partition.allowed_accounts is not None and request.account not in partition.allowed_accounts:
        found.append(Objection("account", f"The partition {partition.name} is not for the account {request.account}."))
    if partition.nodes and not any(_fits(request, node) for node in partition.nodes):
        found.append(Objection(_too_much(request, partition), f"No node of the partition {partition.name} has {_wanted(request)}."))
    return found


def _too_much(request: JobRequest, partition: Partition) -> str:
    """The option that by itself no node has, "" if it is all of them together."""
    alone = {
        "gpus": JobRequest(name="x", gpus=request.gpus, nodes=request.nodes),
        "cpus": JobRequest(name="x", cpus=request.cpus, nodes=request.nodes),
        "memory": JobRequest(name="x", memory_mb=request.memory_mb, nodes=request.nodes),
        "memory_per_cpu": JobRequest(name="x", memory_per_cpu_mb=request.memory_per_cpu_mb, nodes=request.nodes),
    }
    return next((option for option, one in alone.items() if not any(_fits(one, node) for node in partition.nodes)), "")


def _fits(request: JobRequest, node: Node) -> bool:
    """Whether one node's share fits. CPUs and memory of a job over several nodes may be spread, so they are not judged then."""
    for gpus in request.gpus:
        if (node.gpus.get(gpus.kind, 0) if gpus.kind else sum(node.gpus.values())) < gpus.count:
            return False
    if request.memory_mb is not None and request.memory_mb > node.memory_mb:
        return False
    if request.nodes is not None and request.nodes > 1:
        return True
    cpus = request.cpus or 1
    return cpus <= node.cpus and (request.memory_per_cpu_mb or 0) * cpus <= node.memory_mb


def _wanted(request: JobRequest) -> str:
    parts = [f"{gpus.count} {gpus.kind + ' ' if gpus.kind else ''}GPU{'s' if gpus.count > 1 else ''}" for gpus in request.gpus]
    if request.cpus:
        parts.append(f"{request.cpus} CPUs")
    memory_mb = request.memory_mb or (request.memory_per_cpu_mb or 0) * (request.cpus or 1)
    if memory_mb:
        parts.append(f"{memory_mb} MB of memory")
    return " and ".join(parts) or "what is asked for"


def _added(many: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in many:
        for kind, count in one.items():
            total[kind] = total.get(kind, 0) + count
    return total


def _lasting(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d} h"
