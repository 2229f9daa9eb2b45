"""This machine: the helper, its rules, sudo, and the files that jobs need."""

import os
import pwd
import stat
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from perijove.adapters.spawners.batch.slurm.runner import ThroughSudo, run
from perijove.domain.batch import doctor
from perijove.domain.batch.doctor import Finding, broken, good, warning
from perijove.ports.batch import NotAllowedError, QueueAwayError
from perijove.processes.batch_helper.rules import NotAllowed, Rules, read_rules
from perijove.processes.batch_helper.run import plain

ALLOWED: Final = good("helper", "It runs as the person, reads its rules, and Slurm takes what it asks.")
_ROOTS: Final = "chown root: and chmod go-w, for it and for the folders above it."


def files(agent: str, person: str) -> Iterator[Finding]:
    if agent:
        yield from _agent(Path(agent))
    else:
        yield warning("agent file", "It is not said which file jobs run.", "Write it with `perijove agent FILE` and give --agent FILE.")
    if person:
        yield from _home(person)


def _agent(path: Path) -> Iterator[Finding]:
    begun = time.monotonic()
    try:
        whole = zipfile.is_zipfile(path) and "perijove/agent/__main__.py" in zipfile.ZipFile(path).namelist()
        about = path.stat()
    except (OSError, zipfile.BadZipFile) as error:
        yield broken("agent file", f"{path} cannot be read: {error}.", "Write it with `perijove agent FILE`, where all nodes see it.")
        return
    took_ms = (time.monotonic() - begun) * 1000
    if not whole:
        yield broken("agent file", f"{path} is not the program that `perijove agent` writes.", f"perijove agent {path}")
        return
    if about.st_mode & 0o555 != 0o555:
        yield broken("agent file", f"{path} cannot be run by everybody (mode {stat.S_IMODE(about.st_mode):o}).", f"chmod 755 {path}")
    loose = not_roots(path)
    if loose:
        yield broken("agent file", f"{loose} can be changed by others than root, and people's jobs run it.", _ROOTS)
    yield doctor.latency("agent file", took_ms)


def _home(person: str) -> Iterator[Finding]:
    try:
        home = Path(pwd.getpwnam(person).pw_dir)
    except KeyError:
        yield broken("person", f"This machine knows no account {person}.", "The helper must become it: join this machine to the cluster's accounts.")
        return
    begun = time.monotonic()
    try:
        home.stat()
    except OSError as error:
        yield warning("home folder here", f"{home} is not seen here: {error.strerror}.", "No harm: jobs use it on nodes, not the hub.")
        return
    yield doctor.latency("home folder here", (time.monotonic() - begun) * 1000)


def not_roots(path: Path) -> Path | None:
    """The first of it and the folders above it that others than root can change."""
    for place in (path, *path.resolve().parents):
        try:
            about = place.stat()
        except OSError:
            return place
        loose = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (stat.S_ISDIR(about.st_mode) and about.st_mode & stat.S_ISVTX)
        if about.st_uid != 0 or loose:
            return place
    return None


async def helper(program: str, rules: str, agent: str, person: str) -> AsyncIterator[Finding]:
    """Ends with ALLOWED if all of it works."""
    wrong = False
    for one in _rules(program, rules, agent):
        wrong = wrong or one.verdict is doctor.Verdict.BROKEN
        yield one
    if os.geteuid() == 0:
        yield warning("sudo", "The doctor runs as root, which sudo always allows.", "Run it as the hub's account to see what that may do.")
    if not person:
        yield warning("sudo", "It is not tried whether the hub may act as people.", "Give --as USER.")
        return
    async for one in _tried(program, rules, person, wrong=wrong):
        yield one


async def _tried(program: str, rules: str, person: str, *, wrong: bool) -> AsyncIterator[Finding]:
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    line = f"perijove-batch-helper --sudoers {pwd.getpwuid(os.geteuid()).pw_name} GROUP {program} {rules}"
    try:
        listed = await run(["/usr/bin/sudo", "-n", "-l", "-u", person, "--", program, rules], environ, b"", 20)
        if listed.code:
            yield broken(
                "sudo", f"This account may not run the helper as {person}: {plain(listed.err or 'sudo refuses it')}.",
                f"Put the line of `{line}` into /etc/sudoers.d/perijove (visudo), and {person} into the group.",
            )  # fmt: skip
            return
        yield good("sudo", f"This account may run the helper as {person}.")
        question = {"verb": "test", "request": {"name": "perijove-doctor", "time_limit_s": 60, "folder": "/", "output": "/dev/null"}}
        answer = await ThroughSudo(helper=program, rules=rules).act(person, question)
    except (NotAllowedError, QueueAwayError) as error:
        yield broken("helper", error.message, error.hint)
        return
    if answer.get("error") == "not-allowed":
        yield broken("helper", f"It refuses: {answer.get('message', '')}", "Mend what it names.")
    elif answer.get("error") == "away":
        yield broken("helper", f"Slurm does not answer it: {answer.get('message', '')}.", "See `slurm_conf` and `bin` in the rules.")
    elif "error" in answer:
        yield warning(
            "helper", f"It works, and Slurm refuses a job without any wishes: {answer.get('message', '')}.", "See defaults for partition and account."
        )
        if not wrong:
            yield ALLOWED
    elif not wrong:
        yield ALLOWED


def _rules(program: str, path: str, agent: str) -> Iterator[Finding]:
    loose = not_roots(Path(program))
    if loose:
        yield broken("helper", f"{loose} can be changed by others than root, or is not there, and sudo runs it as people.", _ROOTS)
    else:
        yield good("helper", f"{program} and the folders above it are root's.")
    try:
        rules = read_rules(Path(path))
    except (NotAllowed, OSError) as error:
        yield broken("rules", str(error), "See the administrator's guide for what belongs into the rules.")
        return
    found = [*filter(None, [doctor.variables(rules.variables), *map(doctor.program, rules.programs)]), *_programs(rules, agent)]
    yield from found
    if not found:
        yield good("rules", f"They are root's; programs: {', '.join(rules.programs)}; prologue: {'yes' if rules.prologue.strip() else 'none'}.")


def _programs(rules: Rules, agent: str) -> Iterator[Finding]:
    if rules.scheduler != "slurm":
        yield broken("rules", f"`scheduler` is {rules.scheduler}.", "Take it out, or write slurm.")
    for name in rules.programs:
        if not Path(name).exists():
            yield warning(
                "rules", f"{name} is not there on this machine.", "No harm if it is on all nodes; else write it with `perijove agent FILE`."
            )
        elif loose := not_roots(Path(name)):
            yield broken("rules", f"{name}: {loose} can be changed by others than root.", _ROOTS)
    if agent and agent not in rules.programs:
        yield broken("rules", f"`programs` does not name {agent}, so no server may be started.", "Name it there, word for word.")
    if rules.audit and not Path(rules.audit).is_socket():
        yield broken(
            "rules",
            f"`audit` is {rules.audit}, and no log listens there: the helper does nothing that it cannot record.",
            "Start a syslog, or journald.",
        )
    if not all(Path(rules.command(one)).exists() for one in ("sbatch", "squeue", "scancel")):
        yield broken("rules", f"`bin` is {rules.bin}, and sbatch, squeue and scancel are not all there.", "Name the folder of Slurm's commands.")
