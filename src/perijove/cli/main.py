"""The command `perijove`: each subcommand loads what it needs, so that help and checks are quick."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from perijove import __version__
from perijove.cli.connect import connect
from perijove.cli.doctor import doctor
from perijove.domain.errors import PerijoveError

if TYPE_CHECKING:
    from types import ModuleType

    from perijove.cli.handover import Handover
    from perijove.config.load import Loaded

CONFIG_ENV = "PERIJOVE_CONFIG"


class _Commands(click.Group):
    """Turns our errors into one clear message and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except PerijoveError as error:
            click.secho(error.message, fg="red", err=True)
            if error.hint:
                click.echo(error.hint, err=True)
            sys.exit(1)


config_option = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=CONFIG_ENV,
    help=f"The configuration file (or ${CONFIG_ENV}). Without one, defaults for this machine are used.",
)


_DENIED = 3
_WORRIES = 2


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="perijove")
def main() -> None:
    """Perijove: a Jupyter server for each person, behind one address."""


main.add_command(connect)


main.add_command(doctor)


@main.command()
@click.option("--config", "-c", type=click.Path(path_type=Path, dir_okay=False), envvar=CONFIG_ENV, default=Path("perijove.toml"), show_default=True)
@click.option("--server-command", default="", help="The command that starts a person's server, if not found by itself.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(config: Path, server_command: str, force: bool) -> None:
    """Write a commented configuration file that fits this machine."""
    from perijove.cli.initial import initial_text

    if config.exists() and not force:
        raise click.ClickException(f"{config} exists already. Use --force to overwrite it, or --config to write another file.")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(initial_text(server_command=server_command, as_root=os.geteuid() == 0), encoding="utf-8")
    click.echo(f"Wrote {config}. Start with: perijove up --config {config}")


@main.command()
@config_option
def check(config: Path | None) -> None:
    """Check the configuration without starting anything: every mistake at once."""
    from perijove.cli.proxy_tls import check_tls_files
    from perijove.config.rights import doubts
    from perijove.runtime import load_settings

    loaded = load_settings(config)
    check_tls_files(loaded)
    for doubt in doubts(loaded.settings):
        click.echo(f"{loaded.name}: {doubt}", err=True)
    click.echo(f"{loaded.name}: no mistakes found. State is kept in {loaded.state_dir}.")


@main.command()
@config_option
@click.argument("parts", nargs=-1, type=click.Choice(["hub", "proxy"]), metavar="[hub] [proxy]")
@click.option("--replace", is_flag=True, help="Have the one that runs replaced by this installation and configuration, without a dropped connection.")
@click.option(
    "--within", type=click.FloatRange(min=1), default=120.0, show_default=True, help="With --replace: seconds for hub and proxy to be ready."
)
@click.option("--rehearse", is_flag=True, hidden=True)
def up(config: Path | None, parts: tuple[str, ...], replace: bool, within: float, rehearse: bool) -> None:
    """Run hub and proxy together on this machine, or one of them. Servers go on running when it ends. SIGUSR2 has it replaced as --replace does;
    then its log says how that went."""
    from perijove.cli.landing import loaded_in_the_end

    names = tuple(name for name in ("hub", "proxy") if name in parts or not parts)
    if rehearse:
        supervise, loaded, handover = _supervisor(config)
        supervise.rehearse(loaded, names, handover)
    elif replace:
        supervise, loaded, _ = _supervisor(config)
        sys.exit(supervise.ask_for_replacement(loaded, config, names, within))
    else:
        supervise, loaded, handover = loaded_in_the_end(lambda: _supervisor(config))
        sys.exit(supervise.supervise(loaded, config, names, handover))


def _supervisor(config: Path | None) -> "tuple[ModuleType, Loaded, Handover | None]":
    """Its module, and what it needs."""
    from perijove.cli import supervise
    from perijove.cli.handover import handed_over
    from perijove.cli.proxy_tls import check_tls_files
    from perijove.runtime import load_settings

    handover = handed_over()
    loaded = load_settings(config)
    check_tls_files(loaded)
    return supervise, loaded, handover


@main.command()
@config_option
def hub(config: Path | None) -> None:
    """Run a hub alone (any number of them share one PostgreSQL database)."""
    from perijove.cli.supervised import taken_up, telling
    from perijove.runtime import load_settings, run_hub

    post = taken_up()
    with telling(post):
        sys.exit(run_hub(load_settings(config), post.relief if post is not None else None))


@main.command()
@config_option
def proxy(config: Path | None) -> None:
    """Run a proxy alone; it follows the hubs named in [proxy] hubs."""
    from perijove.cli.run_proxy import run_proxy
    from perijove.cli.supervised import taken_up, telling
    from perijove.runtime import load_settings

    post = taken_up()
    with telling(post):
        sys.exit(run_proxy(load_settings(config), post))


@main.command()
@config_option
def gateway(config: Path | None) -> None:
    """Run a gateway alone: where jobs of a batch system dial in ([gateway]). Proxies and hubs are told of it by [proxy] gateways."""
    from perijove.cli.run_gateway import run_gateway
    from perijove.cli.supervised import taken_up, telling
    from perijove.runtime import load_settings

    post = taken_up()
    with telling(post):
        sys.exit(run_gateway(load_settings(config), post))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--python", "interpreter", default="/usr/bin/env python3", show_default=True, help="What its first line says it is run with.")
def agent(file: Path, interpreter: str) -> None:
    """Write the program that runs in jobs to FILE. It needs Python 3.8 or newer and nothing else; put it where all compute nodes see it."""
    from perijove.processes.agent_file import packed

    content = packed(interpreter)
    fresh = file.with_name(f".{file.name}.new")
    try:
        fresh.write_bytes(content)
        fresh.chmod(0o755)
        fresh.replace(file)  # jobs that read the old one just now keep it
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror or error}.") from None
    click.echo(f"Wrote {file}.")


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF CONFIGURABLE-HTTP-PROXY]")
def chp(arguments: tuple[str, ...]) -> None:
    """Run a proxy for a JupyterHub, in place of configurable-http-proxy: see `perijove chp --help`."""
    from perijove.proxy.chp.start import run_chp

    sys.exit(run_chp(arguments, os.environ))


@main.command()
@config_option
def admin_link(config: Path | None) -> None:
    """Print a new one-time link that makes an administrator (for local accounts)."""
    from perijove.runtime import load_settings, make_admin_link

    click.echo(make_admin_link(load_settings(config)))


@main.command()
@config_option
@click.argument("who")
@click.argument("action")
def explain_access(config: Path | None, who: str, action: str) -> None:
    """Say why WHO (a person, or service:NAME) may do ACTION, or may not. ACTION is a scope and what for: start:servers!user=ada,
    access:servers!server=ada/, list:users. Exits with 3 if it is denied. What the last start of a hub recorded counts, not later changes of the file."""
    from perijove.runtime import explain, load_settings

    found = explain(load_settings(config), who, action)
    click.echo(found.why)
    sys.exit(0 if found.allowed else _DENIED)


@main.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="As the API answers it, for programs.")
def status(config: Path | None, as_json: bool) -> None:
    """Say how hubs, proxies and the queue stand, as the database knows it. Exits with 2 if something wants looking at."""
    from perijove.cli.standing import said
    from perijove.runtime import load_settings, standing

    found = standing(load_settings(config))
    click.echo(said(found, as_json=as_json))
    sys.exit(_WORRIES if found.worries else 0)


@main.command()
@config_option
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The SQLite file; without it perijove.sqlite in the hub's state_dir.",
)
def copy_database(config: Path | None, source: Path | None) -> None:
    """Copy everything from an SQLite file into the empty PostgreSQL database that the configuration names. No hub may run meanwhile."""
    from perijove.runtime import copy_database_into, load_settings

    def told(table: str, done: int, of: int) -> None:
        if done == of and of:
            click.echo(f"{table}: {of} rows", err=True)

    copied = copy_database_into(load_settings(config), source, told)
    click.echo(
        f"{copied} rows are in PostgreSQL now. Start the hub with this configuration; keep the SQLite file until you have seen that all is there."
    )
