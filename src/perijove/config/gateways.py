"""Where gateways are, by these settings, and where agents find them."""

from collections.abc import Iterator
from urllib.parse import quote

from perijove.config.exposure import public_address
from perijove.config.listen import parse_listen
from perijove.config.load import Loaded
from perijove.config.settings import Settings
from perijove.wire.agents import PREFIX


def gateways_of(settings: Settings) -> tuple[str, ...]:
    """Addresses for proxies and hubs; none: servers that cannot be reached directly cannot be reached."""
    if settings.proxy.gateways or not settings.gateway.enabled:
        return settings.proxy.gateways
    listen = parse_listen(settings.gateway.listen)
    return (f"http+unix://{quote(listen.path, safe='')}" if listen.path else listen.url,)


def agent_url(loaded: Loaded) -> str:
    """What agents dial: wss://host/path/; "" without any gateway."""
    settings = loaded.settings
    if settings.gateway.url or not gateways_of(settings):
        return settings.gateway.url
    return public_address(loaded).replace("http", "ws", 1) + settings.hub.base_url + PREFIX


def doubts_of_gateways(loaded: Loaded) -> Iterator[str]:
    """What an administrator should be warned of, one sentence or two for each."""
    settings = loaded.settings
    if not gateways_of(settings):
        return
    listen = parse_listen(settings.proxy.listen)
    if not settings.gateway.url and not settings.hub.public_address and (listen.exposed or listen.path):
        yield f"Warning: jobs would dial {agent_url(loaded)}, which leads nowhere from other machines. Set public_url in [hub], or url in [gateway]."
    elif agent_url(loaded).startswith("ws:") and listen.exposed:
        yield "Warning: jobs dial in without TLS: whoever listens on the way reads what people do, and the secrets of their jobs."
    if settings.gateway.enabled and parse_listen(settings.gateway.listen).exposed:
        yield "Warning: the gateway listens for other machines, and what proxies tell it is not encrypted. Let its port be reached by proxies and hubs only."
