"""An authenticator whose answers a test sets, and an observer that keeps what it hears. The database is the real one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from perijove.domain.claims import Claims
from perijove.ports.authenticator import Credentials, Form, SignInRequest
from perijove.ports.observer import AuditEvent


@dataclass
class Door:
    """Implements ports.authenticator.Authenticator. `known`: what is typed as user name -> claims, or an error to raise."""

    known: dict[str, Claims | Exception] = field(default_factory=dict)
    fresh: dict[str, Claims | Exception | None] = field(default_factory=dict)
    """Subject -> what refresh says; who is missing is as they were."""
    asked: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    pause: asyncio.Event | None = None
    """If set, answers wait for it."""
    issuer: str = "door"
    label: str = "Sign in"

    async def begin(self, request: SignInRequest) -> Form:
        return Form(fields=())

    async def finish(self, credentials: Credentials) -> Claims | None:
        name = credentials.fields.get("username", "")
        self.asked.append(name)
        if self.pause is not None:
            await self.pause.wait()
        answer = self.known.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer if credentials.fields.get("password") == "right" else None

    async def refresh(self, claims: Claims) -> Claims | None:
        self.refreshed.append(claims.subject)
        if self.pause is not None:
            await self.pause.wait()
        answer = self.fresh.get(claims.subject, claims)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Ear:
    """Implements ports.observer.Observer for audit events."""

    heard: list[AuditEvent] = field(default_factory=list)

    def transition(self, transition: object, at: datetime) -> None: ...

    def audit(self, event: AuditEvent) -> None:
        self.heard.append(event)


def typed(name: str, password: str = "right", *, address: str = "192.0.2.1", more: Mapping[str, str] | None = None) -> Credentials:
    request = SignInRequest(callback_url="http://127.0.0.1:8000/hub/callback", address=address)
    return Credentials(fields={"username": name, "password": password, **(more or {})}, request=request)
