"""In the job: the server as a child on a unix socket that nobody else on the machine can reach, and the tunnel to it.

The folder is made anew for each run, with mode 0700, on the machine's own disk, and removed at the end. Everything that the server and
its kernels need at run time is in it: socket, connection files of kernels, XDG_RUNTIME_DIR if the machine did not make one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Coroutine, Mapping, cast
from urllib.parse import quote

from perijove.agent.carry import Carrier, Socket
from perijove.agent.config import Config
from perijove.agent.dial import Dialler
from perijove.agent.end_time import iso
from perijove.agent.environment.trouble import DescriptionError, TroubleError
from perijove.agent.environment.use import server_words
from perijove.agent.listen import Listener
from perijove.agent.log import Log
from perijove.agent.report import Reporter

SOCKET = "server.sock"
_LONGEST_FOLDER = 80
"""Bytes. A unix socket's path may have 107, and Jupyter's kernels make some below the folder."""
_NOT_READY = 78
"""As sysexits.h: something is configured wrongly."""
_TELL_S = 3.0
"""Between two reports of how far an environment is."""
_LONGEST = 1000
"""Characters of what is reported of an environment."""
_TOOK_S = 15.0
"""For the server to take a connection on its socket."""


def make_folder(environ: Mapping[str, str]) -> Path:
    """Raises OSError if there is nowhere to make it."""
    failure: OSError | None = None
    for parent in (environ.get("SLURM_TMPDIR"), environ.get("TMPDIR"), "/tmp"):  # noqa: S108 - mkdtemp makes one that is ours alone
        if parent and len(os.fsencode(parent)) <= _LONGEST_FOLDER - len("/perijove-xxxxxxxx"):
            try:
                return Path(tempfile.mkdtemp(prefix="perijove-", dir=parent))
            except OSError as error:
                failure = error
    raise failure or OSError("there is no folder for temporary files with a short path")


def surroundings(config: Config, folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The server's environment: what the job has, and what the folder is for."""
    found = dict(environ)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    found["JUPYTER_RUNTIME_DIR"] = str(runtime)
    if not _usable(environ.get("XDG_RUNTIME_DIR")):  # batch systems copy it from where the job was submitted
        own = folder / "xdg"
        own.mkdir(mode=0o700, exist_ok=True)
        found["XDG_RUNTIME_DIR"] = str(own)
    prefix = environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    found["JUPYTERHUB_SERVICE_URL"] = f"http+unix://{quote(str(folder / SOCKET), safe='')}{prefix}"
    packed = unpacked(folder)
    if packed is not None:
        found["PYTHONPATH"] = os.pathsep.join(part for part in (str(packed), environ.get("PYTHONPATH", "")) if part)
    found["PERIJOVE_START_ID"] = config.start_id
    return found


def unpacked(folder: Path) -> Path | None:
    """Where the server's half of the agent's file is now; None if the agent does not run from its file."""
    archive = Path(sys.argv[0]) if sys.argv[0] else None
    if archive is None or not zipfile.is_zipfile(str(archive)):
        return None
    to = folder / "python"
    with zipfile.ZipFile(str(archive)) as packed:
        packed.extractall(str(to), [name for name in packed.namelist() if name.startswith("perijove_singleuser/")])
    return to


def _usable(path: str | None) -> bool:
    try:
        found = Path(path).stat() if path else None
    except OSError:
        return False
    return found is not None and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077


class Server:
    """The person's Jupyter server, as a process group of its own."""

    def __init__(self, words: list[str], environ: Mapping[str, str], folder: Path, log: Log) -> None:
        self._words = words
        self._environ = environ
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> str:
        return str(self._folder / SOCKET)

    async def start(self, begin_in: str | None) -> None:
        """Raises OSError if there is no such program or folder."""
        self._process = await asyncio.create_subprocess_exec(
            *self._words,
            env=dict(self._environ),
            cwd=begin_in,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def ended(self) -> int:
        """The exit code, once it has ended; negative: the signal."""
        process = self._running()
        if process.stdout is not None:
            following = asyncio.ensure_future(self._log.follow(process.stdout))  # noqa: TID251 - cancelled below
            try:
                code = await process.wait()
                await asyncio.wait([following], timeout=1.0)  # kernels that outlive it may keep the pipe open
            finally:
                following.cancel()
            return code
        return await process.wait()

    async def end(self, grace_s: float, waiting: asyncio.Future[int]) -> None:
        """In good order, and by force after `grace_s`. `waiting`: for `ended`."""
        self.signal(signal.SIGTERM)
        done, _ = await asyncio.wait([waiting], timeout=grace_s)
        if not done:
            self._log.say(f"the server did not end within {grace_s:.0f} s and is killed")
            self.kill()
            await asyncio.wait([waiting])

    def signal(self, number: int) -> None:
        """To the server alone: it ends its kernels itself."""
        process = self._running()
        if process.returncode is None:
            process.send_signal(number)

    def kill(self) -> None:
        """With all that it started."""
        try:
            os.killpg(self._running().pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process


class Doorway:
    """Opens the server's socket for each stream that comes by a tunnel."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connecting: set[asyncio.Task[None]] = set()

    def opened(self, carrier: Carrier, stream: int, target: str) -> None:
        if target not in ("", "server"):
            carrier.mux.reset(stream, "there is nothing of that name here")
            return
        socket = Socket(carrier, stream)
        carrier.put(stream, socket)
        task = asyncio.get_running_loop().create_task(self._connect(socket))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, socket: Socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.create_unix_connection(lambda: socket, self._path), _TOOK_S)
        except (OSError, asyncio.TimeoutError):
            socket.carrier.taken(socket.stream)
            socket.carrier.mux.reset(socket.stream, "the server is not listening")
            socket.carrier.pump()

    async def aclose(self) -> None:
        for task in tuple(self._connecting):
            task.cancel()
        if self._connecting:
            await asyncio.wait(tuple(self._connecting))


class Job:
    """One run of `serve`."""

    def __init__(self, config: Config, environ: Mapping[str, str], log: Log) -> None:
        self._config = config
        self._environ = environ
        self.log = log
        self._asked = asyncio.Event()
        self._dialler: Dialler | None = None
        self._reporter: Reporter | None = None
        self._told_at = -_TELL_S
        self._news: dict[str, Any] = {}

    async def run(self, words: list[str]) -> int:
        """Until the server has ended, or we are asked to; returns the exit status. `words`: the server's command."""
        folder = make_folder(self._environ)
        reporting: asyncio.Task[None] | None = None
        try:
            environ = surroundings(self._config, folder, self._environ)
            self._handle_signals()
            reporting = self._begin_reports()
            if self._config.environment is not None:
                found = await self._in_environment(self._config.environment, words, environ, folder)
                if found is None:
                    return _NOT_READY
                words, more = found
                environ.update(more)
            server = Server(words, environ, folder, self.log)
            try:
                await server.start(self._config.folder or environ.get("HOME"))
            except OSError as error:
                self.log.say(f"{words[0]} cannot be started: {error.strerror or error}: {error.filename or ''}")
                return 127
            return await self._serve(server)
        finally:
            if reporting is not None and self._reporter is not None:
                reporting.cancel()
                await asyncio.wait([reporting])
                await self._reporter.send()  # with the last words of the log
            shutil.rmtree(str(folder), ignore_errors=True)

    async def _in_environment(
        self, description: dict[str, Any], words: list[str], environ: Mapping[str, str], folder: Path
    ) -> tuple[list[str], dict[str, str]] | None:
        """The server's command in the person's environment, which is made ready first if it is not; None if that cannot be."""
        for last in (False, True):
            try:
                return server_words(description, words, environ, folder)
            except DescriptionError as error:
                self._told({"step": "description", "state": "failed", "text": f"The environment is not described as it must be: {error}"})
                return None
            except (TroubleError, OSError) as error:
                if last:
                    self._told({"step": "use", "state": "failed", "text": str(error)})
                    return None
            if await self._prepare(description, environ) != 0:
                return None
        return None

    def _told(self, news: dict[str, Any]) -> None:
        """Of the environment. Every step is in the log; the hub hears of it at most every `_TELL_S`, but of a failure in any case (with the last report)."""
        self._news = news
        self.log.say("\n".join(str(news[key]) for key in ("text", "output") if news.get(key)))
        if self._reporter is None:
            return
        ready = news.get("step") == "ready"
        state = "done" if ready else "failed" if news.get("state") == "failed" else "running"
        self._reporter.preparing = {"text": str(news.get("text"))[:_LONGEST], "percent": news.get("percent"), "state": state}
        now = asyncio.get_running_loop().time()
        if ready or now - self._told_at >= _TELL_S:
            self._told_at = now
            self._reporter.tell()

    async def _prepare(self, description: dict[str, Any], environ: Mapping[str, str]) -> int:
        """As a program of its own, which can be ended at any point."""
        program = [sys.argv[0]] if zipfile.is_zipfile(sys.argv[0]) else ["-m", "perijove.agent"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            "prepare",
            env={**environ, "PERIJOVE_ENVIRONMENT": json.dumps(description)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        following = asyncio.ensure_future(self._follow(cast(asyncio.StreamReader, process.stdout)))  # noqa: TID251 - awaited below
        asked = asyncio.ensure_future(self._asked.wait())  # noqa: TID251 - cancelled below
        try:
            await asyncio.wait([following, asked], return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                process.terminate()
            code = await process.wait()
            if code and not self._asked.is_set() and self._news.get("state") != "failed":
                self._told({"step": "failed", "state": "failed", "text": f"The environment could not be made ready: the program ended with {code}."})
            return code
        finally:
            asked.cancel()
            following.cancel()

    async def _follow(self, lines: asyncio.StreamReader) -> None:
        """What `prepare` tells, until it ends."""
        while True:
            try:
                line = await lines.readline()
            except ValueError:  # longer than any of ours
                continue
            if not line:
                return
            try:
                news = json.loads(line)
            except ValueError:
                news = None
            if isinstance(news, dict) and news.get("step") != "folder":
                self._told(news)
            elif news is None:
                self.log.write(line)

    async def _serve(self, server: Server) -> int:
        doorway = Doorway(server.socket)
        ended: asyncio.Future[int] = asyncio.ensure_future(server.ended())  # noqa: TID251 - awaited below
        asked: asyncio.Future[Any] = asyncio.ensure_future(self._asked.wait())  # noqa: TID251 - cancelled below
        others: list[asyncio.Task[None]] = [asyncio.get_running_loop().create_task(work) for work in self._works(doorway)]
        try:
            await asyncio.wait([ended, asked, *others], return_when=asyncio.FIRST_COMPLETED)
            for other in others:
                if other.done() and not other.cancelled() and other.exception() is not None:
                    self.log.say(f"the agent fails, and so ends the server: {other.exception()!r}")
                    self._asked.set()
            if not ended.done():
                await server.end(self._config.grace_s, ended)
            code = ended.result()
            self.log.say(f"the server ended with {'signal' if code < 0 else 'code'} {abs(code)}")
            return 128 - code if code < 0 else code
        finally:
            for task in (asked, *others):
                task.cancel()
            await asyncio.wait([asked, *others])
            await doorway.aclose()
            server.kill()  # what it left behind

    def _works(self, doorway: Doorway) -> list[Coroutine[Any, Any, None]]:
        config = self._config
        works: list[Coroutine[Any, Any, None]] = []
        if config.dial:
            self._dialler = Dialler(config.start_id, config.token, config.dial, ca_file=config.ca_file, opened=doorway.opened, say=self.log.say)
            works.append(self._dialler.run())
        if config.listen:
            works.append(Listener(config.start_id, config.token, config.listen, opened=doorway.opened, say=self.log.say).run())
        return works

    def _begin_reports(self) -> asyncio.Task[None] | None:
        config = self._config
        if not config.report_url:
            return None
        try:
            self._reporter = Reporter(config.start_id, config.report_url, self._environ, self.log, ca_file=config.ca_file, warn_s=config.warn_s)
        except (OSError, ValueError) as error:
            self.log.say(f"nothing is reported: {error}")
            return None
        self._reporter.warned = self._warned
        return asyncio.get_running_loop().create_task(self._reporter.run())

    def _warned(self, ends_at: float) -> None:
        """The end is near."""
        self.log.say(f"the batch system ends this job at {iso(ends_at)}")

    def _signalled(self) -> None:
        """SIGUSR1, SIGUSR2: batch systems send them some time before the end, if they are asked to."""
        self.log.say("the batch system says that the end is near")
        if self._reporter is not None:
            self._reporter.look_again()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked.set)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGCONT, self._continued)

    def _continued(self) -> None:
        """After `scontrol suspend`, or before a job is preempted."""
        if self._dialler is not None:
            self._dialler.hurry()
        if self._reporter is not None:
            self._reporter.look_again()


def serve(config: Config, words: list[str], environ: Mapping[str, str]) -> int:
    """`words`: the server's command. Returns the exit status."""

    async def run() -> int:
        return await Job(config, environ, Log()).run(words)  # before Python 3.10 what waits belongs to the loop it is made in

    return asyncio.run(run())
