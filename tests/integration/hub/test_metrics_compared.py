"""Metrics beside JupyterHub's: names, kinds and labels; and that what its public dashboards ask for says what it seems to say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.compared.hubs import SERVICES, THEIRS, ours
from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.browser import Person
from tests.running.perijove import perijove, until

MISSING = {
    "jupyterhub_proxy_delete_duration_seconds": "a route is deleted with the server's move to stopping, and nobody waits for it",
    "jupyterhub_proxy_poll_duration_seconds": "proxies follow the hub; it never asks them for their routes",
}
"""Of JupyterHub's, and why we have none."""
OURS = {
    "jupyterhub_audit_events", "jupyterhub_duty_holder", "jupyterhub_proxies", "jupyterhub_proxy_changes_behind", "jupyterhub_progress_streams_open",
    "jupyterhub_queue_longest_wait_seconds", "jupyterhub_queued_servers", "jupyterhub_replica_clock_ahead_seconds", "jupyterhub_replica_leases",
    "jupyterhub_replicas", "jupyterhub_requests_open", "jupyterhub_requests_refused", "jupyterhub_server_queue_wait_seconds",
    "jupyterhub_server_transitions", "jupyterhub_service_restarts", "jupyterhub_service_up", "jupyterhub_store_available", "jupyterhub_store_outages",
    "jupyterhub_store_refused", "jupyterhub_store_waiting",
}  # fmt: skip
"""Beyond JupyterHub's."""
PROGRESS = "jupyterhub.apihandlers.users.SpawnProgressAPIHandler"

Families = dict[str, tuple[str, frozenset[str]]]


def read(url: str) -> list[Any]:
    return list(text_string_to_metric_families(ask(url, "GET", "/metrics").text))


def ask(url: str, method: str, path: str, body: Any = None) -> httpx.Response:
    return httpx.request(method, f"{url}/hub/api{path}", json=body, headers={"authorization": f"token {SERVICES['test']}"}, timeout=30)


def families(url: str) -> Families:
    """The hub's own: kind, and names of labels of all its samples."""
    return {
        family.name: (family.type, frozenset(label for sample in family.samples for label in sample.labels))
        for family in read(url)
        if family.name.startswith("jupyterhub_") and not family.name.endswith("_created")
    }


def value(url: str, name: str, **labels: str) -> float:
    """The sum of a sample's values with these labels."""
    return sum(
        float(sample.value)
        for family in read(url)
        for sample in family.samples
        if sample.name == name and all(sample.labels.get(key) == text for key, text in labels.items())
    )


def live(url: str) -> None:
    """Sign in, start a server and stop it, sign out: so that all that counts has counted."""
    ann = Person(url)
    page = "/hub/login?next=%2Fhub%2Ftoken"
    ann.submit(page, page, username="ann", password="any")
    for method in ("POST", "DELETE"):
        ask(url, method, "/users/ann/server")
        until(lambda: not any(server["pending"] for server in ask(url, "GET", "/users/ann").json()["servers"].values()), what="rest")
    ask(url, "POST", "/proxy")
    ann.get("/hub/logout")
    ann.close()


@pytest.fixture(scope="module")
def mine() -> Iterator[str]:
    with perijove(ours().replace("[proxy]", "[cull]\npoll_every = 0.2\n[proxy]", 1), command="hub") as running:
        live(running.hub_url)
        yield running.hub_url


def test_names_kinds_and_labels_are_the_same_but_for_those_listed(jupyterhub_6_env: Path, mine: str) -> None:
    with jupyterhub(jupyterhub_6_env, THEIRS) as url:
        live(url)
        until(lambda: families(url)["jupyterhub_active_users"][1], what="their count of active people")
        theirs = families(url)
    until(lambda: "jupyterhub_active_users" in families(mine) and families(mine)["jupyterhub_active_users"][1], what="our count")
    found = families(mine)
    assert set(theirs) - set(found) == set(MISSING)
    assert set(found) - set(theirs) == OURS
    assert {name: found[name] for name in theirs if name in found} == {name: kind for name, kind in theirs.items() if name in found}


def test_what_the_dashboards_of_activity_show_is_so(mine: str) -> None:
    ask(mine, "POST", "/users/bob")
    ask(mine, "POST", "/users/bob/server")
    until(lambda: value(mine, "jupyterhub_running_servers") == 1, what="one running server")
    for period in ("24h", "7d", "30d"):
        assert value(mine, "jupyterhub_active_users", period=period) >= 1
    until(lambda: value(mine, "jupyterhub_server_poll_duration_seconds_count", status="running") >= 1, what="a look at the spawner")
    ask(mine, "DELETE", "/users/bob/server")
    until(lambda: value(mine, "jupyterhub_running_servers") == 0, what="no running server")


def test_starts_and_failures_are_counted_as_the_dashboards_ask(mine: str) -> None:
    def failed() -> float:
        name = "jupyterhub_server_spawn_duration_seconds_count"
        return value(mine, name) - value(mine, name, status="success")

    before, good = failed(), value(mine, "jupyterhub_server_spawn_duration_seconds_bucket", le="+Inf", status="success")
    ask(mine, "POST", "/users/cat")
    ask(mine, "POST", "/users/cat/server", {"fail": True})
    until(lambda: failed() == before + 1, what="a failure")
    assert ask(mine, "POST", "/users/cat/server", {"fail": False}).status_code in {201, 202}
    until(lambda: value(mine, "jupyterhub_server_spawn_duration_seconds_bucket", le="+Inf", status="success") == good + 1, what="a start")
    assert value(mine, "jupyterhub_proxy_add_duration_seconds_count", status="success") >= 1
    ask(mine, "DELETE", "/users/cat/server")


def test_requests_are_counted_by_code_and_streams_by_the_name_the_dashboards_leave_out(mine: str) -> None:
    count = "jupyterhub_request_duration_seconds_count"
    before = value(mine, count, code="404")
    assert ask(mine, "GET", "/users/nobody").status_code == 404
    assert value(mine, count, code="404", method="GET") == before + 1
    ask(mine, "POST", "/users/dan")
    ask(mine, "POST", "/users/dan/server")
    httpx.get(f"{mine}/hub/api/users/dan/server/progress", headers={"authorization": f"token {SERVICES['test']}"}, timeout=30)
    until(lambda: value(mine, count, handler=PROGRESS) >= 1, what="the stream's end")
    assert value(mine, count, handler="perijove.web.api.users.get_user", code="404") >= 1
    handlers = {sample.labels["handler"] for family in read(mine) for sample in family.samples if sample.name == count}
    assert not [handler for handler in handlers if handler.endswith((".watch", ".events", ".changes"))]
    ask(mine, "DELETE", "/users/dan/server")


def test_reports_of_broken_policies_are_counted_and_logged_without_secrets() -> None:
    with perijove(ours(), command="hub") as running:
        url, secret = running.hub_url, "s3cr3t-0123456789"
        ann = Person(url)
        page = "/hub/login?next=%2Fhub%2Ftoken"
        ann.submit(page, page, username="ann", password="any")
        policy = ann.get("/hub/token").headers["content-security-policy"]
        found = re.search(r"report-uri (\S+)", policy)
        assert found
        report = {
            "csp-report": {
                "document-uri": f"{url}/hub/invite/{secret}?x={secret}", "blocked-uri": f"https://user:{secret}@evil.example/x?{secret}",
                "violated-directive": "script-src", "script-sample": secret,
            }
        }  # fmt: skip
        address = url + found[1]
        kind = {"content-type": "application/csp-report"}
        assert ann.http.post(address, json=report, headers=kind).status_code == 200
        assert ann.http.post(address, content=b"\xff{", headers=kind).status_code == 200
        assert ann.http.post(address, content=b"x" * 20_000, headers=kind).status_code == 400
        assert httpx.post(address, json=report, headers={**kind, "accept": "*/*"}).status_code == 403, "nobody floods the log from outside"
        assert value(url, "jupyterhub_csp_reports_total") == 2
        line = until(lambda: [text for text in running.lines if "script-src" in text], what="the line")[0]
        assert "/hub/invite/..." in line
        assert "https://evil.example/x" in line
        assert secret not in running.output
        ann.close()


def test_what_is_missing_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "howto" / "dashboards.md").read_text()
    assert [name for name in MISSING if f"- `{name}`: " not in text] == []
