"""Anybody may be anybody, perhaps with one password for all. For trying things out and for tests."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from perijove.config.secret import SecretMissingError, read_secret
from perijove.config.section import Secret
from perijove.domain.claims import Claims
from perijove.domain.errors import SettingsError
from perijove.ports.authenticator import Credentials, Form, FormField, SignInRequest
from perijove.ports.plugin import PluginContext
from perijove.wire.names import BadNameError, parse_user_name

ISSUER = "dummy"


class DummyConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may come in is still up to [access]."""

    password: Secret | None = None
    """One password for everybody; without it none is asked for."""
    allow_exposed: bool = False
    """Start even where other machines can reach the hub."""


class Dummy:
    """Implements ports.authenticator.Authenticator."""

    Config = DummyConfig

    def __init__(self, password: str | None) -> None:
        self._password = password

    @classmethod
    @asynccontextmanager
    async def open(cls, config: DummyConfig, context: PluginContext) -> AsyncIterator["Dummy"]:
        if context.exposed and not config.allow_exposed:
            raise SettingsError(
                "The authenticator dummy lets anybody be anybody, and other machines can reach this hub.",
                "Choose another one in [authenticator], listen on 127.0.0.1 only, or set allow_exposed = true if you really mean it.",
            )
        password = None
        if config.password is not None:
            try:
                password = read_secret(config.password, context.environ, context.state_dir)
            except SecretMissingError as error:
                raise SettingsError(f"authenticator.password: {error}.", "Whoever runs this hub can mend it.") from None
        yield cls(password)

    @property
    def issuer(self) -> str:
        return ISSUER

    @property
    def label(self) -> str:
        return "Sign in"

    async def begin(self, request: SignInRequest) -> Form:  # noqa: ARG002 - the port's
        name = FormField("username", "User name", autocomplete="username")
        hint = "Anybody may sign in under any name here: this hub is being tried out."
        if self._password is None:
            return Form(fields=(name,), signup_hint=hint)
        return Form(fields=(name, FormField("password", "Password", "password", "current-password")), signup_hint=hint)

    async def finish(self, credentials: Credentials) -> Claims | None:
        given = credentials.fields.get("password", "")
        if self._password is not None and not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._password.encode()):
            return None
        try:
            name = parse_user_name(credentials.fields.get("username", ""))
        except BadNameError:
            return None
        return Claims(issuer=ISSUER, subject=name, username=name)

    async def refresh(self, claims: Claims) -> Claims:
        return claims
