"""The page of services, for administrators."""

from contextlib import closing

import pytest

from tests.running.browser import Person
from tests.running.perijove import until

from .test_managed import site


@pytest.fixture
def crashing() -> str:
    return '[[services]]\nname = "<bad>"\ncommand = ["sh", "-c", "echo \'<b>no way</b>\'; exit 7"]\n'


def test_an_administrator_sees_how_services_are_and_restarts_one(crashing: str) -> None:
    with site(crashing) as here, closing(Person(here.running.url)) as ada, closing(Person(here.running.url)) as bob:
        first = here.until_up()["pid"]
        until(lambda: here.state("<bad>")["problem"], what="the crash")
        ada.sign_in("ada")
        shown = ada.get("/hub/admin/services").text
        assert f"process {first}" in shown
        assert "&lt;bad&gt;" in shown
        assert "exit code 7" in shown
        assert "&lt;b&gt;no way&lt;/b&gt;" in shown
        assert "<b>no way" not in shown
        assert ada.submit("/hub/admin/services", "/hub/admin/services/little/restart").status_code == 200
        state = until(lambda: found if (found := here.state())["up"] and found["pid"] not in {0, first} else None, what="the second start") or {}
        assert here.alive() == {state["pid"]}
        assert "service.restarted" in ada.get("/hub/admin/audit").text

        bob.sign_in("bob")
        assert bob.get("/hub/admin/services").status_code == 403
        assert bob.submit("/hub/token", "/hub/admin/services/little/restart").status_code in {403, 404}
        assert here.state()["restarts"] == 1
