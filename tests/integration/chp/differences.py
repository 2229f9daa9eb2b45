"""Where `perijove chp` answers otherwise than configurable-http-proxy 5.3, on purpose: every such question, and why.

A difference that is not here fails, and so does one that is here and is not seen any more.
"""

ADDED_TO_REQUESTS = {
    "via": "RFC 9110 section 7.6.3 wants it of every proxy",
    "x-request-id": "the same request can be found in the logs of proxy and server",
    "x-real-ip": "servers that believe one address only are given the client's",
    "x-scheme": "servers that read this field instead of X-Forwarded-Proto",
}
"""Fields of ours that servers behind see besides; compared without them."""

ADDED_TO_UPGRADES = {"x-forwarded-host": "an upgraded connection is told of like any other request"}
"""The same, of upgrades."""

PROTOCOLS = {"ws": "http", "wss": "https"}
"""X-Forwarded-Proto of upgrades: ours names the protocol that the handshake is in, which is what servers expect there."""

ADDED_TO_ANSWERS = {"cache-control": "what the REST API says is true now only"}
"""Fields of ours in answers of the REST API and the metrics; compared without them."""

_GROUPS: dict[str, tuple[str, ...]] = {
    # --- the REST API
    "ours deletes the route of the default target, as with a slash": ("rest/delete without a path",),
    "ours has the body already, and need not ask for it (RFC 9110 section 10.1.1)": ("rest/expect continue",),
    "ours refuses routes that no request can match: empty, '.' and '..' segments, control characters": tuple(
        f"rest/path {path}{more}"
        for path in ("//user/alice", "/user//alice", "/user/alice//", "/a%0Ab", "/%00", "/./a", "/a/./b", "/a/../b", "/..", "/%2e%2e/a", "/a/%2E/b")
        for more in ("", ", deleted")
    ),
    "ours answers 400 to a path that cannot be decoded": tuple(
        f"rest/bad path {path}" for path in ("/%", "/%zz", "/%ff", "/a%c3", "/%C0%AF", "/%ed%a0%80")
    ),
    "ours refuses targets that no request can be sent to": tuple(
        f"rest/body target-{name}" for name in ("empty", "word", "ftp", "ws", "with-query", "with-name")
    ),
    "ours answers 400: JSON is UTF-8 (RFC 8259 section 8.1)": ("rest/body not-utf-8",),
    "ours takes the scheme's name in any letters, and Bearer (RFC 9110 section 11.1, RFC 6750)": tuple(
        f"rest/token {name}, {method}" for name in ("bearer", "upper-case-word", "capitalised-word") for method in ("get", "post")
    ),
    "ours takes exactly a scheme and a token": tuple(
        f"rest/token {name}, {method}" for name in ("more-after", "word-before", "letters-before") for method in ("get", "post")
    ),
    "ours looks at the token before anything else": ("rest/token none, bad JSON", "rest/token none, other method", "rest/token none, other path"),
    "ours takes times in ISO 8601 only": tuple(f"rest/inactive since {time}" for time in ("0", "-1", "12345", "Fri%2C+01+Jan+2100+00:00:00+GMT")),
    "ours refuses a day that there is not": ("rest/inactive since 2100-02-30",),
    "ours looks at the path, not at the query": ("open/metrics with a query",),
    "ours answers 405: metrics are for reading": ("open/metrics by POST",),
    # --- addresses
    "ours passes the address on as it came": (
        "plain/path /?",
        *(f"plain/path /user/alice/{rest}" for rest in ("a^b", "{a}", 'a"b', "<b>", "a`b", "a\\b")),
        *(f"{options}/path /user/alice/{rest}" for options in ("no-prepend", "no-prefix", "bare") for rest in ('a"b', "a`b")),
        "no-prefix/path //user/alice",
        "bare/path //user/alice",
    ),
    "ours refuses '.' and '..' segments: proxy and server might resolve them differently": (
        "plain/path /user/alice/%2e%2e/bob",
        "plain/path /user/alice/./x",
        *(f"{options}/path /user/alice/../bob" for options in ("plain", "no-prepend", "no-prefix", "bare")),
    ),
    "ours refuses NUL in a path": ("plain/path /user/alice/a%00b",),
    "ours passes on a percent sign that begins no escape: what it means is the server's affair": (
        *(f"plain/bad escape {path}" for path in ("/%", "/user/alice/%zz", "/%ff", "/%c3%28")),
        "plain/upgrade, bad escape",
    ),
    "ours finds no route for it and says 404": tuple(
        f"{options}/GET /%" for options in ("error-target", "error-target-gone", "error-path", "error-path-empty")
    ),
    "ours takes the prefix away by segments, however the request spells it": tuple(
        f"{options}/path {path}"
        for options in ("no-prefix", "bare")
        for path in ("/user%2Falice", "/user/%61lice", "/user/cy%20d/x", "/user/%40dee/x", "/user/%c3%a9/x")
    ),
    "ours sends the same path with a query as without": ("no-prefix/path /user/bob?x=1",),
    # --- fields
    "ours names one protocol and one port: what the first proxy that is trusted said": (
        "plain/forwarded proto",
        "plain/forwarded port",
        "plain/all forwarded",
        "plain/websocket, forwarded",
        "rewriting/headers of an upgrade",
        "tls/forwarded",
    ),
    "ours understands Forwarded (RFC 7239)": ("plain/forwarded, standard",),
    "ours adds itself to Via (RFC 9110 section 7.6.3)": ("plain/via",),
    "ours understands X-Real-IP and X-Scheme of a proxy it trusts": ("plain/real ip",),
    "ours leaves two fields two": ("plain/cookies twice",),
    "ours keeps what belongs to one connection to that connection (RFC 9110 section 7.6.1)": (
        "plain/named by connection",
        "plain/te",
        "plain/proxy headers",
        "plain/answer with connection headers",
        "plain/answer with proxy headers",
        "plain/answer offers an upgrade",
    ),
    "ours understands hosts that are IPv6 addresses": ("plain/host [::1]:8000",),
    "ours adds no Content-Length where there is no body": tuple(
        f"plain/{method} without a body" for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT")
    ),
    "ours has no address of a client to tell of: it came by a Unix socket": (
        *(f"sockets/{name}" for name in ("get", "host with a port", "post", "to a socket", "websocket", "websocket to a socket", "add and delete")),
        "sockets/forwarded",
    ),
    "ours names localhost where a Unix socket has no name": ("rewriting/headers to /socket/h",),
    "ours passes an empty host on": tuple(f"hosts/no name {path}" for path in ("/", "/x?y=z", "/user/alice/x")),
    # --- connections
    "ours ends the connection where only that ends the body": ("plain/answer old",),
    "ours passes informational answers on (RFC 9110 section 15.2)": ("plain/answer hints",),
    "ours ends the connection of a health check": ("plain/health: GET /_chp_healthz", "nothing/health: GET /_chp_healthz", "tls/health", "sockets/health"),
    "ours does not read a body that nobody wants, and ends the connection": ("error-target/POST with a body", "error-path/POST with a body"),
    "ours tells the server the address that was asked": ("plain/old HTTP without a host",),
    "ours goes by the host in the address (RFC 9112 section 3.2.2)": ("plain/absolute form of another host",),
    "ours refuses what a proxy for servers does not do": ("plain/asterisk form", "plain/connect"),
    "ours refuses requests that could be read in two ways": ("plain/two hosts", "plain/two spaces", "plain/target with a fragment", "plain/no version"),
    "ours answers 501 to a coding it does not know (RFC 9112 section 6.1)": ("plain/unknown coding",),
    "ours answers 505 (RFC 9110 section 15.6.6)": ("plain/HTTP/2.0", "plain/HTTP/1.2"),
    "ours passes any method on: what it means is the server's affair": ("plain/unknown method", "plain/method in small letters"),
    # --- upgrades
    "ours passes on what came with the head": ("plain/websocket, sent with the head",),
    "ours upgrades to any protocol the server agrees to, whatever the method": ("plain/other upgrade", "plain/upgrade, POST"),
    "ours takes it for an ordinary request (RFC 9110 section 7.8)": ("plain/upgrade without connection",),
    "ours keeps the connection when an upgrade is refused": (
        *(f"plain/upgrade answered {status}" for status in (200, 302, 400, 403, 404, 426, 500, 503)),
        "plain/upgrade refused, chunked",
    ),
    "ours answers itself": ("plain/upgrade of the health page",),
    # --- options
    "ours names the address that was asked, with no port of the target's": (
        *(
            f"rewriting/location {location}"
            for location in (
                "302 http://HERE/x", "302 https://HERE/x", "302 //HERE/x", "301 http://HERE/x?y=z", "307 http://HERE/", "308 http://HERE/x",
                "201 http://HERE/x", "302 http://HERE", "302 ftp://HERE/x", "302 http://HERE/x#y",
            )
        ),
        "rewriting/location of the server itself",
        "auto-rewrite/location of the server itself",
    ),
    "ours leaves an address alone that it cannot read": ("rewriting/location 302 http://HERE:99/x",),
    "ours leaves the address of another server alone": ("rewriting/location over a socket",),
    "ours does not ask the error target for a page that is not shown": ("error-target/HEAD /nothing", "error-target/HEAD /closed"),
    "ours leaves out the port that https has anyway": (
        *(
            f"redirect-to/redirect {host} {path}"
            for host in ("hub.example.org", "hub.example.org:8080", "127.0.0.1:<redirect>")
            for path in ("/", "/user/alice?x=%20y")
        ),
        "redirect-to/redirect POST",
        "redirect-to/redirect HEAD",
    ),
    "ours checks a target's certificate against the target's name, not the name the client asked for": tuple(
        f"tls/hub.example.org: secure target{more}"
        for more in ("", ", body", ", websocket", " that asks for a certificate", " that asks for a certificate, websocket")
    ),
}  # fmt: skip

DIFFERENCES = {name: why for why, names in _GROUPS.items() for name in names}
"""Why, by the question's name."""

COMMAND_LINE = {
    "API socket and port": "ours refuses a listener that is named twice",
    "metrics socket and port": "ours refuses a listener that is named twice",
    "port in use": "ours ends with code 1: whoever started it must know",
    "API port in use": "ours ends with code 1: whoever started it must know",
    "token in a file": "ours takes CONFIGPROXY_AUTH_TOKEN_FILE itself",
    "unknown log level": "ours refuses a level there is not",
    "time limit not a number": "ours refuses a limit that is not a number",
    "sockets": "ours removes its sockets when it ends",
}
"""Of `test_command_line.py`."""

ACTIVITY = {
    "not modified": "ours counts it: somebody looked at a page",
    "a body that is refused": "ours does not count it: the server did not take it",
}
"""Of `test_activity.py`."""

METRICS = {
    "find_target_for_req": "ours does not time this: it is a look-up in a table",
    "last_activity_updating": "ours does not time this: it is an assignment",
}
"""Of `test_metrics.py`: what ours does not have."""
