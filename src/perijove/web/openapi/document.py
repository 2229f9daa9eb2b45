"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1), made from the route table.

What a route says of itself is in its `Route`; what all routes have in common (credentials, refusals) is added here.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from perijove import __version__
from perijove.web.api.models import Problem
from perijove.web.cookies import SESSION
from perijove.web.described import HTML, Gives, Query, gives
from perijove.web.openapi.schemas import Schemas
from perijove.web.router import Access, Route

API = "/api"
_PARAMETER = re.compile(r"\{([a-z_]+)\}")
PATH_WORDS: Mapping[str, str] = {
    "name": "a user's name",
    "server": "the name of a server that has one",
    "group": "a group's name",
    "service": "a service's name",
    "owner": "the name of the server's owner",
    "token_id": "a token's id, like a12",
    "token": "the token itself",
    "cookie": "the name of the sign-in cookie",
    "value": "the cookie itself",
}
_REFUSED = gives(403, Problem, meaning="No credentials, wrong ones, or ones that do not allow it.")
_MISSING = gives(404, Problem, meaning="There is no such thing, or none that the asker may know of.")
_BAD = gives(400, Problem, meaning="Something in the request is wrong; `message` says what.")


def api_routes(routes: Iterable[Route[Any, Any]]) -> list[Route[Any, Any]]:
    """Those that belong to the document: the API's, without those that only proxies may ask."""
    return [route for route in routes if (route.path == API or route.path.startswith(f"{API}/")) and route.access is not Access.PROXY]


def answers(route: Route[Any, Any]) -> list[Gives]:
    """All that a route answers: its own answers, and the refusals that routes of its kind have in common."""
    refused, missing, bad = (_page(said) if route.access is Access.PAGE else said for said in (_REFUSED, _MISSING, _BAD))
    known = {given.status: given for given in route.gives}
    if route.access is not Access.OPEN or route.scopes:
        known.setdefault(403, refused)
    if path_parameters(route):
        known.setdefault(404, missing)
    if route.takes is not None or route.query or path_parameters(route):
        known.setdefault(400, bad)
    return [known[status] for status in sorted(known)]


def _page(said: Gives) -> Gives:
    """The same to a browser."""
    return Gives(said.status, (str,), said.meaning, HTML)


def path_parameters(route: Route[Any, Any]) -> list[str]:
    return _PARAMETER.findall(route.path)


def document(routes: Iterable[Route[Any, Any]], scopes: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """The whole document. `scopes`: name -> what it allows. `prefix`: the hub's, "/hub/"."""
    shown = api_routes(routes)
    schemas = Schemas(
        [Problem]
        + [kind for route in shown for given in answers(route) for kind in given.kinds]
        + [kind for route in shown if route.takes is not None for kind in route.takes.kinds]
        + [query.kind for route in shown for query in route.query]
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        paths.setdefault(route.path.removeprefix(API) or "/", {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Perijove",
            "version": __version__,
            "description": "JupyterHub's REST API, and what Perijove adds to it below /perijove.",
        },
        "servers": [{"url": f"{prefix}api"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _credentials(scopes, prefix)},
    }


def _operation(route: Route[Any, Any], schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [tag(route)],
        "parameters": [*(_path_parameter(name) for name in path_parameters(route)), *(_query_parameter(query, schemas) for query in route.query)],
        "responses": {str(given.status): _response(given, schemas) for given in answers(route)},
    }
    if words := inspect.getdoc(route.handler):
        operation["description"] = words
    if route.takes is not None:
        operation["requestBody"] = {
            "required": route.takes.required,
            "content": {route.takes.media: {"schema": schemas.any_of(route.takes.kinds)}},
        }
    if route.access is Access.OPEN:
        operation["security"] = [{}, {"token": []}] if route.scopes else []
    elif route.access is Access.PAGE:
        operation["security"] = [{}, {"session": []}]
    elif route.scopes:
        operation["security"] = [{"token": []}, *({"oauth2": [scope]} for scope in route.scopes)]
    return operation


def operation_id(route: Route[Any, Any]) -> str:
    """Unique: "get-users-name-servers-server"; a path that ends in a slash is about the default server."""
    words = re.findall(r"[a-z0-9_-]+", route.path.removeprefix(API)) or ["version"]
    return "-".join([route.method.lower(), *words, *(["default"] if route.path.endswith("/") else [])])


def tag(route: Route[Any, Any]) -> str:
    """What the route is about."""
    words = route.path.removeprefix(API).strip("/").split("/")
    if words[0] == "users" and len(words) > 2:
        return {"tokens": "tokens", "shared": "shares"}.get(words[2], "servers" if words[2].startswith("server") else "users")
    if words[0] == "groups" and "shared" in words:
        return "shares"
    return {"share-codes": "shares", "oauth2": "oauth2", "perijove": "perijove"}.get(
        words[0], words[0] if words[0] in {"users", "groups", "services", "shares", "authorizations"} else "hub"
    )


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": PATH_WORDS.get(name, ""), "schema": {"type": "string", "minLength": 1}}


def _query_parameter(query: Query, schemas: Schemas) -> dict[str, Any]:
    return {"name": query.name, "in": "query", "required": query.required, "description": query.meaning, "schema": schemas.of(query.kind)}


def _response(given: Gives, schemas: Schemas) -> dict[str, Any]:
    response: dict[str, Any] = {"description": given.meaning or HTTPStatus(given.status).phrase}
    if given.kinds:
        response["content"] = {given.media: {"schema": schemas.any_of(given.kinds)}}
    return response


def _credentials(scopes: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """An API token in the Authorization header, or one that was got by OAuth 2; a signed-in browser's cookie."""
    return {
        "session": {"type": "apiKey", "in": "cookie", "name": SESSION, "description": "the cookie of a browser that signed in"},
        "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`token TOKEN` or `Bearer TOKEN`"},
        "oauth2": {
            "type": "oauth2",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": f"{prefix}api/oauth2/authorize",
                    "tokenUrl": f"{prefix}api/oauth2/token",
                    "scopes": dict(scopes),
                }
            },
        },
    }


def operations(found: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(path, METHOD, operation) of a document."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation
