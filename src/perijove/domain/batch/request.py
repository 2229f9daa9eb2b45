"""What a person asks a batch system for, as typed fields that are checked before anything is submitted.

Words that reach the scheduler (a partition, an account …) are names of a narrow alphabet: none can be read as an option, as a list or as a directive.
"""

import re
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, Final

from perijove.domain.errors import BadInputError

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")
_NAMES: Final = re.compile(rf"{_NAME.pattern}(,{_NAME.pattern}){{0,15}}")
# features of nodes with the scheduler's own operators: and, or, brackets, counts
_CONSTRAINT: Final = re.compile(r"[A-Za-z0-9_(\[][A-Za-z0-9_.&|()\[\]*,+-]{0,254}")
_COMMENT: Final = re.compile(r"[A-Za-z0-9_=;:.@/+ -]{0,512}")
_MAX_TIME_S: Final = 366 * 86400
_MAX_COUNT: Final = 1_000_000
_MAX_MEMORY_MB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Gpus:
    """So many of a type (None: of any) on each node. A MIG slice is a type of its own, such as "a100_3g.20gb"."""

    count: int
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What the job is to have. None: the scheduler's default. `memory_mb` (all of it, on each node) and `memory_per_cpu_mb` exclude each other.

    `name` is the attempt's own, unique among all jobs of the cluster: by it a submission whose answer was lost is found again.
    """

    name: str
    comment: str = ""
    time_limit_s: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    memory_per_cpu_mb: int | None = None
    gpus: tuple[Gpus, ...] = ()
    nodes: int | None = None
    constraint: str | None = None
    reservation: str | None = None
    folder: str | None = None
    output: str | None = None
    """The file of the job's own output, absolute; the scheduler's patterns (%j) are not read by us."""
    may_requeue: bool = True
    warn_before_end_s: int | None = None
    """Send SIGUSR1 to the job's first process so long before its time is up (Slurm may be 60 s early)."""

    def mistakes(self) -> list[str]:
        """Every mistake, each in a sentence for the person; [] if there is none."""
        found = [*self._word_mistakes(), *self._number_mistakes(), *self._path_mistakes()]
        if self.memory_mb is not None and self.memory_per_cpu_mb is not None:
            found.append("Memory is given in all and per CPU: choose one of the two.")
        kinds = [str(gpus.kind) for gpus in self.gpus]
        if len(set(kinds)) < len(kinds) or (len(kinds) > 1 and any(gpus.kind is None for gpus in self.gpus)):
            found.append("GPUs: name each type once, or one number of any type.")
        return found

    def checked(self) -> "JobRequest":
        """Itself. Raises BadInputError that lists every mistake."""
        found = self.mistakes()
        if found:
            raise BadInputError(" ".join(found), "Change what is asked for, and start again.")
        return self

    def _word_mistakes(self) -> list[str]:
        found = []
        words: tuple[tuple[str, object, re.Pattern[str]], ...] = (
            ("the job's name", self.name, _NAME),
            ("the partition", self.partition, _NAMES),
            ("the account", self.account, _NAME),
            ("the QOS", self.qos, _NAME),
            ("the reservation", self.reservation, _NAMES),
            ("the constraint", self.constraint, _CONSTRAINT),
            ("the comment", self.comment, _COMMENT),
            *(("the GPU type", gpus.kind, _NAME) for gpus in self.gpus),
        )
        for label, value, shape in words:
            if value is not None and not (isinstance(value, str) and shape.fullmatch(value)):
                found.append(f"{label[0].upper()}{label[1:]} {shown(value)} is not a name that a scheduler takes.")
        return found

    def _number_mistakes(self) -> list[str]:
        found = []
        for label, value, least, most in (
            ("The time limit in seconds", self.time_limit_s, 60, _MAX_TIME_S),
            ("The number of CPUs", self.cpus, 1, _MAX_COUNT),
            ("The number of nodes", self.nodes, 1, _MAX_COUNT),
            ("The memory in MB", self.memory_mb, 1, _MAX_MEMORY_MB),
            ("The memory per CPU in MB", self.memory_per_cpu_mb, 1, _MAX_MEMORY_MB),
            ("The warning before the end in seconds", self.warn_before_end_s, 1, 65535),
            *((f"The number of {gpus.kind or 'any'} GPUs", gpus.count, 1, 1024) for gpus in self.gpus),
        ):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                found.append(f"{label} must be a whole number, not {shown(value)}.")
            elif not least <= value <= most:
                found.append(f"{label} must be from {least} to {most}, not {value}.")
        return found

    def _path_mistakes(self) -> list[str]:
        found = []
        paths: tuple[tuple[str, object], ...] = (("The working directory", self.folder), ("The output file", self.output))
        for label, value in paths:
            if value is None:
                continue
            clean = isinstance(value, str) and value.isprintable() and len(value) <= 4096 and "\\" not in value
            if not isinstance(value, str) or not clean or not PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
                found.append(f"{label} must be an absolute path without '..', not {shown(value)}.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the job runs: `argv` becomes the job's first process after the site's `prologue` (shell, the administrator's, never a person's).

    `argv` is visible to everybody on the machines: secrets go into `environ`, which is the job's whole environment but for the scheduler's own.
    """

    argv: tuple[str, ...]
    environ: dict[str, str] = field(default_factory=dict)
    prologue: str = ""
    epilogue: str = ""
    """Of the same kind, after the program has ended, however it did; the scheduler's last signal ends it, too."""

    def mistakes(self) -> list[str]:
        found = []
        if not self.argv or any("\0" in word for word in self.argv):
            found.append("The job has no program, or one with a NUL in its words.")
        found += [f"{shown(name)} is not a variable's name." for name in self.environ if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
        found += [f"The variable {name} has a NUL in it." for name, value in self.environ.items() if "\0" in value]
        return found


def request_of(given: dict[str, Any]) -> JobRequest:
    """A request from JSON. Raises BadInputError for anything that is not one, unknown fields included."""
    known = {one.name for one in fields(JobRequest)}
    strange = sorted(set(given) - known)
    if strange or not isinstance(given.get("name"), str):
        raise BadInputError(f"Not fields of a job: {', '.join(map(shown, strange)) or 'it has no name'}.")
    gpus = given.get("gpus") or []
    if not isinstance(gpus, list | tuple) or any(not isinstance(one, dict) or set(one) - {"count", "kind"} or "count" not in one for one in gpus):
        raise BadInputError("GPUs are a list of {count, kind}.")
    return JobRequest(**given | {"gpus": tuple(Gpus(one["count"], one.get("kind")) for one in gpus)}).checked()


def shown(value: object) -> str:
    """A value from outside, fit for a sentence."""
    return repr(value if not isinstance(value, str) or len(value) <= 60 else value[:57] + "…")
