"""The same verbs for PBS: qsub, qselect, qsig and qdel."""

import os
import pwd
import re
from typing import Final

from perijove.domain.batch import pbs
from perijove.domain.batch.request import JobRequest, Program, shown
from perijove.domain.batch.script import packed_script
from perijove.domain.errors import BadInputError

from .rules import Rules
from .run import Answer, plain, run

JOB: Final = re.compile(r"[1-9]\d{0,17}(?:\.[A-Za-z0-9][A-Za-z0-9_.-]{0,253})?")
_AWAY: Final = re.compile(
    r"cannot connect|connection (?:refused|timed out|reset)|no route to host|errno=150(?:10|31|33|96)|timed? ?out|communication failure"
    r"|server.*(?:busy|shutting down)|try again|end of file",
    re.IGNORECASE,
)
_PRIVATE: Final = re.compile(
    r"unauthorized request|bad uid|no permission|access from host|unauthorized user|invalid credential|errno=15007", re.IGNORECASE
)
_OVER: Final = re.compile(r"job has finished|unknown job id|invalid for state of job", re.IGNORECASE)


def submit(request: JobRequest, program: Program, rules: Rules) -> Answer:
    words = pbs.qsub_words(request, gpu_type=rules.gpu_type)
    already = _living(request.name, rules)
    if already is not None:
        return already
    # PBS does not tell a job how long it may run
    limit = {} if request.time_limit_s is None else {"PBS_WALLTIME": str(request.time_limit_s)}
    whole = Program(
        argv=program.argv, environ=program.environ | limit, prologue=program.prologue or rules.prologue, epilogue=program.epilogue or rules.epilogue
    )
    script = packed_script(whole, request.folder or program.environ["HOME"])
    code, out, err = run(rules, "qsub", words, given=script.encode())
    if code:
        return _trouble(err or out)
    said = (out.strip().splitlines() or [""])[-1].strip()
    return {"job": said} if JOB.fullmatch(said) else {"error": "away", "message": f"qsub answered {shown(out)}, which names no job."}


def test(request: JobRequest, rules: Rules) -> Answer:
    """PBS tries nothing out: only what it could not be told at all is found."""
    pbs.qsub_words(request, gpu_type=rules.gpu_type)
    return {"text": ""}


def cancel(job: object, *, force: bool, rules: Rules) -> Answer:
    if not isinstance(job, str) or not JOB.fullmatch(job):
        raise BadInputError("A job's number is needed, as qsub printed it.")
    acts = [("qsig", ["-s", "SIGKILL", job])] if force else []  # KILL alone leaves one that waits
    for name, words in [*acts, ("qdel", [job])]:
        code, out, err = run(rules, name, words)
        if code and not _OVER.search(err):
            return _trouble(err or out)
    return {"job": job}


def _living(name: str, rules: Rules) -> Answer | None:
    """The person's own job by this name, if one lives; trouble, if that cannot be known."""
    me = pwd.getpwuid(os.getuid()).pw_name
    code, out, err = run(rules, "qselect", ["-u", me, "-N", name])
    if code:
        return _trouble(err or out)
    found = sorted((line.strip() for line in out.splitlines() if JOB.fullmatch(line.strip())), key=lambda job: int(job.partition(".")[0]))
    return {"job": found[0]} if found else None


def _trouble(said: str) -> Answer:
    return {"error": trouble(said), "message": plain(said)}


def trouble(said: str) -> str:
    """Which kind of trouble PBS's words tell of."""
    return "away" if _AWAY.search(said) else "not-allowed" if _PRIVATE.search(said) else "refused"
