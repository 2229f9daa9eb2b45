"""What a server's own program reports of its place, and how more time is asked for: who may, how much, and where it is shown."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS, TOKEN
from tests.running.browser import Person
from tests.running.perijove import Running, perijove, until

CLUSTER = SETTINGS.replace('use = "perijove.testing.null_spawner:NullSpawner"', 'use = "tests.running.cluster:ClusterSpawner"\nfolder = "{folder}"')


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with perijove(CLUSTER, command="hub") as found:
        yield found


def job_of(running: Running, name: str) -> dict[str, Any]:
    """Start the server of a new person, and return what its job got."""
    api = httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": f"token {TOKEN}"}, timeout=30)
    with api:
        assert api.post(f"/users/{name}").status_code == 201
        (running.folder / f"{name}.go").touch()
        assert api.post(f"/users/{name}/server").status_code in {201, 202}
        until(lambda: api.get(f"/users/{name}").json()["server"], what="a running server")
    told: dict[str, Any] = json.loads((running.folder / f"{name}.json").read_text())
    return told


def as_server(running: Running, token: str) -> httpx.Client:
    return httpx.Client(base_url=f"{running.hub_url}/hub/api/perijove/users/", headers={"authorization": f"token {token}"}, timeout=30)


def report(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    ends_at = (datetime.now(UTC) + timedelta(minutes=9, seconds=30)).isoformat()
    usage = {"memory_bytes": 3 << 30, "memory_limit_bytes": 8 << 30, "cpu_s": 60.5, "cpus": 4, "gpus": [{"name": "a100", "utilization": 42}]}
    made = {"start_id": job["start_id"], "host": "g1", "job": "17", "ends_at": ends_at, "usage": usage, "log_tail": "one\ntwo\n", "session": "s"}
    return made | {"later_than_this_hub": True} | changes


def test_a_server_reports_for_itself_and_its_owner_sees_it(running: Running) -> None:
    job = job_of(running, "ann")
    with as_server(running, job["token"]) as server:
        assert server.get("ann/server/report").json() == {"report": None, "extendable_s": 7200}
        sent = server.post("ann/server/report", json=report(job))
        assert (sent.status_code, sent.text) == (204, "")
        found = server.get("ann/server/report").json()["report"]
    assert (found["host"], found["job"], found["log_tail"], found["present"]) == ("g1", "17", "one\ntwo\n", True)
    assert 500 < found["left_s"] <= 570
    assert found["usage"]["gpus"] == [{"name": "a100", "memory_bytes": None, "utilization": 42.0}]
    ann = Person(running.hub_url)
    ann.sign_in("ann")
    home = ann.get("/hub/home").text
    assert "It runs on g1 as job 17." in home
    assert "Save your work:" in home, "a warning, nine minutes before the end"
    assert "It uses memory 3.0 GiB of 8.0 GiB; GPU a100 42 %." in home
    assert "Extend by 1 h" in home
    ann.close()
    ada = Person(running.hub_url)
    ada.sign_in("ada")
    listed = ada.get("/hub/admin?q=ann").text
    assert "It runs on g1 as job 17." in listed
    assert "Extend by" not in listed
    ada.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start_id": 7}, "start_id"),
        ({"host": "x" * 256}, "host"),
        ({"log_tail": "x" * 16385}, "log_tail"),
        ({"usage": {"memory_bytes": -1}}, "memory_bytes"),
        ({"usage": {"gpus": [{"name": "g"}] * 65}}, "gpus"),
        ({"usage": {"cpu_s": 1e300}}, "cpu_s"),
        ({"ends_at": "tomorrow"}, "ends_at"),
        ({"ends_at": "9999-12-31T23:59:59Z"}, "ends_at"),
        ({"restarts": 10**9}, "restarts"),
        ({"padding": "x" * (128 << 10)}, "larger than"),
    ],
)
def test_what_is_no_report_is_refused_in_one_sentence(running: Running, changes: dict[str, Any], words: str, ben: dict[str, Any]) -> None:
    with as_server(running, ben["token"]) as server:
        answer = server.post("ben/server/report", json=report(ben, **changes))
        assert answer.status_code == 400, answer.text
        assert words in answer.json()["message"]
        assert server.get("ben/server/report").json()["report"] is None


@pytest.fixture(scope="module")
def ben(running: Running) -> dict[str, Any]:
    return job_of(running, "ben")


def test_nobody_reports_but_the_server_itself_of_its_present_start(running: Running, ben: dict[str, Any]) -> None:
    dan = job_of(running, "dan")
    good = report(ben)
    with as_server(running, TOKEN) as service, as_server(running, dan["token"]) as other, as_server(running, ben["token"]) as server:
        assert service.post("ben/server/report", json=good).status_code == 403, "not even an administrator's token"
        assert other.post("ben/server/report", json=good).status_code in {403, 404}
        assert other.get("ben/server/report").status_code in {403, 404}
        assert other.post("dan/server/report", json=good).status_code == 409
        assert other.post("dan/servers/lab/report", json=report(dan)).status_code == 404, "its own, but by another name"
        assert server.post("ben/server/report", json=report(ben, start_id="before")).status_code == 409
        assert server.get("ben/server/report").json()["report"] is None
    with httpx.Client(base_url=running.hub_url) as nobody:
        assert nobody.post("/hub/api/perijove/users/ben/server/report", json=good).status_code == 403


def test_what_would_turn_a_page_or_a_terminal_round_is_taken_out(running: Running) -> None:
    job = job_of(running, "eve")
    with as_server(running, job["token"]) as server:
        assert (
            server.post("eve/server/report", json=report(job, host="a\nb\u202e\x1b[31m", log_tail="a\x1b[2Jb\tc\r\nd\x00<script>")).status_code == 204
        )
        found = server.get("eve/server/report").json()["report"]
    assert found["host"] == "a b[31m"
    assert found["log_tail"] == "a\N{REPLACEMENT CHARACTER}[2Jb\tc\nd\N{REPLACEMENT CHARACTER}<script>"


def test_a_server_is_prolonged_by_itself_and_by_its_owner_within_what_the_site_allows(running: Running) -> None:
    job = job_of(running, "fay")
    extended = running.folder / "extended"
    with as_server(running, job["token"]) as server:
        server.post("fay/server/report", json=report(job))
        assert server.post("fay/server/extend", json={"by_s": 7201}).status_code == 400
        assert server.post("fay/server/extend", json={"by_s": 59}).status_code == 400
        assert not extended.exists() or "fay" not in extended.read_text()
        answer = server.post("fay/server/extend", json={"by_s": 7200})
        assert answer.status_code == 200, answer.text
        assert 7100 < answer.json()["left_s"] <= 7200
        assert server.get("fay/server/report").json()["report"]["ends_at"] == answer.json()["ends_at"], "before the next report"
    fay = Person(running.hub_url)
    fay.sign_in("fay")
    assert fay.submit("/hub/home", "/hub/extend/fay", by_s="3600").status_code == 200
    (running.folder / "fay.full").touch()
    refused = fay.submit("/hub/home", "/hub/extend/fay", by_s="3600")
    assert "The partition allows no more time." in refused.text
    assert [line for line in extended.read_text().splitlines() if line.startswith("fay")] == ["fay 7200", "fay 3600"]
    fay.close()
    weak = as_server(running, "another-weak-token")
    assert weak.post("fay/server/extend", json={"by_s": 600}).status_code in {403, 404}
    weak.close()


def test_where_the_site_does_not_allow_it_nobody_is_offered_more_time(running: Running) -> None:
    job = job_of(running, "mallory")
    with as_server(running, job["token"]) as server:
        server.post("mallory/server/report", json=report(job))
        assert server.get("mallory/server/report").json()["extendable_s"] == 0
        assert server.post("mallory/server/extend", json={"by_s": 600}).status_code == 400
    mallory = Person(running.hub_url)
    mallory.sign_in("mallory")
    assert "Extend by" not in mallory.get("/hub/home").text
    mallory.close()


def test_the_token_of_a_server_that_ended_reports_no_more(running: Running) -> None:
    job = job_of(running, "gus")
    api = httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": f"token {TOKEN}"}, timeout=30)
    with api, as_server(running, job["token"]) as server:
        assert server.post("gus/server/report", json=report(job)).status_code == 204
        until(lambda: api.delete("/users/gus/server").status_code == 204, what="a stopped server")
        assert server.post("gus/server/report", json=report(job)).status_code == 403


def test_who_waits_sees_the_schedulers_place_estimate_and_words_and_starts_again_with_one_click(running: Running) -> None:
    hal = Person(running.hub_url)
    hal.sign_in("hal")
    waits = hal.submit("/hub/spawn/hal", "/hub/spawn/hal", **{"option.time": "2:00:00", "option.partition": "gpu"})
    assert waits.url.path == "/hub/spawn-pending/hal"
    page = until(lambda: text if "Priority" in (text := hal.get("/hub/spawn-pending/hal").text) else "", what="the scheduler's words")
    assert "Other jobs are before it in the queue." in page
    assert '<dd id="place">3</dd>' in page
    assert '<dd id="estimate">in 25 minutes</dd>' in page
    assert "PENDING (Priority) job 17" in page
    token = {"authorization": f"token {TOKEN}"}
    with httpx.stream("GET", f"{running.hub_url}/hub/api/users/hal/server/progress", headers=token, timeout=30) as stream:
        told = next(event for line in stream.iter_lines() if line.startswith("data: ") and "place" in (event := json.loads(line[6:])))
    assert told["waits"] is True
    assert (told["message"], told["place"], told["detail"]) == ("Other jobs are before it in the queue.", 3, "PENDING (Priority) job 17")
    assert timedelta(minutes=20) < datetime.fromisoformat(told["estimate"]) - datetime.now(UTC) <= timedelta(minutes=25)
    first = json.loads((running.folder / "hal.json").read_text())
    (running.folder / "hal.fail").write_text("Your account def-x may not use the partition gpu.")
    ended = until(lambda: text if "is not running" in (text := hal.get("/hub/spawn-pending/hal").text) else "", what="the reason")
    assert "Your account def-x may not use the partition gpu." in ended
    assert "Choose another account." in ended
    (running.folder / "hal.fail").unlink()
    (running.folder / "hal.go").touch()
    assert "Start again with the same request" in ended
    assert "Start again with the same request" in hal.get("/hub/home").text
    hal.submit("/hub/spawn-pending/hal", "/hub/spawn/hal", again="yes")
    until(lambda: "phase-ready" in hal.get("/hub/home").text, what="a running server")
    second = json.loads((running.folder / "hal.json").read_text())
    assert second["options"] == first["options"] == {"time": "2:00:00", "partition": "gpu"}
    assert second["start_id"] != first["start_id"]
    hal.close()


def test_the_form_offers_what_the_cluster_has_and_refuses_beforehand_what_can_never_start(running: Running) -> None:
    ida = Person(running.hub_url)
    ida.sign_in("ida")
    form = ida.get("/hub/spawn/ida").text
    assert "gpu: 30 of 32 CPUs free, 1 of 4 a100 free, 0 of 2 v100 free, up to 1 d" in form
    assert '<option value="rrg-y" >rrg-y</option>' in form
    refused = ida.submit("/hub/spawn/ida", "/hub/spawn/ida", **{"option.time": "9:00:00", "option.partition": "short", "option.cpus": "7"})
    assert refused.status_code == 400
    assert '<span class="wrong" id="wrong-time" >The partition short allows 4:00 h, not 9:00:00.</span>' in refused.text
    assert 'value="9:00:00"' in refused.text, "what was typed is kept"
    asked = ida.submit(
        "/hub/spawn/ida", "/hub/spawn/ida", **{"option.time": "1:00:00", "option.gpus": "1", "option.gpus.kind": "a100", "estimate": "yes"}
    )
    assert "It would begin in 2 hours." in asked.text
    assert "/hub/spawn?time=1%3A00%3A00&amp;gpus=a100%3A1" in asked.text
    assert not (running.folder / "ida.json").exists(), "nothing was started"
    ida.close()


def test_a_link_fills_the_form_of_whoever_opens_it_and_starts_nothing(running: Running) -> None:
    joe = Person(running.hub_url)
    joe.sign_in("joe")
    form = joe.get("/hub/spawn?time=3:00:00&partition=gpu&gpus=v100:2&next=//evil.example&cpus=%3Cscript%3E").text
    assert "A link filled in this form." in form
    assert 'value="3:00:00"' in form
    assert '<option value="gpu" selected>' in form
    assert '<option value="v100" selected>' in form
    assert "evil.example" not in form
    assert "&lt;script&gt;" in form
    assert not (running.folder / "joe.json").exists()
    joe.close()


def test_a_scheduler_that_does_not_answer_keeps_nobody_from_the_form(running: Running) -> None:
    mallory = Person(running.hub_url)
    mallory.sign_in("mallory")
    mallory.submit("/hub/home", "/hub/stop/mallory")
    form = until(lambda: text if "What is free now cannot be told" in (text := mallory.get("/hub/spawn/mallory").text) else "", what="the form")
    assert 'id="option-partition" name="option.partition" value=""' in form
    mallory.close()
