"""What a gateway has to be told. A plain record: configuration files are the business of others."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Everything `run` needs."""

    host: str = "127.0.0.1"
    port: int = 8082
    unix_path: str = ""
    """Listen on this unix socket instead."""
    token: str = field(default="", repr=False)
    """The secret shared by proxies, hubs and gateways."""
    agents: int = 20_000
    agents_per_address: int = 10_000
    """Clusters often show one address for all of their nodes. 0: no limit."""
    keep_s: float = 90.0
    """How long the streams of an agent wait for it to come back."""
    silence_s: float = 30.0
    """Without a byte from an agent, which says something every ten."""
    head_s: float = 10.0
    """To send the whole head of a request, and an agent's greeting."""
    waiting: int = 2_000
    """Connections that have not said yet what they want."""
