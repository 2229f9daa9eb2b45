"""The OpenAPI document says all that the route table says, and says it rightly."""

import pytest
from jsonschema import Draft202012Validator

from perijove.web.api.models import Problem
from perijove.web.api.routes import ROUTES as API
from perijove.web.described import Query, body, gives
from perijove.web.oauth.routes import ROUTES as OAUTH
from perijove.web.openapi.document import api_routes, document, operation_id, operations, path_parameters
from perijove.web.openapi.reading import chapters, models
from perijove.web.proxies import ROUTES as PROXIES
from perijove.web.router import Access, Route
from perijove.wire.scopes import Catalog

ROUTES = (*API, *OAUTH)
SCOPES = {name: known.description for name, known in Catalog().definitions.items()}
FOUND = document((*ROUTES, *PROXIES), SCOPES, "/hub/")


async def _nothing(_call: object) -> None:
    """Says nothing."""


def _route(**more: object) -> Route[object, None]:
    return Route(method="GET", path="/api/things/{name}", handler=_nothing, access=Access.API, summary="One thing", **more)  # type: ignore[arg-type]


def test_every_route_of_the_api_is_in_it_once() -> None:
    listed = [(method, path) for path, method, _ in operations(FOUND)]
    assert sorted(listed) == sorted((route.method, route.path.removeprefix("/api") or "/") for route in ROUTES if route.path.startswith("/api"))


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations(FOUND)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("route", api_routes(ROUTES), ids=operation_id)
def test_a_route_says_what_it_is_for_what_it_answers_and_which_scopes_it_knows(route: Route[object, object]) -> None:
    assert route.summary
    assert any(given.status < 400 for given in route.gives) or route.summary.startswith("Not needed")
    assert set(route.scopes) <= set(SCOPES)
    if route.method in {"POST", "PUT", "PATCH"} and route.takes is not None:
        assert route.takes.kinds


def test_every_schema_is_a_schema_and_every_reference_leads_somewhere() -> None:
    names = set(FOUND["components"]["schemas"])
    for schema in FOUND["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert {reference.rpartition("/")[2] for reference in _references(FOUND)} <= names


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []


def test_what_all_routes_refuse_is_added_and_what_a_route_says_itself_is_kept() -> None:
    said = gives(404, Problem, meaning="No such thing.")
    found = document([_route(gives=(gives(200), said), takes=body(dict[str, int]))], {}, "/hub/")
    answers = found["paths"]["/things/{name}"]["get"]["responses"]
    assert list(answers) == ["200", "400", "403", "404"]
    assert answers["404"]["description"] == "No such thing."


def test_a_browser_is_refused_with_a_page_and_comes_with_its_cookie() -> None:
    found = FOUND["paths"]["/oauth2/authorize"]["get"]
    assert {status: list(found["responses"][status]["content"]) for status in ("400", "403")} == {"400": ["text/html"], "403": ["text/html"]}
    assert {"session": []} in found["security"]


def test_parameters_are_those_of_the_path_and_those_the_route_names() -> None:
    found = document([_route(gives=(gives(200),), query=(Query("much", int, "how much"),))], {}, "/hub/")
    parameters = found["paths"]["/things/{name}"]["get"]["parameters"]
    assert [(known["name"], known["in"], known["required"]) for known in parameters] == [("name", "path", True), ("much", "query", False)]


def test_what_only_proxies_may_ask_is_left_out() -> None:
    assert not [path for path in FOUND["paths"] if "proxies" in path or "routes" in path]


def test_path_parameters_have_words_of_their_own() -> None:
    for route in api_routes(ROUTES):
        for name in path_parameters(route):
            parameter = next(
                known for known in FOUND["paths"][route.path.removeprefix("/api")][route.method.lower()]["parameters"] if known["name"] == name
            )
            assert parameter["description"], f"{route.path}: say in PATH_WORDS what {name} is"


def test_people_find_an_operation_by_words_and_scopes() -> None:
    found = [one.id for chapter in chapters(FOUND, "delete:servers stop") for one in chapter.operations]
    assert found == ["delete-users-name-server", "delete-users-name-servers-server", "delete-users-name-servers-default"]
    assert chapters(FOUND, "nothing has these words") == []
    assert sum(len(chapter.operations) for chapter in chapters(FOUND)) == len(list(operations(FOUND)))


def test_every_link_between_types_leads_to_a_model() -> None:
    known = {model.name for model in models(FOUND)}
    linked = {word.model for model in models(FOUND) for field in model.fields for word in field.type if word.model}
    linked |= {
        word.model for chapter in chapters(FOUND) for one in chapter.operations for answer in one.answers for word in answer.type if word.model
    }
    assert linked
    assert linked <= known
