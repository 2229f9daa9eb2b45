"""How much a server may use: from settings and people's choices to numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perijove.adapters.spawners.local.config import Config
from perijove.config.quantities import parse_size
from perijove.domain.errors import BadInputError
from perijove.domain.options import OptionField


@dataclass(frozen=True, slots=True)
class Limits:
    """0: no limit. `memory` in bytes, `cpu` in cores, `processes` counts threads."""

    memory: int = 0
    cpu: float = 0.0
    processes: int = 0

    def environment(self) -> dict[str, str]:
        """What JupyterHub tells servers of their limits; jupyter-resource-usage and others show it."""
        told = {"MEM_LIMIT": str(self.memory)} if self.memory else {}
        return told | ({"CPU_LIMIT": _number(self.cpu)} if self.cpu else {})

    @property
    def controllers(self) -> tuple[str, ...]:
        """The kernel's names of what has to be limited."""
        wanted = (("memory", self.memory), ("cpu", self.cpu), ("pids", self.processes))
        return tuple(name for name, amount in wanted if amount)


def option_fields(config: Config) -> Sequence[OptionField]:
    """A choice of memory and of cores, where the administrator offers one."""
    fields = []
    if config.memory_choices:
        choices = tuple((str(size), size_text(size)) for size in config.memory_choices)
        fields.append(
            OptionField(name="memory", label="Memory", kind="choice", choices=choices, default=_default(config.memory_limit, config.memory_choices))
        )
    if config.cpu_choices:
        choices = tuple((_number(cores), _number(cores)) for cores in config.cpu_choices)
        fields.append(
            OptionField(name="cpu", label="Processor cores", kind="choice", choices=choices, default=_default(config.cpu_limit, config.cpu_choices))
        )
    return fields


def check_options(config: Config, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the choices and fill in what was not chosen. Raises BadInputError that lists every mistake."""
    checked = dict(options)
    mistakes = []
    for field in option_fields(config):
        given = options.get(field.name)
        if given is None or given == "":
            checked[field.name] = field.default
            continue
        value = _canonical(field.name, given)
        if value not in {value for value, _ in field.choices}:
            offered = ", ".join(label for _, label in field.choices)
            mistakes.append(f"{field.name} {given!r} is not offered; choose one of: {offered}.")
        checked[field.name] = value
    if mistakes:
        raise BadInputError(" ".join(mistakes))
    return checked


def limits_for(config: Config, options: Mapping[str, Any]) -> Limits:
    """The limits of one server, of options that may never have been checked: what is not offered is not obeyed."""
    checked = check_options(config, options)
    return Limits(
        memory=int(checked["memory"]) if config.memory_choices else config.memory_limit,
        cpu=float(checked["cpu"]) if config.cpu_choices else config.cpu_limit,
        processes=config.process_limit,
    )


def size_text(size: int) -> str:
    """2147483648 -> "2 GB"."""
    for unit, factor in (("TB", 1024**4), ("GB", 1024**3), ("MB", 1024**2)):
        if size >= factor:
            return f"{_number(round(size / factor, 1))} {unit}"
    return f"{size} bytes"


def _default(limit: float, choices: Sequence[float]) -> str:
    return _number(limit if limit in choices else choices[0])


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _canonical(name: str, given: Any) -> str:
    try:
        return _number(parse_size(str(given)) if name == "memory" else float(given))
    except (TypeError, ValueError, OverflowError):
        return str(given)
