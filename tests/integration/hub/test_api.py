"""The REST API as JupyterHub's clients use it."""

from datetime import UTC, datetime, timedelta
from itertools import count

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS
from tests.running.perijove import Running, perijove, until

_numbers = count()


def new_name() -> str:
    return f"person{next(_numbers)}"


def test_the_version_is_open_to_all(running: Running) -> None:
    answer = httpx.get(f"{running.hub_url}/hub/api/")
    assert answer.status_code == 200
    assert answer.json()["version"]
    assert answer.headers["x-jupyterhub-version"] == answer.json()["version"]
    assert httpx.get(f"{running.hub_url}/hub/health").status_code == 200


def test_without_credentials_the_api_answers_403_in_json(running: Running) -> None:
    for headers in ({}, {"authorization": "token wrong"}):
        answer = httpx.get(f"{running.hub_url}/hub/api/users", headers=headers)
        assert answer.status_code == 403
        assert answer.json()["status"] == 403
        assert "credentials" in answer.json()["message"]


def test_people_are_added_listed_changed_and_deleted(api: httpx.Client) -> None:
    one, two = new_name(), new_name()
    added = api.post("/users", json={"usernames": [one.upper(), two]})
    assert added.status_code == 201
    assert [user["name"] for user in added.json()] == [one, two]
    assert api.post("/users", json={"usernames": [one]}).status_code == 409
    assert api.post(f"/users/{two}").status_code == 409
    assert api.get(f"/users/{one}").json()["admin"] is False
    listed = api.get("/users", params={"name_filter": two}).json()
    assert [user["name"] for user in listed] == [two]
    three = new_name()
    assert api.patch(f"/users/{one}", json={"name": three}).json()["name"] == three
    assert api.get(f"/users/{one}").status_code == 404
    assert api.delete(f"/users/{three}").status_code == 204
    assert api.get(f"/users/{three}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {"usernames": ["a/b"]}),
        ("POST", "/users", {"usernames": [""]}),
        ("POST", "/users", {"usernames": []}),
        ("POST", "/users", {"usernames": "ada"}),
        ("POST", "/users", {"names": ["ada"]}),
        ("POST", "/users", [1]),
        ("GET", "/users?limit=many", None),
        ("GET", "/users?offset=x", None),
        ("GET", "/users?sort=shoe-size", None),
        ("GET", "/users?state=sleepy", None),
    ],
)
def test_bad_input_is_told_as_400_not_500(api: httpx.Client, method: str, path: str, body: object) -> None:
    answer = api.request(method, path, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]


def test_broken_json_is_told_as_400(api: httpx.Client) -> None:
    answer = api.post("/users", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid JSON in body of request")


def test_pages_come_in_the_shape_asked_for(api: httpx.Client) -> None:
    names = sorted(new_name() for _ in range(5))
    api.post("/users", json={"usernames": names})
    headers = {"accept": "application/jupyterhub-pagination+json"}
    found, url = [], "/users?limit=2&sort=name"
    while url:
        answer = api.get(url, headers=headers).json()
        found += [user["name"] for user in answer["items"]]
        following = answer["_pagination"]["next"]
        assert answer["_pagination"]["limit"] == 2
        url = following and following["url"]
    assert set(names) <= set(found)
    assert len(found) == len(set(found)) == answer["_pagination"]["total"]


def test_a_server_starts_is_seen_and_stops(api: httpx.Client) -> None:
    name = new_name()
    api.post(f"/users/{name}")
    started = api.post(f"/users/{name}/server", json={"user_options": {"size": "small"}})
    assert started.status_code == 201
    user = api.get(f"/users/{name}").json()
    assert user["server"] == f"/user/{name}/"
    assert user["pending"] is None
    server = user["servers"][""]
    assert server["ready"] is True
    assert server["user_options"] == {"size": "small"}
    assert server["started"].endswith("Z")
    assert api.post(f"/users/{name}/server").status_code == 400  # running already
    assert api.delete(f"/users/{name}/server").status_code == 204
    assert api.get(f"/users/{name}").json()["servers"] == {}
    assert api.delete(f"/users/{name}/server").status_code == 204  # stopped already


def test_named_servers_live_beside_the_default_one(api: httpx.Client) -> None:
    name = new_name()
    api.post(f"/users/{name}")
    assert api.post(f"/users/{name}/servers/lab").status_code == 201
    assert api.post(f"/users/{name}/servers/Not-Valid").status_code == 400
    assert set(api.get(f"/users/{name}").json()["servers"]) == {"lab"}
    assert api.delete(f"/users/{name}/servers/lab", params={}).status_code == 204
    removed = api.request("DELETE", f"/users/{name}/servers/lab", json={"remove": True})
    assert removed.status_code == 204
    assert api.get(f"/users/{name}/servers/lab").status_code == 404


def test_progress_ends_with_ready(api: httpx.Client) -> None:
    name = new_name()
    api.post(f"/users/{name}")
    api.post(f"/users/{name}/server")
    lines = [line for line in api.get(f"/users/{name}/server/progress").text.splitlines() if line.startswith("data: ")]
    assert '"ready":true' in lines[-1]
    assert api.get(f"/users/{new_name()}/server/progress").status_code == 404


def test_the_routes_of_servers_come_and_go(running: Running, api: httpx.Client) -> None:
    name = new_name()
    api.post(f"/users/{name}")
    assert httpx.get(f"{running.hub_url}/hub/perijove/routes").status_code == 403


def test_tokens_do_what_their_scopes_say_until_revoked(running: Running, api: httpx.Client) -> None:
    name = new_name()
    api.post(f"/users/{name}")
    made = api.post(f"/users/{name}/tokens", json={"note": "mine", "scopes": ["read:users!user"]})
    assert made.status_code == 201
    token = made.json()
    with httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": f"token {token['token']}"}) as own:
        me = own.get("/user").json()
        assert (me["kind"], me["name"]) == ("user", name)
        assert f"read:users!user={name}" in me["scopes"]
        assert own.get(f"/users/{name}").status_code == 200
        assert own.post(f"/users/{name}/server").status_code in {403, 404}
        assert own.get("/users/somebody-else").status_code in {403, 404}
        listed = api.get(f"/users/{name}/tokens").json()["api_tokens"]
        assert token["id"] in {entry["id"] for entry in listed}
        assert all("token" not in entry for entry in listed)
        assert api.delete(f"/users/{name}/tokens/{token['id']}").status_code == 204
        assert own.get("/user").status_code == 403
    assert api.post(f"/users/{name}/tokens", json={"scopes": ["admin:users"]}).status_code == 400
    assert api.post(f"/users/{name}/tokens", json={"scopes": ["no:such:scope"]}).status_code == 400


def test_activity_moves_forward_only(api: httpx.Client) -> None:
    name = new_name()
    api.post(f"/users/{name}")
    api.post(f"/users/{name}/server")
    now = datetime.now(UTC)
    later, earlier = now.isoformat(), (now - timedelta(hours=1)).isoformat()
    assert api.post(f"/users/{name}/activity", json={"servers": {"": {"last_activity": later}}}).status_code == 200
    assert api.post(f"/users/{name}/activity", json={"servers": {"": {"last_activity": earlier}}}).status_code == 200
    seen = datetime.fromisoformat(api.get(f"/users/{name}").json()["servers"][""]["last_activity"])
    assert abs((seen - now).total_seconds()) < 1
    assert api.post(f"/users/{name}/activity", json={}).status_code == 400
    assert api.post(f"/users/{name}/activity", json={"servers": {"nothing": {"last_activity": later}}}).status_code == 400
    assert api.post(f"/users/{name}/activity", json={"last_activity": (now + timedelta(hours=2)).isoformat()}).status_code == 400
    assert api.post(f"/users/{name}/activity", json={"last_activity": "yesterday"}).status_code == 400


def test_groups_have_members(api: httpx.Client) -> None:
    name = new_name()
    api.post(f"/users/{name}")
    assert api.post("/groups/students").status_code == 201
    assert api.post("/groups/students").status_code == 409
    assert api.post("/groups/students/users", json={"users": [name]}).json()["users"] == [name]
    assert api.get(f"/users/{name}").json()["groups"] == ["students"]
    assert api.post("/groups/students/users", json={"users": ["nobody-knows"]}).status_code == 400
    assert api.request("DELETE", "/groups/students/users", json={"users": [name]}).json()["users"] == []
    assert api.delete("/groups/students").status_code == 204


def test_whoever_lacks_a_scope_is_refused_and_learns_nothing(weak: httpx.Client) -> None:
    assert weak.get("/users").status_code == 403
    assert weak.post("/users", json={"usernames": ["eve"]}).status_code == 403
    assert weak.get("/users/ada").status_code == weak.get("/users/nobody").status_code
    assert weak.get("/info").status_code == 403
    assert weak.get("/user").json()["kind"] == "service"


def test_metrics_need_their_scope_and_count_servers(api: httpx.Client, weak: httpx.Client) -> None:
    assert weak.get("/metrics").status_code == 403
    text = until(lambda: (found := api.get("/metrics").text) and "jupyterhub_total_users" in found and found, what="metrics")
    assert "jupyterhub_server_spawn_duration_seconds" in str(text)


def test_an_unknown_address_is_404_and_a_wrong_method_405(api: httpx.Client) -> None:
    assert api.get("/no/such/thing").status_code == 404
    wrong = api.delete("/users")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["allow"]


def test_a_hub_that_ends_while_proxies_follow_it_ends_quietly() -> None:
    with perijove(SETTINGS) as running:
        until(lambda: "following the routes" in running.output or running.healthy(running.url), what="the proxy")
        running.end()
        assert "Traceback" not in running.output
        assert "Exception" not in running.output
