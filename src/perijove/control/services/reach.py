"""What comes and goes with a service: its route, its OAuth client, its token."""

from datetime import datetime

from perijove.control.context import Hub
from perijove.domain.service_rules import origin
from perijove.domain.token import OAuthClient, Token, TokenKind, hash_secret
from perijove.domain.user import Service
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx


def set_route(tx: Tx, hub: Hub, service: Service, now: datetime) -> None:
    """The route to a service that has an address, and none to one that has not."""
    spec = hub.addresses.service_spec(service.name)
    if service.url:
        tx.routes.set(StoredRoute(spec=spec, target=origin(service.url), data={"service": service.name}), now)
    else:
        tx.routes.delete(spec, now)


def set_client(tx: Tx, hub: Hub, service: Service, secret: str | None, now: datetime) -> None:
    """The OAuth client of a service that asks who its visitors are: its secret is the service's token (JupyterHub's rule). None
    without a secret: anybody could be that client."""
    if service.oauth_client_id and not secret:
        tx.oauth.delete_client(service.oauth_client_id, at=now)
    elif service.oauth_client_id and secret:
        client = OAuthClient(
            id=service.oauth_client_id,
            description=f"Service {service.name}",
            secret=hash_secret(secret),
            redirect_uri=service.oauth_redirect_uri or f"{hub.addresses.service_url(service.name)}oauth_callback",
            allowed_scopes=service.oauth_client_allowed_scopes,
            service_id=service.id,
        )
        tx.oauth.put_client(client)


def set_token(tx: Tx, service: Service, text: str | None, note: str, now: datetime) -> None:
    """The service's token, and no other of its own."""
    hashed = hash_secret(text) if text else None
    known = tx.tokens.find(hashed) if hashed else None
    if known is not None and known.service_id == service.id:
        return
    if known is not None:
        tx.tokens.delete(known.id, at=now)
    tx.tokens.delete_of_service(service.id, at=now)
    if hashed is not None:
        tx.tokens.add(Token(id=0, kind=TokenKind.API, service_id=service.id, scopes=("inherit",), note=note, created=now), hashed)


def remove(tx: Tx, hub: Hub, service: Service, now: datetime) -> None:
    """The service with all that came with it."""
    tx.routes.delete(hub.addresses.service_spec(service.name), now)
    if service.oauth_client_id:
        tx.oauth.delete_client(service.oauth_client_id, at=now)
    tx.services.delete(service.name, now=now)
