"""Slurm's commands on the login node, for the queue that hubs use too. Whoever signed in is the person: nobody else can be acted for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perijove.adapters.spawners.batch.slurm import Commands, SlurmQueue
from perijove.adapters.spawners.batch.slurm.runner import Said
from perijove.connect.cluster import Cluster, Facts
from perijove.connect.login import Heard, LoginLostError, SlowError
from perijove.domain.batch.request import Program, request_of
from perijove.domain.batch.script import packed_script
from perijove.domain.batch.slurm import job_script, sbatch_words
from perijove.ports.batch import QueueAwayError
from perijove.processes.batch_helper.act import trouble
from perijove.processes.batch_helper.run import plain

_AS_ALWAYS = 'exec "$0" "$@"'
"""In a login shell: a job has the variables that it would have if the person submitted it by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCommands(Commands):
    """Questions."""

    cluster: Cluster

    async def ask(self, name: str, *words: str) -> Said:
        environ = {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SLURM_TIME_FORMAT": "%s", "TZ": "UTC"}
        if self.slurm_conf:
            environ["SLURM_CONF"] = self.slurm_conf
        settings = [f"{name}={value}" for name, value in environ.items()]
        heard = await _heard(self.cluster, ["env", "-i", *settings, f"{self.bin}/{name}", *words], timeout_s=self.timeout_s)
        return Said(heard.code, heard.text, heard.err.decode(errors="replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteActs:
    """Implements Acting."""

    cluster: Cluster
    facts: Facts
    commands: RemoteCommands

    async def act(self, person: str, question: dict[str, Any]) -> dict[str, str]:
        """Raises QueueAwayError."""
        del person  # it is whoever signed in
        if question["verb"] == "submit":
            return await self._submit(question)
        if question["verb"] == "test":
            words = ["--test-only", *sbatch_words(request_of(question["request"]))]
            heard = await self._sbatch(words, job_script(""))
            return _trouble(heard) if heard.code else {"text": (heard.err + heard.out).decode(errors="replace").strip()}
        return await self._cancel(str(question["job"]), force=bool(question["force"]))

    async def _submit(self, question: dict[str, Any]) -> dict[str, str]:
        request = request_of(question["request"])
        said = await self.commands.ask("squeue", "--noheader", "--all", f"--user={self.facts.person}", f"--name={request.name}", "--format=%i")
        if said.code:
            return {"error": trouble(said.err or said.out), "message": plain(said.err or said.out)}
        living = sorted((line.strip() for line in said.out.splitlines() if line.strip().isdecimal()), key=int)
        if living:
            return {"job": living[0]}
        script = packed_script(Program(**question["program"]), request.folder or self.facts.home)
        heard = await self._sbatch(["--parsable", *sbatch_words(request)], script)
        if heard.code:
            return _trouble(heard)
        found = re.fullmatch(r"(\d+)(?:;\S+)?", (heard.text.strip().splitlines() or [""])[-1].strip())
        return {"job": found[1]} if found else {"error": "away", "message": f"sbatch answered {heard.text[-60:]!r}, which names no job."}

    async def _sbatch(self, words: Sequence[str], script: str) -> Heard:
        """The script goes by standard input, so what is in it is in no list of processes."""
        return await _heard(self.cluster, ["bash", "-lc", _AS_ALWAYS, self.facts.sbatch, *words], script.encode())

    async def _cancel(self, job: str, *, force: bool) -> dict[str, str]:
        for words in ([["--full", "--signal=KILL", job]] if force else []) + [[job]]:
            said = await self.commands.ask("scancel", *words)
            if said.code and not re.search(r"already complet|invalid job id|not active|not running|pending", said.err, re.IGNORECASE):
                return {"error": trouble(said.err or said.out), "message": plain(said.err or said.out)}
        return {"job": job}


def queue(cluster: Cluster, facts: Facts) -> SlurmQueue:
    commands = RemoteCommands(bin=facts.commands, slurm_conf=facts.conf, cluster=cluster)
    return SlurmQueue(commands, RemoteActs(cluster=cluster, facts=facts, commands=commands))


async def _heard(cluster: Cluster, argv: Sequence[str], given: bytes = b"", *, timeout_s: float = 60.0) -> Heard:
    """Once: whoever asks decides whether to ask again. Raises QueueAwayError, RefusedLoginError."""
    try:
        return await cluster.run(argv, given, timeout_s=timeout_s, tries=1)
    except (LoginLostError, SlowError) as error:
        raise QueueAwayError(error.message, error.hint) from None


def _trouble(heard: Heard) -> dict[str, str]:
    said = (heard.err or heard.out).decode(errors="replace")
    return {"error": trouble(said), "message": plain(said)}
