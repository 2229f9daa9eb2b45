"""What a person asks for, in the words of sbatch's own options, to a typed request."""

from dataclasses import dataclass, replace
from typing import Any

from perijove.domain.batch.amounts import gpus, megabytes, seconds
from perijove.domain.batch.request import JobRequest
from perijove.domain.errors import BadInputError


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

    def below(self, home: str) -> "Wanted":
        """A folder that is not absolute is one of the person's home over there."""
        return self if self.folder is None or self.folder.startswith("/") else replace(self, folder=f"{home}/{self.folder}")

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
