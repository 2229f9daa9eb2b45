"""All that is looked at, in order, with words of progress in between."""

import os
import pwd
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from perijove.adapters.spawners.batch.doctor import machine, questions, trial
from perijove.adapters.spawners.batch.slurm.queue import SlurmQueue
from perijove.adapters.spawners.batch.slurm.runner import Acting, AsMyself, Commands, ThroughSudo
from perijove.adapters.spawners.batch.slurmrest import RestQueue
from perijove.domain.batch.doctor import Finding, Verdict, broken, good
from perijove.domain.errors import PerijoveError
from perijove.ports.batch import NotAllowedError, Queue
from perijove.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`person`: whose job is tried; "" for none. `dial`: addresses that agents dial. `hub_url`: where servers ask the hub; "" not asked.

    Without `helper` the hub is the person itself, and needs none. With `rest` all goes by slurmrestd, and this machine needs nothing of Slurm.
    """

    rest: RestQueue | None = None

    commands: Commands = field(default_factory=Commands)
    helper: str = ""
    rules: str = ""
    agent: str = ""
    person: str = ""
    dial: tuple[str, ...] = ()
    hub_url: str = ""
    ca_file: str = ""
    partition: str | None = None
    account: str | None = None
    wait_s: float = 300.0
    try_job: bool = True


@dataclass(frozen=True, slots=True)
class Saying:
    """What goes on just now."""

    text: str


async def examine(wanted: Wanted, clock: Clock) -> AsyncIterator[Finding | Saying]:
    """Raises nothing of the cluster's: what does not answer is a finding."""
    if wanted.rest is not None:
        async for each in _by_rest(wanted, wanted.rest, clock):
            yield each
        return
    own = pwd.getpwuid(os.geteuid()).pw_name
    yield Saying(f"Asking Slurm, as {own} …")
    answers = questions.Questions(wanted.commands, clock)
    found = await answers.controller()
    for one in found:
        yield one
    if any(one.verdict is Verdict.BROKEN and one.topic == "controller" for one in found):
        return  # nothing else can be known of a cluster that does not answer
    for one in await answers.about(own, wanted.person):
        yield one
    yield Saying("Looking at names, clocks and files …")
    for one in await answers.names():
        yield one
    for one in machine.files(wanted.agent, wanted.person):
        yield one
    allowed = True
    if wanted.helper:
        yield Saying("Looking at the helper …")
        allowed = False
        async for one in machine.helper(wanted.helper, wanted.rules, wanted.agent, wanted.person):
            allowed = allowed or one == machine.ALLOWED
            yield one
    if not wanted.helper or allowed or not wanted.try_job or not wanted.person:
        acting: Acting = ThroughSudo(helper=wanted.helper, rules=wanted.rules) if wanted.helper else AsMyself(commands=wanted.commands)
        async for each in _tried(wanted, SlurmQueue(wanted.commands, acting), clock):
            yield each
    else:
        yield broken("test job", "It is not tried, for the helper does not work.", "Mend that first.")


async def _tried(wanted: Wanted, queue: Queue, clock: Clock) -> AsyncIterator[Finding | Saying]:
    if not wanted.person or not wanted.try_job:
        yield Saying("No job is tried: give --as USER for one, of a minute at most.")
        return
    if not wanted.agent:
        yield broken("test job", "It is not tried, for it is not said which file jobs run.", "Give --agent FILE.")
        return
    job = trial.Trial(
        queue=queue, clock=clock, person=wanted.person, agent=wanted.agent, dial=wanted.dial, hub_url=wanted.hub_url, ca_file=wanted.ca_file,
        partition=wanted.partition, account=wanted.account, wait_s=wanted.wait_s,
    )  # fmt: skip
    async for each in job.run():
        yield Saying(each) if isinstance(each, str) else each


async def _by_rest(wanted: Wanted, queue: RestQueue, clock: Clock) -> AsyncIterator[Finding | Saying]:
    yield Saying("Asking slurmrestd …")
    try:
        offer = await queue.speaks()
        await queue.ping()
        cluster = await queue.cluster()
    except PerijoveError as error:
        advice = error.hint if isinstance(error, NotAllowedError) else "See that it runs, that its address is right, and that the key is Slurm's own."
        yield broken("slurmrestd", error.message, advice)
        return
    with_accounting = f", accounting v0.0.{offer.accounting}" if offer.accounting is not None else ", no accounting"
    yield good("slurmrestd", f"It answers, takes our tokens, and speaks v0.0.{offer.version}{with_accounting}; the controller answers it.")
    nodes = {node.name for part in cluster.partitions for node in part.nodes}
    if nodes:
        yield good("nodes", f"It shows {len(nodes)} nodes in {len(cluster.partitions)} partitions.")
    else:
        yield broken("nodes", "The cluster shows no nodes.", "PrivateData=nodes hides them from who is no operator.")
    async for each in _tried(wanted, queue, clock):
        yield each
