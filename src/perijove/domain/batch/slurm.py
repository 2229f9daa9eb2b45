"""A request in Slurm's words: the arguments of sbatch. Only checked values come here; each is one word, joined to its option by "=".

sbatch itself reads SBATCH_… variables and #SBATCH lines: whoever runs it hands it an environment without the former and a script without the latter.
"""

from perijove.domain.batch.request import JobRequest
from perijove.domain.batch.script import around


def sbatch_words(request: JobRequest) -> list[str]:
    """What is asked for. Raises BadInputError if it was not checked and is wrong."""
    request.checked()
    pairs: tuple[tuple[str, object], ...] = (
        ("job-name", request.name),
        ("comment", request.comment or None),
        ("time", None if request.time_limit_s is None else duration(request.time_limit_s)),
        ("partition", request.partition),
        ("account", request.account),
        ("qos", request.qos),
        ("cpus-per-task", request.cpus),
        ("nodes", request.nodes),
        ("mem", None if request.memory_mb is None else f"{request.memory_mb}M"),
        ("mem-per-cpu", None if request.memory_per_cpu_mb is None else f"{request.memory_per_cpu_mb}M"),
        ("gres", ",".join(f"gpu:{one.kind}:{one.count}" if one.kind else f"gpu:{one.count}" for one in request.gpus) or None),
        ("constraint", request.constraint),
        ("reservation", request.reservation),
        ("chdir", request.folder),
        ("output", None if request.output is None else request.output.replace("%", "%%")),
        ("signal", None if request.warn_before_end_s is None else f"B:USR1@{request.warn_before_end_s}"),
    )
    words = [f"--{option}={value}" for option, value in pairs if value is not None]
    return [*words, "--ntasks=1" if request.nodes is None else f"--ntasks={request.nodes}", "--requeue" if request.may_requeue else "--no-requeue"]


def duration(seconds: int) -> str:
    """Slurm counts whole minutes and rounds up: "days-hours:minutes:seconds"."""
    days, rest = divmod(seconds, 86400)
    return f"{days}-{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def job_script(prologue: str, epilogue: str = "") -> str:
    """The script of every job: the site's prologue and epilogue around the program, whose words come as arguments of the script and are never
    read by a shell."""
    return f"#!/bin/bash\n{':' + chr(10) if prologue.strip() else ''}{around(prologue, epilogue)}"
