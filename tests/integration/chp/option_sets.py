"""The sets of options that questions are asked under, and the routes each begins with."""

from dataclasses import dataclass, field

TOKEN = "s3cret-token"
LISTEN = ("--ip", "127.0.0.1", "--port", "<public>", "--api-ip", "127.0.0.1", "--api-port", "<api>")
SOCKETS = ("--socket", "<own>/public", "--api-socket", "<own>/api", "--metrics-socket", "<own>/metrics")
TLS = ("--ssl-key", "<files>/server.key", "--ssl-cert", "<files>/server.pem")
API_TLS = ("--api-ssl-key", "<files>/server.key", "--api-ssl-cert", "<files>/server.pem", "--api-ssl-ca", "<files>/ca.pem")
CLIENT_TLS = ("--client-ssl-key", "<files>/client.key", "--client-ssl-cert", "<files>/client.pem", "--client-ssl-ca", "<files>/ca.pem")

ROUTES = {
    "/": "<backend>",
    "/user/alice": "<backend>",
    "/user/alice/deeper": "<other>",
    "/user/bob": "<other>/with/path",
    "/user/cy%20d": "<backend>",
    "/user/%40dee": "<backend>",
    "/user/é": "<backend>",
    "/closed": "<closed>",
    "/socket": "<socket>",
    "/socket-other-name": "<socket-other-name>",
    "/no-socket": "<no-socket>",
    "/slash": "<backend>/",
}
"""Posted to every set but those that say otherwise."""


@dataclass(frozen=True)
class OptionSet:
    """Options after `perijove chp`; `<...>` stands for an address or a file (see running.py). `open` sets have no token."""

    name: str
    options: tuple[str, ...] = ()
    listen: tuple[str, ...] = LISTEN
    routes: dict[str, str] = field(default_factory=lambda: ROUTES)
    token: str = TOKEN

    def __str__(self) -> str:
        return self.name


SETS = {
    one.name: one
    for one in (
        OptionSet("rest", routes={}),
        OptionSet("open", ("--default-target", "<backend>", "--metrics-ip", "127.0.0.1", "--metrics-port", "<metrics>"), routes={}, token=""),
        OptionSet("plain"),
        OptionSet("nothing", routes={}),
        OptionSet("no-prepend", ("--no-prepend-path",)),
        OptionSet("no-prefix", ("--no-include-prefix",)),
        OptionSet(
            "bare", ("--no-prepend-path", "--no-include-prefix", "--no-x-forward", "--custom-header", "X-One: 1", "--custom-header", "x-two:a:b ")
        ),
        OptionSet("rewriting", ("--change-origin", "--auto-rewrite", "--protocol-rewrite", "https")),
        OptionSet("auto-rewrite", ("--auto-rewrite",)),
        OptionSet(
            "hosts",
            ("--host-routing",),
            routes={
                "/": "<backend>",
                "/hub.example.org": "<other>/hub",
                "/alice.example.org/user/alice": "<other>/alice",
                "/127.0.0.1": "<other>/ip",
            },
        ),
        OptionSet("error-target", ("--error-target", "<errors>/error"), routes={"/closed": "<closed>", "/user": "<backend>"}),
        OptionSet("error-target-gone", ("--error-target", "<closed>"), routes={"/closed": "<closed>"}),
        OptionSet("error-path", ("--error-path", "<files>/errors"), routes={"/closed": "<closed>", "/user": "<backend>"}),
        OptionSet("error-path-empty", ("--error-path", "<files>/no-errors"), routes={"/closed": "<closed>"}),
        OptionSet(
            "tls",
            (*TLS, *API_TLS, "--api-ssl-request-cert", "--api-ssl-reject-unauthorized", *CLIENT_TLS, "--redirect-port", "<redirect>"),
            routes={"/": "<backend>", "/secure": "<secure>", "/mutual": "<mutual>", "/stranger": "<stranger>"},
        ),
        OptionSet("redirect-to", (*TLS, "--redirect-port", "<redirect>", "--redirect-to", "443"), routes={"/": "<backend>"}),
        OptionSet("sockets", listen=SOCKETS),
        OptionSet("impatient", ("--timeout", "600", "--proxy-timeout", "300", "--keep-alive-timeout", "700"), routes={"/": "<backend>"}),
    )
}
