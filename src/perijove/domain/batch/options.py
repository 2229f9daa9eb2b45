"""What people ask for on a form or by the API, with what the administrator decided, to a typed request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perijove.domain.batch.amounts import gpus, megabytes, seconds
from perijove.domain.batch.request import Gpus, JobRequest
from perijove.domain.errors import BadInputError, BadOptionsError, SettingsError
from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject

REQUESTED: Final = (
    "time", "partition", "account", "qos", "cpus", "memory", "memory_per_cpu", "gpus", "nodes", "constraint", "reservation", "folder",
)  # fmt: skip
"""Options that become part of the request."""
NAMES: Final = (*REQUESTED, "environment")
LIMITED: Final = ("time", "cpus", "memory", "memory_per_cpu", "gpus", "nodes")
_EXCLUDES: Final = {"memory": "memory_per_cpu", "memory_per_cpu": "memory"}
_HINT: Final = "Change what is asked for, and start again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`defaults`: what is taken where the person says nothing. `fixed`: what nobody can change. `most`: the most anybody may ask for, of the options in
    LIMITED. `shown`: the options that a person may give. All values are as on the form."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    most: Mapping[str, Any] = field(default_factory=dict)
    shown: tuple[str, ...] = NAMES

    def checked(self) -> "Policy":
        """Itself. Raises SettingsError with every mistake."""
        mistakes = [
            *(f"{section}: there is no option {name!r}; there are {', '.join(NAMES)}." for section, name in self._strange()),
            *(f"most.{name}: only these have an amount: {', '.join(LIMITED)}." for name in self.most if name in NAMES and name not in LIMITED),
        ]
        for section, values in (("defaults", self.defaults), ("fixed", self.fixed), ("most", self.most)):
            for name, value in values.items():
                try:
                    if name in _READ:
                        _READ[name](value)
                except BadInputError as error:
                    mistakes.append(f"{section}.{name}: {error}")
        if mistakes:
            raise SettingsError(" ".join(mistakes), "The administrator mends [spawner].")
        return self

    def options(self, given: Mapping[str, Any]) -> JsonObject:
        """What a start is asked for: the person's words completed with the administrator's. Unknown keys are kept. Raises BadOptionsError with a
        sentence for every mistake."""
        problems: dict[str, str] = {}
        wanted: JsonObject = {name: value for name, value in given.items() if name not in NAMES}
        said = {name: value for name, value in given.items() if name in NAMES and value not in ("", None)}
        for name, value in said.items():
            if name not in self.shown and value != self.fixed.get(name, self.defaults.get(name)):
                problems[name] = f"The {_words(name)} cannot be chosen here."
            elif name in self.fixed and value != self.fixed[name]:
                problems[name] = f"The {_words(name)} is always {self.fixed[name]} here."
        chosen = {**{name: value for name, value in self.defaults.items() if _EXCLUDES.get(name) not in said}, **said, **self.fixed}
        for name, value in chosen.items():
            try:
                if name in _READ and name not in problems:
                    _within(name, _READ[name](value), self.most)
            except BadInputError as error:
                problems[name] = error.message
        if "memory" in chosen and "memory_per_cpu" in chosen:
            problems["memory"] = "Memory is given in all and per CPU: choose one of the two."
        if not problems:
            problems = _mistakes(chosen)
        if problems:
            raise BadOptionsError(problems, _HINT)
        return {**wanted, **chosen}

    def fields(self, environments: tuple[tuple[str, str], ...], *, own_environments: bool) -> tuple[OptionField, ...]:
        """The form: of what is shown, and not fixed."""
        open_ = [one for one in _FIELDS if one.name in self.shown and one.name not in self.fixed]
        found = [OptionField(**{**_as_dict(one), "default": self.defaults.get(one.name)}) for one in open_]
        if "environment" in self.shown and "environment" not in self.fixed and (environments or own_environments):
            default = self.defaults.get("environment") or (environments[0][0] if environments else None)
            if own_environments:
                named = ", ".join(name if name == title else f"{name} ({title})" for name, title in environments)
                help_ = f"{f'{named}, or the' if named else 'The'} absolute path of an environment or of an image of yours"
                given: dict[str, Any] = {"choices": environments, "default": default, "help": help_, "example": "/home/you/env"}
                found.append(OptionField(name="environment", label="Environment", kind="text", more=True, **given))
            else:
                found.append(OptionField(name="environment", label="Environment", kind="choice", choices=environments, default=default))
        return tuple(found)

    def _strange(self) -> list[tuple[str, str]]:
        sections: tuple[tuple[str, Any], ...] = (("defaults", self.defaults), ("fixed", self.fixed), ("most", self.most), ("shown", self.shown))
        return [(section, name) for section, names in sections for name in names if name not in NAMES]


def requested(options: Mapping[str, Any], *, name: str, comment: str, **more: Any) -> JobRequest:
    """Of checked options. Raises BadInputError."""
    read: dict[str, Any] = {one: _READ[one](options[one]) for one in REQUESTED if options.get(one) not in (None, "")}
    return JobRequest(name=name, comment=comment, **{_FIELD_OF.get(one, one): value for one, value in read.items()}, **more)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, str) and value.strip().isdecimal() and len(value) < 10)):
        raise BadInputError(f"{value!r:.40} is no whole number.")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadInputError(f"{value!r:.40} is no text.")
    return value.strip()


def _as_text(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: read(str(value).strip() if isinstance(value, int) and not isinstance(value, bool) else _text(value))


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "time": _as_text(seconds),
    "memory": _as_text(megabytes),
    "memory_per_cpu": _as_text(megabytes),
    "gpus": _as_text(gpus),
    "cpus": _count,
    "nodes": _count,
    **dict.fromkeys(("partition", "account", "qos", "constraint", "reservation", "folder"), _text),
}
_FIELD_OF: Final = {"time": "time_limit_s", "memory": "memory_mb", "memory_per_cpu": "memory_per_cpu_mb"}
_FIELDS: Final = (
    OptionField(name="time", label="Time", kind="text", help="Hours:minutes:seconds; the server ends then", example="3:00:00"),
    OptionField(name="gpus", label="GPUs", kind="gpus", offered="gpus"),
    OptionField(name="cpus", label="CPUs", kind="integer", minimum=1),
    OptionField(name="memory", label="In all", kind="text", one_of="Memory", example="16G"),
    OptionField(name="memory_per_cpu", label="Per CPU", kind="text", one_of="Memory", example="3000M", more=True),
    OptionField(name="account", label="Account", kind="text", offered="account", more=True),
    OptionField(name="partition", label="Partition", kind="text", offered="partition", more=True),
    OptionField(name="qos", label="QOS", kind="text", offered="qos", more=True),
    OptionField(name="nodes", label="Nodes", kind="integer", minimum=1, more=True),
    OptionField(name="constraint", label="Features of the node", kind="text", offered="constraint", more=True),
    OptionField(name="reservation", label="Reservation", kind="text", more=True),
    OptionField(name="folder", label="Working directory", kind="text", help="Absolute; else your home directory", more=True),
)


def _as_dict(one: OptionField) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def _words(name: str) -> str:
    return next((one.label for one in _FIELDS if one.name == name), name.replace("_", " ")).lower() if name not in _EXCLUDES else "memory"


def _mistakes(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Found by the request as a whole, under the option that each is about if one by itself brings it about."""
    found = requested(chosen, name="x", comment="").mistakes()
    if not found:
        return {}
    blamed = {one: " ".join(alone) for one in chosen if one in _READ and (alone := requested({one: chosen[one]}, name="x", comment="").mistakes())}
    return blamed or {"": " ".join(found)}


def _within(name: str, value: Any, most: Mapping[str, Any]) -> None:
    """Raises BadInputError."""
    if name not in most:
        return
    limit = _READ[name](most[name])
    over = _too_many(value, limit) if name == "gpus" else value > limit
    if over:
        raise BadInputError(f"The most that may be asked for here is {most[name]}.")


def _too_many(wanted: tuple[Gpus, ...], limit: tuple[Gpus, ...]) -> bool:
    """A limit without a type is one on all together; one with a type, on that type; other types are not limited then."""
    by_kind = {one.kind: one.count for one in limit}
    if None in by_kind and sum(one.count for one in wanted) > by_kind[None]:
        return True
    return any(one.kind in by_kind and one.count > by_kind[one.kind] for one in wanted if one.kind is not None)
