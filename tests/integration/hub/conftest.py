from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.running.perijove import Running, perijove

TOKEN = "a-token-of-the-test-service"
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
admin_users = ["ada"]
extra_user_scopes = ["custom:reports", "read:services!service=weak"]
[custom_scopes]
"custom:reports" = {{ description = "work with reports", subscopes = ["custom:reports:read"] }}
"custom:reports:read" = "read reports"
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[log]
level = "warning"
[[services]]
name = "test"
api_token = "{TOKEN}"
[[services]]
name = "weak"
api_token = "another-weak-token"
[[roles]]
name = "test"
services = ["test"]
scopes = [
  "admin:users", "admin:servers", "admin:groups", "admin:services", "list:users", "list:services", "read:services", "tokens", "read:hub", "read:metrics",
  "proxy", "shutdown",
]
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with perijove(SETTINGS, command="hub") as found:
        yield found


@pytest.fixture
def api(running: Running) -> Iterator[httpx.Client]:
    """The API, with a service's token."""
    with httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": f"token {TOKEN}"}, timeout=30) as client:
        yield client


@pytest.fixture
def weak(running: Running) -> Iterator[httpx.Client]:
    """The API, with a token that may do nothing."""
    with httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": "bearer another-weak-token"}, timeout=30) as client:
        yield client
