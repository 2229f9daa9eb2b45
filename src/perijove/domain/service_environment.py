"""The environment of a managed service: the contract of JupyterHub 6, so that existing services work unmodified."""

import json

from perijove.domain.addresses import HubAddresses
from perijove.domain.user import Service


def access_scopes_of_service(name: str) -> tuple[str, str]:
    """Any of these lets a visitor in."""
    return ("access:services", f"access:services!service={name}")


def service_environment(service: Service, token: str, hub: HubAddresses) -> dict[str, str]:
    """All JUPYTERHUB_… variables."""
    scopes = json.dumps(list(access_scopes_of_service(service.name)))
    variables = {
        "JUPYTERHUB_SERVICE_NAME": service.name,
        "JUPYTERHUB_API_TOKEN": token,
        "JPY_API_TOKEN": token,
        "JUPYTERHUB_CLIENT_ID": service.oauth_client_id or f"service-{service.name}",
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "1" if hub.service_host_cookies else "0",
        "JUPYTERHUB_HOST": hub.public_url,
        "JUPYTERHUB_OAUTH_CALLBACK_URL": service.oauth_redirect_uri or (f"{hub.service_url(service.name)}oauth_callback" if service.url else ""),
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_SCOPES": scopes,
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES": json.dumps(list(service.oauth_client_allowed_scopes)),
        "JUPYTERHUB_USER": "",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_API_URL": hub.api_url,
        "JUPYTERHUB_BASE_URL": hub.base_url,
        "JUPYTERHUB_PUBLIC_URL": hub.full_service_url(service.name) if service.url else "",
        "JUPYTERHUB_PUBLIC_HUB_URL": f"{hub.public_url}{hub.base_url}hub/" if hub.public_url else "",
    }
    if service.url:
        variables |= {"JUPYTERHUB_SERVICE_URL": service.url, "JUPYTERHUB_SERVICE_PREFIX": hub.service_path(service.name)}
    return variables
