"""A running hub tells about its API, to programs and to people, and tells the truth about its own answers."""

from typing import Any

import httpx2 as httpx
import pytest
from jsonschema import Draft202012Validator

from tests.running.perijove import Running


@pytest.fixture(scope="module")
def document(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{running.hub_url}/hub/api/openapi.json").json()
    return found


def test_anybody_may_read_the_document_from_any_page(running: Running) -> None:
    answer = httpx.get(f"{running.hub_url}/hub/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json()["openapi"].startswith("3.1")


def test_it_names_the_site_s_own_scopes(document: dict[str, Any]) -> None:
    scopes = document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]["scopes"]
    assert scopes["custom:reports:read"] == "read reports"


def test_people_read_it_without_signing_in_and_search_it(running: Running) -> None:
    page = httpx.get(f"{running.hub_url}/hub/api-docs", params={"q": "revoke token"})
    assert page.status_code == 200
    assert "/hub/api/users/{name}/tokens/{token_id}" in page.text
    assert "/hub/api/groups" not in page.text


def test_a_search_is_shown_as_text(running: Running) -> None:
    page = httpx.get(f"{running.hub_url}/hub/api-docs", params={"q": "<script>alert(1)</script>"})
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/info",
        "/user",
        "/users",
        "/users/nobody",
        "/users/reader",
        "/users/reader/tokens",
        "/users/reader/server",
        "/groups",
        "/services",
        "/proxy",
    ],
)
def test_an_answer_is_what_the_document_says(api: httpx.Client, document: dict[str, Any], path: str) -> None:
    api.post("/users/reader")
    answer = api.get(path)
    pattern = path.replace("nobody", "{name}").replace("reader", "{name}")
    said = document["paths"][pattern]["get"]["responses"][str(answer.status_code)]
    schema = said["content"]["application/json"]["schema"] | {"components": document["components"]}
    Draft202012Validator(schema).validate(answer.json())


def test_the_shape_with_pages_is_in_it_too(api: httpx.Client, document: dict[str, Any]) -> None:
    answer = api.get("/users", headers={"accept": "application/jupyterhub-pagination+json"}, params={"limit": 1})
    schema = {"$ref": "#/components/schemas/Paged_UserModel_", "components": document["components"]}
    Draft202012Validator(schema).validate(answer.json())
    assert answer.json()["_pagination"]["limit"] == 1
