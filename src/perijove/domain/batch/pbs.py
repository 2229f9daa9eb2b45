"""A request in the words of PBS (OpenPBS, PBS Professional): the arguments of qsub, which reads the script (script.py) from its standard input.

What PBS has no word for is refused (a QOS, a constraint) or left to the job itself (the comment, the warning before the end).
"""

from perijove.domain.batch.request import JobRequest
from perijove.domain.errors import BadInputError


def qsub_words(request: JobRequest, *, gpu_type: str = "") -> list[str]:
    """What is asked for. `gpu_type`: the site's own resource that names a GPU's type ("" if it has none). Raises BadInputError."""
    request.checked()
    found = mistakes(request, gpu_type=gpu_type)
    if found:
        raise BadInputError(" ".join(found), "Change what is asked for, and start again.")
    pairs: tuple[tuple[str, str | None], ...] = (
        ("-N", request.name),
        ("-q", request.reservation or request.partition),  # a reservation of PBS is a queue
        ("-A", request.account),
        ("-l", "select=" + ":".join(_chunk(request, gpu_type))),
        ("-l", None if request.time_limit_s is None else f"walltime={duration(request.time_limit_s)}"),
        ("-l", "place=scatter" if (request.nodes or 1) > 1 else None),
        ("-o", request.output),
        ("-j", "oe"),
        ("-r", "y" if request.may_requeue else "n"),
        ("-S", "/bin/bash"),
        ("-C", ""),  # no line of the script is a directive
    )
    words = [word for option, value in pairs if value is not None for word in (option, value)]
    return ["-f", *words, "-"]  # -f: no qsub stays behind to be quicker the next time


def mistakes(request: JobRequest, *, gpu_type: str = "") -> list[str]:
    """What of a checked request PBS cannot be told."""
    found = []
    if request.qos is not None:
        found.append("PBS knows no QOS.")
    if request.constraint is not None:
        found.append("PBS knows no constraint; ask for a queue with such nodes.")
    if request.reservation is not None and request.partition is not None:
        found.append("A reservation of PBS is a queue: choose one of the two.")
    if any("," in name for name in (request.partition or "", request.reservation or "")):
        found.append("PBS takes one queue, not several.")
    if any(set(word or "") & set("@+") for word in (request.partition, request.reservation, *(gpus.kind for gpus in request.gpus))):
        found.append("Queues and types of GPUs of PBS have no '@' and no '+' in their names here.")  # another server; another chunk of `select`
    if not (request.name[0].isalpha() or request.name[0] == "_") or len(request.name) > 230:
        found.append("The job's name must begin with a letter and have at most 230 characters.")
    if request.output is not None and set(request.output) & set(":,"):
        found.append("The output file's name must have no ':' and no ',' for PBS.")
    if len(request.gpus) > 1:
        found.append("PBS takes GPUs of one type for a job.")
    if any(gpus.kind is not None for gpus in request.gpus) and not gpu_type:
        found.append("This site's PBS has no types of GPUs: ask for a number of any type.")
    return found


def _chunk(request: JobRequest, gpu_type: str) -> list[str]:
    cpus = request.cpus or 1
    memory_mb = request.memory_mb or (request.memory_per_cpu_mb or 0) * cpus
    words = [str(request.nodes or 1), f"ncpus={cpus}"]
    words += [f"mem={memory_mb}mb"] if memory_mb else []
    for gpus in request.gpus:
        words += [f"ngpus={gpus.count}", *([f"{gpu_type}={gpus.kind}"] if gpus.kind else [])]
    return words


def duration(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
