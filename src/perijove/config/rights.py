"""What the settings say about scopes and roles, checked: types and rules of single sections cannot, for scopes are the domain's."""

from perijove.config.problems import Problems
from perijove.config.settings import Settings
from perijove.domain.roles import RoleBook, RoleDeclaration, RolesError, merge_roles
from perijove.wire.scopes import Catalog, CustomScope, ScopeError


def catalog_of(settings: Settings) -> Catalog:
    """All scopes that this site knows. Raises ScopeError."""
    return Catalog(
        {name: scope if isinstance(scope, str) else CustomScope(scope.description, scope.subscopes) for name, scope in settings.custom_scopes.items()}
    )


def check_rights(settings: Settings, problems: Problems) -> None:
    """Add a problem for each custom scope, role and scope that cannot be."""
    try:
        catalog = catalog_of(settings)
    except ScopeError as error:
        problems.add(("custom_scopes",), str(error))
        return
    try:
        _roles(settings, catalog)
    except RolesError as error:
        for mistake in error.mistakes:
            problems.add(mistake.path if mistake.path[0] == "roles" else ("access", *mistake.path), mistake.message)
    for index, service in enumerate(settings.services):
        try:
            catalog.check(service.oauth_client_allowed_scopes)
        except ScopeError as error:
            for sentence in error.problems:
                problems.add(("services", index, "oauth_client_allowed_scopes"), sentence)


def doubts(settings: Settings) -> tuple[str, ...]:
    """What is allowed, but surely not meant, one sentence each; of settings without mistakes."""
    return _roles(settings, catalog_of(settings)).warnings


def _roles(settings: Settings, catalog: Catalog) -> RoleBook:
    """Raises RolesError."""
    roles = [RoleDeclaration(name=entry.name, description=entry.description or None, scopes=entry.scopes or None) for entry in settings.roles]
    return merge_roles(catalog, roles, settings.access.extra_user_scopes)
