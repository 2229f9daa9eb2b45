"""A Perijove at perijove.test, where each person has a host of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.running.hosts import Roamer
from tests.running.perijove import Running, perijove

DOMAIN = "perijove.test"
URL = f"http://{DOMAIN}"
TOKEN = "a-token-of-the-test-service"
SUBDOMAINS = f'subdomain_host = "{URL}"'
SETTINGS = f"""
[proxy]
listen = "PROXY"
[authenticator]
use = "dummy"
[access]
allow_all = true
[log]
level = "warning"
[[services]]
name = "test"
api_token = "{TOKEN}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["admin:users", "admin:servers", "admin:groups", "access:servers", "shares", "tokens", "list:services", "read:services", "proxy"]
[hub]
listen = "HUB"
"""
NULL = '[spawner]\nuse = "perijove.testing.null_spawner:NullSpawner"\n'
BEARER = {"authorization": f"token {TOKEN}", "accept": "application/json"}


@contextmanager
def place(more: str, hub: str = SUBDOMAINS) -> Iterator[Running]:
    """`hub`: further lines of [hub]."""
    with perijove(f"{SETTINGS}{hub}\n{more}") as running:
        yield running


@contextmanager
def person(running: Running, name: str = "", url: str = URL) -> Iterator[Roamer]:
    """Somebody at a browser, signed in if `name` says as whom."""
    roamer = Roamer(url, running.url)
    try:
        if name:
            assert roamer.sign_in(name).status_code == 200
        yield roamer
    finally:
        roamer.close()
