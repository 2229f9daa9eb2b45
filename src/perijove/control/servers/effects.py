"""Move a server through the table, in a transaction: the new row and the bookkeeping the table asks for, together or not at all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from perijove.control.context import Hub
from perijove.domain.environment import callback_url, client_id
from perijove.domain.lifecycle import Effect, Event, Transition, step
from perijove.domain.server import Server
from perijove.domain.token import OAuthClient, Token, TokenKind, hash_secret, server_token
from perijove.ports.store.servers import StoredRoute, as_route_data
from perijove.ports.store.store import Tx

TOKEN_KEY = "server-token"
SERVER_SCOPES = ("users:activity!user", "access:servers!server")
"""JupyterHub's role `server`: what a server's own token may do."""


def move(tx: Tx, hub: Hub, server: Server, event: Event, now: datetime, **changes: Any) -> Transition:
    """One step of the table. Raises IllegalTransitionError, StaleError."""
    phase, effects = step(server.phase, event)
    saved = tx.servers.save(replace(server, phase=phase, **changes))
    for effect in effects:
        _run(tx, hub, saved, effect, now)
    return Transition(server, event, saved, effects)


def tell(hub: Hub, transitions: Sequence[Transition]) -> None:
    """After the commit: tell the observers."""
    for transition in transitions:
        hub.moved(transition)


def token_of(hub: Hub, server: Server) -> str:
    """The API token of the server's present attempt."""
    return server_token(hub.secrets.key(TOKEN_KEY), server.id, server.start_id)


def prefix_of(hub: Hub, server: Server) -> str:
    """The path below which the server answers: "/user/alice/lab/"."""
    return hub.addresses.server_path(server.user_name, server.name)


def add_route(tx: Tx, hub: Hub, server: Server, now: datetime) -> int:
    """Make sure that the server's route stands. Returns the revision by which whoever follows the routes knows it."""
    if server.address is None:
        raise ValueError(f"{server.full_name} has no address to route to")
    data = as_route_data(server.user_name, server.name)
    return tx.routes.set(
        StoredRoute(spec=hub.addresses.server_spec(server.user_name, server.name), target=server.address, data=data, server_id=server.id), now
    )


def _run(tx: Tx, hub: Hub, server: Server, effect: Effect, now: datetime) -> None:
    match effect:
        case Effect.ISSUE_TOKEN:
            _issue_token(tx, hub, server, now)
        case Effect.REVOKE_TOKEN:
            tx.tokens.delete_of_server(server.id, at=now)
            tx.oauth.delete_client(client_id(server), at=now)
        case Effect.ADD_ROUTE:
            add_route(tx, hub, server, now)
        case Effect.REMOVE_ROUTE:
            tx.routes.delete_of_server(server.id, now)


def _issue_token(tx: Tx, hub: Hub, server: Server, now: datetime) -> None:
    hashed = hash_secret(token_of(hub, server))
    prefix = prefix_of(hub, server)
    client = OAuthClient(
        id=client_id(server),
        description=f"Server at {prefix}",
        secret=hashed,
        redirect_uri=callback_url(hub.addresses, server),
        server_id=server.id,
    )
    tx.oauth.put_client(client)
    token = Token(
        id=0, kind=TokenKind.SERVER, user_id=server.user_id, server_id=server.id, scopes=SERVER_SCOPES, note=f"Server at {prefix}", created=now
    )
    tx.tokens.add(token, hashed)
