"""Scopes as people write them, good and bad, about the small world."""

from hypothesis import strategies as st

from perijove.wire.scopes import Catalog, Client, CustomScope, Owner
from tests.integration.compared_scopes import world

CATALOG = Catalog({name: CustomScope(found["description"], tuple(found.get("subscopes", ()))) for name, found in world.CUSTOM.items()})
MEMBERSHIPS = {user: frozenset(groups) for user, groups in world.GROUPS_OF.items()}
NAMES = sorted(set(CATALOG.definitions) - {"self", "inherit"})
TARGETS = [
    *(f"user={user}" for user in (*world.GROUPS_OF, "gone")),
    *(f"group={group}" for group in (*world.GROUPS, "gone")),
    *(f"server={server}" for server in (*world.SERVERS, "gone/lab", "alice/new")),
    *(f"service={service}" for service in (*world.SERVICES, "gone")),
]
_limited = st.builds("{}!{}".format, st.sampled_from(NAMES), st.sampled_from(TARGETS))
_shortcut = st.builds("{}!{}".format, st.sampled_from(NAMES), st.sampled_from(["user", "server", "service"]))

expanded = st.lists(st.one_of(st.sampled_from(NAMES), _limited, _limited, _limited), max_size=8)
"""What is expanded already, but not reduced."""
texts = st.lists(st.one_of(st.sampled_from(NAMES), _limited, _limited, _shortcut, st.sampled_from(["self", "inherit"])), max_size=6)
"""What a role or a token may be given."""
bad = st.one_of(
    st.sampled_from(
        ["", "!", "all", "identify", "nosuch", "custom:nosuch", "servers!", "servers!!user", "servers!group", "SERVERS", "servers !user"]
    ),
    st.builds("{}!{}={}".format, st.sampled_from(NAMES), st.sampled_from(["users", "hub", "token", "User"]), st.sampled_from(["alice", ""])),
    st.builds("{}!{}=".format, st.sampled_from(NAMES), st.sampled_from(["user", "group", "server", "service"])),
    st.builds("{}!server={}".format, st.sampled_from(NAMES), st.sampled_from(["alice", "/lab", "alice/lab/more"])),
    st.builds("{}!{}".format, st.sampled_from(["self", "inherit"]), st.sampled_from([*TARGETS, "user"])),
)
"""What is no scope."""
owners = st.sampled_from([*(Owner("user", name) for name in world.GROUPS_OF), *(Owner("service", name) for name in world.SERVICES)])
clients = st.sampled_from(
    [Client(), *(Client(server=server) for server in world.SERVERS), *(Client(service=service) for service in world.SERVICES)],
)
resources = st.one_of(
    st.tuples(st.just("user"), st.sampled_from(list(world.GROUPS_OF))),
    st.tuples(st.just("group"), st.sampled_from(world.GROUPS)),
    st.tuples(st.just("server"), st.sampled_from(world.SERVERS)),
    st.tuples(st.just("service"), st.sampled_from(world.SERVICES)),
)


def owner_told(owner: Owner | None) -> list[str] | None:
    """For the oracle."""
    return None if owner is None else [owner.kind, owner.name]


def client_told(client: Client) -> str:
    """For the oracle."""
    if client.server is not None:
        return f"server {client.server}"
    return "" if client.service is None else f"service {client.service}"
