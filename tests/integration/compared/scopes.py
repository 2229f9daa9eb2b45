"""What one scope alone shows: a token for each, without a limit and with each kind of limit, and everything that it may read."""

from collections.abc import Iterator

from perijove.wire.scopes.table import STANDARD_SCOPES
from tests.integration.compared.talk import Ask, Step

LIMITS = ("", "!user=ann", "!user", "!group=team", "!server=ann/lab", "!service=weak")
READ = (
    "/user", "/users", "/users/ann?include_stopped_servers=1", "/users/bob", "/users/ann/servers/lab", "/users/ann/tokens", "/groups", "/groups/team",
    "/services", "/services/weak",
)  # fmt: skip
WHOLE = (
    "/info",
    "/proxy",
    "/users/ada",
    "/users/nobody",
    "/groups/nobody",
    "/services/nobody",
    "/shares/ann",
    "/users/ann/shared",
    "/groups/team/shared",
)


def tokens_with_one_scope() -> Iterator[Step]:
    for scope in STANDARD_SCOPES:
        for limit in LIMITS:
            who = f"{scope}{limit}"
            yield Ask(who="ada", method="POST", path="/users/ada/tokens", json={"scopes": [who]}, become=who)


def what_one_scope_shows() -> Iterator[Step]:
    for scope in STANDARD_SCOPES:
        for limit in LIMITS:
            if limit == "!user" or (limit == "!service=weak" and "services" not in scope):
                continue  # the first is what "!user=ada" would be, the second is empty
            for path in READ if limit else (*READ, *WHOLE):
                yield Ask(who=f"{scope}{limit}", path=path)


AREAS = (tokens_with_one_scope, what_one_scope_shows)
