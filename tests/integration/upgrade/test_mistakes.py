"""What cannot be taken up is not: whoever asked is told why, and all goes on as before."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.integration.upgrade.place import NOTHING, SETTINGS, Site
from tests.integration.upgrade.traffic import traffic
from tests.running.perijove import free_port, perijove, until


@pytest.fixture(scope="module")
def started() -> Iterator[Site]:
    with perijove(SETTINGS + NOTHING) as running:
        yield Site(running)


@pytest.fixture
def site(started: Site) -> Iterator[Site]:
    """With the first configuration on disk again, whatever a test wrote."""
    was = started.running.config.read_text()
    yield started
    started.running.config.write_text(was)


def test_a_mistake_in_the_configuration_is_shown_and_nothing_is_touched(site: Site) -> None:
    before = site.running.child("hub"), site.running.child("proxy")
    site.change("allow_all", "allow_everybody")
    code, said = site.replaced()
    assert (code, "allow_everybody" in said) == (1, True), said
    site.running.process.send_signal(signal.SIGUSR2)
    until(lambda: "what runs goes on" in site.running.output, what="that the supervisor refuses")
    assert "allow_everybody" in site.running.output
    assert (site.running.child("hub"), site.running.child("proxy")) == before


def test_an_address_that_is_taken_is_found_out_before_anything_is_touched(site: Site) -> None:
    taken = site.running.hub_url.removeprefix("http://")
    site.change("[proxy]\n", f'[proxy]\nadmin_listen = "{taken}"\n')
    code, said = site.replaced()
    assert (code, f"cannot listen on {taken}" in said) == (1, True), said


def test_the_old_hub_comes_back_when_the_new_one_cannot_start(site: Site) -> None:
    """Nobody may be anybody where other machines can see it: the new hub finds out when it has the database already."""
    running = site.running
    assert site.api("POST", "/users/ada").status_code == 201
    hub, was = running.child("hub"), running.config.read_text()
    site.change(f'listen = "{running.url.removeprefix("http://")}"', f'listen = "0.0.0.0:{free_port()}"')
    with traffic() as people:
        people.get("pages", f"{running.url}/hub/login", kept=True)
        people.get("first visits", f"{running.url}/hub/login", kept=False)
        code, said = site.replaced()
        assert (code, "lets anybody be anybody" in said, "The old one goes on" in said) == (1, True, True), said
    running.config.write_text(was)
    assert running.child("hub") == hub
    assert site.api("GET", "/users/ada").status_code == 200


def test_a_hub_that_never_becomes_ready_is_given_up_in_time(site: Site) -> None:
    """Its database is not there, and a hub waits for that."""
    hub = site.running.child("hub")
    site.running.config.write_text(f'{site.running.config.read_text()}[store]\nurl = {{ value = "postgresql://hub@127.0.0.1:{free_port()}/hub" }}\n')
    code, said = site.replaced("--within", "3")
    assert (code, "it was not ready within 3 s" in said, "The old one goes on" in said) == (1, True, True), said
    assert site.running.child("hub") == hub
    assert site.running.healthy(site.running.url)


def test_a_signal_is_enough_and_new_settings_hold_afterwards(site: Site) -> None:
    running, admin = site.running, free_port()
    site.change("[proxy]\n", f'[proxy]\nworkers = 2\nadmin_listen = "127.0.0.1:{admin}"\n')
    running.process.send_signal(signal.SIGUSR2)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{admin}/metrics").status_code == 200
        except httpx.HTTPError:
            return False

    until(answers, what=f"the administrators' address in:\n{running.output}")
    until(lambda: "takes no more" in running.output, what=f"the end of the replacement in:\n{running.output}")
    assert site.api("GET", "/").status_code == 200


def test_nobody_is_there_to_be_replaced(site: Site) -> None:
    alone = site.running.folder / "alone.toml"
    alone.write_text(
        f"{SETTINGS}{NOTHING}".replace("[hub]\n", '[hub]\nstate_dir = "elsewhere"\n').replace("PROXY", "127.0.0.1:1").replace("HUB", "127.0.0.1:2")
    )
    done = subprocess.run(
        [sys.executable, "-m", "perijove", "up", "--replace", "--config", str(alone)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "No `perijove up`" in done.stderr) == (1, True), done.stderr
    second = subprocess.run(
        [sys.executable, "-m", "perijove", "up", "--config", str(site.running.config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (second.returncode, "perijove up --replace" in second.stderr) == (1, True), second.stderr
    other = site.running.folder / "other.toml"
    file = site.running.folder / "state" / "perijove.sqlite"
    other.write_text(f'{alone.read_text()}[store]\nurl = "sqlite:///{file}"\n'.replace(':1"', f':{free_port()}"').replace(':2"', f':{free_port()}"'))
    third = subprocess.run([sys.executable, "-m", "perijove", "up", "--config", str(other)], capture_output=True, text=True, timeout=60, check=False)
    assert (third.returncode, "Another hub (process" in third.stderr) == (1, True), third.stderr
