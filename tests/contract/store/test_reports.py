"""What the programs beside servers report: one row a server, of its present attempt."""

from dataclasses import replace
from datetime import timedelta

from perijove.adapters.store_sql import SqlStore
from perijove.domain.report import Facts, GpuUsage, Report, Usage
from perijove.domain.server import Phase, Server, ServerId
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import ServerName

FACTS = Facts(
    host="n1",
    job="17",
    usage=Usage(memory_bytes=1 << 33, memory_limit_bytes=1 << 34, cpu_s=12.5, cpus=4, gpus=(GpuUsage(name="a100", utilization=40.0),)),
    restarts=1,
    session="s",
    cpus_busy=1.5,
)


async def servers(store: SqlStore, clock: FakeClock, *names: str) -> list[Server]:
    """Each at its first attempt."""

    def add(tx: Tx) -> list[Server]:
        user = tx.users.add_missing(["ada"], now=clock.now())[0]
        made = [tx.servers.add(user.id, ServerName(name), now=clock.now()) for name in names]
        return [tx.servers.save(replace(server, start_id=f"first-{server.name}", phase=Phase.READY)) for server in made]

    return await store.write(add)


def report(server: Server, clock: FakeClock, **changes: object) -> Report:
    made = Report(
        server_id=server.id,
        start_id=server.start_id,
        at=clock.now(),
        ends_at=clock.now() + timedelta(hours=1),
        facts=replace(FACTS, started=clock.now()),
        log_tail="Zeile 1\nnaïve \\u0000 %s :x '\"",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_the_newest_of_each_is_kept_with_its_log_and_lists_leave_the_log_out(store: SqlStore, clock: FakeClock) -> None:
    one, two = await servers(store, clock, "", "lab")
    early = [report(one, clock), report(two, clock, ends_at=None)]
    await store.write(lambda tx: tx.reports.put_all(early))
    later = report(one, clock, at=clock.now() + timedelta(minutes=1), log_tail="")
    await store.write(lambda tx: tx.reports.put_all([later]))
    assert await store.read(lambda tx: (tx.reports.get(one.id, one.start_id), tx.reports.get(two.id, two.start_id))) == (later, early[1])
    listed = await store.read(lambda tx: tx.reports.of_servers([two.id, one.id, ServerId(99)]))
    assert listed == {one.id: later, two.id: replace(early[1], log_tail="")}


async def test_one_of_another_attempt_or_of_a_server_that_is_gone_is_passed_over(store: SqlStore, clock: FakeClock) -> None:
    one, two = await servers(store, clock, "", "lab")
    gone = replace(report(one, clock), server_id=ServerId(one.id + 1000))
    await store.write(lambda tx: tx.reports.put_all([report(one, clock, start_id="before"), gone, report(two, clock)]))
    assert list(await store.read(lambda tx: tx.reports.of_servers([one.id, two.id, gone.server_id]))) == [two.id]
    await store.write(lambda tx: tx.servers.save(replace(two, start_id="second")))
    assert await store.read(lambda tx: (tx.reports.of_servers([two.id]), tx.reports.get(two.id, "second"))) == ({}, None)
    assert await store.read(lambda tx: tx.reports.get(two.id, two.start_id)) == report(two, clock), (
        "the log of an attempt that ended can still be read"
    )


async def test_who_reports_is_told_with_the_report_before(store: SqlStore, clock: FakeClock) -> None:
    one, two = await servers(store, clock, "", "lab")
    await store.write(lambda tx: tx.reports.put_all([report(one, clock)]))
    found = await store.read(lambda tx: tx.reports.reporters([one.id, two.id, ServerId(99)]))
    assert {key: (who.user_name, who.name, who.start_id, who.phase) for key, who in found.items()} == {
        one.id: ("ada", "", one.start_id, Phase.READY),
        two.id: ("ada", "lab", two.start_id, Phase.READY),
    }
    assert (found[one.id].before, found[two.id].before) == (report(one, clock, log_tail=""), None)


async def test_a_promised_end_is_that_of_the_attempt_it_was_promised_to(store: SqlStore, clock: FakeClock) -> None:
    (one,) = await servers(store, clock, "")
    await store.write(lambda tx: tx.reports.put_all([report(one, clock)]))
    later = clock.now() + timedelta(hours=5)
    await store.write(lambda tx: tx.reports.end_at(one.id, "another", later))
    assert await store.read(lambda tx: tx.reports.get(one.id, one.start_id)) == report(one, clock)
    await store.write(lambda tx: tx.reports.end_at(one.id, one.start_id, later))
    assert await store.read(lambda tx: tx.reports.get(one.id, one.start_id)) == report(one, clock, ends_at=later)


async def test_it_goes_with_its_server(store: SqlStore, clock: FakeClock) -> None:
    (one,) = await servers(store, clock, "lab")
    await store.write(lambda tx: tx.reports.put_all([report(one, clock)]))
    await store.write(lambda tx: tx.servers.delete(one.id))
    assert await store.read(lambda tx: tx.reports.get(one.id, one.start_id)) is None
