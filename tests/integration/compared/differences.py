"""Where the REST API answers otherwise than JupyterHub's 6.1.1, on purpose, and why. docs/reference/jupyterhub-differences.md is made from this."""

from collections.abc import Iterator

from tests.integration.compared.matching import Difference

X = "x" * 20
PAGED = "(accept: application/jupyterhub-pagination+json)"
MANY_KEYS = "Unknown keys are mistakes of writing, and told."
STRICT = "A value of the wrong type is refused where it is written."
FIRST = "Where two things are wrong, either may be told first."

GENERAL = (
    Difference(
        where="any method that an address does not take",
        theirs="405 without `Allow`",
        mine="405 with `Allow`; OPTIONS tells it too",
        why="RFC 9110 section 15.5.6 wants it.",
        at="headers.allow: '(none)'",
        asks=("*",),
    ),
    Difference(
        where="HEAD of what can be read",
        theirs="405",
        mine="as GET, without a body",
        why="RFC 9110 section 9.1: every server has GET and HEAD.",
        at="status 405 -> ",
        asks=("test: HEAD *", "nobody: HEAD *", "cookie of ann: HEAD *"),
    ),
    Difference(
        where="a slash at the end of an address",
        theirs="404",
        mine="as without it",
        why="It can mean nothing else; where it means an empty server name, it does so here too.",
        at="status 404 -> ",
        asks=("*: GET */", "*: DELETE */", '*: POST /users*/ {"usernames": ["eve"]}'),
    ),
    Difference(
        where="`message` of errors",
        theirs="text or null",
        mine="text, and beside it `hint`, `code` and `request_id`",
        why="Whoever reads it learns who can mend it and how. These are looked at in every answer of the comparison.",
        at="",
        asks=(),
    ),
    Difference(
        where="GET /hub/api",
        theirs="`version`",
        mine="`version` and `perijove`",
        why="`version` is that of the protocol; our own is beside it.",
        at="body.perijove",
        asks=("*: GET /", "*: GET / *"),
    ),
    Difference(
        where="GET /hub/api/info",
        theirs="without `perijove` and `platform`",
        mine="with them",
        why="They are what bug reports need.",
        at="body.p",
        asks=("test: GET /info", "ada: GET /info", "cookie of ada: GET /info", "inherit: GET /info", "read:hub: GET /info"),
    ),
    Difference(
        where="other methods than GET on /hub/api",
        theirs="`Access-Control-Allow-Origin: *`",
        mine="without it",
        why="The version may be read from any site. There is nothing else to do there.",
        at="headers.access-control-allow-origin: '*' -> '(none)'",
        asks=tuple(f"*: {method} /*" for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
    ),
    Difference(
        where="/hub/api/health",
        theirs="a page's Content-Security-Policy; 403 to methods that it does not take",
        mine="the API's policy; 405",
        why="It is a part of the API like the others.",
        at="headers.content-security-policy",
        asks=("*: GET /health", "*: HEAD /health"),
    ),
    Difference(
        where="POST, PUT, PATCH, DELETE /hub/api/health",
        theirs="403",
        mine="405",
        why="Nobody may, so that is what is said.",
        at="status 403 -> 405",
        asks=tuple(f"*: {method} /health" for method in ("POST", "PUT", "PATCH", "DELETE")),
    ),
    Difference(
        where="OPTIONS /hub/api/health",
        theirs="405",
        mine="200",
        why="OPTIONS is answered everywhere in the API.",
        at="status 405 -> 200",
        asks=("*: OPTIONS /health",),
    ),
    Difference(
        where="`Authorization: token<TAB>...`",
        theirs="accepted",
        mine="403",
        why="RFC 9110 section 11.4: between scheme and token there are spaces.",
        at="status 200 -> 403",
        asks=("with a header: GET /user* (authorization: token\t*)", "with a header: GET /users/ann (authorization: token\t*)"),
    ),
    Difference(
        where="a body whose objects and lists are nested more than 100 deep",
        theirs="taken",
        mine="400",
        why="What is kept is shown inside other objects: nesting just short of Python's limit would break each list that it comes up in.",
        at="status 200 -> 400",
        asks=('test: PUT /groups/empty/properties {"deep":{"deep":*',),
    ),
    Difference(
        where="a JSON body that is called multipart/form-data",
        theirs="400",
        mine="read as JSON",
        why="The API takes nothing but JSON, so a wrong Content-Type does not matter; a token or the page's own secret is asked for anyhow.",
        at="status 400 -> ",
        asks=("*: POST /groups/team/users * (content-type: multipart/form-data)*",),
    ),
)

BROWSERS = (
    Difference(
        where="changes with the sign-in cookie and the page's secret, from another site's page",
        theirs="done",
        mine="403",
        why="Where the browser says that another site asks, even the right secret does not help it.",
        at="status 20",
        asks=("cookie of *: * (sec-fetch-site: cross-site) (x-xsrftoken: {xsrf})", "cookie of *: * (origin: *) (x-xsrftoken: {xsrf})"),
    ),
    Difference(
        where="POST with the sign-in cookie, the page's secret and another Content-Type than JSON",
        theirs="403",
        mine="done",
        why="The secret, which is always asked for, shows that a page of ours sent it.",
        at="status 403 -> 200",
        asks=("cookie of ada: POST /groups/team/users * (content-type: *) (x-xsrftoken: {xsrf})",),
    ),
)

LISTS = (
    Difference(
        where="lists: `offset` larger than 2^53",
        theirs="500",
        mine="400",
        why="No list is that long.",
        at="status 500 -> 400",
        asks=("test: GET /users?offset=9*",),
    ),
    Difference(
        where="`Accept: application/jupyterhub-pagination+json;q=1`",
        theirs="a plain list",
        mine="the page with `items`",
        why="A parameter does not change which type is asked for.",
        at="body: [",
        asks=("test: GET /*s?limit=* (accept: application/jupyterhub-pagination+json;q=1)",),
    ),
    Difference(
        where="`_pagination` of groups, for who may see some of them",
        theirs="`total` counts all groups",
        mine="`total` counts those who are shown",
        why="`next` leads on only where there is more to see.",
        at="body._pagination",
        asks=(f"groupie: GET /groups?* {PAGED}",),
    ),
    Difference(
        where="GET /users?name_filter=%25",
        theirs="`%` and `_` stand for anything when `total` is counted",
        mine="they stand for themselves",
        why="They are characters of names.",
        at="body._pagination.total",
        asks=(f"test: GET /users?name_filter=%25 {PAGED}", f"test: GET /users?name_filter=_ {PAGED}"),
    ),
    Difference(
        where="GET /users?name_filter=%25, the list",
        theirs="everybody",
        mine="those with a `%` in the name",
        why="As above.",
        at="body*: [{",
        asks=tuple(f"test: GET /users?name_filter={name}{more}" for name in ("%25", "_") for more in ("", f" {PAGED}")),
    ),
    Difference(
        where="GET /services with a limit that no service can meet, `list:services!user=ada`",
        theirs="200, and nothing",
        mine="403",
        why="As with lists of users and of groups.",
        at="status 200 -> 403",
        asks=tuple(
            f"{scope}:services!{limit}: GET /services" for scope in ("admin", "list") for limit in ("user=ann", "group=team", "server=ann/lab")
        ),
    ),
    Difference(
        where="`last_activity` of tokens",
        theirs="written with every use",
        mine="written within 30 seconds",
        why="Reading must not cost a write each time.",
        at="body*last_activity: '(moment)' -> None",
        asks=("*: GET /users/*/tokens*",),
    ),
)

USERS = (
    Difference(
        where="names of users with capital letters or outer spaces",
        theirs="POST /users/Ada makes an account that nobody can sign in to; outer spaces are refused",
        mine="the name as it is after signing in: `ada`",
        why="Names mean the same person however they were written.",
        at="body.name: 'Eve2' -> 'eve2'",
        asks=("test: POST /users/Eve2",),
    ),
    Difference(
        where="names of users with outer spaces",
        theirs="400",
        mine="taken without the spaces",
        why="As at signing in.",
        at="status 400 -> ",
        asks=("test: POST /users/%20ann", "test: POST /users/ann%20", 'test: POST /users {"usernames": [" gil "]}'),
    ),
    Difference(
        where="names of users longer than 255 characters, or with control characters",
        theirs="201",
        mine="400",
        why="They fit into no file system, database column or log line.",
        at="status 201 -> 400",
        asks=(f"test: POST /users/{X}*", "test: POST /users/a%00b", f'test: POST /users {{"usernames": ["{X}*'),
    ),
    Difference(
        where='POST /users `{"usernames": "ada"}`, `{"usernames": {"ada": 1}}`',
        theirs="201: the users a and d; the user ada",
        mine="400",
        why=STRICT,
        at="status 201 -> 400",
        asks=('test: POST /users {"usernames": "gil"}', 'test: POST /users {"usernames": {"gil": 1}}'),
    ),
    Difference(
        where='POST /users `{"usernames": [5]}`',
        theirs="500",
        mine="400",
        why=STRICT,
        at="status 500 -> 400",
        asks=('test: POST /users {"usernames": [5]}', 'test: POST /users {"usernames": [null]}'),
    ),
    Difference(
        where='POST /users `{"usernames": ["ada", "ada"]}`',
        theirs="201 with two users, of whom one is made",
        mine="201 with one",
        why="It is one user.",
        at="body: [",
        asks=('test: POST /users {"usernames": ["gil", "gil"]}', 'test: POST /users {"usernames": ["gil", "Gil"]}'),
    ),
    Difference(
        where="POST /users with keys of another request",
        theirs="ignored",
        mine="400",
        why=MANY_KEYS,
        at="status 201 -> 400",
        asks=('test: POST /users {"usernames": ["gil"], "name": "hal"}',),
    ),
    Difference(
        where='POST /users/ada `{"more": 1}`',
        theirs="400",
        mine="ignored",
        why="There is nothing else to say than `admin`, and older clients send more.",
        at="status 400 -> 201",
        asks=('*: POST /users/eve {"more": 1}',),
    ),
    Difference(
        where="POST /users/ada with a body that is no object, where ada exists",
        theirs="409",
        mine="400",
        why=FIRST,
        at="status 409 -> 400",
        asks=tuple(f"test: POST /users/ann {body}" for body in ("5", '"text"', "true", "[]", "[1]")),
    ),
    Difference(
        where='PATCH /users/ada `{"name": "ada"}`',
        theirs="the user loses the name: null",
        mine="nothing changes",
        why="A name that stays is no change.",
        at="body.name: None -> 'eve'",
        asks=('test: PATCH /users/eve {"name": "eve"}',),
    ),
    Difference(
        where="PATCH /users/ada with `groups`",
        theirs="500",
        mine="done by who holds `groups` for each of them, otherwise 403 (400 for a group that there is not)",
        why="Groups bring roles, so the right to change users is not enough.",
        at="status 500 -> ",
        asks=tuple(f'*: PATCH /users/eve {{"groups": ["{group}"]}}' for group in ("team", "nobody")),
    ),
    Difference(
        where='PATCH /users/ada `{"auth_state": null}`',
        theirs="400",
        mine="what is kept is forgotten",
        why="null is what is shown where nothing is kept.",
        at="status 400 -> 200",
        asks=('*: PATCH /users/eve {"auth_state": null}',),
    ),
    Difference(
        where="PATCH /users/ada with `roles`",
        theirs="500; 200 to an empty list, which also takes the role `user` away",
        mine="done by administrators only; the role `user` stays",
        why="Whoever gives roles could give all rights. What everybody holds cannot be taken from one.",
        at="status * -> ",
        asks=tuple(f'*: PATCH /users/eve {{"roles": {roles}}}' for roles in ('["admin"]', '["nobody"]', "[]")),
    ),
    Difference(
        where='PATCH /users/ada `{"roles": []}` by an administrator',
        theirs="`roles` is empty",
        mine="`roles` is `user`",
        why="What everybody holds cannot be taken from one.",
        at="body.roles",
        asks=('*: PATCH /users/eve {"roles": []}',),
    ),
)

ACTIVITY = (
    Difference(
        where="moments of activity that are not ISO 8601: `1`, `2020`, `Jan 1 2020`, other digits",
        theirs="guessed",
        mine="400",
        why="A guess that is wrong has a server culled.",
        at="status 200 -> 400",
        asks=tuple(
            f"test: POST /users/*/activity *{moment}*" for moment in ('"1"', '"2020"', '"Jan 1 2020"', '"Wed, 01 Jan 2020 00:00:00 GMT"', '"٢٠٢٠-01')
        ),
    ),
    Difference(
        where="moments of activity as week dates: `2020-W01-1`",
        theirs="400",
        mine="200",
        why="They are ISO 8601, too.",
        at="status 400 -> 200",
        asks=("test: POST /users/*/activity *2020-W01-1*",),
    ),
    Difference(
        where="an empty report about a user that there is not; members of a group that there is not, without `users`",
        theirs="404",
        mine="400",
        why=FIRST,
        at="status 404 -> 400",
        asks=("*: POST /users/nobody/activity {}", "*: POST /groups/nobody/users {}", "*: DELETE /groups/nobody/users {}"),
    ),
)

TOKENS = (
    Difference(
        where="POST /users/ada/tokens with a body that is no object, a `note` that is no text or longer than 1023 characters, `expires_in` true",
        theirs="201",
        mine="400",
        why=STRICT,
        at="status 201 -> 400",
        asks=tuple(f"*: POST /users/dan/tokens {body}" for body in ("[]", '{"note": 5}', f'{{"note": "{X}*', '{"expires_in": true}')),
    ),
    Difference(
        where="POST /users/ada/tokens with a `note` that is an object, or an `expires_in` beyond the calendar",
        theirs="500",
        mine="400",
        why=STRICT,
        at="status 500 -> 400",
        asks=tuple(
            f"*: POST /users/dan/tokens {body}"
            for body in ('{"note": {"a": 1}}', '{"expires_in": 1000000000000}', '{"expires_in": 1000000000000000000*')
        ),
    ),
    Difference(
        where="scopes with a limit that names nothing: `read:users!`",
        theirs="201",
        mine="400",
        why="It would silently give nothing. More in [Scopes: what differs](scope-differences.md).",
        at="status 201 -> 400",
        asks=('ada: POST /users/ada/tokens {"scopes": ["read:users!"]}',),
    ),
    Difference(
        where="GET, DELETE /users/ada/tokens/a99999999999999999999999",
        theirs="500",
        mine="404",
        why="There is no such token.",
        at="status 500 -> 404",
        asks=("dan: GET /users/dan/tokens/a999*", "dan: DELETE /users/dan/tokens/a999*"),
    ),
    Difference(
        where="DELETE /users/ada/tokens/",
        theirs="404",
        mine="405",
        why="It is the list of tokens, which cannot be deleted.",
        at="status 404 -> 405",
        asks=("dan: DELETE /users/dan/tokens/",),
    ),
)

GROUPS = (
    Difference(
        where="names of groups with a slash, of spaces alone, or longer than 255 characters",
        theirs="201",
        mine="400",
        why="They could not be told apart in addresses and lists, or fit into no column.",
        at="status 201 -> 400",
        asks=("test: POST /groups/a%2Fb", "test: POST /groups/%20", f"test: POST /groups/{X}*", f'test: POST /groups {{"groups": ["{X}*'),
    ),
    Difference(
        where='POST /groups `{"groups": "one"}`, `{"groups": [5]}`',
        theirs="201: the groups o, n and e; the group 5",
        mine="400",
        why=STRICT,
        at="status 201 -> 400",
        asks=('test: POST /groups {"groups": "one"}', 'test: POST /groups {"groups": [5]}'),
    ),
    Difference(
        where="members of a group that are no text",
        theirs="500",
        mine="400",
        why=STRICT,
        at="status 500 -> 400",
        asks=('test: POST /groups/new {"users": [5]}', '*: * /groups/empty/users {"users": [5]}', '*: * /groups/empty/users {"users": [null]}'),
    ),
    Difference(
        where='POST /groups/new `{"users": ["ada", "ada"]}`',
        theirs="500",
        mine="201",
        why="Who is named twice is a member once.",
        at="status 500 -> 201",
        asks=('test: POST /groups/new {"users": ["bob", "bob"]}',),
    ),
)

SERVICES = (
    Difference(
        where="GET /user of a service without a url, and GET /authorizations/token of its token",
        theirs="`url`, `info` and `display` are null",
        mine="as in GET /services: empty, empty, true",
        why="A field has the same type wherever it is.",
        at="body.*: None -> ",
        asks=(
            "test: GET /user",
            "test: GET /user (origin: *)",
            "*: GET /authorizations/token/{token of weak}",
            "with a header: GET /user (authorization: *)",
        ),
    ),
    Difference(
        where="POST /services/NAME with a scope that does not exist, or a token of less than 8 characters",
        theirs="500",
        mine="400",
        why="It is a mistake of who asks. Adding and deleting services is compared in tests/integration/services.",
        at="",
        asks=(),
    ),
    Difference(
        where="POST /services/NAME with the token of another service",
        theirs="201, and the service has no token",
        mine="400",
        why="What was asked for cannot be done, so that is what is said.",
        at="",
        asks=(),
    ),
)

SERVERS = (
    Difference(
        where="`user_options` of a server that was never started with any",
        theirs="null, sometimes",
        mine="`{}`",
        why="A field has the same type wherever it is.",
        at="body*user_options: None -> {}",
        asks=("bob: GET /users/bob*", "*: PATCH /users/*/server *"),
    ),
    Difference(
        where="`user_options` of a stopped server after PATCH",
        theirs="the old ones, sometimes",
        mine="the new ones",
        why="What was changed is shown.",
        at="body*user_options.",
        asks=("bob: GET /users/bob/server", "cat: GET /users/cat?include_stopped_servers=1"),
    ),
    Difference(
        where="GET .../progress of a default server that is stopped",
        theirs="400 before its first start, 404 later",
        mine="400",
        why="It is there, only not starting.",
        at="status 404 -> 400",
        asks=("bob: GET /users/bob/server/progress",),
    ),
    Difference(
        where="progress",
        theirs="the last event only, once the server is ready",
        mine="all that was said of this start",
        why="Whoever comes late sees how it went.",
        at="body.before: [] -> ['message, progress']",
        asks=("cat: GET /users/cat/servers/slow/progress", "cat: GET /users/cat/servers/good/progress", "cat: GET /users/cat/servers/worse/progress"),
    ),
    Difference(
        where="progress of a start that failed",
        theirs="`message` begins with Spawn failed",
        mine="the spawner's words, and a `hint` what can be done",
        why="`failed` is beside them.",
        at="body.last.",
        asks=("cat: GET /users/cat/servers/bad/progress", "*: GET /users/cat/servers/worse/progress"),
    ),
    Difference(
        where="`url` of servers of a user who was renamed",
        theirs="with the old name",
        mine="with the new name",
        why="There it is when it starts.",
        at="body[0].servers.*url: '/user/eve/",
        asks=("test: GET /users?name_filter=ev&include_stopped_servers=1",),
    ),
    Difference(
        where="renaming a user whose server runs",
        theirs="200; the server goes on under the old name",
        mine="409",
        why="Its address and its token have the name in them: stop it, then rename.",
        at="status 200 -> 409",
        asks=('test: PATCH /users/gil {"name": "hal"}',),
    ),
    Difference(
        where="POST of a server that is stopping",
        theirs="400",
        mine="202: it starts again when it has stopped",
        why="Nobody has to try again and again.",
        at="status 400 -> 202",
        asks=("cat: POST /users/cat/servers/slow",),
    ),
    Difference(
        where="PUT, POST of a server with `display_name` null",
        theirs="400",
        mine="as without it",
        why="null says that there is none.",
        at="status 400 -> 201",
        asks=('cat: PUT /users/cat/servers/work {"display_name": null}', 'cat: POST /users/cat/servers/work {"display_name": null}'),
    ),
    Difference(
        where="PUT, POST of a server with keys beside `display_name` or `user_options`",
        theirs="ignored",
        mine="400",
        why="They are most likely options, which would be lost.",
        at="status 201 -> 400",
        asks=tuple(f"cat: {method} /users/cat/servers/work {{*, *more*: 1}}" for method in ("PUT", "POST")),
    ),
    Difference(
        where="PATCH of a server with other keys, or a `name` that is no text",
        theirs="500",
        mine="400",
        why=MANY_KEYS,
        at="status 500 -> 400",
        asks=(
            "cat: PATCH /users/cat/servers/work {*}",
            *(f"test: PATCH /users/ann/servers/lab {body}" for body in ("5", '"text"', "true", "[1]")),
        ),
    ),
    Difference(
        where='PATCH of a server with `display_name` ""',
        theirs="the old display name stays",
        mine="the server has none any more, and shows its name",
        why="Otherwise it could not be taken away.",
        at="body.display_name",
        asks=('cat: PATCH /users/cat/servers/work {"display_name": ""}',),
    ),
    Difference(
        where="PATCH of a server with a `display_name` that is null, too long or of several lines",
        theirs="200",
        mine="400",
        why="The same rules as when it is made.",
        at="status 200 -> 400",
        asks=(
            'cat: PATCH /users/cat/servers/work {"display_name": null}',
            f'cat: PATCH /users/cat/servers/work {{"display_name": "{X}*',
            'cat: PATCH /users/cat/servers/work {"display_name": "with\\nlines"}',
        ),
    ),
    Difference(
        where="`user_options` of more than 64 KiB, wherever they are sent",
        theirs="taken",
        mine="400",
        why="They are shown in every list that their server is in: one person could keep administrators from having any.",
        at="status 200 -> 400",
        asks=('cat: PATCH /users/cat/servers/work {"user_options": {"large": *',),
    ),
    Difference(
        where="PATCH of a server with its own `name`",
        theirs="409",
        mine="200",
        why="A name that stays is no conflict.",
        at="status 409 -> 200",
        asks=('cat: PATCH /users/cat/servers/work {"name": "work"}',),
    ),
    Difference(
        where='PATCH of a server with `name` ""',
        theirs="409",
        mine="400",
        why="That is the default server, which nothing can become.",
        at="status 409 -> 400",
        asks=('cat: PATCH /users/cat/servers/work {"name": ""}',),
    ),
    Difference(
        where="PATCH of the default server with a `name`",
        theirs="200: it becomes a named one",
        mine="400",
        why="Its name is what makes it the default server.",
        at="status 200 -> 400",
        asks=('dan: PATCH /users/dan/server {"name": "other"}',),
    ),
    Difference(
        where="the servers of somebody whose default server was renamed",
        theirs="without a default server",
        mine="with it",
        why="It could not be renamed.",
        at="body.servers.",
        asks=("dan: GET /users/dan?include_stopped_servers=1",),
    ),
    Difference(
        where="DELETE of a server with a `remove` that is not true or false",
        theirs="guessed",
        mine="400",
        why="What is removed does not come back.",
        at="status 204 -> 400",
        asks=tuple(f'cat: DELETE /users/cat/servers/work {{"remove": {remove}*' for remove in ('"yes"', "1", "0", "null", "[]")),
    ),
    Difference(
        where="DELETE of a server with a body that is no object",
        theirs="500",
        mine="400",
        why=STRICT,
        at="status 500 -> 400",
        asks=tuple(f"test: DELETE /users/ann/servers/lab {body}" for body in ("5", '"text"', "true", "[1]")),
    ),
)

HUB = (
    Difference(
        where="GET /proxy",
        theirs="with the hub's own route `/`",
        mine="the routes of servers and services",
        why="Proxies know their hubs, of which there can be several, without a route.",
        at="body./: ",
        asks=("*: GET /proxy", "test: GET /proxy?limit=2"),
    ),
    Difference(
        where="PATCH /proxy",
        theirs="tells the hub of another proxy",
        mine="400",
        why="Proxies find their hub and follow it by themselves.",
        at="status 200 -> 400",
        asks=("test: PATCH /proxy {}", "ada: PATCH /proxy {}"),
    ),
    Difference(
        where='POST /shutdown `{"proxy": {}}`',
        theirs="500",
        mine="400",
        why=STRICT,
        at="status 500 -> 400",
        asks=('test: POST /shutdown {"proxy": {}, "servers": "never"}',),
    ),
)

SECTIONS: dict[str, tuple[Difference, ...]] = {
    "Everywhere": GENERAL,
    "Browsers": BROWSERS,
    "Lists": LISTS,
    "Users": USERS,
    "Activity": ACTIVITY,
    "Tokens": TOKENS,
    "Groups": GROUPS,
    "Services": SERVICES,
    "Servers": SERVERS,
    "The hub": HUB,
}
DIFFERENCES: tuple[Difference, ...] = tuple(one for section in SECTIONS.values() for one in section)


def page() -> Iterator[str]:
    """The lines of docs/reference/jupyterhub-differences.md."""
    yield "# What differs from JupyterHub's REST API\n"
    yield "The REST API is JupyterHub's, of version 6.1.1. `tests/integration/compared` asks a JupyterHub and a hub of ours the same questions, good and"
    yield "bad, as administrators, users, services, servers, with narrow tokens, with the sign-in cookie and without anything, and compares statuses,"
    yield "headers and bodies. What is not the same is here, with the reason; the tests fail if anything else differs, or if one of these does not any"
    yield "more. [Scopes](scope-differences.md) have a page of their own.\n"
    for title, section in SECTIONS.items():
        yield f"## {title}\n"
        yield "| what | JupyterHub | Perijove | why |"
        yield "| --- | --- | --- | --- |"
        for one in section:
            yield f"| {one.where} | {one.theirs} | {one.mine} | {one.why} |".replace("<", "&lt;")
        yield ""
