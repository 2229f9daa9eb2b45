"""What the administrator allows: a file of root's, named in the sudoers line, which whoever runs the program cannot change."""

import json
import os
import re
import stat
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

_VARIABLES: Final = ("JUPYTERHUB_*", "JUPYTER_*", "JPY_*", "PERIJOVE_*", "LANG", "LC_*", "TZ")
_BIN: Final = "/usr/bin"


class NotAllowed(Exception):  # noqa: N818 — an answer, not a fault
    """Words for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`programs`: the first words a job's program may have; () any, which only a hub that is the person itself gets. `variables`: shell patterns of
    the names that may be set. `prologue`, `epilogue`: shell that runs before the program and after it. `audit`: a syslog socket, "" for none.
    `scheduler`: "slurm" or "pbs"; for the latter `gpu_type` is the site's own resource that names a GPU's type."""

    programs: tuple[str, ...] = ()
    variables: tuple[str, ...] = _VARIABLES
    prologue: str = ""
    epilogue: str = ""
    bin: str = _BIN
    slurm_conf: str = ""
    scheduler: str = "slurm"
    pbs_conf: str = ""
    gpu_type: str = ""
    least_uid: int = 1000
    audit: str = "/dev/log"
    restricted: bool = True

    def command(self, name: str) -> str:
        return f"{self.bin}/{name}"

    @property
    def called(self) -> str:
        return "PBS" if self.scheduler == "pbs" else "Slurm"

    def environ(self) -> dict[str, str]:
        """Of the scheduler's commands: nothing of the caller's, so no SBATCH_… or PBS_… of anybody's."""
        if self.scheduler == "pbs":
            return {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"} | (
                {"PBS_CONF_FILE": self.pbs_conf} if self.pbs_conf else {}
            )
        clean = {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SLURM_TIME_FORMAT": "%s", "TZ": "UTC"}
        return clean | ({"SLURM_CONF": self.slurm_conf} if self.slurm_conf else {})

    def allow_variable(self, name: str) -> bool:
        return not self.restricted or any(fnmatchcase(name, pattern) for pattern in self.variables)


def read_rules(path: Path) -> Rules:
    """Raises NotAllowed if anybody but root can write it or a folder above it, or if it is not understood."""
    for place in (path, *path.parents):
        about = place.stat()
        loose = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (stat.S_ISDIR(about.st_mode) and about.st_mode & stat.S_ISVTX)
        if about.st_uid != 0 or loose:
            raise NotAllowed(f"{place} can be changed by somebody other than root, so the rules are not trusted. Its owner must be root, mode go-w.")
    try:
        given: dict[str, Any] = json.loads(path.read_text("utf-8"))
        strange = set(given) - ({one.name for one in fields(Rules)} - {"restricted"})
        if strange:
            raise NotAllowed(f"{path}: not rules: {', '.join(sorted(strange))}.")
        listed: dict[str, Any] = {name: tuple(map(str, given[name])) for name in ("programs", "variables") if name in given}
        rules = Rules(**given | listed)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise NotAllowed(f"{path} is not understood: {error}.") from None
    if rules.scheduler not in {"slurm", "pbs"} or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*|", rules.gpu_type):
        raise NotAllowed(f"{path}: `scheduler` is slurm or pbs, and `gpu_type` the name of a resource.")
    if not rules.programs:
        raise NotAllowed(f"{path} names no `programs`: with none, whoever may run this could run anything as anybody.")
    return rules


def check_account(rules: Rules) -> None:
    """Raises NotAllowed for root and for accounts of the system."""
    uid = os.getuid()
    if rules.restricted and (uid == 0 or os.geteuid() != uid or uid < rules.least_uid):
        raise NotAllowed(f"Jobs are not submitted as the account {uid}: it is one of the system's (least_uid is {rules.least_uid}).")


def sudoers_line(hub: str, group: str, program: str, rules: str) -> str:
    """What lets the hub's account run this program, with exactly these rules, as any member of the group but root."""
    return f"Defaults!{program} env_reset, !requiretty, !setenv, closefrom=3\n{hub} ALL=(%{group},!root) NOPASSWD: {program} {rules}\n"
