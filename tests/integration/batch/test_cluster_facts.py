"""What a form offers of a real Slurm, and what is said of a request before it is submitted."""

import asyncio

from perijove.adapters.spawners.batch.facts import ClusterFacts
from perijove.adapters.spawners.batch.slurm import Commands, SlurmQueue
from perijove.domain.batch.request import Gpus, JobRequest, Program
from perijove.domain.batch.status import State
from perijove.testing.clock import FakeClock
from tests.integration.batch.conftest import Site

SLEEP = Program(argv=("/bin/sleep", "300"))


def asked(site: Site, name: str, **more: object) -> JobRequest:
    given = {"name": name, "folder": "/", "output": str(site.folder / "out" / name)} | more
    return JobRequest(**given)  # type: ignore[arg-type]  # a test's own words


async def test_what_is_free_is_told_and_who_waits_is_told_for_how_long(site: Site) -> None:
    queue, clock = site.queue(), FakeClock()
    facts = ClusterFacts(queue, clock)
    before = await facts.offers(site.alice)
    main, short = before.partitions
    assert (main.name, main.default, main.max_time_s, main.nodes) == ("main", True, 86400, 2)
    assert (short.name, short.max_time_s) == ("short", 120)
    assert [(gpu.kind, gpu.total, gpu.free, gpu.most_per_node, gpu.mig) for gpu in main.gpus] == [("fake", 4, 4, 2, False)]
    assert main.free_cpus == main.cpus
    assert before.accounts is None, "this cluster keeps none"

    # one fills each node, so that the next waits until the first of them ends
    jobs = [await queue.submit(site.alice, asked(site, f"full-{n}", gpus=(Gpus(2, "fake"),), time_limit_s=600), SLEEP) for n in (1, 2)]
    async with asyncio.timeout(25):
        while {status.state for status in (await queue.query(jobs)).values()} != {State.RUNNING}:
            await asyncio.sleep(0.1)
    assert (await facts.offers(site.alice)).partitions[0].gpus[0].free == 4, "it is not asked again within a minute"
    await clock.turn(61)
    found = (await facts.offers(site.alice)).partitions[0]
    assert found.gpus[0].free == 0
    assert found.free_cpus < found.cpus

    waits = await facts.verdict(site.alice, asked(site, "next", gpus=(Gpus(1, "fake"),), time_limit_s=600))
    assert waits.problems == {}
    assert waits.start is not None
    never = await facts.verdict(site.alice, asked(site, "never", gpus=(Gpus(3, "fake"),), time_limit_s=2 * 86400))
    assert never.problems == {
        "time": "The partition main allows 24:00 h, not 48:00 h.",
        "gpus": "No node of the partition main has 3 fake GPUs.",
    }
    refused = await facts.verdict(site.alice, asked(site, "moon", constraint="moon"))
    assert "feature" in refused.problems[""].lower()


async def test_while_the_controller_is_away_the_form_still_offers_what_was(site: Site) -> None:
    clock = FakeClock()
    facts = ClusterFacts(SlurmQueue(Commands(slurm_conf=str(site.slurm.conf), timeout_s=2), site.queue()._acting), clock)
    before = await facts.offers(site.alice)
    site.slurm.end("slurmctld")
    try:
        await clock.turn(61)
        away = await facts.offers(site.alice)
        assert (away.away, away.age_s, away.partitions) == (True, 61, before.partitions)
        assert await facts.problems(site.alice, asked(site, "long", partition="short", time_limit_s=3600))
    finally:
        site.slurm.start_controller()
        site.slurm.wait_for_nodes()
    await clock.turn(121)
    assert not (await facts.offers(site.alice)).away


async def test_a_persons_accounts_are_offered_and_anothers_is_refused(accounted: Site) -> None:
    facts = ClusterFacts(accounted.queue(), FakeClock())
    found = await facts.offers(accounted.alice)
    assert found.accounts is not None
    assert [account.name for account in found.accounts] == ["lab"]
    assert "normal" in found.qos
    verdict = await facts.verdict(accounted.alice, asked(accounted, "x", account="theirs"))
    assert verdict.problems == {"account": "The account 'theirs' is not one of yours (lab)."}
    assert (await facts.offers(accounted.bob)).accounts == ()
