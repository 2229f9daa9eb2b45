"""Accounts that the hub itself keeps: passwords as argon2id hashes, made by invitation only."""

import secrets
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated

import structlog
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Meta, Struct

from perijove.adapters.authenticators.desk import Desk
from perijove.domain.claims import Claims
from perijove.domain.passwords import MAX_PASSWORD
from perijove.domain.server import UserId
from perijove.domain.user import User
from perijove.ports.authenticator import Credentials, Form, FormField, SignInRequest
from perijove.ports.plugin import PluginContext
from perijove.ports.store.store import Store, Tx
from perijove.wire.names import BadNameError, parse_user_name

ISSUER = "local"
_log = structlog.get_logger("perijove.accounts")


class AccountsConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cost of one password check (RFC 9106, second recommended option). Passwords are hashed anew at the next sign-in
    when it grows."""

    memory_kib: Annotated[int, Meta(ge=8192, le=4_194_304)] = 65536
    """Memory of one check, in KiB."""
    passes: Annotated[int, Meta(ge=1, le=64)] = 3
    lanes: Annotated[int, Meta(ge=1, le=64)] = 4
    threads: Annotated[int, Meta(ge=1, le=32)] = 2
    """How many passwords are checked at the same time."""


class Accounts:
    """Implements ports.authenticator.Authenticator and ports.passwords.KeepsPasswords."""

    Config = AccountsConfig

    def __init__(self, config: AccountsConfig, store: Store, desk: Desk) -> None:
        self._store = store
        self._desk = desk
        self._hasher = PasswordHasher(time_cost=config.passes, memory_cost=config.memory_kib, parallelism=config.lanes, type=Type.ID)
        self._nobodys = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, config: AccountsConfig, context: PluginContext) -> AsyncIterator["Accounts"]:
        async with Desk.open(config.threads, "passwords") as desk:
            accounts = cls(config, context.store, desk)
            accounts._nobodys = await accounts.hash_password(secrets.token_urlsafe())
            yield accounts

    @property
    def issuer(self) -> str:
        return ISSUER

    @property
    def label(self) -> str:
        return "Sign in"

    async def begin(self, request: SignInRequest) -> Form:  # noqa: ARG002 - the port's
        return Form(
            fields=(
                FormField("username", "User name", autocomplete="username"),
                FormField("password", "Password", "password", "current-password"),
            ),
            signup_hint="No account yet? Ask an administrator for an invitation.",
        )

    async def finish(self, credentials: Credentials) -> Claims | None:
        password = credentials.fields.get("password", "")
        try:
            name = parse_user_name(credentials.fields.get("username", ""))
        except BadNameError:
            name = None

        def query(tx: Tx) -> tuple[User | None, str | None]:
            user = tx.users.get(name) if name is not None else None
            return user, tx.passwords.get(user.id) if user is not None else None

        user, phc = await self._store.read(query)
        fits = await self.verify_password(phc, password)
        if user is None or phc is None or not fits:
            return None
        if self._outgrown(phc):
            await self._hash_anew(user.id, phc, password)
        return Claims(issuer=ISSUER, subject=str(user.id), username=user.name, allowed=True)

    async def refresh(self, claims: Claims) -> Claims | None:
        """The account is there as long as it has a password."""
        user_id = UserId(int(claims.subject)) if claims.subject.isdecimal() else None
        phc = None if user_id is None else await self._store.read(lambda tx: tx.passwords.get(user_id))
        return None if phc is None else replace(claims, allowed=True)

    async def hash_password(self, password: str) -> str:
        return await self._desk.check(lambda: self._hasher.hash(_normal(password)))

    async def verify_password(self, phc: str | None, password: str) -> bool:
        """Takes as long for a name nobody has (`phc` None) as for one somebody has."""
        too_long = len(password) > MAX_PASSWORD
        return await self._desk.check(lambda: self._verify(phc or self._nobodys, "" if too_long else password)) and phc is not None

    def _verify(self, phc: str, password: str) -> bool:
        try:
            return self._hasher.verify(phc, _normal(password))
        except InvalidHashError:
            _log.error("a stored password is damaged; its owner needs a link to set a new one")
            return False
        except VerificationError:
            return False

    def _outgrown(self, phc: str) -> bool:
        old = extract_parameters(phc)
        new = self._hasher
        return old.type is not Type.ID or old.memory_cost < new.memory_cost or old.time_cost < new.time_cost

    async def _hash_anew(self, user_id: UserId, before: str, password: str) -> None:
        phc = await self.hash_password(password)

        def write(tx: Tx) -> None:
            if tx.passwords.get(user_id) == before:
                tx.passwords.put(user_id, phc)

        await self._store.write(write)


def _normal(password: str) -> bytes:
    """The same bytes whichever keyboard typed it (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
