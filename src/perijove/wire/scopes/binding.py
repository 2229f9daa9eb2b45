"""What the shortcuts !user, !service, !server and the metascope `self` stand for: the owner, and the OAuth client in between."""

from typing import Final, Literal

from msgspec import Struct


class Owner(Struct, frozen=True):
    """Whose scopes they are: a user or a service."""

    kind: Literal["user", "service"]
    name: str

    @property
    def identify_scopes(self) -> tuple[str, ...]:
        """What every token may do: learn whose it is."""
        if self.kind == "user":
            return (f"read:users:name!user={self.name}", f"read:users:groups!user={self.name}")
        return (f"read:services:name!service={self.name}",)


class Client(Struct, frozen=True, kw_only=True):
    """The OAuth client a token was issued to: a server (USER/SERVER) or a service, or neither for tokens made by request."""

    server: str | None = None
    service: str | None = None

    @property
    def access_scopes(self) -> tuple[str, ...]:
        """What its tokens always carry, as far as their owner holds it: access to the client itself."""
        if self.server is not None:
            return (f"access:servers!server={self.server}",)
        return () if self.service is None else (f"access:services!service={self.service}",)


class Binding(Struct, frozen=True, kw_only=True):
    """The names the shortcuts stand for; a shortcut without one grants nothing."""

    user: str | None = None
    service: str | None = None
    server: str | None = None


API_CLIENT: Final = Client()
NOBODY: Final = Binding()


def bind(owner: Owner | None = None, client: Client = API_CLIENT) -> Binding:
    """JupyterHub's rule: !user is the owner if that is a user; !service the client's service, else the owner if that is one;
    !server the client's server."""
    user = owner.name if owner is not None and owner.kind == "user" else None
    service = owner.name if owner is not None and owner.kind == "service" else None
    return Binding(user=user, service=service if client.service is None else client.service, server=client.server)
