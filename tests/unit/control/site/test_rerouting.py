"""A restart with or without subdomain mode moves what is routed, and loses and leaves nothing."""

from dataclasses import replace

import msgspec
import pytest

from perijove.config.settings import Settings
from perijove.control.access.oauth import find_client
from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start
from perijove.control.site.declare import declare
from perijove.control.site.rerouting import reroute
from perijove.domain.environment import callback_url, client_id
from perijove.domain.errors import BadInputError
from perijove.domain.server import Server
from perijove.domain.token import OAuthClient
from perijove.domain.user import Service
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx
from tests.unit.control.house import House


def with_service(hub: Hub) -> Hub:
    return replace(hub, settings=msgspec.convert({"services": [{"name": "grader", "url": "http://127.0.0.1:9999"}]}, Settings))


async def start(hub: Hub, house: House) -> Server:
    await ask_start(hub, "alice", "", options=None, actor="alice")
    server = await house.settled(hub)
    assert server is not None
    return server


def with_hosts(hub: Hub, url: str = "https://hub.test") -> Hub:
    return replace(hub, addresses=replace(hub.addresses, public_url=url, subdomain_host=url))


async def table(house: House) -> dict[str, str]:
    _, routes = await house.store.read(lambda tx: tx.routes.all())
    return {route.spec: route.target for route in routes}


async def test_routes_follow_the_settings_of_each_start_and_nothing_stale_is_left(house: House) -> None:
    paths = with_service(house.hub())
    await declare(paths, {})
    async with house.running(paths):
        await start(paths, house)
    before = await table(house)
    assert set(before) == {"/base/user/alice/", "/base/services/grader/"}

    await declare(with_hosts(paths), {})
    assert await table(house) == {
        "alice.hub.test/base/user/alice/": before["/base/user/alice/"],
        "grader--service.hub.test/base/services/grader/": "http://127.0.0.1:9999",
    }
    await declare(paths, {})
    assert await table(house) == before


async def test_a_restart_without_a_change_tells_the_proxies_nothing(house: House) -> None:
    hub = with_hosts(with_service(house.hub()))
    await declare(hub, {})
    async with house.running(hub):
        await start(hub, house)
    revision, _ = await house.store.read(lambda tx: tx.routes.all())
    assert await house.store.write(lambda tx: reroute(tx, hub, hub.clock.now())) == 0
    assert (await house.store.read(lambda tx: tx.routes.all()))[0] == revision


async def test_a_route_with_another_path_stays_where_its_server_answers(house: House) -> None:
    hub = house.hub()
    async with house.running(hub):
        server = await start(hub, house)
    await house.store.write(lambda tx: tx.routes.delete("/base/user/alice/", hub.clock.now()))
    elsewhere = StoredRoute(spec="/old/user/alice/", target="http://127.0.0.1:1", data={"user": "alice", "server_name": ""}, server_id=server.id)
    await house.store.write(lambda tx: tx.routes.set(elsewhere, hub.clock.now()))
    await declare(with_hosts(hub), {})
    assert list(await table(house)) == ["/old/user/alice/"]


async def test_the_oauth_client_of_a_service_made_by_the_api_moves_too(house: House) -> None:
    def add(tx: Tx) -> None:
        service = tx.services.put(Service(id=0, name="added", url="http://127.0.0.1:1", oauth_client_id="service-added", from_config=False), now=now)
        tx.oauth.put_client(
            OAuthClient(id="service-added", description="", secret=b"x", redirect_uri="/base/x/oauth_callback", service_id=service.id)
        )

    hub = house.hub()
    now = hub.clock.now()
    await house.store.write(add)
    for present in (with_hosts(hub), hub):
        await declare(present, {})
        client = await house.store.read(lambda tx: tx.oauth.client("service-added"))
        assert client is not None
        assert client.redirect_uri == f"{present.addresses.service_url('added')}oauth_callback"


@pytest.mark.parametrize("there", [True, False])
async def test_a_server_that_was_started_before_gets_its_visitors_where_it_is_now(house: House, *, there: bool) -> None:
    """It goes on sending the redirect URI that it was started with."""
    paths = house.hub()
    hosts = with_hosts(paths, "http://hub.test")
    then, now = (paths, hosts) if there else (hosts, paths)
    async with house.running(then):
        server = await start(then, house)
    client = await find_client(now, client_id(server), callback_url(then.addresses, server))
    assert client.redirect_uri == callback_url(now.addresses, server)
    with pytest.raises(BadInputError, match="Mismatching"):
        await find_client(now, client_id(server), callback_url(now.addresses, server))


async def test_a_server_whose_cookies_are_for_its_whole_host_is_not_opened_at_a_shared_one(house: House) -> None:
    paths = house.hub()
    hosts = with_hosts(paths)
    async with house.running(hosts):
        server = await start(hosts, house)
    with pytest.raises(BadInputError, match="start it again"):
        await find_client(paths, client_id(server), callback_url(hosts.addresses, server))
