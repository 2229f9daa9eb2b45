"""Where everything is reached: by paths of one host, or in subdomain mode with a host for each person and service (JupyterHub's
`subdomain_host`). The paths are the same in both."""

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, urlsplit

from perijove.wire.hosts import Kind, Naming, host_name
from perijove.wire.names import server_prefix


@dataclass(frozen=True, kw_only=True)
class HubAddresses:
    """`base_url` begins and ends with a slash. `api_url` is where servers reach the hub, e.g. "http://127.0.0.1:8081/hub/api".
    `public_url` (scheme://host[:port], no path) is "" unless configured; `subdomain_host`, if there is one, is the same."""

    base_url: str
    api_url: str
    public_url: str = ""
    subdomain_host: str = ""
    naming: Naming = "idna"

    @cached_property
    def domain(self) -> str:
        """The hub's own host, below which all others are; "" without subdomain mode."""
        return urlsplit(self.subdomain_host).hostname or ""

    @cached_property
    def everyones_hosts(self) -> str:
        """All hosts below the hub's, as Content-Security-Policy names them: "https://*.example.org:8443"; "" without subdomain mode."""
        parts = urlsplit(self.subdomain_host)
        return f"{parts.scheme}://*.{parts.netloc}" if parts.netloc else ""

    @property
    def host_cookies(self) -> bool:
        """Whether the hub's and servers' cookies can be bound to their host by the prefix __Host- (RFC 6265bis section 4.1.3.2): that
        needs TLS, and a host that nobody else has a path of."""
        return self.subdomain_host.startswith("https:")

    @property
    def service_host_cookies(self) -> bool:
        """Whether those of services can; by the legacy rule all share one host."""
        return self.host_cookies and self.naming != "legacy"

    def server_path(self, user: str, server: str) -> str:
        """ "/user/ada/" or "/user/ada/lab/"."""
        return server_prefix(self.base_url, user, server)

    def server_spec(self, user: str, server: str) -> str:
        """The prefix of the server's route: "/user/ada/", "ada.example.org/user/ada/"."""
        return self._host("user", user) + self.server_path(user, server)

    def server_url(self, user: str, server: str) -> str:
        """Where hub pages and models send people: absolute in subdomain mode, else a path (JupyterHub's rule)."""
        return self._origin("user", user) + self.server_path(user, server)

    def full_server_url(self, user: str, server: str) -> str:
        """With scheme and host; "" if they are not known."""
        return (self._origin("user", user) or self.public_url) + self.server_path(user, server) if self.public_url else ""

    def person_host(self, user: str) -> str:
        """ "ada.example.org"; "" without subdomain mode."""
        return self._host("user", user)

    def person_origin(self, user: str) -> str:
        """ "https://ada.example.org:8443"; "" without subdomain mode."""
        return self._origin("user", user)

    def service_path(self, name: str) -> str:
        """ "/services/grader/"."""
        return f"{self.base_url}services/{quote(name, safe='@~')}/"

    def service_spec(self, name: str) -> str:
        """The prefix of the service's route."""
        return self._host("service", name) + self.service_path(name)

    def service_url(self, name: str) -> str:
        """Where people reach it: absolute in subdomain mode, else a path."""
        return self._origin("service", name) + self.service_path(name)

    def full_service_url(self, name: str) -> str:
        """With scheme and host; "" if they are not known."""
        return (self._origin("service", name) or self.public_url) + self.service_path(name) if self.public_url else ""

    def _host(self, kind: Kind, name: str) -> str:
        return host_name(self.naming, kind, name, self.domain) if self.domain else ""

    def _origin(self, kind: Kind, name: str) -> str:
        if not self.domain:
            return ""
        parts = urlsplit(self.subdomain_host)
        port = f":{parts.port}" if parts.port is not None else ""
        return f"{parts.scheme}://{self._host(kind, name)}{port}"
