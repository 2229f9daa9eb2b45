"""From the command line to running processes."""

import argparse
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Final

from perijove.proxy.chp.followers import FEED_PATH
from perijove.proxy.chp.keeper import KeeperPost, api_certificates
from perijove.proxy.chp.options import parse
from perijove.proxy.chp.settings import PRIVATE_NETWORKS, KeeperSettings, ServerTls
from perijove.proxy.listening import BACKLOG, bind_tcp, listen_unix
from perijove.proxy.logs import set_up_logs
from perijove.proxy.manners import Manners
from perijove.proxy.settings import Limits, ProxySettings
from perijove.proxy.supervisor import run
from perijove.proxy.tlsdemands import TlsDemands
from perijove.wire.target import BadTargetError, parse_target

_log = logging.getLogger("perijove.proxy.chp")
_INTERRUPTED: Final = 2
"""Exit code after SIGTERM or SIGINT: that of the program this stands for."""
_DEFAULT_PORT: Final = 8000
_MOVED: Final = 301
_LONGEST_FOLDER: Final = 74
"""The path of a unix socket has at most 107 bytes."""
_DRAIN_S: Final = 2.0


def run_chp(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run until a signal. Returns the exit code; exits by itself for a command line that cannot be understood."""
    options = parse(arguments)
    if options.version:
        sys.stdout.write(f"{version('perijove')}\n")
        return 0
    set_up_logs(options.log_level, "console")
    for number in (signal.SIGTERM, signal.SIGINT):  # until the supervisor waits for them: leave nothing behind
        signal.signal(number, _leave)
    try:
        with contextlib.ExitStack() as stack:
            return _run(options, environ, stack)
    except (OSError, ValueError) as error:
        _log.critical("the proxy cannot start: %s", error)
        return 1


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_INTERRUPTED)


def _run(options: argparse.Namespace, environ: Mapping[str, str], stack: contextlib.ExitStack) -> int:
    _warn(options)
    token = api_token(environ)
    if not token:
        _log.warning("the REST API is open to whoever reaches it: set CONFIGPROXY_AUTH_TOKEN")
    for name in ("default_target", "error_target"):
        if getattr(options, name):
            try:
                parse_target(getattr(options, name))
            except BadTargetError as error:
                raise ValueError(f"--{name.replace('_', '-')}: {error}") from None
    folder = _private_folder(stack)
    feed_token = secrets.token_urlsafe(32)
    keeper = keeper_settings(options, environ, token, feed_token, folder)
    api_certificates(keeper)  # what is wrong with it is said here, once, rather than by the keeper again and again
    post = KeeperPost(keeper, listen_unix(keeper.feed_socket), _listen_api(options, stack), _listen_metrics(options, stack), folder)
    stack.callback(post.close)
    if options.pid_file:
        Path(options.pid_file).write_text(f"{os.getpid()}", encoding="ascii")
        stack.callback(_unlink, options.pid_file, os.getpid())
    settings = proxy_settings(options, environ, feed_token, keeper.feed_socket)
    code = run(settings, companion=post)
    return _INTERRUPTED if code == 0 else code


def api_token(environ: Mapping[str, str]) -> str:
    """Of the REST API; empty: there is none. Raises OSError if it is in a file that cannot be read."""
    path = environ.get("CONFIGPROXY_AUTH_TOKEN_FILE", "")
    return environ.get("CONFIGPROXY_AUTH_TOKEN", "") or (Path(path).read_text(encoding="utf-8").strip() if path else "")


def _warn(options: argparse.Namespace) -> None:
    if options.ip == "*":
        _log.warning("--ip '*' is taken for all addresses; write 0.0.0.0 for those of IPv4, or '' for all")
    if options.ssl_allow_rc4:
        _log.warning("--ssl-allow-rc4 is ignored: RC4 is broken")
    if options.insecure:
        _log.warning("--insecure: the certificates of targets are not checked")


def _private_folder(stack: contextlib.ExitStack) -> str:
    """Nobody else can enter it (0700). Removed at the end, by the keeper if this process is killed."""
    inside = None if len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes a folder that is ours alone
    folder = tempfile.mkdtemp(prefix="perijove-chp-", dir=inside)
    stack.callback(_remove, folder, os.getpid())
    return folder


def keeper_settings(options: argparse.Namespace, environ: Mapping[str, str], token: str, feed_token: str, folder: str) -> KeeperSettings:
    return KeeperSettings(
        token=token,
        feed_token=feed_token,
        feed_socket=f"{folder}/feed.sock",
        journal=options.state_file or f"{folder}/routes",
        default_target=options.default_target,
        host_routing=options.host_routing,
        tls=ServerTls(
            cert=options.api_ssl_cert,
            key=options.api_ssl_key,
            password=environ.get("CONFIGPROXY_API_SSL_KEY_PASSPHRASE", ""),
            demands=TlsDemands(
                client_ca=options.api_ssl_ca,
                request_cert=options.api_ssl_request_cert,
                reject_unauthorized=options.api_ssl_reject_unauthorized,
            ),
        )
        if options.api_ssl_cert
        else None,
    )


def proxy_settings(options: argparse.Namespace, environ: Mapping[str, str], feed_token: str, feed_socket: str) -> ProxySettings:
    host = "" if options.ip in {None, "*"} else options.ip
    port = _DEFAULT_PORT if options.port is None else options.port
    return ProxySettings(
        host=host,
        port=port,
        unix_path=options.socket,
        feeds=(f"http+unix://{feed_socket.replace('%', '%25').replace('/', '%2F')}",),
        base_url=FEED_PATH.removesuffix("hub/perijove/"),
        token=feed_token,
        workers=options.workers,
        limits=limits(options),
        trusted_proxies=_trusted(options.trusted_proxy),
        hub_cookies=frozenset(),
        tls_cert=options.ssl_cert,
        tls_key=options.ssl_key,
        tls_key_password=environ.get("CONFIGPROXY_SSL_KEY_PASSPHRASE", ""),
        tls_demands=TlsDemands(
            client_ca=options.ssl_ca,
            request_cert=options.ssl_request_cert,
            reject_unauthorized=options.ssl_reject_unauthorized,
            ciphers=options.ssl_ciphers,
            protocol=options.ssl_protocol,
            dhparam=options.ssl_dhparam,
        ),
        redirect_host=host,
        redirect_port=options.redirect_port,
        redirect_to=port if options.redirect_to is None else options.redirect_to,
        redirect_status=_MOVED,
        upstream_ca=options.client_ssl_ca,
        upstream_cert=options.client_ssl_cert,
        upstream_key=options.client_ssl_key,
        upstream_verify=not options.insecure,
        log_level=options.log_level,
        log_format="console",
        chp=Manners(
            prepend_path=options.prepend_path,
            include_prefix=options.include_prefix,
            x_forward=options.x_forward,
            change_origin=options.change_origin,
            custom_headers=tuple(dict(options.custom_header).items()),  # the last of one name counts
            auto_rewrite=options.auto_rewrite,
            protocol_rewrite=options.protocol_rewrite,
            error_target=options.error_target.rstrip("/"),
            error_path=options.error_path,
        ),
    )


def limits(options: argparse.Namespace) -> Limits:
    usual = Limits()
    # 0: no limit, as there.
    silence, patience = (value or _DAY_S if value is not None else None for value in (options.timeout, options.proxy_timeout))
    response_s = min((value for value in (silence, patience) if value is not None), default=usual.response_s)
    return Limits(
        idle_s=5.0 if options.keep_alive_timeout is None else options.keep_alive_timeout or _DAY_S,
        body_s=usual.body_s if silence is None else silence,
        response_s=response_s,
        max_connections_per_address=0,  # it has no such limit, and often all come from one load balancer
        drain_s=_DRAIN_S,
    )


_DAY_S: Final = 86_400.0


def _trusted(given: list[str] | None) -> tuple[str, ...]:
    if given is None:
        return PRIVATE_NETWORKS
    return tuple(network for network in given if network != "none")


def _listen_api(options: argparse.Namespace, stack: contextlib.ExitStack) -> list[socket.socket]:
    if options.api_socket:
        return [_listen_unix(options.api_socket, stack)]
    port = options.api_port
    if port is None:
        port = (_DEFAULT_PORT if options.port is None else options.port) + 1
    sockets = _listen_tcp("localhost" if options.api_ip is None else options.api_ip, port)
    _log.info("the REST API is at port %d", sockets[0].getsockname()[1])
    return sockets


def _listen_metrics(options: argparse.Namespace, stack: contextlib.ExitStack) -> list[socket.socket]:
    if options.metrics_socket:
        return [_listen_unix(options.metrics_socket, stack)]
    return [] if options.metrics_port is None else _listen_tcp(options.metrics_ip or "", options.metrics_port)


def _listen_tcp(host: str, port: int) -> list[socket.socket]:
    sockets = bind_tcp("" if host == "*" else host, port, shared=False)  # a second proxy by mistake must fail, not take half of the requests
    for sock in sockets:
        sock.listen(BACKLOG)
    return sockets


def _listen_unix(path: str, stack: contextlib.ExitStack) -> socket.socket:
    sock = listen_unix(path)
    stack.callback(_unlink, path, os.getpid())
    return sock


def _unlink(path: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(path).unlink(missing_ok=True)


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
