"""What a form offers is what the cluster has, for this person."""

from perijove.domain.batch.cluster import Association, Cluster, Node, Partition
from perijove.domain.batch.offers import offers


def node(name: str, **more: object) -> Node:
    told = {"partitions": frozenset({"gpu"}), "cpus": 32, "free_cpus": 8, "memory_mb": 128_000, "free_memory_mb": 1000} | more
    return Node(name=name, **told)  # type: ignore[arg-type]


def cluster(*partitions: Partition) -> Cluster:
    return Cluster(name="c", version=(23, 2), partitions=partitions)


def test_gpus_are_counted_by_type_and_a_slice_is_told_apart() -> None:
    up = node("n1", gpus={"a100": 4, "a100_3g.20gb": 2}, free_gpus={"a100": 1, "a100_3g.20gb": 2})
    down = node("n2", gpus={"a100": 8}, free_gpus={"a100": 8}, usable=False)
    (partition,) = offers(cluster(Partition(name="gpu", nodes=(up, down))), None).partitions
    assert [(one.kind, one.total, one.free, one.most_per_node, one.mig) for one in partition.gpus] == [
        ("a100", 12, 1, 8, False),
        ("a100_3g.20gb", 2, 2, 2, True),
    ]
    assert (partition.nodes, partition.usable_nodes, partition.cpus, partition.free_cpus) == (2, 1, 64, 8)


def test_a_partition_that_none_of_the_persons_accounts_may_use_is_not_offered() -> None:
    both = cluster(Partition(name="theirs", allowed_accounts=frozenset({"other"})), Partition(name="open"), Partition(name="first", default=True))
    associations = [Association(account="mine", default=True, qos=("normal",)), Association(account="mine", partition="open", qos=("long",))]
    found = offers(both, associations)
    assert [one.name for one in found.partitions] == ["first", "open"]
    assert found.accounts is not None
    assert [(one.name, one.default, one.qos, one.partitions) for one in found.accounts] == [("mine", True, ("long", "normal"), ())]
    assert {one.name for one in offers(both, None).partitions} == {"theirs", "open", "first"}
    assert offers(both, None).accounts is None
