"""One at a time, on file systems of clusters: a file that its owner rewrites again and again.

flock is not to be relied on there (Lustre without `-o flock`, old NFS), and clocks of nodes differ. So the file gets its name by a hard
link, which succeeds for one only everywhere, and its owner counts in it. Whoever waits takes it over when, by their own clock, it has not changed for
`DEAD_S`, or at once when the owner was a process of this very machine that is gone.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable

from perijove.agent.environment.trouble import TroubleError

BEAT_S = 5.0
DEAD_S = 60.0
LOOK_S = 0.25
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


class LockLostError(TroubleError):
    """Somebody took it over, because this machine stood still for longer than `DEAD_S`."""


class Lock:
    """`told`: called with a sentence when somebody else holds it. `now` and `rest`: the clock, in seconds."""

    def __init__(
        self,
        file: Path,
        told: Callable[[str], None],
        *,
        beat_s: float = BEAT_S,
        now: Callable[[], float] = time.monotonic,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file = file
        self._told = told
        self._beat_s = beat_s
        self._now = now
        self._rest = rest
        self._nonce = secrets.token_hex(8)
        self._count = 0
        self._opened = -1
        self._done = threading.Event()
        self._beating: threading.Thread | None = None

    def __enter__(self) -> Lock:  # noqa: PYI034 - Self needs a newer Python
        """Waits until it is ours. Raises OSError if the folder cannot be written to."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        seen, since, told = "", self._now(), False
        while self._file.exists() or not self._made():
            now = self._now()
            text = _read(self._file)
            if text != seen:
                seen, since = text, now
            if now - since > DEAD_S or _gone(text):
                self._take_away(text)
                continue
            if not told:
                told = True
                self._told(f"Somebody else ({_owner(text)}) is at work on this environment; this waits for them.")
            self._rest(LOOK_S)
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        if self._beating is not None:
            self._beating.join()
        os.close(self._opened)
        if self._ours():
            self._file.unlink()

    def check(self) -> None:
        """Before each step. Raises LockLostError."""
        if not self._ours():
            raise LockLostError("This machine stood still, and somebody else took over the environment: start it again to follow them.")

    def _made(self) -> bool:
        # The content is there before the name is: who reads the lock never finds it empty.
        mine = self._file.with_name(f"{self._file.name}.{self._nonce}")
        opened = self._written(mine)
        try:
            os.link(str(mine), str(self._file))
        except FileExistsError:
            os.close(opened)
            return False
        except OSError as error:
            os.close(opened)
            if error.errno not in _NO_LINKS:
                raise
            return self._made_without_links()
        finally:
            mine.unlink()
        self._opened = opened
        return True

    def _made_without_links(self) -> bool:
        """By O_EXCL, which NFS keeps since version 3. Who reads the lock may find it empty for a moment, and passes over that."""
        try:
            self._opened = self._written(self._file)
        except FileExistsError:
            return False
        return True

    def _written(self, file: Path) -> int:
        opened = os.open(str(file), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(opened, self._content())
            os.fsync(opened)
        except OSError:
            os.close(opened)
            file.unlink()
            raise
        return opened

    def _content(self) -> bytes:
        """Always as long, so that it is written over in one piece."""
        pid = os.getpid()
        return json.dumps({**_here(), "pid": pid, "born": _born(pid), "nonce": self._nonce, "count": f"{self._count:012d}"}).encode("ascii")

    def _beat(self) -> None:
        """By the file as it was opened: were it somebody else's by now, theirs would not be touched."""
        while not self._done.wait(self._beat_s):
            self._count += 1
            try:
                os.pwrite(self._opened, self._content(), 0)
                os.fsync(self._opened)
            except OSError:
                continue  # a file server that is away: tried again, until somebody takes over

    def _ours(self) -> bool:
        return _parsed(_read(self._file)).get("nonce") == self._nonce

    def _take_away(self, seen: str) -> None:
        """Of several who do so, one gets the file away. If that was a newer one than was judged, it is put back."""
        aside = self._file.with_name(f"{self._file.name}.{self._nonce}.dead")
        try:
            self._file.rename(aside)
        except FileNotFoundError:
            return
        if _parsed(_read(aside)).get("nonce") != _parsed(seen).get("nonce"):
            try:
                os.link(str(aside), str(self._file))
            except OSError:
                self._told("Somebody else's lock was disturbed; they begin again.")
        aside.unlink()


def _read(file: Path) -> str:
    """Opened anew each time: that is when NFS asks its server."""
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _here() -> dict[str, str]:
    """This machine since it was booted, and the name space in which its process numbers mean something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot, space = "", ""
    return {"host": socket.gethostname(), "boot": boot, "space": space}


def _born(pid: int) -> str:
    """When the process began, in ticks: its number may be another's later. "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _gone(text: str) -> bool:
    """Whether the owner was on this machine and is no more."""
    told, here = _parsed(text), _here()
    same: tuple[bool, ...] = tuple(bool(here[key]) and told.get(key) == here[key] for key in here)
    return all(same) and isinstance(told.get("pid"), int) and _born(told["pid"]) != told.get("born")


def _owner(text: str) -> str:
    told = _parsed(text)
    return f"process {told['pid']} on {told['host']}" if "pid" in told and "host" in told else "not known"
