"""`[spawner]` with `use = "slurm"`."""

from typing import Any

from msgspec import Struct, field

from perijove.domain.batch.amounts import seconds
from perijove.domain.batch.environments import Choices, choices
from perijove.domain.batch.options import NAMES, Policy
from perijove.domain.errors import BadInputError, SettingsError


class RestSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Slurm by slurmrestd, where the hub's machine has none of Slurm's commands."""

    url: str
    """Where it listens: https://host:port, http://host:port or http+unix://%2Fpath."""
    account: str
    """Who asks: the hub's own account in Slurm, an operator where jobs are private."""
    key_file: str = ""
    """The cluster's key for tokens (auth/jwt): tokens of people are signed with it."""
    token_command: str = ""
    """Instead of a key: a command that prints a token, such as "sudo scontrol token username={person} lifespan=1800"."""
    ca_file: str = ""
    """Certificate authorities for https; empty: the system's."""
    kept: float = 300.0
    """Seconds for which Slurm remembers an ended job (MinJobAge)."""
    sees_all_jobs: bool = True
    """Whether `account` is shown everybody's jobs."""


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Servers as jobs of a Slurm cluster."""

    agent: str
    """The program of the jobs: the file that `perijove agent` wrote, where all nodes see it."""
    helper: str = ""
    """The batch helper, as in the sudoers line, by which jobs are submitted as the person; empty: the hub is the person itself."""
    rules: str = ""
    """Its rules, as in the sudoers line."""
    bin: str = "/usr/bin"
    """Where Slurm's commands are."""
    slurm_conf: str = ""
    """Slurm's configuration, if not where its commands look."""
    rest: RestSettings | None = None
    """slurmrestd instead of commands and helper."""
    unix_name: str = "{username}"
    """Whose jobs they are: the account on the cluster of the person {username}."""
    prologue: str = ""
    """Shell that runs in each job before the server. With a helper, it is in its rules instead."""
    epilogue: str = ""
    """Shell that runs in each job after the server has ended. With a helper, it is in its rules instead."""
    dial: tuple[str, ...] = ()
    """What jobs dial, wss://host/tunnel/; empty: this hub's own address."""
    ca_file: str = ""
    """Certificate authorities on the nodes, for what jobs dial; empty: the system's."""
    command: tuple[str, ...] = ()
    """The server's command in the job; empty: the environment's Python with the server that the agent brings."""
    arguments: tuple[str, ...] = ()
    """For the server, after the command."""
    environ: dict[str, str] = field(default_factory=dict)
    """Further variables of the jobs. The helper's rules must allow their names."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """What a job has where the person says nothing: time, partition, account, qos, cpus, memory, memory_per_cpu, gpus, nodes, constraint, reservation,
    environment, folder."""
    fixed: dict[str, Any] = field(default_factory=dict)
    """What nobody can change, of the same."""
    most: dict[str, Any] = field(default_factory=dict)
    """The most anybody may ask for: of time, cpus, memory, memory_per_cpu, gpus, nodes."""
    shown: tuple[str, ...] = NAMES
    """What the form asks for, and the API takes."""
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Environments that are offered: name to description."""
    own_environments: bool = True
    """Whether people may name others of their own."""
    extend: str = ""
    """By how much a running server may be prolonged at once, such as "2:00:00", within its partition's limit; empty: not at all. Slurm must have
    the hub's account as an operator."""
    queue_timeout: float = 0.0
    """Seconds that a job may wait in the queue before it is cancelled; 0: as long as it takes."""
    concurrent_starts: int = 0
    """How many starts the hub submits at once; 0: any number."""
    sees_all_jobs: bool | None = None
    """Whether the hub is shown everybody's jobs; left out: as the cluster says (PrivateData). An operator is."""
    may_requeue: bool = True
    """Whether Slurm may put a server's job back into the queue, after a node failed, say."""
    grace: float = 10.0
    """Seconds that a server has to end in good order."""
    output: str = "/dev/null"
    """Where the output goes of what runs before and around the server: an absolute path, or empty for what Slurm does by itself. The server's own output is shown
    in the hub."""
    warn: float = 600.0
    """How many seconds before its end a server warns."""

    def __post_init__(self) -> None:
        """Raises ValueError with the first kind of mistake."""
        if bool(self.helper) != bool(self.rules):
            raise ValueError("helper and rules go together, as in the sudoers line")
        if not self.agent.startswith("/"):
            raise ValueError("agent must be the absolute path of the file that `perijove agent` wrote")
        if self.rest is not None and (self.helper or not (self.rest.key_file or self.rest.token_command)):
            raise ValueError("rest needs key_file or token_command, and no helper")
        if self.helper and (self.prologue or self.epilogue):
            raise ValueError("with a helper, prologue and epilogue stand in its rules")
        if "{username}" not in self.unix_name:
            raise ValueError("unix_name must have {username} in it")
        try:
            self.policy.checked()
            self.choices  # noqa: B018 - raises
            if self.extend:
                seconds(self.extend)
        except (SettingsError, BadInputError) as error:
            raise ValueError(str(error)) from None

    @property
    def policy(self) -> Policy:
        return Policy(defaults=self.defaults, fixed=self.fixed, most=self.most, shown=self.shown)

    @property
    def choices(self) -> Choices:
        return choices(self.environments, own=self.own_environments)
