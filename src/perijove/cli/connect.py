"""`perijove connect`: Jupyter in a job of a Slurm cluster, from a person's own machine."""

import asyncio
import getpass
import os
import shlex
import sys
import tempfile
import webbrowser
from collections.abc import Awaitable, Callable
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perijove.domain.errors import PerijoveError

if TYPE_CHECKING:
    from perijove.connect.login import Ways
    from perijove.connect.record import Record
    from perijove.connect.visit import Open, Visit

_ENDED_WRONG = 4


class _Connect(click.Group):
    """`connect HOST …` is `connect start HOST …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["start", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Connect, no_args_is_help=True)
def connect() -> None:
    """Jupyter in a job of a Slurm cluster, over SSH: no hub and no administrator needed.

    perijove connect USER@LOGIN-NODE --time 3:00:00 --gpus 1 --cpus 8 --mem-per-cpu 3000M --account def-x

    is short for `perijove connect start …`. Ctrl-C leaves the server running; `reconnect` comes back to it, from any machine.
    """


def _there(command: Callable[..., None]) -> Callable[..., None]:
    """What all of them take."""
    for option in (
        click.option("--ssh", "how", type=click.Choice(["auto", "openssh", "asyncssh"]), default="auto", show_default=True,
                     help="The system's ssh, or a library. auto: ssh if it has a shared connection to there or there is no library."),
        click.option("--ssh-config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Instead of ~/.ssh/config."),
        click.argument("host", metavar="[USER@]LOGIN-NODE[:PORT]"),
    ):  # fmt: skip
        command = option(command)
    return command


_named = click.option("--name", default="jupyter", show_default=True, help="Which session: there may be several at a time.")
_ports = click.option("--port", type=click.IntRange(1, 65535), help="Of this machine; without it the one of last time, or any.")
_browser = click.option("--browser/--no-browser", default=True, help="Open the browser, or only say the address.")


@connect.command()
@_there
@_named
@click.option("--time", help="How long, as sbatch takes it: 3:00:00, 1-12:00:00; or 90m, 3h.")
@click.option("--gpus", help="How many: 1, or of a type: a100:2.")
@click.option("--cpus", type=int)
@click.option("--mem", help="Memory in all, on each node: 16G.")
@click.option("--mem-per-cpu", help="Memory per CPU: 3000M.")
@click.option("--account")
@click.option("--partition")
@click.option("--qos")
@click.option("--nodes", type=int)
@click.option("--constraint", help="Features of nodes, as sbatch takes them.")
@click.option("--reservation")
@click.option("--folder", help="Where the notebooks are: a path over there, from your home if it is not absolute.")
@click.option("--module", "modules", multiple=True, help="Load it first: python/3.11. May be given several times.")
@click.option("--package", "packages", multiple=True, help="Put it into the environment, beside jupyterlab. May be given several times.")
@click.option("--python", default="python3", show_default=True, help="What the environment is made with, after the modules are loaded.")
@click.option("--existing", help="Use this environment (its folder, or its python) with Jupyter in it.")
@click.option("--conda", is_flag=True, help="Make the environment with conda.")
@click.option("--image", help="Use this container: a path over there, or docker://…")
@click.option("--offline/--online", default=None, help="Whether packages come from the cluster's own folder of wheels only. Found out by itself.")
@click.option("--login-python", help="A Python 3.8 or newer of the login node and the nodes, for the agent, if none is found.")
@_ports
@_browser
def start(  # noqa: PLR0913 - one for each option
    host: str, how: str, ssh_config: Path | None, name: str, port: int | None, browser: bool, login_python: str | None,
    modules: tuple[str, ...], packages: tuple[str, ...], python: str, existing: str | None, conda: bool, image: str | None,
    offline: bool | None, **asked: Any,
) -> None:  # fmt: skip
    """Prepare, submit, wait, tunnel, and open the browser."""
    from perijove.connect.asking import Wanted, environment
    from perijove.connect.words import session_name

    wanted = Wanted(**asked)
    described = environment(modules=modules, packages=packages, python=python, existing=existing, conda=conda, image=image, offline=offline)
    session_name(name)

    async def work(visit: "Visit") -> int:
        record = await visit.start(name, wanted, described, login_python=login_python)
        return await _stay(visit, record, port or 0, browser=browser)

    sys.exit(_visit(host, how, ssh_config, work, agent=True))


@connect.command()
@_there
@_named
@_ports
@_browser
def reconnect(host: str, how: str, ssh_config: Path | None, name: str, port: int | None, browser: bool) -> None:
    """Come back to a server that waits or runs."""
    from perijove.connect.words import session_name

    session_name(name)

    async def work(visit: "Visit") -> int:
        return await _stay(visit, await visit.found(name), port or 0, browser=browser)

    sys.exit(_visit(host, how, ssh_config, work))


@connect.command("list")
@_there
def list_(host: str, how: str, ssh_config: Path | None) -> None:
    """Say which servers of yours there are on the cluster, and how they stand."""
    from perijove.domain.batch.words import status_words

    async def work(visit: "Visit") -> int:
        statuses, wrong = await visit.statuses()
        for record, status in statuses:
            said = str(status_words(status, visit.clock.now())) if status is not None else "It is gone, and the scheduler no longer knows of it."
            click.echo(f"{record.name}  job {record.job or '?'}  {said}")
        for name, trouble in wrong.items():
            click.echo(f"{name}  {trouble}")
        if not statuses and not wrong:
            click.echo("There are none.")
        return 0

    sys.exit(_visit(host, how, ssh_config, work))


@connect.command()
@_there
@_named
@click.option("--lines", type=click.IntRange(1, 100000), default=100, show_default=True)
def logs(host: str, how: str, ssh_config: Path | None, name: str, lines: int) -> None:
    """Show what the job has written."""
    from perijove.connect.words import session_name

    session_name(name)

    async def work(visit: "Visit") -> int:
        click.echo(await visit.cluster.tail(name, lines), nl=False)
        return 0

    sys.exit(_visit(host, how, ssh_config, work))


@connect.command()
@_there
@_named
@click.option("--force", is_flag=True, help="Kill it: what is not saved is lost.")
def stop(host: str, how: str, ssh_config: Path | None, name: str, force: bool) -> None:
    """End the server and its job."""
    from perijove.connect.words import session_name

    session_name(name)

    async def work(visit: "Visit") -> int:
        await visit.stop(name, force=force)
        click.echo(f"{name} has ended.")
        return 0

    sys.exit(_visit(host, how, ssh_config, work))


async def _stay(visit: "Visit", record: "Record", port: int, *, browser: bool) -> int:
    from perijove.domain.batch.status import Cause, Ending
    from perijove.domain.batch.words import status_words

    with tempfile.TemporaryDirectory(prefix="perijove-") as folder:

        async def opened(what: "Open") -> None:
            visit.person.say(f"Ready: {what.url}")
            visit.person.say("Ctrl-C leaves the server running.")
            if browser:
                _open_browser(Path(folder), what.url)

        status = await visit.stay(record, opened, port=port)
    visit.person.say(str(status_words(status, visit.clock.now())))
    cause = (status.ending or Ending(Cause.UNKNOWN)).cause
    if cause not in {Cause.FINISHED, Cause.CANCELLED, Cause.TIME_LIMIT}:
        visit.person.say("The end of its output:\n" + await visit.cluster.tail(record.name, 15))
        return _ENDED_WRONG
    return 0


def _open_browser(folder: Path, url: str) -> None:
    """By a file that only the person can read: a program's words are seen by everybody on a machine, and the token is not to be in them."""
    page = folder / "open.html"
    page.touch(mode=0o600)
    page.write_text(f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={escape(url)}"><title>Jupyter</title>', "utf-8")
    webbrowser.open(page.as_uri())


class _Terminal:
    """Implements Person."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = ""

    def say(self, text: str) -> None:
        self._clear()
        click.echo(_plain(text), err=True)
        self._last = ""

    def tell(self, text: str) -> None:
        text = _plain(text)
        if text == self._last:
            return
        self._clear()
        self._last = text
        if self._live:
            width = max(20, os.get_terminal_size(sys.stderr.fileno()).columns - 1)
            click.echo(text[:width], err=True, nl=False)
        else:
            click.echo(text, err=True)

    async def ask(self, question: str, *, secret: bool) -> str:
        from perijove.connect.login import RefusedLoginError

        self._clear()
        if not sys.stdin.isatty():
            raise RefusedLoginError(f"Somebody would have to answer: {question.strip()}", "Run this on a terminal.")
        return await asyncio.to_thread(getpass.getpass if secret else input, _plain(question))

    def _clear(self) -> None:
        if self._live and self._last:
            click.echo("\r\033[K", err=True, nl=False)


def _plain(text: str) -> str:
    """What another machine said, without what terminals would take for orders."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


async def _ways(host: str, how: str, config: Path | None, person: _Terminal) -> "Ways":
    """Raises BadInputError, SettingsError."""
    from perijove.connect.by_openssh import OpenSsh
    from perijove.connect.words import destination
    from perijove.domain.errors import SettingsError

    to = destination(host)
    library = find_spec("asyncssh") is not None
    if how == "asyncssh" and not library:
        raise SettingsError("--ssh asyncssh needs the library asyncssh.", "Install it: pip install 'perijove[connect]'. Or use --ssh openssh.")
    by_program = OpenSsh(to, person, options=["-F", str(config)] if config is not None else [])
    if how == "openssh" or (how == "auto" and (not library or await by_program.shares())):
        return by_program
    from perijove.connect.by_asyncssh import AsyncSsh

    return AsyncSsh(to, person, config=[str(config)] if config is not None else (), agent=os.environ.get("SSH_AUTH_SOCK", ""))


def _visit(host: str, how: str, config: Path | None, work: "Callable[[Visit], Awaitable[int]]", *, agent: bool = False) -> int:
    from perijove.adapters.system_clock import SystemClock
    from perijove.connect.cluster import Cluster
    from perijove.connect.visit import Visit
    from perijove.processes.agent_file import packed

    person = _Terminal()
    left: list[Visit] = []

    async def go() -> int:
        ways = await _ways(host, how, config, person)
        visit = Visit(Cluster(ways), person, SystemClock(), packed() if agent else b"")
        left.append(visit)
        try:
            return await work(visit)
        finally:
            await ways.aclose()

    try:
        return asyncio.run(go())
    except (KeyboardInterrupt, PerijoveError) as error:
        for visit in left:
            if visit.left:
                words = shlex.join([host, *(["--name", visit.left] if visit.left != "jupyter" else [])])
                person.say(f"It goes on over there. Come back: perijove connect reconnect {words}\nEnd it: perijove connect stop {words}")
        if isinstance(error, KeyboardInterrupt):
            return 130
        raise
