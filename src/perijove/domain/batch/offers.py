"""What a form may offer a person on a cluster: partitions with their limits, what is free now, their accounts. Made from what the queue tells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from perijove.domain.batch.cluster import Association, Cluster, Node, Partition

_MIG: Final = re.compile(r"(?:^|[_.-])\d+g\.\d+gb", re.IGNORECASE)
"""As NVIDIA names slices of a GPU: 1g.5gb, a100_3g.20gb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuOffer:
    """One type of GPU in a partition. `kind` "": the cluster names no type. `most_per_node`: no job can have more of it on one node."""

    kind: str
    total: int
    free: int
    most_per_node: int
    mig: bool
    """Whether it is a slice of a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionOffer:
    """`max_time_s`, `max_nodes` None: no limit. `most_*`: of the largest node. What is free counts nodes that can be used only."""

    name: str
    default: bool
    up: bool
    max_time_s: int | None
    default_time_s: int | None
    max_nodes: int | None
    nodes: int
    usable_nodes: int
    cpus: int
    free_cpus: int
    most_cpus: int
    most_memory_mb: int
    gpus: tuple[GpuOffer, ...]
    features: tuple[str, ...]
    qos: tuple[str, ...] | None
    """None: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOffer:
    """An account of the person. `partitions` (): valid in every one. `qos` (): the cluster tells none."""

    name: str
    default: bool
    qos: tuple[str, ...]
    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """`accounts` None: the cluster keeps none, so the form asks for none. `age_s`: how old what is free now is. `away`: the scheduler does not
    answer; what is shown is from before (or there is nothing, if it never did)."""

    cluster: str
    partitions: tuple[PartitionOffer, ...]
    accounts: tuple[AccountOffer, ...] | None
    age_s: float
    away: bool = False

    @property
    def qos(self) -> tuple[str, ...]:
        """Of all the person's accounts."""
        return tuple(sorted({name for account in self.accounts or () for name in account.qos}))

    @property
    def gpu_kinds(self) -> tuple[str, ...]:
        return tuple(sorted({gpu.kind for partition in self.partitions for gpu in partition.gpus if gpu.kind}))

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(sorted({feature for partition in self.partitions for feature in partition.features}))


def offers(cluster: Cluster, associations: Sequence[Association] | None, *, age_s: float = 0.0, away: bool = False) -> Offers:
    """What this person is offered. Partitions that none of their accounts may use are left out. Default first, then by name."""
    accounts = None if associations is None else _accounts(associations)
    names = None if accounts is None else {account.name for account in accounts}
    open_to_them = [one for one in cluster.partitions if names is None or one.allowed_accounts is None or one.allowed_accounts & names]
    shown = sorted(open_to_them, key=lambda one: (not one.default, one.name))
    return Offers(cluster=cluster.name, partitions=tuple(map(_partition, shown)), accounts=accounts, age_s=age_s, away=away)


def _partition(partition: Partition) -> PartitionOffer:
    nodes = partition.nodes
    usable = [node for node in nodes if node.usable]
    kinds = sorted({kind for node in nodes for kind in node.gpus})
    return PartitionOffer(
        name=partition.name,
        default=partition.default,
        up=partition.up,
        max_time_s=partition.max_time_s,
        default_time_s=partition.default_time_s,
        max_nodes=partition.max_nodes,
        nodes=len(nodes),
        usable_nodes=len(usable),
        cpus=sum(node.cpus for node in nodes),
        free_cpus=partition.free_cpus,
        most_cpus=max((node.cpus for node in nodes), default=0),
        most_memory_mb=max((node.memory_mb for node in nodes), default=0),
        gpus=tuple(_gpu(kind, nodes, usable) for kind in kinds),
        features=tuple(sorted({feature for node in nodes for feature in node.features})),
        qos=None if partition.allowed_qos is None else tuple(sorted(partition.allowed_qos)),
    )


def _gpu(kind: str, nodes: Sequence[Node], usable: Sequence[Node]) -> GpuOffer:
    return GpuOffer(
        kind=kind,
        total=sum(node.gpus.get(kind, 0) for node in nodes),
        free=sum(node.free_gpus.get(kind, 0) for node in usable),
        most_per_node=max(node.gpus.get(kind, 0) for node in nodes),
        mig=_MIG.search(kind) is not None,
    )


def _accounts(associations: Sequence[Association]) -> tuple[AccountOffer, ...]:
    """One of each account: associations come one for each partition that they are limited to."""
    found = []
    for name in sorted({one.account for one in associations}):
        of_it = [one for one in associations if one.account == name]
        everywhere = any(not one.partition for one in of_it)
        found.append(
            AccountOffer(
                name=name,
                default=any(one.default for one in of_it),
                qos=tuple(sorted({qos for one in of_it for qos in one.qos})),
                partitions=() if everywhere else tuple(sorted({one.partition for one in of_it})),
            )
        )
    return tuple(sorted(found, key=lambda account: (not account.default, account.name)))
