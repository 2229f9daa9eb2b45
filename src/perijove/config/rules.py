"""What types cannot say about settings: rules within one section and between sections."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from perijove.config.hostrules import check_subdomains
from perijove.config.listen import parse_listen
from perijove.config.problems import Path as Place
from perijove.config.problems import Problems
from perijove.config.secret import SecretMissingError, read_secret
from perijove.config.section import Secret
from perijove.config.servicerules import MIN_SERVICE_TOKEN, check_services
from perijove.config.settings import GroupLimitsEntry, LimitsSection, ProxySection, Settings
from perijove.config.tlsrules import check_tls
from perijove.wire.names import BadNameError, parse_user_name
from perijove.wire.target import BadTargetError, parse_target

BUILT_IN_ROLES = frozenset({"user", "admin", "server", "token"})
MIN_MASTER_SECRET = 32
MAX_QUEUE_STEP_S = 86400.0


def check_rules(settings: Settings, problems: Problems, environ: Mapping[str, str], folder: Path, broken: set[str]) -> None:
    """Add a problem for each rule that does not hold. `broken` sections stand at their defaults and are not referred to."""
    _addresses(settings, problems)
    _proxy(settings.proxy, problems)
    check_subdomains(settings, problems)
    check_tls(settings.proxy, settings.hub.public_address, problems)
    _names(settings, problems)
    _queue(settings.limits, problems)
    if "services" not in broken:
        check_services(settings.services, problems)
        _references(settings, problems)
    _secrets(settings, problems, environ, folder)


def _addresses(settings: Settings, problems: Problems) -> None:
    hub, proxy = settings.hub, settings.proxy
    for place, text in ((("hub", "listen"), hub.listen), (("proxy", "listen"), proxy.listen), (("proxy", "admin_listen"), proxy.admin_listen)):
        if text or place[1] == "listen":
            try:
                parse_listen(text)
            except ValueError as error:
                problems.add(place, str(error))
    if not (hub.base_url.startswith("/") and hub.base_url.endswith("/")) or "//" in hub.base_url:
        problems.add(
            ("hub", "base_url"), f"{hub.base_url!r} must begin and end with one slash", f"Did you mean {'/' + hub.base_url.strip('/') + '/'!r}?"
        )
    try:
        parse_listen(settings.gateway.listen)
    except ValueError as error:
        problems.add(("gateway", "listen"), str(error))
    dialled = urlsplit(settings.gateway.url)
    if settings.gateway.url and (dialled.scheme not in {"ws", "wss"} or not dialled.netloc or dialled.query):
        problems.add(
            ("gateway", "url"), f"{settings.gateway.url!r} must be wss://host[:port]/path/", "The proxies expect {base_url}tunnel/ as the path."
        )
    for place, url in ((("hub", "public_url"), hub.public_url), (("hub", "connect_url"), hub.connect_url)):
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query):
            problems.add(place, f"{url!r} must be scheme://host[:port] without a path", "The path is base_url.")
    if settings.log.level not in {"debug", "info", "warning", "error"}:
        problems.add(("log", "level"), f"{settings.log.level!r} is not a level", "Use debug, info, warning or error.")
    if settings.log.format not in {"auto", "json", "console"}:
        problems.add(("log", "format"), f"{settings.log.format!r} is not a format", "Use auto, json or console.")
    if hub.page_default > hub.page_max:
        problems.add(("hub", "page_default"), "must not be larger than page_max")


def _proxy(proxy: ProxySection, problems: Problems) -> None:
    for index, url in enumerate(proxy.hubs):
        if urlsplit(url).scheme not in {"http", "https", "http+unix"}:
            problems.add(("proxy", "hubs", index), f"{url!r} is not the address of a hub", "Write http://host:port.")
    for index, network in enumerate(proxy.trusted_proxies):
        try:
            if network != "unix:":
                ip_network(network, strict=False)
        except ValueError:
            problems.add(("proxy", "trusted_proxies", index), f"{network!r} is not a network", 'Write it like 10.0.0.0/8, or "unix:".')
    for index, url in enumerate(proxy.gateways):
        try:
            usable = urlsplit(url).scheme in {"http", "http+unix"} and bool(parse_target(url))
        except BadTargetError:
            usable = False
        if not usable:
            problems.add(("proxy", "gateways", index), f"{url!r} is not the address of a gateway", "Write http://host:port or http+unix://%2Fpath.")
    if proxy.proxy_protocol and not proxy.trusted_proxies:
        problems.add(("proxy", "proxy_protocol"), "needs trusted_proxies: the load balancers that may say who a client is")


def _names(settings: Settings, problems: Problems) -> None:
    for section in ("services", "roles", "groups", "users", "profiles"):
        seen: set[str] = set()
        for index, entry in enumerate(getattr(settings, section)):
            if entry.name in seen:
                problems.add((section, index, "name"), f"{entry.name!r} is there twice")
            if section != "services" and (not entry.name or "/" in entry.name):
                problems.add((section, index, "name"), "a name cannot be empty or contain '/'")
            seen.add(entry.name)
    people: list[tuple[Place, str]] = [(("users", index, "name"), entry.name) for index, entry in enumerate(settings.users)]
    for field in ("allowed_users", "blocked_users", "admin_users"):
        people += [(("access", field, index), name) for index, name in enumerate(getattr(settings.access, field))]
    for section in ("roles", "groups"):
        for index, entry in enumerate(getattr(settings, section)):
            people += [((section, index, "users", number), name) for number, name in enumerate(entry.users)]
    for place, name in people:
        try:
            normal = parse_user_name(name)
        except BadNameError as error:
            problems.add(place, str(error))
            continue
        if normal != name:
            problems.add(place, f"{name!r} is not in the form in which names are kept", f"Write {normal!r}.")


def _queue(limits: LimitsSection, problems: Problems) -> None:
    """Groups may come from the authenticator, so any name may be one."""
    if limits.queue_step > MAX_QUEUE_STEP_S:
        problems.add(("limits", "queue_step"), "is longer than a day, and longer than anybody would wait", "Minutes are meant.")
    seen: set[str] = set()
    for index, entry in enumerate(limits.groups):
        place = ("limits", "groups", index)
        if not entry.name or "/" in entry.name:
            problems.add((*place, "name"), "a name cannot be empty or contain '/'")
        if entry.name in seen:
            problems.add((*place, "name"), f"{entry.name!r} is there twice", "Put all limits of a group into one entry.")
        seen.add(entry.name)
        if entry == GroupLimitsEntry(name=entry.name):
            wanted = "active_servers, concurrent_starts, active_servers_per_user or priority"
            problems.add((*place, "name"), f"{entry.name!r} is given neither limits nor a priority", f"Set {wanted}, or leave the entry out.")


def _references(settings: Settings, problems: Problems) -> None:
    services = {entry.name for entry in settings.services}
    for index, role in enumerate(settings.roles):
        for number, name in enumerate(role.services):
            if name not in services:
                problems.unknown(("roles", index, "services", number, name), services, "service")
    for name in settings.custom_scopes:
        if not name.startswith("custom:"):
            problems.add(("custom_scopes", name), "a custom scope's name must begin with 'custom:'")
    both = set(settings.access.blocked_users) & set(settings.access.admin_users)
    for name in sorted(both):
        problems.add(("access", "blocked_users"), f"{name!r} is in admin_users too; blocking wins, so this is surely not meant")


def _secrets(settings: Settings, problems: Problems, environ: Mapping[str, str], folder: Path) -> None:
    tokens: dict[str, str] = {}
    for place, secret in _all_secrets(settings):
        try:
            text = read_secret(secret, environ, folder)
        except SecretMissingError as error:
            problems.add(place, str(error))
            continue
        if place == ("hub", "cookie_secret") and len(text) < MIN_MASTER_SECRET:
            problems.add(place, f"must have at least {MIN_MASTER_SECRET} characters", "`openssl rand -hex 32` makes a good one.")
        if place[0] == "services" and place[2] == "api_token":
            if len(text) < MIN_SERVICE_TOKEN:
                problems.add(place, f"a token must have at least {MIN_SERVICE_TOKEN} characters", "`openssl rand -hex 32` makes a good one.")
            if text in tokens:
                problems.add(place, f"is the same token as that of {tokens[text]!r}; each service needs its own")
            tokens[text] = settings.services[int(place[1])].name


def _all_secrets(settings: Settings) -> Iterable[tuple[Place, Secret | str]]:
    if settings.hub.cookie_secret is not None:
        yield ("hub", "cookie_secret"), settings.hub.cookie_secret
    for index, key in enumerate(settings.hub.crypt_keys):
        yield ("hub", "crypt_keys", index), key
    if settings.proxy.token is not None:
        yield ("proxy", "token"), settings.proxy.token
    if settings.proxy.tls_key_passphrase is not None:
        yield ("proxy", "tls_key_passphrase"), settings.proxy.tls_key_passphrase
    for index, certificate in enumerate(settings.proxy.certificates):
        if certificate.passphrase is not None:
            yield ("proxy", "certificates", index, "passphrase"), certificate.passphrase
    if isinstance(settings.store.url, Secret):
        yield ("store", "url"), settings.store.url
    for index, service in enumerate(settings.services):
        if service.api_token is not None:
            yield ("services", index, "api_token"), service.api_token
        for name, value in service.environment.items():
            if isinstance(value, Secret):
                yield ("services", index, "environment", name), value
