"""Starts one server, detached from the hub. A program of its own, for `python -I -S`: standard library only.

Reads a JSON plan from standard input, answers one JSON object on standard output:
{"outcome": "launched"}, {"outcome": "taken"} (another was first) or {"outcome": "failed", "step", "path", "errno", "reason"}.
Until the claim is linked nothing has happened that anybody could see; after it, every death leaves a claim whose processes
are dead, which is what polling then finds.
"""

import ctypes
import errno
import json
import os
import signal
import sys
from typing import Any, Final, NoReturn

_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)
HANDLED: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)


class _StepError(Exception):
    """What could not be done, and on which path."""

    def __init__(self, step: str, path: str, error: OSError) -> None:
        super().__init__(step)
        self.told = {"outcome": "failed", "step": step, "path": path, "errno": error.errno or 0, "reason": error.strerror or str(error)}


def main() -> None:
    # event loops may leave their ends of our own pipes open in us (uvloop does); the hub waits until these are closed
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    # the hub may die while it writes: half a plan is no JSON, and nothing begins
    plan = json.loads(sys.stdin.buffer.read())
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    # orphans among the server's descendants become ours, so that none can hide from the end. Kept across exec.
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    go_read, go_write = os.pipe()
    trouble_read, trouble_write = os.pipe()
    output_read, output_write = os.pipe()
    server = os.fork()
    if server == 0:
        os.close(go_write)
        # without the go the claim is lost or the other process dead
        if os.read(go_read, 1) == b"g":
            _become_server(plan, output_write, trouble_write)
        os._exit(1)
    for descriptor in (go_read, trouble_write, output_write):
        os.close(descriptor)
    _be_first(plan, server)
    os.write(go_write, b"g")
    trouble = b""
    while part := os.read(trouble_read, 65536):
        trouble += part
    if trouble:
        _write_whole(plan["failure_file"], trouble)
        os.waitpid(server, 0)
        _answer(trouble)
        os._exit(0)
    _answer(b'{"outcome": "launched"}')
    _become_supervisor(plan, server, output_read)


def _be_first(plan: dict[str, Any], server: int) -> None:
    """Claim the attempt, or end here."""
    draft = f"{plan['claim_file']}.{os.getpid()}"
    numbers = (os.getpid(), _started(os.getpid()), server, _started(server))
    try:
        _write_whole(draft, " ".join(map(str, numbers)).encode())
        os.link(draft, plan["claim_file"])
    except FileExistsError:
        _answer(b'{"outcome": "taken"}')
        os._exit(0)
    except OSError as error:
        _answer(json.dumps(_StepError("claim", plan["claim_file"], error).told).encode())
        os._exit(1)
    finally:
        _unlink(draft)


def _become_server(plan: dict[str, Any], output: int, trouble: int) -> NoReturn:
    """In the child: take on the account, and be the server."""
    try:
        _take_on(plan, output)
        _execute(plan)
    except _StepError as error:
        os.write(trouble, json.dumps(error.told).encode())
    except ValueError as error:  # a NUL in a word or variable
        os.write(trouble, json.dumps(_StepError("command", plan["argv"][0], OSError(errno.EINVAL, str(error))).told).encode())
    os._exit(127)


def _take_on(plan: dict[str, Any], output: int) -> None:
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for group in plan["cgroup_files"]:
        _do("cgroup", group, lambda path: _write_whole(path, b"0"), group)
    if os.geteuid() == 0:
        _do("memory", "/proc/self/oom_score_adj", lambda path: _write_whole(path, b"0"), "/proc/self/oom_score_adj", optional=True)
    if plan["uid"] != os.geteuid():
        _do("account", plan["account"], lambda name: os.initgroups(name, plan["gid"]), plan["account"])
        _do("account", plan["account"], lambda _: os.setresgid(plan["gid"], plan["gid"], plan["gid"]), plan["account"])
        _do("account", plan["account"], lambda _: os.setresuid(plan["uid"], plan["uid"], plan["uid"]), plan["account"])
    os.umask(plan["umask"])
    _do("home", plan["home"], os.chdir, plan["home"])
    if plan.get("home_is_written", True) and not os.access(plan["home"], os.W_OK | os.X_OK):
        raise _StepError("home", plan["home"], OSError(errno.EACCES, os.strerror(errno.EACCES)))
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:  # handlers end with exec, being ignored does not
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _execute(plan: dict[str, Any]) -> NoReturn:
    program = plan["argv"][0]
    places = [program] if "/" in program else [f"{folder}/{program}" for folder in plan["env"]["PATH"].split(":")]
    worst = _StepError("command", program, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    for place in places:
        try:
            os.execve(place, plan["argv"], plan["env"])
        except OSError as error:
            # of several places the one that is there and does not work is the news
            if error.errno != errno.ENOENT or os.path.lexists(place):
                worst = _StepError("command", place, error)
    raise worst


def _become_supervisor(plan: dict[str, Any], server: int, output: int) -> NoReturn:
    # a fresh interpreter without ctypes, json, or the token in its memory: a third less for every server that runs
    nothing = os.open("/dev/null", os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(nothing, target)
    os.set_inheritable(output, True)
    words = [str(server), str(output), plan["run_folder"], plan["log_file"], str(plan["log_size"]), plan["oom_file"]]
    words += [plan.get("lifeline", ""), "append" if plan.get("append_log") else "anew"]
    os.chdir("/")
    os.execve(sys.executable, [sys.executable, "-I", "-S", plan["supervisor"], *words], {})


def _do(step: str, path: str, action: Any, argument: Any, *, optional: bool = False) -> None:
    try:
        action(argument)
    except OSError as error:
        if not optional:
            raise _StepError(step, path, error) from None


def _started(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        text = file.read()
    return int(text[text.rfind(b")") + 2 :].split()[19])


def _write_whole(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _answer(text: bytes) -> None:
    try:
        os.write(1, text + b"\n")
    except BrokenPipeError:  # the hub is gone; the next one reads the claim
        pass


if __name__ == "__main__":
    main()
