"""What the agent tells the hub, once or twice a minute and when something changes: where the job runs, until when, what it uses, its log.

A report that does not arrive is not sent again: the next one says all. Hubs that are down are no reason to end anything.
"""

from __future__ import annotations

import asyncio
import json
import random  # noqa: TID251 - for jitter
import secrets
import socket
import ssl
import time
import urllib.error
import urllib.request
from typing import Any, Callable, Mapping

from perijove.agent.end_time import asked, iso, told
from perijove.agent.log import Log
from perijove.agent.usage import gpus, usage
from perijove.agent.websocket import tls_context

_EVERY_S = (30.0, 60.0)
_FIRST_ASK_S = (4.0, 20.0)
"""Jobs that begin together must not all ask the controller together."""
_SEND_S = 15.0
_LAST_S = 3.0
_GPU_TRIES = 3


class Reporter:
    """One for each run of the agent."""

    def __init__(self, start_id: str, url: str, environ: Mapping[str, str], log: Log, *, ca_file: str | None = None, warn_s: float = 600.0) -> None:
        """Raises OSError for a file of authorities that cannot be read, ValueError for an address that is none."""
        if not url.startswith(("http://", "https://")):
            raise ValueError("reports go to http:// or https:// addresses")
        self._start_id = start_id
        self._url = url
        self._environ = environ
        self._log = log
        self._context: ssl.SSLContext | None = tls_context(ca_file) if url.startswith("https://") else None
        self._warn_s = warn_s
        self._session = secrets.token_hex(8)
        self._began = _time()
        self._ends_at = told(environ, self._began)
        self._ask_at = self._began + random.uniform(*_FIRST_ASK_S) if self._ends_at is None else self._before_end()  # noqa: S311 - for jitter
        self._news = asyncio.Event()
        self._gpu_tries = _GPU_TRIES
        self._said = ""
        self.preparing: Mapping[str, Any] | None = None
        """How far the environment is that is made ready: state (running, done, failed), text, percent. None: nothing had to be done."""
        self.warned: Callable[[float], None] = lambda _: None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            await self._look_at_end()
            await self.send(_SEND_S)
            pause_s = min(random.uniform(*_EVERY_S), max(1.0, self._ask_at - _time()))  # noqa: S311 - not to come all at once
            try:
                await asyncio.wait_for(self._news.wait(), pause_s)
            except asyncio.TimeoutError:
                continue
            await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - changes often come together

    def tell(self) -> None:
        """Something has changed."""
        self._news.set()

    def look_again(self) -> None:
        """The batch system has said that the end is near, or that the job goes on."""
        self._ask_at = 0.0
        self._news.set()

    async def send(self, within_s: float = _LAST_S) -> bool:
        """One report; whether it arrived."""
        body = json.dumps(await self._words()).encode()
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.run_in_executor(None, self._post, body, within_s), within_s + 1)
        except (OSError, ValueError, asyncio.TimeoutError) as error:
            self._say(f"the hub could not be told how the job is: {_why(error)}")
            return False
        self._say("")
        return True

    async def _words(self) -> dict[str, Any]:
        found = usage(self._environ)
        found["gpus"] = await self._gpus()
        restarts = self._environ.get("SLURM_RESTART_COUNT", "0")
        return {
            "start_id": self._start_id,
            "host": socket.gethostname(),
            "job": self._environ.get("SLURM_JOB_ID") or self._environ.get("PBS_JOBID") or "",
            "started": iso(self._began),
            "ends_at": iso(self._ends_at),
            "usage": found,
            "log_tail": self._log.tail,
            "restarts": int(restarts) if restarts.isdigit() else 0,
            "session": self._session,
            "preparing": self.preparing,
        }

    async def _gpus(self) -> list[dict[str, Any]]:
        if self._gpu_tries <= 0:
            return []
        found = await gpus(self._environ)
        self._gpu_tries = _GPU_TRIES if found is not None else self._gpu_tries - 1
        return found or []

    async def _look_at_end(self) -> None:
        """Ask the batch system seldom: when nothing is known at first, and when the end comes near, for the job may have been prolonged."""
        now = _time()
        if now < self._ask_at:
            return
        found = await asked(self._environ)
        if found is not None:
            if self._ends_at is not None and abs(found - self._ends_at) > 1:
                self._log.say(f"the job ends at {iso(found)} now")
            self._ends_at = found
        self._ask_at = self._before_end() if self._ends_at is not None else now + 3600.0
        if self._ends_at is not None and self._ends_at - now <= self._warn_s:
            self.warned(self._ends_at)

    def _before_end(self) -> float:
        """When to ask next: shortly before people are to be warned, then each time half of what is left has gone."""
        left = (self._ends_at or 0.0) - _time()
        return _time() + (left - self._warn_s if left > self._warn_s + 1 else max(30.0, left / 2))

    def _post(self, body: bytes, within_s: float) -> None:
        """Blocks. Raises OSError."""
        fields = {"Content-Type": "application/json", "Authorization": f"token {self._environ.get('JUPYTERHUB_API_TOKEN', '')}"}
        request = urllib.request.Request(self._url, body, fields, method="POST")  # noqa: S310 - the scheme is checked
        with urllib.request.urlopen(request, timeout=within_s, context=self._context) as answer:  # noqa: S310 - the scheme is checked
            answer.read(64 * 1024)

    def _say(self, text: str) -> None:
        if text and text != self._said:
            self._log.say(text)
        self._said = text


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it answers {error.code} {error.reason}"
    return str(error) or type(error).__name__


def _time() -> float:
    return time.time()  # noqa: TID251 - compared with what the batch system says
