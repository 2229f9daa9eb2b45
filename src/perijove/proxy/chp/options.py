"""The command line of configurable-http-proxy 5.3, and a few options of ours behind it."""

import argparse
import re
from collections.abc import Sequence
from typing import Final, NoReturn

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:[ \t]*([\t\x20-\x7e\x80-\xff]*)")
PROTOCOLS: Final = ("TLSv1_2", "TLSv1_3")
LEVELS: Final = {"debug": "debug", "info": "info", "warn": "warning", "warning": "warning", "error": "error"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(1, f"error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Ends the process with code 1 for what cannot be understood, as the program it stands for does."""
    root = _Parser(
        prog="perijove chp",
        allow_abbrev=False,
        description="Perijove's proxy with the command line and the REST API of configurable-http-proxy 5.3.",
        epilog="Environment: CONFIGPROXY_AUTH_TOKEN (or CONFIGPROXY_AUTH_TOKEN_FILE), CONFIGPROXY_SSL_KEY_PASSPHRASE, CONFIGPROXY_API_SSL_KEY_PASSPHRASE.",
    )
    _listeners(root)
    _tls(root)
    _traffic(root)
    _rest(root)
    _ours(root)
    return root


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse and check. Exits 1 with a sentence for conflicts."""
    root = parser()
    options = root.parse_args(list(arguments))
    for path, *others in (("socket", "ip", "port"), ("api_socket", "api_ip", "api_port"), ("metrics_socket", "metrics_ip", "metrics_port")):
        if getattr(options, path) and any(getattr(options, other) is not None for other in others):
            root.error(f"{_flag(path)} excludes {' and '.join(map(_flag, others))}: listen on a socket or on an address.")
    if options.error_target and options.error_path:
        root.error("--error-target and --error-path exclude each other: give one of them.")
    if bool(options.ssl_cert) != bool(options.ssl_key):
        root.error("--ssl-key and --ssl-cert belong together: give both.")
    if bool(options.api_ssl_cert) != bool(options.api_ssl_key):
        root.error("--api-ssl-key and --api-ssl-cert belong together: give both.")
    if options.redirect_port is not None and not options.ssl_key:
        root.error("--redirect-port leads to HTTPS: it needs --ssl-key and --ssl-cert.")
    if options.storage_backend:
        root.error(
            "--storage-backend names a module for Node.js, which is not here. Routes are kept by themselves; --state-file keeps them for long."
        )
    return options


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _listeners(root: argparse.ArgumentParser) -> None:
    group = root.add_argument_group("where to listen")
    group.add_argument("--ip", metavar="ADDRESS", help="address of the public side; without one, all")
    group.add_argument("--port", type=_port, metavar="N", help="port of the public side (8000)")
    group.add_argument("--socket", default="", metavar="PATH", help="unix socket of the public side, instead of address and port")
    group.add_argument("--api-ip", metavar="ADDRESS", help="address of the REST API (localhost)")
    group.add_argument("--api-port", type=_port, metavar="N", help="port of the REST API (that of --port, and one)")
    group.add_argument("--api-socket", default="", metavar="PATH", help="unix socket of the REST API, instead of address and port")
    group.add_argument("--metrics-ip", metavar="ADDRESS", help="address of the metrics; without one, all")
    group.add_argument("--metrics-port", type=_port, metavar="N", help="port of the metrics; without one, there are none")
    group.add_argument("--metrics-socket", default="", metavar="PATH", help="unix socket of the metrics, instead of address and port")
    group.add_argument("--redirect-port", type=_port, metavar="N", help="send plain HTTP requests on this port to HTTPS")
    group.add_argument("--redirect-to", type=_port, metavar="N", help="the port to send them to (that of --port)")
    group.add_argument("--pid-file", default="", metavar="PATH", help="write the process id there")
    group.add_argument("--keep-alive-timeout", type=_millis, metavar="MS", help="milliseconds that a silent connection is kept (5000)")


def _tls(root: argparse.ArgumentParser) -> None:
    group = root.add_argument_group("TLS")
    for prefix, what in (("", "the public side"), ("api-", "the REST API"), ("client-", "connections to targets")):
        group.add_argument(f"--{prefix}ssl-key", default="", metavar="FILE", help=f"key for {what}")
        group.add_argument(f"--{prefix}ssl-cert", default="", metavar="FILE", help=f"certificate for {what}")
        group.add_argument(f"--{prefix}ssl-ca", default="", metavar="FILE", help=f"certificates that the other end's is checked against, for {what}")
        for name, says in (("request-cert", "ask clients for certificates"), ("reject-unauthorized", "and refuse those without a good one")):
            more = (
                "accepted; targets' certificates are always asked for and checked, unless --insecure"
                if prefix == "client-"
                else f"{says}, for {what}"
            )
            group.add_argument(f"--{prefix}ssl-{name}", type=_truth, nargs="?", const=True, default=False, metavar="true|false", help=more)
    group.add_argument("--ssl-protocol", type=_protocol, default="", metavar="NAME", help=f"speak only this: {' or '.join(PROTOCOLS)}")
    group.add_argument("--ssl-ciphers", default="", metavar="LIST", help="ciphers of TLS 1.2, in OpenSSL's words")
    group.add_argument("--ssl-allow-rc4", action="store_true", help="accepted and ignored: RC4 is broken, and OpenSSL has it no more")
    group.add_argument("--ssl-dhparam", default="", metavar="FILE", help="Diffie-Hellman parameters")
    group.add_argument("--insecure", action="store_true", help="do not check targets' certificates")


def _traffic(root: argparse.ArgumentParser) -> None:
    group = root.add_argument_group("requests")
    group.add_argument("--default-target", default="", metavar="URL", help="where requests go that no route matches")
    group.add_argument("--error-target", default="", metavar="URL", help="a server that is asked for error pages: GET URL/CODE?url=PATH")
    group.add_argument("--error-path", default="", metavar="FOLDER", help="a folder with error pages: CODE.html, error.html")
    group.add_argument("--host-routing", action="store_true", help="the first segment of a route is the host")
    for name, what in (
        ("x-forward", "add no X-Forwarded-... fields"),
        ("prepend-path", "do not put the target's path before the request's"),
        ("include-prefix", "take the route's prefix out of the path"),
    ):
        dest = name.replace("-", "_")
        group.add_argument(f"--no-{name}", dest=dest, action="store_false", help=what)
        group.add_argument(f"--{name}", dest=dest, action="store_true", default=True, help=argparse.SUPPRESS)
    group.add_argument("--auto-rewrite", action="store_true", help="in redirections to the target, name the address that was asked instead")
    group.add_argument("--protocol-rewrite", default="", choices=("http", "https"), help="in redirections to the target, name this protocol")
    group.add_argument("--change-origin", action="store_true", help="name the target in the Host field")
    group.add_argument(
        "--custom-header", type=_header, action="append", default=[], metavar="NAME:VALUE", help="add this field to requests; repeatable"
    )
    group.add_argument("--timeout", type=_millis, metavar="MS", help="milliseconds of silence after which a request is given up")
    group.add_argument("--proxy-timeout", type=_millis, metavar="MS", help="milliseconds that a target has to answer, or to go on")


def _rest(root: argparse.ArgumentParser) -> None:
    group = root.add_argument_group("else")
    group.add_argument("--log-level", type=_level, default="info", metavar="LEVEL", help="debug, info, warn or error (info)")
    group.add_argument("-V", "--version", action="store_true", help="say the version and end")
    group.add_argument("--storage-backend", default="", metavar="MODULE", help="refused: there is no Node.js here that could load it")


def _ours(root: argparse.ArgumentParser) -> None:
    group = root.add_argument_group("not in configurable-http-proxy")
    group.add_argument("--workers", type=_count, default=1, metavar="N", help="processes that serve requests (1)")
    group.add_argument("--state-file", default="", metavar="PATH", help="keep the routes there, to have them after a restart")
    group.add_argument(
        "--trusted-proxy", action="append", default=None, metavar="NETWORK",
        help="believe X-Forwarded-... from there; repeatable; 'none' for nobody (loopback, private networks and unix sockets)",
    )  # fmt: skip


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return int(text)


def _millis(text: str) -> float:
    """In seconds."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds")
    return int(text) / 1000


def _truth(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in _TRUE


def _protocol(text: str) -> str:
    name = text.removesuffix("_method")
    if name not in {*PROTOCOLS, ""}:
        raise argparse.ArgumentTypeError(f"{text!r} is not spoken here: take {' or '.join(PROTOCOLS)}, or leave it out for both")
    return name


def _level(text: str) -> str:
    if text.lower() not in LEVELS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a level: take debug, info, warn or error")
    return LEVELS[text.lower()]


def _header(text: str) -> tuple[str, str]:
    found = _HEADER.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a header field: write NAME:VALUE")
    return found[1], found[2].strip(" \t")
