"""JupyterHub's own algebra of scopes, asked by JSON lines on standard input: run by the Python of JupyterHub's environment.

Each question is {"ask": NAME, …}; the answer is {"is": …} or, where JupyterHub refuses, {"error": TYPE, "says": …}. It has a
database in memory with the people, groups, servers and services of world.py, for what JupyterHub looks up there.
"""

import json
import logging
import sys
import warnings
from inspect import Parameter, Signature
from types import SimpleNamespace
from typing import Any

from jupyterhub import orm, roles, scopes
from jupyterhub.apihandlers.base import APIHandler
from tornado.web import HTTPError

from tests.integration.compared_scopes import world

Question = dict[str, Any]


class Oracle:
    """The database, and what is asked of it."""

    def __init__(self) -> None:
        scopes.define_custom_scopes(world.CUSTOM)
        self.standing = set(scopes.scope_definitions)
        self.db = orm.new_session_factory("sqlite:///:memory:")()
        self.groups = {name: orm.Group(name=name) for name in world.GROUPS}
        self.users = {name: orm.User(name=name) for name in world.GROUPS_OF}
        self.services = {name: orm.Service(name=name) for name in world.SERVICES}
        for name, groups in world.GROUPS_OF.items():
            self.users[name].groups = [self.groups[group] for group in groups]
        self.db.add_all([*self.groups.values(), *self.users.values(), *self.services.values()])
        self.clients: dict[str, orm.OAuthClient] = {"": orm.OAuthClient(identifier="jupyterhub", secret="", redirect_uri="")}
        self.servers: dict[str, orm.Spawner] = {}
        for full_name in world.SERVERS:
            user, _, server = full_name.partition("/")
            spawner = self.servers[full_name] = orm.Spawner(name=server, user=self.users[user])
            self.clients[f"server {full_name}"] = orm.OAuthClient(identifier=f"jupyterhub-user-{user}-{server}", spawner=spawner)
        for name, service in self.services.items():
            self.clients[f"service {name}"] = orm.OAuthClient(identifier=f"service-{name}", service=service)
        self.db.add_all([*self.clients.values(), *self.servers.values()])
        self.db.commit()

    def owner(self, question: Question) -> Any:
        if question.get("owner") is None:
            return None
        kind, name = question["owner"]
        return (self.users if kind == "user" else self.services)[name]

    def client(self, question: Question) -> Any:
        return self.clients[question["client"]] if question.get("client") else None

    def expand(self, question: Question) -> list[str]:
        return sorted(scopes.expand_scopes(question["scopes"], self.owner(question), self.client(question)))

    def exist(self, question: Question) -> bool:
        scopes._check_scopes_exist(question["scopes"])
        return True

    def reduce(self, question: Question) -> list[str]:
        return sorted(scopes.reduce_scopes(question["scopes"]))

    def intersect(self, question: Question) -> list[str]:
        a, b = frozenset(question["a"]), frozenset(question["b"])
        return sorted(scopes._intersect_expanded_scopes(a, b, db=self.db))

    def has(self, question: Question) -> list[bool]:
        held = scopes.parse_scopes(question["held"])
        return [scopes.has_scope(scope, held, db=self.db) for scope in question["scopes"]]

    def needs(self, question: Question) -> int:
        """The status of a request for one resource whose handler needs one of these scopes."""
        kind, name = question["on"]
        user, _, server = name.partition("/")
        named = {"user_name": user, "server_name": server} if kind == "server" else {f"{kind}_name": name}

        def handler(_self: Any, **_named: str) -> int:
            return 200

        # It is the names of the handler's parameters that say what the scope is needed for.
        parameters = [Parameter(word, Parameter.POSITIONAL_OR_KEYWORD) for word in ("self", *named)]
        handler.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        held = scopes.parse_scopes(question["held"])
        asker = SimpleNamespace(
            current_user="somebody", expanded_scopes=set(question["held"]), parsed_scopes=held, db=self.db, request=SimpleNamespace(path="/")
        )
        try:
            return int(scopes.needs_scope(*question["needed"])(handler)(asker, **named))
        except HTTPError as error:
            return error.status_code

    def may_list(self, question: Question) -> bool:
        return bool(scopes.has_scope(question["scope"], scopes.parse_scopes(question["held"]), post_filter=True, db=self.db))

    def identify(self, question: Question) -> list[str]:
        return sorted(scopes.identify_scopes(self.owner(question)))

    def access(self, question: Question) -> list[str]:
        return sorted(scopes.access_scopes(self.client(question) or self.clients[""]))

    def resolve(self, question: Question) -> list[list[str]]:
        wanted, held = set(question["requested"]), set(question["held"])
        granted, refused = scopes._resolve_requested_scopes(wanted, held, self.owner(question), self.client(question), self.db)
        return [sorted(granted), sorted(refused)]

    def held(self, question: Question) -> list[str]:
        """What an owner with these roles, group roles and shares holds."""
        owner = self.owner(question)
        self._give(owner, question)
        try:
            return sorted(scopes.get_scopes_for(owner))
        finally:
            self.db.rollback()

    def token(self, question: Question) -> list[str]:
        """What a token of such an owner may do."""
        owner = self.owner(question)
        self._give(owner, question)
        client = self.client(question) or self.clients[""]
        token = orm.APIToken(scopes=question["scopes"], oauth_client=client, session_id="", hashed="x", prefix="x")
        if isinstance(owner, orm.User):
            token.user = owner
        else:
            token.service = owner
        self.db.add(token)
        try:
            return sorted(scopes.get_scopes_for(token))
        finally:
            self.db.rollback()

    def grantable(self, question: Question) -> bool:
        """Whether a token with these scopes may be made for such an owner."""
        owner = self.owner(question)
        self._give(owner, question)
        try:
            scopes._check_token_scopes(question["scopes"], owner, self.client(question))
        finally:
            self.db.rollback()
        return True

    def share(self, question: Question) -> list[str]:
        user, _, server = question["server"].partition("/")
        scopes._check_scopes_exist(question["scopes"])
        return sorted(orm.Share._apply_filter(frozenset(question["scopes"]), user, server))

    def fields(self, question: Question) -> list[str]:
        """The fields shown of a user, group or service, or of a server of this person."""
        handler = APIHandler.__new__(APIHandler)
        handler.application = SimpleNamespace(settings={"users": {}})
        handler._include_stopped_servers = False
        handler.parsed_scopes = scopes.parse_scopes(question["held"])
        kind, name = question["on"]
        if kind == "server":
            spawner = self.servers[name]
            shown = [scope for scope in ("read:servers", "admin:server_state") if handler.get_scope_filter(scope)(spawner, kind="server")]
            return sorted(shown)
        model = {"user": handler.user_model, "group": handler.group_model, "service": handler.service_model}[kind]
        things = {"user": self.users, "group": self.groups, "service": self.services}[kind]
        return sorted(model(things[name]))

    def custom(self, question: Question) -> bool:
        """Whether these custom scopes may be defined."""
        try:
            scopes.define_custom_scopes(question["scopes"])
        finally:
            for name in set(scopes.scope_definitions) - self.standing:
                del scopes.scope_definitions[name]
        return True

    def role(self, question: Question) -> bool:
        """Whether such a role may be declared."""
        try:
            roles.create_role(self.db, question["role"], commit=False)
        finally:
            self.db.rollback()
        return True

    def default_roles(self, _question: Question) -> dict[str, list[str]]:
        return {role["name"]: role["scopes"] for role in roles.get_default_roles()}

    def definitions(self, _question: Question) -> dict[str, list[str]]:
        return {name: sorted(found.get("subscopes", [])) for name, found in scopes.scope_definitions.items()}

    def _give(self, owner: Any, question: Question) -> None:
        owner.roles = [orm.Role(name="own", scopes=question.get("roles", []))]
        for group, texts in question.get("group_roles", {}).items():
            self.groups[group].roles = [orm.Role(name=f"of-{group}", scopes=texts)]
        for server, texts in question.get("shares", []):
            spawner = self.servers[server]
            self.db.add(orm.Share(owner=spawner.user, spawner=spawner, user=owner, scopes=texts))
        self.db.flush()


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    oracle = Oracle()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"is": getattr(oracle, question["ask"])(question)}
        except (ValueError, KeyError, roles.RoleValueError) as error:
            answer = {"error": type(error).__name__, "says": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
