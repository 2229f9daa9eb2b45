"""What Slurm's commands print, odd things included."""

from datetime import UTC, datetime

import pytest

from perijove.adapters.spawners.batch.slurm.facts import read_associations, read_cluster, read_duration, read_gpus
from perijove.adapters.spawners.batch.slurm.read import read_exit_codes, read_pairs, read_sacct, read_squeue, read_state
from perijove.domain.batch.status import Cause, Ending, State
from perijove.processes.batch_helper.act import trouble
from perijove.processes.batch_helper.run import plain


def lines(*rows: str) -> str:
    return "".join(row.replace("^", "\x1f") + "\n" for row in rows)


def test_squeue_is_read_with_its_oddities() -> None:
    said = lines(
        "slurm_load_jobs: warning: something",
        "4^RUNNING^None^n1^n1^1795447095^1795533495^1795447095^main^3^alice^a b;c|d",
        "6^PENDING^Nodes required for job are DOWN, DRAINED^n/a^^1795450000^N/A^1795447097^short^j|k l^bob^(null)",
        "7_2^RUNNING^None^n1^n1^1^2^3^main^array^alice^",
        "8^CANCELLED^None^^^N/A^1795447100^1795447097^main^x^alice^two",
        "lines",
        "9^GLOWING^None^n1^n1^1795447095^Unknown^1795447095^main^x^alice^c^d",
    )
    four, six, eight, nine = read_squeue(said)
    assert (four.state, four.host, four.comment, four.end) == (State.RUNNING, "n1", "a b;c|d", datetime.fromtimestamp(1795533495, UTC))
    assert (six.state, six.name, six.host, six.start, six.comment) == (State.PENDING, "j|k l", "", None, "")
    assert six.expected_start == datetime.fromtimestamp(1795450000, UTC)
    assert (eight.ending, eight.start) == (Ending(Cause.CANCELLED), None)
    assert (nine.state, nine.alive, nine.comment) == (State.UNKNOWN, True, "c\x1fd")


@pytest.mark.parametrize(
    ("raw", "state", "ending"),
    [
        ("CANCELLED by 1015", State.ENDED, Ending(Cause.CANCELLED, by="1015")),
        ("CANCELLED+", State.ENDED, Ending(Cause.CANCELLED)),
        ("OUT_OF_MEMORY", State.ENDED, Ending(Cause.OUT_OF_MEMORY)),
        ("COMPLETING", State.COMPLETING, None),
        ("REQUEUE_HOLD", State.REQUEUED, None),
        ("", State.UNKNOWN, None),
    ],
)
def test_states_are_read(raw: str, state: State, ending: Ending | None) -> None:
    assert read_state(raw) == (state, ending)


def test_of_a_number_used_twice_the_history_tells_the_latest() -> None:
    said = lines(
        "1^FAILED^3:0^1795448042^1795448044^1795448042^n1^main^alice^a",
        "1^TIMEOUT^0:0^1795449042^1795449044^1795449042^n1^main^alice^b",
        "1.batch^FAILED^1:0^1^2^3^n1^main^alice^b",
        "2^FAILED^0:9^Unknown^Unknown^1795448042^None assigned^main^alice^c",
    )
    found = read_sacct(said)
    assert {job: (one.ending, one.name, one.nodes) for job, one in found.items()} == {
        "1": (Ending(Cause.TIME_LIMIT, 0), "b", "n1"),
        "2": (Ending(Cause.FAILED, 0, 9), "c", ""),
    }


def test_a_comment_forges_no_exit_code() -> None:
    line = "JobId=1 JobName=x JobState=FAILED ExitCode=3:0 RunTime=00:00:00 Comment=a ExitCode=0:0 JobId=2 "
    assert read_exit_codes(line) == {"1": "3:0"}
    assert read_pairs(line)["ExitCode"] == "3:0"


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("gpu:4", {"": 4}),
        ("gpu", {"": 1}),
        ("gpu:fake:2", {"fake": 2}),
        ("gpu:a100:2(S:0-1),gpu:a100_3g.20gb:1(IDX:0),shard:8,mps:100", {"a100": 2, "a100_3g.20gb": 1}),
        ("gpu:a100:0(IDX:N/A)", {"a100": 0}),
        ("(null)", {}),
        ("gpu:1g.5gb:7(S:0,1)", {"1g.5gb": 7}),
    ],
)
def test_gpus_are_counted_by_type(text: str, gpus: dict[str, int]) -> None:
    assert read_gpus(text) == gpus


@pytest.mark.parametrize(
    ("text", "seconds"), [("1-00:00:00", 86400), ("00:02:00", 120), ("30:00", 1800), ("30", 1800), ("2-1", 176400), ("UNLIMITED", None), ("NONE", None)]
)  # fmt: skip
def test_durations_are_read(text: str, seconds: int | None) -> None:
    assert read_duration(text) == seconds


def test_a_cluster_is_read() -> None:
    config = "ClusterName = c1\nSLURM_VERSION = 23.11.4\nMinJobAge = 120 sec\nPrivateData = jobs,usage\nAccountingStorageType = accounting_storage/slurmdbd\n"
    partition = "PartitionName=gpu AllowAccounts=a,b AllowQos=ALL Default=YES MaxNodes=2 MaxTime=UNLIMITED State=UP\n"
    node = (
        "NodeName=n1 CPUAlloc=3 CPUEfctv=8 CPUTot=8 ActiveFeatures=x,y Gres=gpu:h100:2 GresUsed=gpu:h100:1(IDX:0) OS=Linux 6 RealMemory=100 AllocMem=40"
        " State=MIXED{} Partitions=gpu,all Reason=a b State=IDLE\n"
    )
    found = read_cluster(config, partition, node.format("") + node.format("+DRAIN").replace("n1", "n2"))
    assert (found.name, found.version, found.kept_s, found.shows_all_jobs, found.has_history) == ("c1", (23, 11, 4), 120, False, True)
    gpu = found.partition(None)
    assert gpu is not None
    assert (gpu.max_time_s, gpu.max_nodes, gpu.allowed_accounts, gpu.allowed_qos) == (None, 2, frozenset({"a", "b"}), None)
    assert (gpu.free_cpus, gpu.free_gpus, gpu.gpus, gpu.nodes[0].features) == (5, {"h100": 1}, {"h100": 4}, frozenset({"x", "y"}))
    assert read_associations("lab|gpu|high,normal|normal\nodd\n")[0].qos == ("high", "normal")


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid partition name specified\n",
            "refused", "invalid partition specified: x; Batch job submission failed: Invalid partition name specified",
        ),
        ("sbatch: error: Unable to contact slurm controller (connect failure)\n", "away", "Unable to contact slurm controller (connect failure)"),
        ("scancel: error: Kill job error on job id 5: Access/permission denied\n", "not-allowed", "Kill job error on job id 5: Access/permission denied"),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", "away", "slurm_load_jobs error: Socket timed out on send/recv operation"),
    ],
)  # fmt: skip
def test_trouble_is_told_apart(said: str, kind: str, words: str) -> None:
    assert (trouble(said), plain(said)) == (kind, words)
