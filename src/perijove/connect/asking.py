"""What a person asks for, in the words of sbatch's own options, to a typed request."""

import re
from dataclasses import dataclass
from typing import Any, Final

from perijove.domain.batch.request import Gpus, JobRequest
from perijove.domain.errors import BadInputError

_UNITS_MB: Final = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0 * 1024}
_SPANS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """As texts. None: the cluster's default."""

    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    cpus: int | None = None
    mem: str | None = None
    mem_per_cpu: str | None = None
    gpus: str | None = None
    nodes: int | None = None
    constraint: str | None = None
    reservation: str | None = None
    folder: str | None = None

    def request(self, *, name: str, comment: str, output: str) -> JobRequest:
        """Raises BadInputError with every mistake."""
        return JobRequest(
            name=name,
            comment=comment,
            time_limit_s=seconds(self.time) if self.time is not None else None,
            partition=self.partition,
            account=self.account,
            qos=self.qos,
            cpus=self.cpus,
            memory_mb=megabytes(self.mem) if self.mem is not None else None,
            memory_per_cpu_mb=megabytes(self.mem_per_cpu) if self.mem_per_cpu is not None else None,
            gpus=gpus(self.gpus) if self.gpus is not None else (),
            nodes=self.nodes,
            constraint=self.constraint,
            reservation=self.reservation,
            folder=self.folder,
            output=output,
        ).checked()


def environment(
    *, modules: tuple[str, ...], packages: tuple[str, ...], python: str, existing: str | None, conda: bool, image: str | None, offline: bool | None
) -> dict[str, Any]:
    """A description of agent.environment.describe, which checks it over there before anything else. Raises BadInputError."""
    if sum((existing is not None, conda, image is not None)) > 1:
        raise BadInputError("An environment is an existing one, one of conda or an image: choose one of the three.")
    if packages and (existing is not None or image is not None):
        raise BadInputError("Packages can be put into an environment that is made here, not into an existing one or an image.")
    told: dict[str, Any] = {"name": "connect", "modules": list(modules)}
    if existing is not None:
        return told | {"kind": "existing", "path": existing}
    if image is not None:
        return told | {"kind": "container", "image": image}
    kind = "conda" if conda else "venv"
    made = told | {"kind": kind, "packages": list(dict.fromkeys(["jupyterlab", *packages]))}
    if not conda:
        made["python"] = python
    return made if offline is None else made | {"offline": offline}


def seconds(text: str) -> int:
    """Slurm's forms: minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s; and 90m, 3h, 2d. Raises BadInputError."""
    spans = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if spans:
        return int(spans[1]) * _SPANS_S[spans[2]]
    matched = re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,7})(?::(\d{1,5}))?(?::(\d{1,5}))?", text)
    if matched is None:
        raise BadInputError(f"{text!r} is not a time: write 3:00:00, 1-12:00:00, 90m or 3h.")
    days, first, second, third = (None if part is None else int(part) for part in matched.groups())
    if days is not None:
        return days * 86400 + (first or 0) * 3600 + (second or 0) * 60 + (third or 0)
    if second is None:
        return (first or 0) * 60
    if third is None:
        return (first or 0) * 60 + second
    return (first or 0) * 3600 + second * 60 + third


def megabytes(text: str) -> int:
    """ "3000M", "8G", "8GB"; a number alone is MB. Rounded up. Raises BadInputError."""
    matched = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if matched is None:
        raise BadInputError(f"{text!r} is not an amount of memory: write 3000M or 8G.")
    exactly = float(matched[1]) * _UNITS_MB[matched[2].upper()]
    return int(exactly) + (exactly > int(exactly))


def gpus(text: str) -> tuple[Gpus, ...]:
    """ "1", "a100:2", "a100:1,t4:1". Raises BadInputError."""
    found = []
    for part in text.split(","):
        kind, _, count = part.strip().rpartition(":")
        if not count.isdecimal() or len(count) > 4:
            raise BadInputError(f"{text!r} is not a number of GPUs: write 1, or a type and a number such as a100:2.")
        found.append(Gpus(int(count), kind or None))
    return tuple(one for one in found if one.count)
