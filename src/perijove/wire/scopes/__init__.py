"""The algebra of JupyterHub 6 scopes: names, filters, expansion, intersection. Pure values, no state."""

from perijove.wire.scopes.binding import API_CLIENT, NOBODY, Binding, Client, Owner, bind
from perijove.wire.scopes.catalog import BUILT_IN, Catalog, CustomScope
from perijove.wire.scopes.filter import EVERYTHING, NOTHING, Filter, Kind, Memberships
from perijove.wire.scopes.held import NO_SCOPES, Scopes
from perijove.wire.scopes.text import Scope, ScopeError, split_scope

__all__ = [
    "API_CLIENT",
    "BUILT_IN",
    "EVERYTHING",
    "NOBODY",
    "NOTHING",
    "NO_SCOPES",
    "Binding",
    "Catalog",
    "Client",
    "CustomScope",
    "Filter",
    "Kind",
    "Memberships",
    "Owner",
    "Scope",
    "ScopeError",
    "Scopes",
    "bind",
    "split_scope",
]
