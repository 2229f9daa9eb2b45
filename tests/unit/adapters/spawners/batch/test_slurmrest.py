"""Forms of slurmrestd that are newer than the one that tests can start, by SchedMD's documentation; and its tokens."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from perijove.adapters.spawners.batch.slurmrest.http import Offer, chosen
from perijove.adapters.spawners.batch.slurmrest.queue import submission
from perijove.adapters.spawners.batch.slurmrest.read import exit_code, number, read_job, read_node, read_partition, read_past
from perijove.adapters.spawners.batch.slurmrest.tokens import KeyTokens, signed
from perijove.adapters.system_clock import SystemClock
from perijove.domain.batch.request import Gpus, JobRequest, Program
from perijove.domain.batch.status import Cause, Ending, State
from perijove.ports.batch import NotAllowedError, QueueAwayError


def test_the_newest_version_that_is_known_is_chosen_and_none_is_told() -> None:
    offered = [*(f"/slurm/v0.0.{n}/job/submit" for n in (38, 39, 40, 99)), "/slurmdb/v0.0.39/jobs/", "/slurm/v0.0.41/ping"]
    paths: dict[str, object] = dict.fromkeys(offered)
    assert chosen(paths) == Offer(40, 39)
    assert chosen({"/slurm/v0.0.36/jobs": {}}) == Offer(36, None)
    with pytest.raises(QueueAwayError, match=r"v0\.0\.99"):
        chosen({"/slurm/v0.0.99/jobs": {}})
    with pytest.raises(QueueAwayError, match="nothing"):
        chosen({})


def test_jobs_are_read_in_the_newer_form() -> None:
    def at(seconds: int) -> dict[str, object]:
        return {"set": True, "infinite": False, "number": seconds}

    job = {
        "job_id": 7, "name": "x", "job_state": ["FAILED"], "user_name": "ada", "start_time": at(1700000100), "end_time": at(1700000200),
        "submit_time": at(1700000000), "batch_host": "n1", "nodes": "n[1-2]", "partition": "main", "comment": "c",
        "exit_code": {"status": ["ERROR"], "return_code": {"set": True, "infinite": False, "number": 3}, "signal": {"id": {"set": False}}},
    }  # fmt: skip
    found = read_job(job)
    assert (found.state, found.ending, found.host, found.end and found.end.timestamp()) == (State.ENDED, Ending(Cause.FAILED, 3), "n1", 1700000200)
    waits = read_job(job | {"job_state": ["PENDING"], "state_reason": "Resources", "start_time": {"set": False, "infinite": False, "number": 0}})
    assert (waits.state, waits.reason, waits.expected_start, waits.host) == (State.PENDING, "Resources", None, "")
    assert read_job(job | {"job_state": ["RUNNING", "COMPLETING"]}).state is State.COMPLETING
    assert read_job(job | {"job_state": ["SOMETHING_NEW"]}).state is State.UNKNOWN
    past = read_past(
        {"job_id": 7, "state": {"current": ["TIMEOUT"]}, "time": {"start": 1700000100, "end": 1700000200, "submission": 1}, "user": "ada"}
    )
    assert (past.ending, past.user) == (Ending(Cause.TIME_LIMIT), "ada")
    assert [number(value) for value in (5, {"set": True, "number": 5}, {"set": True, "infinite": True, "number": 5}, None, True)] == [
        5,
        5,
        None,
        None,
        None,
    ]
    assert [exit_code(value) for value in (32512, 9, None)] == ["127:0", "0:9", ""]


def test_nodes_and_partitions_are_read_in_the_newer_form() -> None:
    node = read_node({
        "name": "n1", "state": ["IDLE", "DRAIN"], "cpus": 32, "alloc_cpus": 8, "real_memory": 64000, "alloc_memory": 16000, "gres": "gpu:a100:4",
        "gres_used": "gpu:a100:1(IDX:0)", "partitions": ["main"], "active_features": ["skylake"],
    })  # fmt: skip
    assert (node.usable, node.free_cpus, node.free_memory_mb, node.free_gpus, node.features) == (
        False,
        24,
        48000,
        {"a100": 3},
        frozenset({"skylake"}),
    )
    limits = {"time": {"set": True, "infinite": False, "number": 1440}, "nodes": {"set": False, "infinite": True, "number": 0}}
    partition = read_partition({"name": "main", "partition": {"state": ["DOWN"]}, "maximums": limits, "accounts": {"allowed": "a,b"}}, [node])
    assert (partition.up, partition.max_time_s, partition.max_nodes, partition.allowed_accounts) == (False, 86400, None, frozenset({"a", "b"}))
    assert partition.nodes == (node,)


def test_a_job_is_described_in_the_form_of_the_version_and_no_word_is_left_out() -> None:
    request = JobRequest(name="x", time_limit_s=90, cpus=2, memory_mb=500, gpus=(Gpus(2, "a100"),), nodes=1, folder="/data")
    program = Program(argv=("/bin/echo", "secret words"), environ={"A": "b,c"})
    old, new = submission(request, program, 38), submission(request, program, 40)
    assert (old["job"]["time_limit"], old["job"]["gres"], old["job"]["environment"]["A"], old["job"]["nodes"]) == (2, "gpu:a100:2", "b,c", [1, 1])
    assert new["job"]["time_limit"] == {"set": True, "infinite": False, "number": 2}
    assert (new["job"]["tres_per_node"], "A=b,c" in new["job"]["environment"], new["job"]["nodes"]) == ("gres/gpu:a100:2", True, "1-1")
    assert "script" in old
    assert "script" in new["job"]
    assert "secret words" not in json.dumps([old, new])  # packed: no shell reads it


async def test_a_token_is_signed_for_one_account_and_for_minutes(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o640)
    tokens = KeyTokens(key_file=key, clock=SystemClock())
    head, claims, signature = (await tokens.token("ada")).split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (told["sun"], told["exp"] - told["iat"]) == ("ada", 600)
    expected = base64.urlsafe_b64encode(hmac.new(b"k" * 32, f"{head}.{claims}".encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert signature == expected
    # RFC 7515's rules on text that is known: header and claims as compact JSON
    assert signed({"sun": "x"}, b"key").split(".")[0] == "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    for who in ("root", "a b", "-x", ""):
        with pytest.raises(NotAllowedError, match="not an account"):
            await tokens.token(who)
    key.write_bytes(b"short")
    with pytest.raises(NotAllowedError, match="too short"):
        await tokens.token("ada")
