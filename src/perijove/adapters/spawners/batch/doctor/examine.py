"""All that is looked at, in order, with words of progress in between."""

import os
import pwd
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from perijove.adapters.spawners.batch.doctor import machine, questions, trial
from perijove.adapters.spawners.batch.slurm.runner import Acting, AsMyself, Commands, ThroughSudo
from perijove.domain.batch.doctor import Finding, Verdict, broken
from perijove.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`person`: whose job is tried; "" for none. `dial`: addresses that agents dial. `hub_url`: where servers ask the hub; "" not asked.

    Without `helper` the hub is the person itself, and needs none.
    """

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
    if not wanted.person or not wanted.try_job:
        yield Saying("No job is tried: give --as USER for one, of a minute at most.")
        return
    if not allowed:
        yield broken("test job", "It is not tried, for the helper does not work.", "Mend that first.")
        return
    if not wanted.agent:
        yield broken("test job", "It is not tried, for it is not said which file jobs run.", "Give --agent FILE.")
        return
    acting: Acting = ThroughSudo(helper=wanted.helper, rules=wanted.rules) if wanted.helper else AsMyself(commands=wanted.commands)
    job = trial.Trial(
        commands=wanted.commands, acting=acting, clock=clock, person=wanted.person, agent=wanted.agent, dial=wanted.dial, hub_url=wanted.hub_url,
        ca_file=wanted.ca_file, partition=wanted.partition, account=wanted.account, wait_s=wanted.wait_s,
    )  # fmt: skip
    async for each in job.run():
        yield Saying(each) if isinstance(each, str) else each
