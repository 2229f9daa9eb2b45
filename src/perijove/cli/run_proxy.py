"""From settings to a running proxy."""

from perijove.cli.proxy_tls import check_tls_files, with_tls
from perijove.cli.supervised import Post
from perijove.config.gateways import gateways_of
from perijove.config.listen import parse_listen
from perijove.config.load import Loaded
from perijove.config.settings import ProxyLimitsSection
from perijove.proxy.settings import Limits, ProxySettings
from perijove.proxy.supervisor import run
from perijove.runtime import keys_of, proxy_token
from perijove.web.relief import READY


def run_proxy(loaded: Loaded, post: Post | None = None) -> int:
    """Run until SIGTERM; returns the exit code. `post`: what our supervisor gave us. Raises SettingsError for files that TLS cannot be begun with."""
    check_tls_files(loaded)
    settings = proxy_settings(loaded)
    if post is None:
        return run(settings)
    relief = post.relief
    return run(settings, lambda _: relief.say(READY), sockets=post.sockets)


def proxy_settings(loaded: Loaded) -> ProxySettings:
    """The proxy's own record, from the file's [proxy] and what it shares with the hub."""
    hub, proxy, log = loaded.settings.hub, loaded.settings.proxy, loaded.settings.log
    public = parse_listen(proxy.listen)
    admin = parse_listen(proxy.admin_listen) if proxy.admin_listen else None
    settings = ProxySettings(
        host=public.host or "127.0.0.1",
        port=public.port,
        unix_path=public.path,
        hubs=proxy.hubs or (hub.connect_url or parse_listen(hub.listen).url,),
        gateways=gateways_of(loaded.settings),
        base_url=hub.base_url,
        token=proxy_token(loaded, keys_of(loaded)),
        state_file=str(loaded.folder / proxy.state_file) if proxy.state_file else str(loaded.state_dir / "routes.json"),
        workers=proxy.workers,
        limits=limits(loaded.settings.proxy_limits),
        trusted_proxies=proxy.trusted_proxies,
        proxy_protocol=proxy.proxy_protocol,
        forwarded_header=proxy.forwarded_header,
        admin_host=admin.host if admin is not None and not admin.path else "127.0.0.1",
        admin_port=admin.port if admin is not None and not admin.path else None,
        admin_unix_path=admin.path if admin is not None else "",
        access_log=proxy.access_log,
        access_log_sample=proxy.access_log_sample,
        access_log_file=str(loaded.folder / proxy.access_log_file) if proxy.access_log_file not in {"", "-"} else proxy.access_log_file,
        log_level=log.level,
        log_format="console" if log.format == "console" else "json",
    )
    return with_tls(settings, loaded)


def limits(section: ProxyLimitsSection) -> Limits:
    """The [proxy_limits] section as the proxy's own record."""
    return Limits(
        head_s=section.head,
        idle_s=section.idle,
        body_s=section.body,
        connect_s=section.connect,
        response_s=section.response,
        send_s=section.send,
        tunnel_idle_s=section.websocket_idle,
        pool_idle_s=section.pool_idle,
        pool_per_target=section.pool_per_target,
        max_connections=section.connections,
        max_connections_per_address=section.connections_per_address,
        max_body_bytes=section.body_size,
        max_head_bytes=section.head_size,
        max_fields=section.fields,
        buffer_bytes=section.buffer_size,
        drain_s=section.drain,
        drain_tunnels_s=section.drain_websockets,
        retire_tunnels_s=section.retire_websockets,
    )
