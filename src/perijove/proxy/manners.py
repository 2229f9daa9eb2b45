"""What workers do other than for a hub of ours, where they stand in for configurable-http-proxy. A plain record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """All as the options of the same names say."""

    prepend_path: bool = True
    """Put the target's path before the request's."""
    include_prefix: bool = True
    """Leave the route's prefix in the path."""
    x_forward: bool = True
    change_origin: bool = False
    """Name the target in the Host field."""
    custom_headers: tuple[tuple[str, str], ...] = ()
    auto_rewrite: bool = False
    """In redirections that name the target, name the address that the client asked instead."""
    protocol_rewrite: str = ""
    error_target: str = ""
    error_path: str = ""

    @property
    def rewrites_locations(self) -> bool:
        return self.auto_rewrite or bool(self.protocol_rewrite)
