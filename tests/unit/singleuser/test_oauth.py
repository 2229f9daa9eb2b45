from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from perijove_singleuser.contract import Bind, Contract
from perijove_singleuser.oauth import Begun, Flow, attempt_of
from perijove_singleuser.signing import Signer
from tornado.web import create_signed_value

PREFIX = "/user/alice/"
CONTRACT = Contract(
    api_url="http://hub/hub/api",
    api_token="t",
    client_id="jupyterhub-user-alice",
    user="alice",
    server_name="",
    prefix=PREFIX,
    hub_prefix="/hub/",
    hub_host="",
    callback_url=PREFIX + "oauth_callback",
    access_scopes=frozenset({"access:servers!user=alice"}),
    bind=Bind(port=1),
)


def flow(api_token: str = "t") -> Flow:
    return Flow(CONTRACT, Signer(api_token), CONTRACT.client_id)


def query(begun: Begun) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}


def test_a_callback_finds_its_flow_also_in_a_restarted_server() -> None:
    begun = flow().begin(PREFIX + "lab", {})
    asked = query(begun)
    returned = flow().returned(asked["state"], {begun.cookie_name: begun.cookie_value})
    assert returned is not None
    assert returned.next_url == PREFIX + "lab"
    digest = hashlib.sha256(returned.verifier.encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
    assert 43 <= len(returned.verifier) <= 128


def test_the_browser_never_sees_the_verifier() -> None:
    begun = flow().begin(PREFIX, {})
    returned = flow().returned(query(begun)["state"], {begun.cookie_name: begun.cookie_value})
    assert returned is not None
    assert returned.verifier not in begun.url + begun.cookie_value


def test_a_state_of_another_browser_or_server_is_unknown() -> None:
    mine, other = flow().begin(PREFIX, {}), flow().begin(PREFIX, {})
    state = query(mine)["state"]
    kept = {mine.cookie_name: mine.cookie_value}
    assert flow().returned(state, {}) is None
    assert flow().returned(state, {mine.cookie_name: other.cookie_value}) is None
    assert flow("another server").returned(state, kept) is None
    assert flow().returned(state[:-1] + ("A" if state[-1] != "A" else "B"), kept) is None
    assert flow().returned("", kept) is None


def test_a_flow_ends_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = flow().begin(PREFIX, {})
    state, kept = query(begun)["state"], {begun.cookie_name: begun.cookie_value}
    now = signing_time()
    monkeypatch.setattr("time.time", lambda: now + 590)
    assert flow().returned(state, kept) is not None
    monkeypatch.setattr("time.time", lambda: now + 610)
    assert flow().returned(state, kept) is None


def signing_time() -> float:
    stamp = create_signed_value("k", "n", "v").decode().split("|")[2].partition(":")[2]
    return float(stamp)


def test_restarts_are_counted_so_that_they_end() -> None:
    first = query(flow().begin(PREFIX, {}))["state"]
    again = query(flow().begin(PREFIX, {}, attempt=attempt_of(first) + 1))["state"]
    assert (attempt_of(first), attempt_of(again)) == (0, 1)
    assert attempt_of("anything else") > 1


def test_an_address_too_long_for_a_cookie_is_left_out() -> None:
    begun = flow().begin(PREFIX + "x" * 3000, {})
    returned = flow().returned(query(begun)["state"], {begun.cookie_name: begun.cookie_value})
    assert returned is not None
    assert returned.next_url == PREFIX
    assert len(begun.cookie_value) < 4000


@pytest.mark.parametrize("char", ["x", "é", '"', "𝄞"])
def test_whatever_the_address_the_state_fits_a_cookie(char: str) -> None:
    for length in range(100, 3000, 50):
        begun = flow().begin(PREFIX + char * length, {})
        assert len(begun.cookie_name) + len(begun.cookie_value) < 4000
