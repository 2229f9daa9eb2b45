"""`perijove doctor …`: looks for what would keep people's servers from starting, and says what to do."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from perijove.adapters.spawners.batch.doctor import Wanted
    from perijove.adapters.spawners.batch.slurmrest import RestQueue
    from perijove.config.load import Loaded
    from perijove.domain.batch.doctor import Finding

_MARKS = {"good": ("ok", "green"), "warning": ("warning", "yellow"), "broken": ("BROKEN", "red")}


@click.group()
def doctor() -> None:
    """Look for what would keep people's servers from starting, and say what to do."""


@doctor.command("slurm")
@click.option(
    "--config", "-c", type=click.Path(path_type=Path, dir_okay=False), envvar="PERIJOVE_CONFIG", help="Take what is not given here from it."
)
@click.option("--as", "person", default="", metavar="USER", help="Try a job of a minute as this person; without it none is tried.")
@click.option("--helper", default="", help="The batch helper, as in the sudoers line. Without one, jobs are submitted as whoever runs this.")
@click.option("--rules", default="", help="Its rules, as in the sudoers line.")
@click.option("--agent", default="", metavar="FILE", help="The file that `perijove agent` wrote, where nodes see it.")
@click.option("--bin", "folder", default="", metavar="DIR", help="Where Slurm's commands are, if not in /usr/bin.")
@click.option("--slurm-conf", default="", metavar="FILE", help="Slurm's configuration, if not where its commands look.")
@click.option("--dial", multiple=True, metavar="URL", help="What agents dial: wss://host/tunnel/ (may be given several times).")
@click.option("--hub-url", default="", metavar="URL", help="Where servers ask the hub: https://host/hub/health.")
@click.option("--ca-file", default="", metavar="FILE", help="Certificate authorities, on nodes.")
@click.option("--partition", default=None, help="Of the job that is tried.")
@click.option("--account", default=None, help="Of the job that is tried.")
@click.option("--wait", default=300.0, show_default=True, type=click.FloatRange(min=5), help="Seconds that the job may take to begin and end.")
@click.option("--no-job", is_flag=True, help="Try no job, though a person is named.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def slurm(config: Path | None, *, no_job: bool, as_json: bool, **given: Any) -> None:
    """Look at a Slurm cluster as the hub will use it: versions and limits, who may see and do what, clocks, names, files, and from a node
    the way back to the hub. Run it as the hub's account. Exits with 0 if all is well, with 2 if there are warnings, with 1 if something is broken.
    """
    import asyncio

    from perijove.adapters.spawners.batch.doctor import Wanted
    from perijove.domain.batch.doctor import exit_status
    from perijove.runtime import load_settings

    wanted = Wanted(try_job=not no_job)
    if config is not None:
        wanted = _configured(wanted, load_settings(config))
    wanted = _given(wanted, given)
    findings = asyncio.run(_told(wanted, quiet=as_json))
    if as_json:
        rows = [asdict(one) | {"verdict": one.verdict.value} for one in findings]
        click.echo(json.dumps({"status": exit_status(findings), "findings": rows}, indent=2))
    else:
        counted = {kind: sum(one.verdict.value == kind for one in findings) for kind in _MARKS}
        click.echo(f"{counted['good']} good, {counted['warning']} warnings, {counted['broken']} broken.")
    sys.exit(exit_status(findings))


def _configured(wanted: "Wanted", loaded: "Loaded") -> "Wanted":
    """From `[spawner]`, `[gateway]` and `[hub]`."""
    from perijove.adapters.spawners.batch.slurm import Commands
    from perijove.config.gateways import agent_url

    spawner, hub = loaded.settings.spawner, loaded.settings.hub

    def text(*names: str) -> str:
        return next((str(spawner[name]) for name in names if isinstance(spawner.get(name), str)), "")

    named = spawner.get("dial")
    dial = tuple(map(str, named)) if isinstance(named, list | tuple) and named else tuple(filter(None, [agent_url(loaded)]))
    base = (hub.connect_url or hub.public_address).rstrip("/")
    return replace(
        wanted,
        commands=Commands(bin=text("bin") or Commands().bin, slurm_conf=text("slurm_conf")),
        helper=text("helper"),
        rules=text("rules"),
        agent=text("agent"),
        ca_file=text("ca_file"),
        rest=_rest(spawner.get("rest")),
        dial=dial,
        hub_url=f"{base}{hub.base_url}hub/health" if base else "",
    )


def _rest(given: Any) -> "RestQueue | None":
    """As `[spawner.rest]` says it."""
    if not isinstance(given, dict) or not given.get("url") or not (given.get("key_file") or given.get("token_command")):
        return None
    import shlex

    from perijove.adapters.spawners.batch.slurmrest import KeyTokens, Rest, RestQueue, TokenCommand
    from perijove.adapters.system_clock import SystemClock

    tokens: Any = (
        KeyTokens(key_file=Path(given["key_file"]), clock=SystemClock())
        if given.get("key_file")
        else TokenCommand(command=tuple(shlex.split(str(given["token_command"]))), clock=SystemClock())
    )
    rest = Rest(url=str(given["url"]), tokens=tokens, ca_file=str(given.get("ca_file", "")))
    return RestQueue(rest, account=str(given.get("account", "")))


def _given(wanted: "Wanted", given: dict[str, Any]) -> "Wanted":
    """What was said on the command line goes before."""
    commands = wanted.commands
    if given["folder"]:
        commands = replace(commands, bin=given["folder"])
    if given["slurm_conf"]:
        commands = replace(commands, slurm_conf=str(Path(given["slurm_conf"]).resolve()))
    if bool(given["helper"]) != bool(given["rules"]):
        raise click.UsageError("--helper and --rules go together, as in the sudoers line.")
    same = {name: given[name] for name in ("person", "helper", "rules", "agent", "dial", "hub_url", "ca_file", "partition", "account") if given[name]}
    return replace(wanted, commands=commands, wait_s=given["wait"], **same)


async def _told(wanted: "Wanted", *, quiet: bool) -> "list[Finding]":
    """All findings, each told at once."""
    from perijove.adapters.spawners.batch.doctor import Saying, examine
    from perijove.adapters.system_clock import SystemClock

    found: list[Finding] = []
    async for one in examine(wanted, SystemClock()):
        if isinstance(one, Saying):
            click.secho(f"… {one.text}", dim=True, err=True)
            continue
        found.append(one)
        if not quiet:
            mark, colour = _MARKS[one.verdict.value]
            click.echo(f"{click.style(f'{mark:>8}', fg=colour)}  {one.topic}: {one.text}")
            if one.advice:
                click.echo(f"          → {one.advice}")
    return found
