"""The environment a server is started with: the contract of JupyterHub 6, so that existing servers and images work unmodified."""

import json
from collections.abc import Mapping
from urllib.parse import quote

from perijove.domain.addresses import HubAddresses
from perijove.domain.server import Server


def client_id(server: Server) -> str:
    """The OAuth client id of a server, as JupyterHub names it."""
    name = f"jupyterhub-user-{quote(server.user_name, safe='')}"
    return f"{name}-{quote(server.name, safe='')}" if server.name else name


def callback_url(hub: HubAddresses, server: Server) -> str:
    """The only redirect URI of the server's OAuth client: a path, or in subdomain mode an address."""
    return hub.server_url(server.user_name, server.name) + "oauth_callback"


def access_scopes(server: Server) -> tuple[str, str]:
    """Any of these lets a visitor in."""
    return (f"access:servers!server={server.full_name}", f"access:servers!user={server.user_name}")


def server_environment(server: Server, token: str, hub: HubAddresses) -> dict[str, str]:
    """All JUPYTERHUB_… variables but JUPYTERHUB_SERVICE_URL, which the spawner adds (see service_url)."""
    scopes = json.dumps(list(access_scopes(server)))
    return {
        "JUPYTERHUB_API_TOKEN": token,
        "JPY_API_TOKEN": token,
        "JUPYTERHUB_CLIENT_ID": client_id(server),
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "1" if hub.host_cookies else "0",
        "JUPYTERHUB_HOST": hub.public_url,
        "JUPYTERHUB_OAUTH_CALLBACK_URL": callback_url(hub, server),
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES": "[]",
        "JUPYTERHUB_USER": server.user_name,
        "JUPYTERHUB_SERVER_NAME": server.name,
        "JUPYTERHUB_API_URL": hub.api_url,
        "JUPYTERHUB_ACTIVITY_URL": f"{hub.api_url}/users/{quote(server.user_name, safe='@~')}/activity",
        "JUPYTERHUB_BASE_URL": hub.base_url,
        "JUPYTERHUB_SERVICE_PREFIX": hub.server_path(server.user_name, server.name),
        "JUPYTERHUB_PUBLIC_URL": hub.full_server_url(server.user_name, server.name),
        "JUPYTERHUB_PUBLIC_HUB_URL": f"{hub.public_url}{hub.base_url}hub/" if hub.public_url else "",
    }


def service_url(bind_url: str, prefix: str) -> str:
    """JUPYTERHUB_SERVICE_URL from a bind URL ("http://127.0.0.1:1234" or "http+unix://%2Fpath") and the server's prefix."""
    return bind_url.rstrip("/") + prefix


def merged(*environments: Mapping[str, str]) -> dict[str, str]:
    """Later ones win."""
    return {name: value for environment in environments for name, value in environment.items()}
