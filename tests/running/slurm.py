"""A small real Slurm of our own: munge, a controller, nodes with fake GPUs, accounting if asked for.

Everything lives in one temporary folder, on free ports, with its own munge key and socket, so several may run beside each other and beside a
Slurm of the machine's own. Needs root: a node must become the person whose job it runs.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.running.apart import Namespaces, namespaces

NEEDED: Final = ("slurmctld", "slurmd", "sbatch", "munged")
APART_NEEDS: Final = ("ip", "iptables")
PACKAGES: Final = "slurmctld slurmd slurm-client munge sudo"
REST_NEEDS: Final = ("slurmrestd", "setpriv")
ACCOUNTING_NEEDS: Final = ("slurmdbd", "mariadbd", "mariadb-install-db")
_SYSTEM: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_DAEMONS_S: Final = 30.0

_CONF: Final = """\
ClusterName={cluster}
SlurmctldHost={controller}
SlurmctldPort={controller_port}
SlurmUser=slurm
SlurmdUser=root
SlurmdParameters=config_overrides
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/spool/%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,requeue_setup_env_fail
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=30
MessageTimeout=5
MinJobAge={min_job_age_s}
KillWait=2
InactiveLimit=0
OverTimeLimit=0
GresTypes=gpu
DefMemPerCPU=256
{accounting}
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 State=UP OverSubscribe=NO
PartitionName=short Nodes=n1 MaxTime=2 State=UP
"""


@dataclass
class Slurm:
    """A running cluster. `environ` is what a command of Slurm's needs in its environment to ask it."""

    folder: Path
    node_names: tuple[str, ...]
    controller_port: int
    cluster: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    apart: Namespaces | None = None
    """Where nodes are hosts of their own."""
    rest_port: int = 0
    """Where slurmrestd listens, besides `rest_socket`; 0: there is none."""

    @property
    def rest_socket(self) -> Path:
        return self.folder / "rest/socket"

    @property
    def jwt_key(self) -> Path:
        return self.folder / "state/jwt.key"

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def environ(self) -> dict[str, str]:
        return _SYSTEM | {"SLURM_CONF": str(self.conf)}

    def command(self, *argv: str, user: str | None = None, stdin: str = "", check: bool = True) -> str:
        """What a command says, run as root or as somebody. Raises CalledProcessError with its words."""
        done = subprocess.run(
            argv,
            env=self.environ,
            user=user,
            cwd="/",
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            extra_groups=[] if user else None,
        )
        if check and done.returncode:
            raise AssertionError(f"{argv} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def until(self, met: Callable[[], object], what: str, within_s: float = _DAEMONS_S) -> None:
        deadline = time.monotonic() + within_s
        while not met():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {within_s:.0f} s\n{self.logs()}")
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:]) for path in self.folder.glob("*.log"))

    def start(self, name: str, *argv: str, environ: dict[str, str] | None = None, user: str | None = None) -> None:
        """A program of ours in the foreground, so that its pid is known and it ends with us."""
        with (self.folder / f"{name}.out.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                argv, env=environ or self.environ, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, user=user
            )

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End one of them and wait for it."""
        process = self.processes.pop(name)
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def start_controller(self) -> None:
        self.start("slurmctld", "slurmctld", "-D")
        self.until(lambda: "UP" in self.command("scontrol", "ping", check=False), "the controller answers")

    def start_node(self, name: str) -> None:
        argv = ("slurmd", "-D", "-N", name)
        self.start(name, *(self.apart.inside(name, *argv) if self.apart is not None else argv))

    def wait_for_nodes(self) -> None:
        self.until(self._all_idle, "the nodes are idle")

    def _all_idle(self) -> bool:
        states = self.command("sinfo", "-h", "-N", "-p", "main", "-o", "%T", check=False).split()
        return len(states) == len(self.node_names) and all(state in {"idle", "mixed", "allocated"} for state in states)

    def clear(self) -> None:
        """No job waits or runs, and every node is idle: where each test begins."""
        jobs = self.command("squeue", "-h", "-o", "%i").split()
        if jobs:
            self.command("scancel", *jobs, check=False)
        self.until(lambda: not self.command("squeue", "-h", "-o", "%i").split(), "all jobs are gone")
        self.wait_for_nodes()

    def end_all(self) -> None:
        with suppress(AssertionError, TimeoutError, subprocess.TimeoutExpired):
            if "slurmctld" in self.processes:
                self.clear()
        for name in reversed(list(self.processes)):
            self.end(name)
        self._end_strays()

    def _end_strays(self) -> None:
        """Steps of jobs that outlived their node's daemon: known by our configuration in their environment."""
        mark = f"SLURM_CONF={self.conf}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0") and int(process.name) != os.getpid():
                    os.kill(int(process.name), signal.SIGKILL)


def missing(*, accounting: bool = False, rest: bool = False, apart: bool = False) -> str:
    """Why it cannot be started here, or ""."""
    if os.geteuid() != 0:
        return "only root can start a Slurm whose nodes run jobs as other people"
    needed = NEEDED + (ACCOUNTING_NEEDS if accounting else ()) + (REST_NEEDS if rest else ()) + (APART_NEEDS if apart else ())
    lacking = [name for name in needed if shutil.which(name, path=_SYSTEM["PATH"]) is None]
    packages = PACKAGES + (" slurmdbd mariadb-server" if accounting else "") + (" slurmrestd slurm-wlm-jwt-plugin" if rest else "")
    packages += " iproute2 iptables" if apart else ""
    return f"not installed: {', '.join(lacking)} (apt-get install {packages})" if lacking else ""


@contextmanager
def slurm(
    *, nodes: int = 2, gpus: int = 2, accounting: bool = False, rest: bool = False, apart: bool = False, min_job_age_s: int = 5, more: str = ""
) -> Generator[Slurm]:
    """A cluster: `nodes` of 4 CPUs, 4000 MB and `gpus` GPUs of the type "fake" each; partitions main (a day) and short (two minutes, n1).
    `rest`: with slurmrestd, which takes tokens. `apart`: each node has its own network, and no port there is reached from here but its daemon's.
    `more`: lines for slurm.conf. The start is tried again if somebody took a port in between."""
    for attempt in range(3):
        with ExitStack() as stack:
            try:
                found = _started(stack, nodes, gpus, accounting=accounting, rest=rest, apart=apart, min_job_age_s=min_job_age_s, more=more)
            except (TimeoutError, AssertionError):
                if attempt == 2:
                    raise
                continue
            yield found
            return


def _started(stack: ExitStack, nodes: int, gpus: int, *, accounting: bool, rest: bool, apart: bool, min_job_age_s: int, more: str) -> Slurm:
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    controller_port, database_port, *node_ports = free_ports(2 + nodes)
    names = tuple(f"n{number}" for number in range(1, nodes + 1))
    hosts = namespaces(stack, names, node_ports[0]) if apart else None
    found = Slurm(folder, names, controller_port, folder.name.replace("-", "").replace("_", "").lower(), apart=hosts)
    stack.callback(found.end_all)
    for name in ("munge", "state", "dev", *(f"spool/{name}" for name in names)):
        (folder / name).mkdir(parents=True)
    for place in (folder, folder / "state"):
        shutil.chown(place, "slurm", "slurm")
    for number in range(gpus):
        os.mknod(folder / f"dev/gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))  # a node counts what is really there
    (folder / "gres.conf").write_text(f"NodeName=n[1-{nodes}] Name=gpu Type=fake File={folder}/dev/gpu[0-{gpus - 1}]\n" if gpus else "")
    lines = [
        f"NodeName={name} NodeHostname=localhost {_reached(hosts, name, node_ports[0], port)} CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1"
        f" RealMemory=4000{f' Gres=gpu:fake:{gpus}' if gpus else ''} State=UNKNOWN"
        for name, port in zip(names, node_ports, strict=True)
    ]
    found.conf.write_text(
        _CONF.format(
            cluster=found.cluster,
            controller=f"localhost({hosts.address})" if hosts is not None else "localhost",
            folder=folder,
            controller_port=controller_port,
            min_job_age_s=min_job_age_s,
            nodes="\n".join(lines),
            accounting=_ACCOUNTING.format(port=database_port, folder=folder) if accounting else "AccountingStorageType=accounting_storage/none",
        )
        + (f"AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={found.jwt_key}\n" if rest else "")
        + more
    )
    if rest:
        found.jwt_key.write_bytes(os.urandom(32))
        found.jwt_key.chmod(0o600)
        shutil.chown(found.jwt_key, "slurm", "slurm")
    _start_munge(found)
    if accounting:
        _start_accounting(found, database_port)
    found.start("slurmctld", "slurmctld", "-D")
    for name in names:
        found.start_node(name)
    found.until(lambda: "UP" in found.command("scontrol", "ping", check=False), "the controller answers")
    found.wait_for_nodes()
    if rest:
        _start_rest(found, accounting=accounting)
    return found


def _reached(hosts: Namespaces | None, name: str, common: int, own: int) -> str:
    return f"NodeAddr={hosts.nodes[name][1]} Port={common}" if hosts is not None else f"NodeAddr=127.0.0.1 Port={own}"


def _start_rest(found: Slurm, *, accounting: bool) -> None:
    """As an account of its own: it refuses to be root or Slurm's."""
    (found.rest_port,) = free_ports(1)
    found.rest_socket.parent.mkdir()
    shutil.chown(found.rest_socket.parent, "nobody", "nogroup")
    as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    where = (f"unix:{found.rest_socket}", f"127.0.0.1:{found.rest_port}")
    only = () if accounting else ("-s", "openapi/v0.0.36,openapi/v0.0.37,openapi/v0.0.38")  # it ends where the others find no accounting
    found.start("slurmrestd", *as_nobody, "slurmrestd", "-a", "rest_auth/jwt", *only, *where, environ=found.environ | {"SLURM_JWT": "daemon"})
    found.until(found.rest_socket.exists, "slurmrestd listens")


def _start_munge(found: Slurm) -> None:
    place = found.folder / "munge"
    (place / "key").write_bytes(os.urandom(128))
    (place / "key").chmod(0o600)
    where = (f"--socket={place}/socket", f"--key-file={place}/key", f"--pid-file={place}/pid", f"--log-file={place}/log", f"--seed-file={place}/seed")
    found.start("munged", "munged", "--foreground", "--force", "--num-threads=2", *where)
    found.until((place / "socket").exists, "munge listens")


_ACCOUNTING: Final = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePass={folder}/munge/socket
AccountingStoragePort={port}
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu
"""

_DATABASE: Final = """\
DbdHost=localhost
DbdPort={port}
SlurmUser=slurm
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mysql_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


def _start_accounting(found: Slurm, port: int) -> None:
    """MariaDB and slurmdbd with the account "lab", which `admit` opens to people."""
    place = found.folder / "mysql"
    place.mkdir()
    shutil.chown(place, "mysql", "mysql")
    (mysql_port,) = free_ports(1)
    found.command(
        "mariadb-install-db",
        "--no-defaults",
        "--user=mysql",
        f"--datadir={place}/data",
        "--skip-test-db",
        "--auth-root-authentication-method=socket",
        "--skip-name-resolve",
    )
    found.start(
        "mariadbd",
        "mariadbd",
        "--no-defaults",
        "--user=mysql",
        f"--datadir={place}/data",
        f"--socket={place}/s",
        f"--pid-file={place}/pid",
        f"--port={mysql_port}",
        "--bind-address=127.0.0.1",
        "--innodb-buffer-pool-size=64M",
        "--innodb-lock-wait-timeout=900",
        "--innodb-flush-log-at-trx-commit=0",
        "--skip-name-resolve",
    )
    ask = ("mariadb", "--no-defaults", f"--socket={place}/s")
    found.until(lambda: "1" in found.command(*ask, "-e", "select 1", check=False), "MariaDB answers")
    found.command(*ask, "-e", "create database slurm; create user slurm@'127.0.0.1' identified by 'slurm'; grant all on slurm.* to slurm@'127.0.0.1'")
    conf = found.folder / "slurmdbd.conf"
    conf.write_text(_DATABASE.format(folder=found.folder, port=port, mysql_port=mysql_port))
    conf.chmod(0o600)
    shutil.chown(conf, "slurm", "slurm")
    found.start("slurmdbd", "slurmdbd", "-D")
    found.until(lambda: "Cluster" in found.command("sacctmgr", "-P", "show", "cluster", check=False), "slurmdbd answers")
    found.command("sacctmgr", "-i", "add", "cluster", found.cluster)
    found.command("sacctmgr", "-i", "add", "account", "lab", "Description=lab", "Organization=lab")


def admit(found: Slurm, *people: str, account: str = "lab") -> None:
    """Open an account to people, where the cluster keeps accounts."""
    found.command("sacctmgr", "-i", "add", "user", ",".join(people), f"account={account}")


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
