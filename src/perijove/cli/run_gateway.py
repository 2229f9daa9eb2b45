"""From settings to a running gateway."""

from perijove.cli.supervised import Post
from perijove.config.listen import parse_listen
from perijove.config.load import Loaded
from perijove.domain.errors import SettingsError
from perijove.gateway.serve import run
from perijove.gateway.settings import GatewaySettings
from perijove.runtime import keys_of, prepare, proxy_token
from perijove.telemetry.logs import set_up_logs
from perijove.web.relief import READY


def run_gateway(loaded: Loaded, post: Post | None = None) -> int:
    """Run until SIGTERM; returns the exit code. `post`: what our supervisor gave us. Raises SettingsError if it cannot listen."""
    set_up_logs(loaded.settings.log.level, loaded.settings.log.format)
    prepare(loaded)
    settings = gateway_settings(loaded)
    try:
        if post is None:
            return run(settings)
        relief = post.relief
        return run(settings, post.sockets.get("gateway", ()), lambda _: relief.say(READY))
    except OSError as error:
        raise SettingsError(
            f"The gateway cannot listen on {loaded.settings.gateway.listen}: {error.strerror or error}.",
            "Is something else there, or is the address not this machine's? See `listen` in [gateway].",
        ) from None


def gateway_settings(loaded: Loaded) -> GatewaySettings:
    """The gateway's own record, from the file's [gateway] and the secret that it shares with proxies and hubs."""
    section = loaded.settings.gateway
    listen = parse_listen(section.listen)
    return GatewaySettings(
        host=listen.host or "127.0.0.1",
        port=listen.port,
        unix_path=listen.path,
        token=proxy_token(loaded, keys_of(loaded)),
        agents=section.agents,
        agents_per_address=section.agents_per_address,
        keep_s=section.keep,
    )
