"""Write the pages of docs/reference that say what the code says: `reference.py` writes them, `reference.py --check` compares."""

import ast
import inspect
import pkgutil
import sys
import textwrap
from argparse import SUPPRESS
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import click
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields
from prometheus_client.metrics import MetricWrapperBase

import perijove
from perijove.cli import main as command
from perijove.config.section import Secret
from perijove.config.settings import Settings
from perijove.domain import errors
from perijove.domain.audit import ACTIONS
from perijove.domain.lifecycle import ACTIVITY, TABLE, Event
from perijove.domain.server import Phase
from perijove.gateway.exposition import METRICS as GATEWAY_METRICS
from perijove.plugins import AUTHENTICATORS, SPAWNERS
from perijove.proxy.chp.options import parser
from perijove.proxy.exposition import METRICS as PROXY_METRICS
from perijove.proxy.exposition import PREFIX
from perijove.telemetry.event_schemas import AUDIT, EVENTS, STAMPS
from perijove.telemetry.metrics import Metrics
from perijove.telemetry.pressure import PressureCollector
from perijove.web.api.routes import ROUTES as API
from perijove.web.oauth.routes import ROUTES as OAUTH
from perijove.web.openapi.document import document
from perijove.web.openapi.reading import chapters
from perijove.wire.scopes.table import SELF_SCOPES, STANDARD_SCOPES

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
MARK = "<!-- Written by scripts/reference.py from the code: change it there, then `make fix`. -->"
WORDS = {
    "Duration": "duration",
    "Patience": "duration",
    "Positive": "number", "Size": "size", "Count": "number", "bool": "true or false", "int": "number", "float": "number", "str": "text",
    "Secret": "secret",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write or compare each page."""
    stale = []
    for name, page in PAGES.items():
        text = f"{MARK}\n\n" + "\n".join(page()).rstrip() + "\n"
        path = FOLDER / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"docs/reference is behind the code ({', '.join(stale)}): run `make fix`.", file=sys.stderr)
        return 1
    return 0


def settings_page() -> Iterator[str]:
    """Every section of the configuration file, in the order of the file."""
    yield "# Settings\n"
    yield "The configuration is one TOML file. `perijove init` writes one that fits the machine, `perijove check` lists every mistake in it.\n"
    yield 'Durations are seconds as a number, or text such as "30s", "15m", "8h", "14d". Sizes are bytes as a number, or text such as "512M", "2G".'
    yield 'In `[limits]` 0 means no limit. A secret is written as `{ env = "NAME" }`, `{ file = "path" }`, or, for tests, `{ value = "text" }`.\n'
    hints = get_type_hints(Settings)
    for field in fields(Settings):
        kind = next((part for part in (hints[field.name], *get_args(hints[field.name])) if is_struct(part)), None)
        if kind is not None:
            yield from section(f"[[{field.name}]]" if get_args(hints[field.name]) else f"[{field.name}]", kind)
            for name, hint in get_type_hints(kind).items():
                for entry in get_args(hint) if get_origin(hint) is tuple else ():
                    if is_struct(entry) and entry is not Secret:
                        yield from section(f"[[{field.name}.{name}]]", entry)
    yield "## `[spawner]` and `[authenticator]`\n"
    yield "`use` names the plugin, by its entry point or as `package.module:Name`; the other settings are the plugin's own:"
    yield "[spawners](spawners.md), [authenticators](authenticators.md).\n"
    yield "## `[custom_scopes]`\n"
    yield 'Scopes of the site\'s own for its services: `"custom:reports:read" = "read reports"`, or, to bring others along,'
    yield '`"custom:reports" = { description = "work with reports", subscopes = ["custom:reports:read"] }`.'


def plugins_page(title: str, group: str) -> Callable[[], Iterator[str]]:
    """The settings of each plugin that comes with Perijove."""

    def page() -> Iterator[str]:
        yield f"# {title}\n"
        for point in sorted(entry_points(group=group), key=lambda point: point.name):
            if point.dist is not None and point.dist.name == "perijove":
                plugin = point.load()
                yield from section(f'use = "{point.name}"', plugin.Config, inspect.getdoc(plugin) or "")
                for field, inner in inner_sections(plugin.Config):
                    yield from section(f'[{title.lower().removesuffix("s")}.{field}] with use = "{point.name}"', inner)

    return page


def inner_sections(kind: type[Struct]) -> Iterator[tuple[str, type[Struct]]]:
    """Settings that are tables of their own."""
    for field in fields(kind):
        for part in (field.type, *getattr(field.type, "__args__", ())):
            if is_struct(part):
                yield field.name, part


def section(title: str, kind: type[Struct], said: str = "") -> Iterator[str]:
    """One table of settings."""
    yield f"## `{title}`\n"
    if text := said or inspect.getdoc(kind) or "":
        yield f"{cell(text) if text.strip('[] ') not in title else ''}\n"
    rows = list(fields(kind))
    if not rows:
        yield "It has no settings.\n"
        return
    notes, types = documentation(kind)
    yield "| setting | kind | default | |"
    yield "| --- | --- | --- | --- |"
    for field in rows:
        yield f"| `{field.name}` | {in_words(types.get(field.name, ''))} | {default(field)} | {cell(notes.get(field.name, ''))} |"
    yield ""


def documentation(kind: type[Struct]) -> tuple[dict[str, str], dict[str, str]]:
    """The text under each field of a class, and the annotation of each: neither is kept at run time."""
    notes: dict[str, str] = {}
    types: dict[str, str] = {}
    for parent in reversed([parent for parent in kind.__mro__ if is_struct(parent) and parent is not Struct]):
        body = ast.parse(textwrap.dedent(inspect.getsource(parent))).body[0]
        assert isinstance(body, ast.ClassDef)
        for line, after in zip(body.body, [*body.body[1:], None], strict=True):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                types[line.target.id] = ast.unparse(line.annotation)
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    notes[line.target.id] = inspect.cleandoc(str(after.value.value))
    return notes, types


def is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def in_words(annotation: str) -> str:
    """A type as an administrator would say it."""
    if " | " in annotation and not annotation.startswith(("Annotated[", "Literal[", "tuple[", "list[", "dict[", "Mapping[")):
        return " or ".join(dict.fromkeys(in_words(part) for part in annotation.split(" | ") if part != "None"))
    if annotation.startswith("Annotated["):
        if annotation.endswith("description=SIZE)]"):
            return "size"
        return in_words(annotation.removeprefix("Annotated[").partition(",")[0])
    if annotation.startswith(("tuple[", "list[")):
        return "list"
    if annotation.startswith(("dict[", "Mapping[")):
        return "table"
    if annotation.startswith("Literal["):
        return " or ".join(f"`{value}`" for value in ast.literal_eval(f"({annotation[8:-1]},)"))
    return WORDS.get(annotation, annotation)


def default(field: FieldInfo) -> str:
    """The default as it would be written in the file."""
    value = field.default_factory() if field.default_factory is not NODEFAULT else field.default
    if value is NODEFAULT:
        return "required"
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`" if value < 60 or value % 60 else f'`"{duration(value)}"`'
    if isinstance(value, tuple):
        return ", ".join(f'`"{item}"`' for item in value)
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def duration(seconds: float) -> str:
    """A whole number of the largest unit that fits."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if not seconds % size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def lifecycle_page() -> Iterator[str]:
    """The table of domain/lifecycle.py, and its events."""
    yield "# The life of a server\n"
    yield "A server is always in one of these phases. While it is in one, the hub that holds the server's lease does what the phase asks for.\n"
    yield from lifecycle_diagram()
    yield "| phase | what the hub does meanwhile | what can happen | and then it is |"
    yield "| --- | --- | --- | --- |"
    for phase in Phase:
        activity = ACTIVITY.get(phase)
        moves = [(event, to, effects) for (at, event), (to, effects) in TABLE.items() if at is phase]
        idle = "polls it now and then" if phase is Phase.READY else "nothing"
        for position, (event, to, effects) in enumerate(moves):
            done = "".join(f", {effect.value.replace('_', ' ')}" for effect in effects)
            first = f"**{phase.value}** | {activity.value if activity else idle}" if position == 0 else " | "
            yield f"| {first} | {event.value.replace('_', ' ')} | {to.value}{done} |"
    yield "\nWhat is not in the table cannot happen: it is refused, and changes nothing.\n"
    notes = {event.name: text for event, text in enum_notes(Event)}
    yield "| event | |"
    yield "| --- | --- |"
    for event in Event:
        yield f"| {event.value.replace('_', ' ')} | {cell(notes.get(event.name, ''))} |"


def lifecycle_diagram() -> Iterator[str]:
    """The same table as a picture, for those who read it where Mermaid is drawn; what changes no phase is left out."""
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (at, event), (to, _) in TABLE.items():
        if at is not to:
            arrows.setdefault((at, to), []).append(event.value.replace("_", " "))
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {Phase.STOPPED.value}"
    for (at, to), events in arrows.items():
        yield f"    {at.value} --> {to.value}: {', '.join(events)}"
    yield "```\n"


def enum_notes(kind: type[Event]) -> Iterator[tuple[Event, str]]:
    """The text under each member."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    for line, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and isinstance(after, ast.Expr):
            assert isinstance(after.value, ast.Constant)
            yield kind[line.targets[0].id], str(after.value.value)


def scopes_page() -> Iterator[str]:
    """Every scope, what it allows and what it brings along."""
    yield "# Scopes\n"
    yield "A scope is a right that a role, a token or a share can hold. The names are JupyterHub's. A scope brings along the scopes beside it,"
    yield "and all of them can be limited: `read:users!user=ada`, `servers!group=students`, `access:servers!server=ada/lab`.\n"
    yield "| scope | allows to | brings along |"
    yield "| --- | --- | --- |"
    for name, definition in STANDARD_SCOPES.items():
        yield f"| `{name}` | {cell(definition.description)} | {', '.join(f'`{sub}`' for sub in definition.subscopes)} |"
    yield f"\n`self` stands for {', '.join(f'`{scope}`' for scope in SELF_SCOPES)}, each limited to the person who holds it."


def api_page() -> Iterator[str]:
    """Every operation of the REST API."""
    yield "# The REST API\n"
    yield "JupyterHub's API, whole, and what is ours below `/perijove`. This is an overview: a running hub shows every parameter, body, answer and"
    yield "model at `/hub/api-docs`, and as an OpenAPI 3.1 document at `/hub/api/openapi.json`.\n"
    yield "Send a token in the header `Authorization: token TOKEN`. Any one of the [scopes](scopes.md) named is enough; without one every answer is 403.\n"
    found = document((*API, *OAUTH), {}, "/hub/")
    for chapter in chapters(found):
        yield f"\n## {chapter.title}\n"
        yield "| operation | | scopes | answers |"
        yield "| --- | --- | --- | --- |"
        for one in chapter.operations:
            scopes = " or ".join(f"`{scope}`" for scope in one.scopes)
            yield f"| `{one.method} {one.path}` | {cell(one.summary)} | {scopes} | {', '.join(answer.status for answer in one.answers)} |"


def errors_page() -> Iterator[str]:
    """Every error of ours: its code, its status and who can mend it."""
    yield "# Error codes\n"
    yield "An error says what happened, what to do next, and who does it. The code stays the same from release to release.\n"
    yield "| code | HTTP status | who can mend it | |"
    yield "| --- | --- | --- | --- |"
    for part in pkgutil.walk_packages(perijove.__path__, "perijove."):  # what else was loaded must not change the page
        if not part.name.endswith("__main__"):
            import_module(part.name)
    kinds: dict[str, type[errors.PerijoveError]] = {}
    for kind in kinds_of(errors.PerijoveError):
        if kind.__module__.startswith("perijove."):
            kinds.setdefault(kind.code, kind)
    for kind in sorted(kinds.values(), key=lambda kind: (kind.status, kind.code)):
        yield f"| `{kind.code}` | {kind.status} | {kind.blame.value} | {cell((inspect.getdoc(kind) or '').partition(chr(10) * 2)[0])} |"


def kinds_of(kind: type[errors.PerijoveError]) -> Iterator[type[errors.PerijoveError]]:
    """The class and all below it, of all modules that are loaded."""
    yield kind
    for child in sorted(kind.__subclasses__(), key=lambda child: child.__qualname__):
        yield from kinds_of(child)


def commands_page() -> Iterator[str]:
    """The help of every command."""
    yield "# Commands\n"
    parent = click.Context(command, info_name="perijove", **command.context_settings)  # click keeps the first help option it makes
    every = {
        **command.commands,
        **{f"{name} {one}": sub for name, group in command.commands.items() for one, sub in getattr(group, "commands", {}).items()},
    }
    for name, sub in sorted(every.items()):
        yield f"## perijove {name}\n"
        yield f"```text\n{sub.get_help(click.Context(sub, info_name=name, parent=parent, max_content_width=110))}\n```\n"


def metrics_page() -> Iterator[str]:
    """What a hub counts and times."""
    yield "# Metrics\n"
    yield "At `/hub/metrics`, for Prometheus; `[metrics]` says who may read them, and their prefix. JupyterHub's dashboards can read them:"
    yield "[use them](../howto/dashboards.md).\n"
    yield "| metric | kind | labels | meaning |"
    yield "| --- | --- | --- | --- |"
    for collector in vars(Metrics()).values():
        if isinstance(collector, MetricWrapperBase):
            found = next(iter(collector.describe()))
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)  # noqa: SLF001 - the library has no other way to ask
            name = f"{found.name}_total" if found.type == "counter" else found.name
            yield f"| `{name}` | {found.type} | {labels} | {cell(found.documentation)} |"
        elif isinstance(collector, PressureCollector):
            for family, names in collector.families():
                name = f"{family.name}_total" if family.type == "counter" else family.name
                yield f"| `{name}` | {family.type} | {', '.join(f'`{label}`' for label in names)} | {cell(family.documentation)} |"
    yield "\nBesides, what the library says of the process itself: `process_*`, `python_*`.\n"
    yield "## Of the proxy\n"
    yield "At `/metrics` of `admin_listen` in `[proxy]`: [watch the proxy](../howto/watch-the-proxy.md). Each worker answers for all.\n"
    yield "| metric | kind | labels | meaning |"
    yield "| --- | --- | --- | --- |"
    for metric in PROXY_METRICS:
        labels = f"`{metric.label}`: {', '.join(f'`{value}`' for value in metric.fields)}" if metric.label else ""
        yield f"| `{PREFIX}{metric.name}` | {metric.kind} | {labels} | {cell(metric.help)} |"
    yield "\n## The gateway\n"
    yield "At `/metrics` of its `listen` address, for whoever has the proxies' token (`Authorization: token …`).\n"
    yield "| metric | kind | meaning |"
    yield "| --- | --- | --- |"
    for gauge in GATEWAY_METRICS:
        yield f"| `{gauge.name}` | {gauge.kind} | {cell(gauge.help)} |"


def audit_page() -> Iterator[str]:
    """What the audit log records."""
    yield "# Audit log\n"
    yield "On the administration page, and as log lines with the event `audit`. Kept for `audit_keep` of `[log]`.\n"
    yield "| action | when |"
    yield "| --- | --- |"
    for action, meaning in ACTIONS.items():
        yield f"| `{action}` | {cell(meaning)} |"


def events_page() -> Iterator[str]:
    """What the event log holds."""
    yield "# Event log\n"
    yield "One JSON object a line, in the form of jupyter_events: where it is written, and what of it, says [`[events]`](settings.md).\n"
    yield "Every line begins with:\n"
    yield "| field | |"
    yield "| --- | --- |"
    for name, said in STAMPS.items():
        yield f"| `{name}` | {cell(said)} |"
    for schema in EVENTS:
        yield f"\n## {schema.title}\n"
        yield f"`{schema.id}`, version {schema.version}. {schema.description}\n"
        yield "| field | kind | |"
        yield "| --- | --- | --- |"
        for name, form in schema.properties.items():
            kind = form.get("type") or ("action of the [audit log](audit.md)" if schema is AUDIT else " or ".join(f"`{one}`" for one in form["enum"]))
            yield f"| `{name}` | {kind} | {cell(form['description'])} |"
    yield "\nJupyterHub's `__timestamp__` ends in `+00:00Z`, which is no valid time; ours ends in `Z`. Its lines may have a `taskName`, which says nothing."


def cell(text: str) -> str:
    """Text that fits in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def chp_options_page() -> Iterator[str]:
    """The command line of the drop-in."""
    yield "# Options of `perijove chp`\n"
    yield "What they are for: [perijove chp](chp.md). Options are written `--name value` or `--name=value`.\n"
    for group in parser()._action_groups:  # noqa: SLF001 - argparse has no public way to ask
        actions = [action for action in group._group_actions if action.help not in {None, SUPPRESS}]  # noqa: SLF001
        if actions and group.title != "options":
            yield f"## {(group.title or '').capitalize() if group.title != 'TLS' else 'TLS'}\n"
            yield "| option | |"
            yield "| --- | --- |"
            for action in actions:
                value = f" {action.metavar}" if isinstance(action.metavar, str) and action.nargs != "?" else ""
                names = ", ".join(f"`{name}{value}`" for name in action.option_strings)
                yield f"| {names} | {cell(action.help or '')} |"
            yield ""
    yield "## Environment\n"
    yield "| variable | |"
    yield "| --- | --- |"
    yield "| `CONFIGPROXY_AUTH_TOKEN` | the token of the REST API; without one, it is open to whoever reaches it |"
    yield "| `CONFIGPROXY_AUTH_TOKEN_FILE` | a file with that token |"
    yield "| `CONFIGPROXY_SSL_KEY_PASSPHRASE` | the passphrase of `--ssl-key` |"
    yield "| `CONFIGPROXY_API_SSL_KEY_PASSPHRASE` | the passphrase of `--api-ssl-key` |"


def jupyterhub_differences_page() -> Iterator[str]:
    """The table that the comparison with JupyterHub goes by."""
    root = str(FOLDER.parent.parent)
    if root not in sys.path:
        sys.path.append(root)
    lines: Iterator[str] = import_module("tests.integration.compared.differences").page()
    yield from lines


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "metrics": metrics_page,
    "audit": audit_page,
    "events": events_page,
    "settings": settings_page,
    "spawners": plugins_page("Spawners", SPAWNERS),
    "authenticators": plugins_page("Authenticators", AUTHENTICATORS),
    "lifecycle": lifecycle_page,
    "scopes": scopes_page,
    "rest-api": api_page,
    "errors": errors_page,
    "jupyterhub-differences": jupyterhub_differences_page,
    "commands": commands_page,
    "chp-options": chp_options_page,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
