"""The form of a start: its fields with what was typed, what a cluster offers for them, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from perijove.domain.batch.offers import Offers, PartitionOffer
from perijove.domain.errors import BadOptionsError
from perijove.domain.options import OptionField, Profile
from perijove.domain.pace import lasting

PREFIX: Final = "option."
_ANY: Final = "any type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One field as it is drawn. `choices` (value, label) instead of free text; `suggestions` beside it. Of GPUs `value` is the number and `kind`
    the type."""

    field: OptionField
    value: str
    kind: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    suggestions: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that are drawn together: of those under a `legend`, one may be given."""

    legend: str
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`first` is always seen, `more` on demand; `more_open` if something there was typed or is wrong."""

    first: tuple[Group, ...]
    more: tuple[Group, ...]
    more_open: bool


def form_of(
    fields: Sequence[OptionField], values: Mapping[str, Any], offers: Offers | None, problems: Mapping[str, str], *, presets: bool = False
) -> Form:
    """`presets`: there are some to choose from, so nobody needs to see more than what must be given."""
    inputs = [_input(field, values.get(field.name, field.default), offers, problems.get(field.name, "")) for field in fields]
    groups = _groups(inputs)
    later = [group for group in groups if group.inputs[0].field.more or (presets and not any(one.field.required for one in group.inputs))]
    return Form(
        first=tuple(group for group in groups if group not in later),
        more=tuple(later),
        more_open=any(one.problem or one.field.name in values for group in later for one in group.inputs),
    )


def _groups(inputs: Sequence[Input]) -> list[Group]:
    """Those that exclude each other stand together, where the first of them stands."""
    found: dict[str, Group] = {}
    for one in inputs:
        key = f"one of {one.field.one_of}" if one.field.one_of else one.field.name
        found[key] = Group(one.field.one_of, (*(found[key].inputs if key in found else ()), one))
    return list(found.values())


def _input(field: OptionField, value: Any, offers: Offers | None, problem: str) -> Input:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if field.kind == "gpus":
        kind, _, number = text.rpartition(":")
        return Input(field=field, value=number, kind=kind, choices=_with(kind, _gpu_kinds(offers)), problem=problem)
    choices = field.choices if field.kind == "choice" else _choices(field, offers)
    suggestions = offers.features if offers is not None and field.offered == "constraint" else tuple(name for name, _ in field.choices)
    return Input(field=field, value=text, choices=_with(text, choices) if choices else (), suggestions=suggestions, problem=problem)


def _with(value: str, choices: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """What was chosen before stays to be seen, though it is not offered any more."""
    if not choices or not value or value in {name for name, _ in choices}:
        return choices
    return (*choices, (value, f"{value} (not offered now)"))


def _choices(field: OptionField, offers: Offers | None) -> tuple[tuple[str, str], ...]:
    if offers is None:
        return ()
    if field.offered == "partition" and offers.partitions:
        default = next((one.name for one in offers.partitions if one.default), "")
        return (("", f"the cluster's choice{f' ({default})' if default else ''}"), *((one.name, _partition_words(one)) for one in offers.partitions))
    if field.offered == "account" and offers.accounts:
        default = next((one.name for one in offers.accounts if one.default), "")
        return (("", f"your usual one{f' ({default})' if default else ''}"), *((one.name, one.name) for one in offers.accounts))
    if field.offered == "qos" and offers.qos:
        return (("", "the usual one"), *((name, name) for name in offers.qos))
    return ()


def _partition_words(offer: PartitionOffer) -> str:
    parts = [f"{offer.free_cpus} of {offer.cpus} CPUs free"]
    parts += [f"{gpu.free} of {gpu.total} {gpu.kind or 'GPUs'} free" for gpu in offer.gpus]
    if offer.max_time_s is not None:
        parts.append(f"up to {lasting(timedelta(seconds=offer.max_time_s))}")
    return f"{offer.name}: {', '.join(parts)}" if offer.up else f"{offer.name}: closed now"


def _gpu_kinds(offers: Offers | None) -> tuple[tuple[str, str], ...]:
    if offers is None or not offers.gpu_kinds:
        return ()
    gpus = [gpu for partition in offers.partitions for gpu in partition.gpus]
    named = []
    for kind in offers.gpu_kinds:
        # a node may be in several partitions: the same GPUs are not counted twice
        free, most = (max((getattr(gpu, part) for gpu in gpus if gpu.kind == kind), default=0) for part in ("free", "most_per_node"))
        slices = ", a slice of a GPU" if any(gpu.mig for gpu in gpus if gpu.kind == kind) else ""
        named.append((kind, f"{kind}: {free} free, up to {most} on a node{slices}"))
    return (("", _ANY), *named)


def options_of(sent: Mapping[str, str], fields: Sequence[OptionField], *, profiled: bool) -> dict[str, Any]:
    """Form values in the types of the fields. Raises BadOptionsError with all mistakes; `typed_in` has the same values as texts."""
    options: dict[str, Any] = {}
    problems: dict[str, str] = {}
    if profiled and (profile := sent.get(PREFIX + "profile")):
        options["profile"] = profile
    given: dict[str, str] = {}
    for field in fields:
        text = sent.get(PREFIX + field.name, "").strip()
        if field.kind == "boolean":
            options[field.name] = text == "true"
            continue
        if field.kind == "gpus" and text:
            kind = sent.get(f"{PREFIX}{field.name}.kind", "").strip()
            if text.isascii() and text.isdigit() and int(text) == 0:
                continue
            if ":" not in text:  # with a type in it, it came from a link or a client
                text = f"{kind}:{text}" if kind else text
        if not text:
            continue
        if field.one_of and given.setdefault(field.one_of, field.name) != field.name:
            problems[field.name] = f"{field.one_of}: only one of these can be given."
        if field.kind in {"integer", "number"}:
            try:
                options[field.name] = int(text) if field.kind == "integer" else float(text)
            except ValueError:
                problems[field.name] = f"{field.label}: {text[:60]!r} is not a number."
        else:
            options[field.name] = text
    if problems:
        raise BadOptionsError(problems)
    return options


def typed_in(sent: Mapping[str, str], fields: Sequence[OptionField]) -> dict[str, Any]:
    """What was typed, right or wrong, to be shown again."""
    typed: dict[str, Any] = {}
    for name in ("profile", *(field.name for field in fields)):
        if text := sent.get(PREFIX + name, "").strip():
            kind = sent.get(f"{PREFIX}{name}.kind", "").strip()
            typed[name] = f"{kind}:{text}" if kind and ":" not in text else text
    return typed


def linked(query: Mapping[str, str], fields: Sequence[OptionField]) -> dict[str, Any]:
    """What a link says, to be shown in the form: never more than that. Only names of fields count."""
    known = {"profile", *(field.name for field in fields)}
    return {name: text[:1000] for name, text in query.items() if name in known and text}


def link(path: str, values: Mapping[str, Any], fields: Sequence[OptionField]) -> str:
    """An address that shows this request in the form of whoever opens it."""
    known = ("profile", *(field.name for field in fields))
    said = {
        name: str(values[name]).lower() if isinstance(values[name], bool) else str(values[name])
        for name in known
        if values.get(name) not in (None, "")
    }
    return f"{path}?{urlencode(said)}" if said else path


def fixed_by(profile: Profile, fields: Sequence[OptionField]) -> dict[str, str]:
    """What a preset sets of the fields on the form: field's name -> value."""
    return {field.name: str(profile.options[field.name]) for field in fields if field.name in profile.options}


def without_preset(values: Mapping[str, Any], preset: Profile | None) -> dict[str, Any]:
    """What was chosen beside the preset: what it had set itself must not stay when another is chosen."""
    return dict(values) if preset is None else {name: value for name, value in values.items() if str(preset.options.get(name)) != str(value)}


def beside_preset(options: Mapping[str, Any], preset: Profile | None, fields: Sequence[OptionField]) -> dict[str, Any]:
    """Of what came back from the form what counts beside the preset: neither what it sets, nor what excludes that. (A field that the preset sets
    may have come with its default in it.)"""
    if preset is None:
        return dict(options)
    closed = {field.one_of for field in fields if field.one_of and field.name in preset.options}
    dropped = {field.name for field in fields if field.name in preset.options or field.one_of in closed}
    return {name: value for name, value in options.items() if name not in dropped}
