"""The OAuth 2 provider: servers and services learn who their visitor is (RFC 6749 authorization code, RFC 7636 PKCE).

JupyterHub's rules: one registered redirect URI per client, matched exactly; codes work once, for 300 s; no refresh tokens;
tokens are tied to the browser session they were made in, and end with it.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from perijove.control.context import Hub
from perijove.control.people.effective import roles_in_force
from perijove.domain.access import Identity, may, server_resource, service_resource, sources
from perijove.domain.delegation import IDENTIFY_SCOPES, resolve_requested
from perijove.domain.environment import callback_url
from perijove.domain.errors import BadInputError, ForbiddenError
from perijove.domain.server import Server
from perijove.domain.token import OAuthClient, OAuthCode, Token, TokenKind, hash_secret
from perijove.domain.user import Service
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx
from perijove.wire.scopes import Client, Memberships, ScopeError, bind
from perijove.wire.scopes.table import INHERIT

CODE_AGE = timedelta(seconds=300)
_IGNORED = frozenset({"identify"})


class OAuthError(Exception):
    """An error that the client is told about, by redirect (authorize) or JSON (token). `error` is RFC 6749's code."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest:
    """The query of an authorization request, as sent; what is empty counts as left out (RFC 6749 section 3.1)."""

    client_id: str
    redirect_uri: str
    response_type: str | None
    scopes: tuple[str, ...]
    code_challenge: str | None
    code_challenge_method: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A request that may be granted: to whom, what, and whether the person is asked first. `required` are the scopes that every
    token of the client has, as written: they go without saying."""

    client: OAuthClient
    server: Server | None
    service: Service | None
    scopes: tuple[str, ...]
    required: frozenset[str]
    confirm: bool
    because: tuple[str, ...] = ()
    """Of somebody else's server: which roles, groups or shares let the person in."""

    @property
    def redirect_uri(self) -> str:
        return self.client.redirect_uri


async def find_client(hub: Hub, client_id: str, redirect_uri: str) -> OAuthClient:
    """The client, if its redirect URI is the one given: only then the browser may be sent there at all. A server that was started
    before subdomain mode came or went gave its redirect URI of then, but is reached, and has the answer, where it would be now.

    Raises BadInputError (a page for the person, never a redirect).
    """
    if not client_id:
        raise BadInputError("Missing client_id parameter value.", "The server or service that sent you here did not say who it is; tell its owner.")
    client, server = await hub.store.read(lambda tx: _client(tx, client_id))
    if client is None:
        raise BadInputError(
            "Invalid client_id parameter value.", "The server that sent you here is not known any more. Start it again from the home page."
        )
    if redirect_uri and redirect_uri != client.redirect_uri:
        raise BadInputError("Mismatching redirect URI.", "The server or service that sent you here is not set up as the hub expects; tell its owner.")
    if server is None:
        return client
    if client.redirect_uri.startswith("https:") and not hub.addresses.domain:
        # Its cookies are for its whole host, which it does not share with other people's servers any more: they would see them.
        raise BadInputError("This server was started when it had a host of its own.", "Stop it and start it again from the home page.")
    return replace(client, redirect_uri=callback_url(hub.addresses, server))


def _client(tx: Tx, client_id: str) -> tuple[OAuthClient | None, Server | None]:
    client = tx.oauth.client(client_id)
    return client, tx.servers.get(client.server_id) if client is not None and client.server_id is not None else None


async def consider(hub: Hub, identity: Identity, request: AuthorizeRequest) -> Authorization:
    """Check the request. Raises OAuthError for the client, ForbiddenError for the person.

    Nobody is asked about their own server, a trusted service, and what they agreed to before: tokens of this client's that hold,
    from whatever browser, tell that (JupyterHub's rules).
    """
    client = await find_client(hub, request.client_id, request.redirect_uri)
    if request.response_type is None:
        raise OAuthError("invalid_request", "response_type is missing")
    if request.response_type != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    if request.code_challenge is not None and (request.code_challenge_method or "plain") not in {"plain", "S256"}:
        raise OAuthError("invalid_request", "code_challenge_method must be S256 or plain")

    def query(tx: Tx) -> tuple[Server | None, Service | None, Memberships, list[Token], dict[str, tuple[str, ...]]]:
        server = tx.servers.get(client.server_id) if client.server_id is not None else None
        service = tx.services.by_id(client.service_id) if client.service_id is not None else None
        owner = tx.users.by_id(server.user_id) if server is not None else None
        memberships: Memberships = {owner.name: frozenset(owner.groups)} if owner is not None else {}
        user = tx.users.get(identity.name)
        mine = tx.tokens.of_user(user.id, hub.clock.now()) if user is not None else []
        return server, service, memberships, [token for token in mine if token.client_id == client.id], roles_in_force(tx)

    server, service, memberships, tokens, roles = await hub.store.read(query)
    party = Client(server=server.full_name if server else None, service=service.name if service else None)
    scopes = _grant(hub, identity, client, party, request.scopes, roles, memberships)
    _may_open(identity, server, service, memberships)
    own = server is not None and server.user_name == identity.name
    because = () if server is None or own else _because(identity, server, memberships)
    trusted = service is not None and service.oauth_no_confirm
    known = set(scopes) <= {text for token in tokens for text in token.scopes}
    required = frozenset((*IDENTIFY_SCOPES, *party.access_scopes))
    return Authorization(
        client=client, server=server, service=service, scopes=scopes, required=required, confirm=not (own or trusted or known), because=because
    )


def narrowed(grant: Authorization, chosen: tuple[str, ...]) -> Authorization:
    """What the person agreed to, of what they were asked; "identify" is none of it. Raises OAuthError if it is more."""
    more = set(chosen) - {*grant.scopes, *grant.required, *_IGNORED}
    if more:
        raise OAuthError("invalid_scope", f"the person was not asked for {', '.join(sorted(more))}")
    return replace(grant, scopes=tuple(text for text in grant.scopes if text in chosen or text in grant.required))


def _may_open(identity: Identity, server: Server | None, service: Service | None, memberships: Memberships) -> None:
    """Whoever has the address of a server or service, and was sent here by it, is told plainly. Raises ForbiddenError."""
    if server is not None:
        if may(identity, "access:servers", server_resource(server.user_name, server.name, memberships.get(server.user_name, frozenset()))):
            return
        raise ForbiddenError(
            f"You may not open this server of {server.user_name}'s.", f"Ask {server.user_name} to share it with you, or an administrator for a role."
        )
    if service is not None:
        if may(identity, "access:services", service_resource(service.name)):
            return
        raise ForbiddenError(f"You may not open the service {service.name}.", "Ask an administrator for a role that allows it.")
    raise ForbiddenError("What this sign-in is for is not there any more.", "Start again from the home page.")


def _because(identity: Identity, server: Server, memberships: Memberships) -> tuple[str, ...]:
    on = server_resource(server.user_name, server.name, memberships.get(server.user_name, frozenset()))
    return tuple(map(str, sources(identity, "access:servers", on)))


def _opened(identity: Identity, grant: Authorization, now: datetime, address: str) -> AuditEvent | None:
    """Somebody else's server: its owner is told (control/people/visits.py)."""
    server = grant.server
    if server is None or server.user_name == identity.name:
        return None
    detail = {"owner": server.user_name, "administrator": identity.admin, "because": list(grant.because), "scope": "access:servers"}
    return AuditEvent(action="server.opened", at=now, actor=identity.name, target=server.full_name, address=address, detail=detail)


def _grant(
    hub: Hub,
    identity: Identity,
    client: OAuthClient,
    party: Client,
    requested: tuple[str, ...],
    roles: dict[str, tuple[str, ...]],
    memberships: Memberships,
) -> tuple[str, ...]:
    """Requested scopes (or, if all are names of roles, theirs; without any, all the client may ask for) as far as the client may ask
    and the person holds them, and what every token has; `memberships` knows the server's owner."""
    catalog, binding = hub.catalog, bind(identity.owner, party)
    required = (*IDENTIFY_SCOPES, *party.access_scopes)
    texts = [text for text in requested if text not in _IGNORED] if requested else client.allowed_scopes
    if requested and texts and all(text in roles for text in texts):
        texts = [text for name in texts for text in roles[name]]
    try:
        catalog.check(texts if requested else ())  # of those it may ask for, a custom scope may be gone: that is no fault of the request
    except ScopeError as error:
        raise OAuthError("invalid_scope", str(error)) from None
    wanted = resolve_requested(catalog, (*texts, *required), (*client.allowed_scopes, *required), binding, memberships)
    if wanted.refused:
        raise OAuthError("invalid_scope", f"this client may not ask for {', '.join(wanted.refused)}")
    held = (*identity.self_scopes(), *required, INHERIT)
    return resolve_requested(catalog, wanted.granted, held, binding, memberships).granted


async def issue_code(hub: Hub, identity: Identity, session_id: str, request: AuthorizeRequest, grant: Authorization, *, address: str = "") -> str:
    """A code for the browser to carry to the client. That somebody else's server is opened so is in the audit log. Raises ForbiddenError if the person is gone."""
    code, now = token_urlsafe(32), hub.clock.now()
    opened = _opened(identity, grant, now, address)

    def write(tx: Tx) -> None:
        user = tx.users.get(identity.name)
        if user is None:
            raise ForbiddenError("Your account is not there any more.")
        tx.oauth.add_code(
            OAuthCode(
                client_id=grant.client.id,
                user_id=user.id,
                redirect_uri=request.redirect_uri,
                scopes=grant.scopes,
                session_id=session_id,
                code_challenge=request.code_challenge,
                code_challenge_method=request.code_challenge_method or ("plain" if request.code_challenge else None),
                expires_at=now + CODE_AGE,
            ),
            hash_secret(code),
        )
        if opened is not None:
            tx.audit.add(opened)

    await hub.store.write(write)
    if opened is not None:
        hub.audit(opened)
    return code


@dataclass(frozen=True, slots=True)
class Granted:
    """The answer of the token endpoint; `text` is the access token."""

    text: str
    expires_in_s: int
    scopes: tuple[str, ...]


async def exchange(hub: Hub, *, client_id: str, client_secret: str, code: str, redirect_uri: str, code_verifier: str | None) -> Granted:
    """Trade a code for a token, as long as the browser session lasts that it was given in. Raises OAuthError (401 invalid_client,
    400 invalid_request and invalid_grant)."""
    now = hub.clock.now()
    text = token_urlsafe(32)
    age_s = int(hub.settings.hub.oauth_token_age)

    def write(tx: Tx) -> tuple[OAuthCode, AuditEvent] | OAuthError:
        client = tx.oauth.client(client_id)
        if client is None or not hmac.compare_digest(client.secret, hash_secret(client_secret)):
            return OAuthError("invalid_client", "the client is unknown or its secret is wrong", 401)
        if not code:
            return OAuthError("invalid_request", "code is missing")
        found = tx.oauth.take_code(hash_secret(code))
        if found is None or found.expires_at <= now:
            return OAuthError("invalid_grant", "the code is unknown, used or expired")
        if problem := _problem(found, client, redirect_uri, code_verifier):
            return problem  # returned, not raised: the code stays used
        user = tx.users.by_id(found.user_id)
        if user is None or user.blocked:
            return OAuthError("invalid_grant", "the person is not there any more")
        if not any(session.session_id == found.session_id and session.expires_at > now for session in tx.sessions.of_user(user.id)):
            return OAuthError("invalid_grant", "the person has signed out since")
        token = Token(
            id=0,
            kind=TokenKind.OAUTH,
            user_id=found.user_id,
            client_id=client.id,
            session_id=found.session_id,
            scopes=found.scopes,
            note=client.description,
            created=now,
            expires_at=now + timedelta(seconds=age_s) if age_s else None,
        )
        tx.tokens.add(token, hash_secret(text))
        event = AuditEvent(action="oauth.token", at=now, actor=user.name, target=client.id)
        tx.audit.add(event)
        return found, event

    done = await hub.store.write(write)
    if isinstance(done, OAuthError):
        raise done
    found, event = done
    hub.audit(event)
    return Granted(text, age_s, found.scopes)


def _problem(code: OAuthCode, client: OAuthClient, redirect_uri: str, verifier: str | None) -> OAuthError | None:
    if code.client_id != client.id:
        return OAuthError("invalid_grant", "the code was made for another client")
    # Left out of the request for the code, it may be left out here (RFC 6749 section 4.1.3); but what is sent must be right.
    if redirect_uri != (code.redirect_uri or (redirect_uri and client.redirect_uri)):
        return OAuthError("invalid_grant", "the redirect URI is not the one of the request")
    if code.code_challenge is None:
        return None
    if not verifier:
        return OAuthError("invalid_request", "code_verifier is missing")
    if not challenge_met(code.code_challenge, code.code_challenge_method or "plain", verifier):
        return OAuthError("invalid_grant", "the code verifier does not fit the challenge")
    return None


def challenge_met(challenge: str, method: str, verifier: str) -> bool:
    """RFC 7636 section 4.6."""
    if method == "S256":
        verifier = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(verifier.encode(), challenge.encode())
