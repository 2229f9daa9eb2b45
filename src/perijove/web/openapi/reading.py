"""The document for people: chapters of operations, types in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from perijove.web.openapi.document import operations

_TITLES: Mapping[str, str] = {
    "users": "Users",
    "servers": "Servers",
    "tokens": "Tokens",
    "groups": "Groups",
    "services": "Services",
    "shares": "Sharing",
    "hub": "The hub",
    "oauth2": "OAuth 2",
    "authorizations": "Authorizations (deprecated)",
    "perijove": "Beyond JupyterHub's API",
}
_PLAIN: Mapping[str, str] = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a type's description; `model` is the model that it names, "" if none."""

    text: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: list[Word]
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    meaning: str
    type: list[Word]


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    description: str
    scopes: list[str]
    parameters: list[Field]
    body: list[Word]
    body_required: bool
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Chapter:
    id: str
    title: str
    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    description: str
    fields: list[Field]


def chapters(document: Mapping[str, Any], wanted: str = "") -> list[Chapter]:
    """The operations by what they are about. `wanted`: only those whose method, path, words or scopes have all these words."""
    words, found = wanted.lower().split(), dict[str, list[Operation]]()
    for path, method, entry in operations(document):
        one = _operation(document["servers"][0]["url"], path, method, entry)
        text = f"{one.method} {one.path} {one.summary} {one.description} {' '.join(one.scopes)}".lower()
        if all(word in text for word in words):
            found.setdefault(entry["tags"][0], []).append(one)
    order = list(_TITLES)
    return [
        Chapter(tag, _TITLES.get(tag, tag), found[tag]) for tag in sorted(found, key=lambda tag: order.index(tag) if tag in order else len(order))
    ]


def models(document: Mapping[str, Any]) -> list[Model]:
    """The objects that the API speaks in."""
    return [
        Model(name, schema.get("description", ""), [_field(field, part, field in schema.get("required", ())) for field, part in _properties(schema)])
        for name, schema in document["components"]["schemas"].items()
    ]


def _properties(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from schema.get("properties", {}).items()


def _operation(prefix: str, path: str, method: str, entry: Mapping[str, Any]) -> Operation:
    taken = entry.get("requestBody", {})
    return Operation(
        id=entry["operationId"],
        method=method,
        path=f"{prefix}{path}".rstrip("/") if path == "/" else f"{prefix}{path}",
        summary=entry["summary"],
        description=entry.get("description", ""),
        scopes=[scope for known in entry.get("security", ()) for scope in known.get("oauth2", ())],
        parameters=[_parameter(parameter) for parameter in entry["parameters"]],
        body=[word for content in taken.get("content", {}).values() for word in in_words(content["schema"])],
        body_required=taken.get("required", False),
        answers=[_answer(status, answer) for status, answer in entry["responses"].items()],
    )


def _parameter(parameter: Mapping[str, Any]) -> Field:
    return Field(parameter["name"], in_words(parameter["schema"]), parameter["required"], parameter["description"])


def _field(name: str, schema: Mapping[str, Any], required: bool) -> Field:
    return Field(name, in_words(schema), required, _meaning(schema))


def _meaning(schema: Mapping[str, Any]) -> str:
    own: str = schema.get("description", "")
    return own or next((said for part in schema.get("anyOf", ()) if (said := _meaning(part))), "")


def _answer(status: str, answer: Mapping[str, Any]) -> Answer:
    return Answer(status, answer["description"], [word for content in answer.get("content", {}).values() for word in in_words(content["schema"])])


def in_words(schema: Mapping[str, Any]) -> list[Word]:
    """A schema as a person would say it: "list of UserModel", "text or null"."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [Word(name, name)]
    if "anyOf" in schema:
        return _joined([in_words(part) for part in schema["anyOf"]], " or ")
    if "enum" in schema:
        return [Word(" or ".join("null" if value is None else f"“{value}”" for value in schema["enum"]))]
    kind = schema.get("type")
    if kind == "array":
        return [Word("list of "), *in_words(schema["items"])] if schema.get("items") else [Word("list")]
    if kind == "object":
        inner = schema.get("additionalProperties")
        return [Word("object of "), *in_words(inner)] if isinstance(inner, dict) and inner else [Word("object")]
    return [Word(_PLAIN.get(str(kind), "anything"))]


def _joined(parts: list[list[Word]], between: str) -> list[Word]:
    joined: list[Word] = []
    for part in parts:
        joined += ([Word(between)] if joined else []) + part
    return joined
