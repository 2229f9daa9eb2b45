"""Turns credentials, or the way back from a redirect, into claims. The hub decides what the claims may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from perijove.domain.claims import Claims


@dataclass(frozen=True, slots=True)
class FormField:
    """One input of the sign-in form. `kind` is an HTML input type: text, password, or "otp"."""

    name: str
    label: str
    kind: str = "text"
    autocomplete: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Draw this form and post it back. `signup_hint` tells how to get an account, e.g. "Ask an administrator for an invitation."."""

    fields: tuple[FormField, ...]
    signup_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Send the browser there. `state` is kept by the hub (encrypted, in the browser's own cookie) and handed to `finish`."""

    url: str
    state: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRequest:
    """`callback_url` is where a redirect must come back to; `address` the client's address."""

    callback_url: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What came back: form fields or query parameters, and the state kept from a Redirect. Never logged."""

    fields: Mapping[str, str]
    request: SignInRequest
    state: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Credentials(fields={sorted(self.fields)})"


class Authenticator(Protocol):
    @property
    def issuer(self) -> str:
        """The first half of every identity it asserts, stable for ever (e.g. "local", "pam", an OIDC issuer URL)."""
        ...

    @property
    def label(self) -> str:
        """On the sign-in button, e.g. "Sign in with Example University"."""
        ...

    async def begin(self, request: SignInRequest) -> Form | Redirect:
        """How a sign-in starts."""
        ...

    async def finish(self, credentials: Credentials) -> Claims | None:
        """Claims, or None when the credentials are wrong. Raises AuthenticatorUnavailableError if it cannot tell,
        ForbiddenError with words for the person if the source itself forbids (expired account)."""
        ...

    async def refresh(self, claims: Claims) -> Claims | None:
        """The claims as they are today, or None when the account is gone. Raises AuthenticatorUnavailableError if it cannot
        tell (nobody is signed out for that). Return `claims` if there is nothing to ask.

        `claims` are made from what the hub has recorded: `groups`, `roles`, `admin` and `allowed` are not, so set them again where the
        sign-in sets them. The rules are applied again to what is returned."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedRole:
    """A role that the authenticator keeps. `users` and `groups` are all who hold it, and are made if they do not exist; None leaves
    those who do: people get it by `roles` of their claims."""

    name: str
    description: str = ""
    scopes: tuple[str, ...] = ()
    users: frozenset[str] | None = None
    groups: frozenset[str] | None = None


@runtime_checkable
class KeepsRoles(Protocol):
    """What an authenticator may be besides."""

    async def managed_roles(self) -> Sequence[ManagedRole]:
        """All roles that it keeps. Asked at each start of the hub if `manage_roles` in [access] is set. Raises
        AuthenticatorUnavailableError if it cannot tell: those of the last time then count."""
        ...
