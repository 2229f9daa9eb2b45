"""How people reach the hub by these settings, and what an administrator should be warned of."""

import os
from collections.abc import Iterator

from perijove.config.listen import parse_listen
from perijove.config.load import Loaded
from perijove.config.rights import doubts


def public_address(loaded: Loaded) -> str:
    """Where people come in, without a path."""
    settings = loaded.settings
    if settings.hub.public_address:
        return settings.hub.public_address
    listen = parse_listen(settings.proxy.listen)
    return listen.url.replace("http:", "https:", 1) if settings.proxy.ends_tls else listen.url


def warnings(loaded: Loaded) -> Iterator[str]:
    """One sentence or two for each."""
    exposed = parse_listen(loaded.settings.proxy.listen).exposed
    if exposed and not loaded.settings.proxy.ends_tls and not loaded.settings.hub.public_address.startswith("https:"):
        yield "Warning: people reach this hub without TLS. Set tls_cert and tls_key in [proxy], or put a TLS proxy before it."
    yield from (f"Warning: {doubt}" for doubt in doubts(loaded.settings))
    as_root = [entry.name for entry in loaded.settings.services if entry.command_words and not entry.user]
    if os.geteuid() == 0 and as_root:
        yield f"Warning: these services run as root, for they name no `user`: {', '.join(as_root)}."
    if os.geteuid() == 0 and not exposed:
        yield "Running as root, on this machine's loopback address only. People's servers run under Unix accounts of their own, never as root."
