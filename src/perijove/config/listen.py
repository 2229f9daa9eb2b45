"""Addresses to listen on: "host:port", "[::1]:port" or "unix:/path"."""

from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True, slots=True)
class Listen:
    """Either host and port, or a unix socket's path."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def exposed(self) -> bool:
        """Whether other machines can reach it."""
        if self.path or self.host == "localhost":
            return False
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return True

    @property
    def url(self) -> str:
        """How a program on this machine reaches it over TCP; any-address becomes loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """Raises ValueError with words for the administrator."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{text!r}: a unix socket needs an absolute path, such as unix:/run/perijove/proxy.sock")
        return Listen(path=path)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address to listen on; write host:port, such as 127.0.0.1:8000")
    return Listen(host=host.strip("[]"), port=int(port))
