"""The closed list of what may be asked: `submit`, `test` and `cancel`. Each checks everything again, whoever checked it before."""

import os
import pwd
import re
import subprocess
from collections.abc import Callable
from typing import Any, Final

from perijove.domain.batch.request import Program, request_of, shown
from perijove.domain.batch.slurm import job_script, sbatch_words
from perijove.domain.errors import BadInputError

from . import pbs
from .rules import NotAllowed, Rules
from .run import LONGEST_S, Answer, Sealed, plain, run

_AWAY: Final = re.compile(
    r"unable to contact|socket timed out|connection refused|connect failure|communication|zero bytes|temporarily|timed out|not responding"
    r"|slurm backup controller|controller.*(?:down|standby)",
    re.IGNORECASE,
)
_PRIVATE: Final = re.compile(r"access/permission denied|access denied|authentication|invalid user id|user not found", re.IGNORECASE)


def answer(question: Any, rules: Rules) -> Answer:
    """{"job": …}, {"text": …} or {"error": "bad" | "refused" | "away" | "not-allowed", "message": …}."""
    verbs: dict[str, Callable[[dict[str, Any], Rules], Answer]] = {"submit": _submit, "test": _test, "cancel": _cancel}
    try:
        if not isinstance(question, dict) or question.get("verb") not in verbs:
            return {"error": "bad", "message": f"The verb must be one of {', '.join(verbs)}."}
        verb = str(question["verb"])
        return verbs[verb]({name: value for name, value in question.items() if name != "verb"}, rules)
    except BadInputError as error:
        return {"error": "bad", "message": str(error)}
    except NotAllowed as error:
        return {"error": "not-allowed", "message": str(error)}
    except subprocess.TimeoutExpired:
        return {"error": "away", "message": f"{rules.called} did not answer within {LONGEST_S} s."}
    except OSError as error:
        return {"error": "not-allowed", "message": f"{rules.called}'s commands cannot be run: {error}."}


def _submit(question: dict[str, Any], rules: Rules) -> Answer:
    _only(question, {"request", "program"})
    request = request_of(_dict(question, "request"))
    program = _program(_dict(question, "program"), rules)
    if rules.scheduler == "pbs":
        return pbs.submit(request, program, rules)
    already = _living(request.name, rules)
    if already is not None:
        return already
    script = job_script(program.prologue or rules.prologue, program.epilogue or rules.epilogue)
    with Sealed(script.encode()) as script_file, Sealed(_packed(program.environ)) as environ_file:
        # never with --export: any value of it makes sbatch ignore the file
        words = ["--parsable", *sbatch_words(request), f"--export-file={environ_file}", f"/proc/self/fd/{script_file}", *program.argv]
        code, out, err = run(rules, "sbatch", words, (script_file, environ_file))
    if code:
        return _trouble(err or out)
    found = re.fullmatch(r"(\d+)(?:;\S+)?", (out.strip().splitlines() or [""])[-1].strip())
    return {"job": found[1]} if found else {"error": "away", "message": f"sbatch answered {shown(out)}, which names no job."}


def _living(name: str, rules: Rules) -> Answer | None:
    """The person's own job by this name, if one lives; trouble, if that cannot be known. Asked here and not by the hub, because whoever Slurm's
    PrivateData keeps from seeing others' jobs still sees their own."""
    me = pwd.getpwuid(os.getuid()).pw_name
    code, out, err = run(rules, "squeue", ["--noheader", "--all", f"--user={me}", f"--name={name}", "--format=%i"])
    if code:
        return _trouble(err or out)
    found = sorted((line.strip() for line in out.splitlines() if line.strip().isdigit()), key=int)
    return {"job": found[0]} if found else None


def _test(question: dict[str, Any], rules: Rules) -> Answer:
    _only(question, {"request"})
    request = request_of(_dict(question, "request"))
    if rules.scheduler == "pbs":
        return pbs.test(request, rules)
    with Sealed(job_script("").encode()) as script_file:
        code, out, err = run(rules, "sbatch", ["--test-only", *sbatch_words(request), f"/proc/self/fd/{script_file}"], (script_file,))
    return _trouble(err or out) if code else {"text": (err or out).strip()}


def _cancel(question: dict[str, Any], rules: Rules) -> Answer:
    _only(question, {"job", "force"})
    job, force = question.get("job"), question.get("force", False)
    if rules.scheduler == "pbs" and isinstance(force, bool):
        return pbs.cancel(job, force=force, rules=rules)
    if not isinstance(job, str) or not re.fullmatch(r"[1-9]\d{0,17}", job) or not isinstance(force, bool):
        raise BadInputError("A job's number is needed.")
    polite = ["scancel", [job]]
    hard = ["scancel", ["--full", "--signal=KILL", job]]
    code, out, err = 0, "", ""
    for name, words in (hard, polite) if force else (polite,):  # KILL alone leaves one that waits
        code, out, err = run(rules, str(name), list(words))
        if code and not re.search(r"already completing|already completed|invalid job id|not active|not running|pending", err, re.IGNORECASE):
            return _trouble(err or out)
    return {"job": job}


def _program(given: dict[str, Any], rules: Rules) -> Program:
    _only(given, {"argv", "environ", "prologue", "epilogue"})
    argv, environ, prologue = given.get("argv"), given.get("environ") or {}, given.get("prologue") or ""
    epilogue = given.get("epilogue") or ""
    if (
        not isinstance(argv, list | tuple)
        or any(not isinstance(word, str) for word in argv)
        or not isinstance(prologue, str)
        or not isinstance(epilogue, str)
    ):
        raise BadInputError("A program's argv is a list of words.")
    if not isinstance(environ, dict) or any(not isinstance(value, str) for value in environ.values()):
        raise BadInputError("A program's environ is an object of texts.")
    person = pwd.getpwuid(os.getuid())
    own = {"HOME": person.pw_dir, "USER": person.pw_name, "LOGNAME": person.pw_name, "SHELL": person.pw_shell or "/bin/sh"}
    program = Program(argv=tuple(argv), environ={"PATH": "/usr/local/bin:/usr/bin:/bin"} | environ | own, prologue=prologue, epilogue=epilogue)
    mistakes = program.mistakes()
    if mistakes:
        raise BadInputError(" ".join(mistakes))
    if rules.restricted:
        if program.argv[0] not in rules.programs:
            raise NotAllowed(f"Jobs may not run {shown(program.argv[0])}: the rules name {', '.join(rules.programs)}.")
        if (prologue and prologue != rules.prologue) or (epilogue and epilogue != rules.epilogue):
            raise NotAllowed("The prologue and the epilogue of jobs are those in the rules of this program; they cannot be sent.")
        strange = sorted(name for name in environ if not rules.allow_variable(name))
        if strange:
            raise NotAllowed(f"Variables that the rules do not allow: {', '.join(strange)}.")
    return program


def _packed(environ: dict[str, str]) -> bytes:
    return b"".join(f"{name}={value}\0".encode() for name, value in environ.items())


def _trouble(said: str) -> Answer:
    return {"error": trouble(said), "message": plain(said)}


def trouble(said: str) -> str:
    """Which kind of trouble Slurm's words tell of."""
    return "away" if _AWAY.search(said) else "not-allowed" if _PRIVATE.search(said) else "refused"


def _only(given: dict[str, Any], known: set[str]) -> None:
    if set(given) - known:
        raise BadInputError(f"Not known: {', '.join(sorted(map(shown, set(given) - known)))}.")


def _dict(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    if not isinstance(value, dict):
        raise BadInputError(f"'{name}' must be an object.")
    return value
