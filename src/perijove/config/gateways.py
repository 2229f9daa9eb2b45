"""Where gateways are, by these settings, and where agents find them."""

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
