"""The settings of the local spawner: section [spawner] with use = "local"."""

import re
import shlex
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from perijove.adapters.spawners.local.names import unknown_placeholders
from perijove.config.quantities import Size

MIN_LOG: Final = 64 * 1024
MIN_MEMORY: Final = 32 * 1024**2
"""Less than this, and Python itself cannot start: surely a mistake of units."""


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """In every limit 0 means "no limit". Templates know {username}, {account}, {home} and {server_name}."""

    command: str | tuple[str, ...] = ()
    """The server's command; empty: perijove-singleuser beside the hub's Python or on PATH, else jupyterhub-singleuser."""
    args: tuple[str, ...] = ()
    """Added to the command; templates, which know {socket} and {port} too."""
    account: str = "{username}"
    """As root: the Unix account a person's server runs as."""
    create_accounts: bool = False
    """As root: make accounts and homes that are missing, with no password."""
    min_uid: Annotated[int, Meta(ge=1)] = 1000
    """As root: accounts below this belong to the system, and nobody's server runs as one of them."""
    directory: str = ""
    """Not as root: each person's folder, e.g. "/srv/people/{username}"; empty: below the hub's state folder."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables for every server; templates."""
    keep_env: tuple[str, ...] = ("LANG", "LANGUAGE", "LC_*", "TZ")
    """The only variables of the hub's own that servers get; a last * stands for anything."""
    umask: str = "077"
    """Who may read what a server writes; octal."""
    concurrent_starts: Annotated[int, Meta(ge=0)] = 0
    """How many servers this machine can start at the same time, if that is fewer than [limits] says; the others wait in the queue."""
    memory_limit: Size = 0
    """Memory of one server with all its kernels and terminals."""
    cpu_limit: Annotated[float, Meta(ge=0)] = 0.0
    """Cores of one server, e.g. 1.5."""
    process_limit: Annotated[int, Meta(ge=0)] = 0
    """Processes and threads of one server."""
    memory_choices: tuple[Size, ...] = ()
    """What people may choose from instead of memory_limit."""
    cpu_choices: tuple[Annotated[float, Meta(gt=0)], ...] = ()
    """What people may choose from instead of cpu_limit."""
    require_limits: bool = False
    """Refuse to start the hub where limits are set and the machine cannot keep them."""
    cgroup: str = ""
    """The control group below which servers get theirs, written as /proc/self/cgroup does, e.g. "/perijove"; empty: the hub's own."""
    listen: Literal["unix", "tcp"] = "unix"
    """How servers listen: on a socket nobody else can reach, or, for those that cannot, on a port of 127.0.0.1."""
    socket_dir: str = ""
    """Where sockets are kept: a short path which other accounts may pass through; empty: chosen."""
    log_size: Size = 10 * 1024**2
    """How large a server's log grows before it is begun anew; one older log is kept."""

    def __post_init__(self) -> None:
        mistakes = [*_template_mistakes(self), *_value_mistakes(self)]
        if mistakes:
            raise ValueError("; ".join(mistakes))

    @property
    def command_words(self) -> tuple[str, ...]:
        return tuple(shlex.split(self.command)) if isinstance(self.command, str) else self.command

    @property
    def umask_bits(self) -> int:
        return int(self.umask, 8)

    @property
    def limited(self) -> bool:
        return bool(self.memory_limit or self.cpu_limit or self.process_limit or self.memory_choices or self.cpu_choices)


def _template_mistakes(config: Config) -> list[str]:
    known = {"account": {"username"}, "directory": {"username"}}
    mistakes = []
    for name, placeholders in known.items():
        template = getattr(config, name)
        mistakes += [f"{name} does not know {{{odd}}}; it knows {{username}}" for odd in unknown_placeholders(template, placeholders)]
    if config.directory and "{username}" not in config.directory:
        mistakes.append("directory must contain {username}, or people would share one folder")
    if config.directory and not config.directory.startswith("/"):
        mistakes.append("directory must be an absolute path")
    if config.create_accounts and len(config.account.replace("{username}", "")) > 16:
        mistakes.append("account leaves no room for names: at most 16 characters beside {username}")
    if not config.account:
        mistakes.append('account must not be empty; the default is "{username}"')
    return mistakes


def _value_mistakes(config: Config) -> list[str]:
    mistakes = []
    if not re.fullmatch(r"0?[0-7]{1,3}", config.umask):
        mistakes.append(f'umask is {config.umask!r}; write it in octal, e.g. "077"')
    if isinstance(config.command, str):
        try:
            shlex.split(config.command)
        except ValueError as error:
            mistakes.append(f"command cannot be split into words: {error}; write it as a list")
    if 0 < config.memory_limit < MIN_MEMORY or any(choice < MIN_MEMORY for choice in config.memory_choices):
        mistakes.append('no server starts in less than 32M of memory; did you forget the unit, as in "2G"?')
    if config.log_size < MIN_LOG:
        mistakes.append('log_size must be at least "64K"')
    paths = {"cgroup": config.cgroup, "socket_dir": config.socket_dir}
    mistakes += [f"{name} must be an absolute path" for name, path in paths.items() if path and not path.startswith("/")]
    mistakes += [f"environment: {name!r} cannot name a variable" for name in config.environment if not name or "=" in name or "\0" in name]
    return mistakes
