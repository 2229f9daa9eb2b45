"""The API's models, in JupyterHub's shape. A field that the asker may not see is left out (UNSET), not null."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Moment = Annotated[str, Meta(description="ISO 8601, UTC, with microseconds and Z", extra_json_schema={"format": "date-time"})]
Path = Annotated[str, Meta(description="an address without scheme and host; with them in subdomain mode")]


class ServerModel(Struct, kw_only=True):
    """A server of a person's. The default one's name is empty."""

    name: str
    display_name: str
    full_name: Annotated[str, Meta(description="USER/SERVER")]
    last_activity: Moment | None
    started: Moment | None
    pending: Annotated[str, Meta(description="what is under way: spawn, stop, check")] | None
    ready: bool
    stopped: bool
    url: Path
    user_options: Mapping[str, Any]
    progress_url: Path
    full_url: str | None
    full_progress_url: str | None
    state: Annotated[Mapping[str, Any], Meta(description="what the spawner keeps; with admin:server_state")] | UnsetType = UNSET


class QueuePlaceModel(Struct, kw_only=True):
    """A server's place in the queue."""

    place: Annotated[int, Meta(description="1 is first")]
    length: Annotated[int, Meta(description="how many wait")]
    reason: Annotated[str, Meta(description="what it waits for, in words; empty if it goes on in a moment")]
    least_s: Annotated[float, Meta(description="how long it may take yet, in seconds: at least")] | None
    most_s: Annotated[float, Meta(description="and at most; both null if nobody can know")] | None


class UserModel(Struct, kw_only=True):
    """A person, as far as the asker's scopes see them."""

    kind: Literal["user"] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    user_info: Annotated[Mapping[str, Any], Meta(description="what the sign-in provider says about the person")] | UnsetType | None = UNSET
    admin: bool | UnsetType = UNSET
    roles: list[str] | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET
    server: Annotated[Path, Meta(description="where the default server is, if it is ready")] | UnsetType | None = UNSET
    pending: Annotated[str, Meta(description="what is under way with the default server")] | UnsetType | None = UNSET
    created: Moment | UnsetType | None = UNSET
    last_activity: Moment | UnsetType | None = UNSET
    servers: Annotated[dict[str, ServerModel], Meta(description="by name; those that run, unless the stopped ones are asked for")] | UnsetType = UNSET
    auth_state: Annotated[Mapping[str, Any], Meta(description="with admin:auth_state")] | UnsetType | None = UNSET


class GroupModel(Struct, kw_only=True):
    """A group, as far as the asker's scopes see it."""

    kind: Literal["group"] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    roles: list[str] | UnsetType = UNSET
    users: list[str] | UnsetType = UNSET
    properties: Mapping[str, Any] | UnsetType = UNSET


class ServiceModel(Struct, kw_only=True):
    """A program that uses the API, as far as the asker's scopes see it."""

    kind: Literal["service"] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    admin: bool | UnsetType = UNSET
    roles: list[str] | UnsetType = UNSET
    url: str | UnsetType | None = UNSET
    prefix: Path | UnsetType = UNSET
    command: list[str] | UnsetType = UNSET
    pid: Annotated[int, Meta(description="0: not started by the hub, or not running")] | UnsetType = UNSET
    info: Mapping[str, Any] | UnsetType = UNSET
    display: bool | UnsetType = UNSET


class SelfUser(UserModel, kw_only=True):
    """A person who asks about themselves."""

    token_id: str | None
    session_id: str | None
    scopes: list[str]


class SelfService(ServiceModel, kw_only=True):
    """A service that asks about itself."""

    token_id: str | None
    session_id: str | None
    scopes: list[str]


class TokenModel(Struct, kw_only=True):
    """A token; its text is shown once only, when it is made. `scopes` are the effective, expanded ones."""

    user: str | UnsetType = UNSET
    service: str | UnsetType = UNSET
    id: Annotated[str, Meta(pattern="^a[0-9]+$")]
    kind: Literal["api_token"] = "api_token"
    roles: Annotated[list[str], Meta(description="always empty: tokens have scopes")]
    scopes: list[str]
    created: Moment
    last_activity: Moment | None
    expires_at: Moment | None
    note: str
    session_id: str | None
    oauth_client: str


class MadeToken(TokenModel, kw_only=True):
    """A new token with its text."""

    token: str


class TokenList(Struct):
    """All tokens of a person."""

    api_tokens: list[TokenModel]


class Name(Struct):
    """Somebody, or a group, by name."""

    name: str


class SharedServerModel(Struct, kw_only=True):
    """A server as those with whom it is shared see it."""

    user: Name
    name: str
    url: Path
    full_url: str | None
    ready: bool


class ShareModel(Struct, kw_only=True):
    """With whom a server is shared: a person or a group."""

    server: SharedServerModel
    scopes: list[str]
    user: Name | None
    group: Name | None
    kind: Literal["user", "group"]
    created_at: Moment


class ShareCodeModel(Struct, kw_only=True):
    """A link to a server, without its code, which nobody knows any more."""

    server: SharedServerModel
    scopes: list[str]
    id: Annotated[str, Meta(pattern="^sc_[0-9]+$")]
    created_at: Moment
    expires_at: Moment | None
    exchange_count: int
    last_exchanged_at: Moment | None


class MadeShareCode(ShareCodeModel, kw_only=True):
    """A new link; `full_accept_url` is null unless the hub knows its public address."""

    code: str
    accept_url: Path
    full_accept_url: str | None


class Empty(Struct):
    """An empty object."""


class Problem(Struct, kw_only=True, omit_defaults=True):
    """Why a request was refused: `message` what is wrong, `hint` who can mend it and how, `code` a short name of it."""

    status: int
    message: str
    hint: str = ""
    code: str = ""
    request_id: str = ""
