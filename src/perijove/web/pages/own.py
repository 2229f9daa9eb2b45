"""What several pages about servers need: whose server a path names, and whether the asker may do that."""

from dataclasses import dataclass
from urllib.parse import quote

from perijove.control.people.users import Person, get_person
from perijove.domain.access import may, server_resource
from perijove.domain.options import OptionField, Profile
from perijove.domain.server import Server
from perijove.web.call import Call
from perijove.wire.names import user_segment


@dataclass(frozen=True, slots=True)
class Target:
    """A server named by a page's path; `server` None if it was never started."""

    person: Person
    name: str
    server: Server | None

    @property
    def path(self) -> str:
        """ "alice" or "alice/lab", quoted: the end of addresses of pages about it."""
        user = user_segment(self.person.user.name)
        return f"{user}/{quote(self.name, safe='@~')}" if self.name else user

    def title(self, call: Call) -> str:
        """ "Your server", "the server lab", "alice's server"."""
        own = call.who.name == self.person.user.name
        if self.name:
            return f"the server {self.name}" if own else f"{self.person.user.name}'s server {self.name}"
        return "your server" if own else f"{self.person.user.name}'s server"

    def url(self, call: Call) -> str:
        return call.surface.hub.addresses.server_url(self.person.user.name, self.name)


async def target_of(call: Call, scope: str) -> Target:
    """The server in the path (the asker's own default one without). Raises what Call.require raises, NotFoundError."""
    user, name = call.params.get("name") or call.who.name, call.params.get("server", "")
    if user == call.who.name or not call.who.scopes.asks_groups(scope, user=user, server=name):
        call.require(scope, server_resource(user, name))
        person = await get_person(call.surface.hub, user)
    else:
        person = await get_person(call.surface.hub, user)
        call.require(scope, server_resource(user, name, frozenset(person.user.groups)))
    server = next((server for server in person.servers if server.name == name), None)
    return Target(person, name, server)


def may_target(call: Call, scope: str, target: Target) -> bool:
    groups = frozenset(target.person.user.groups)
    return bool(may(call.identity, scope, server_resource(target.person.user.name, target.name, groups)))


def visible_profiles(call: Call, person: Person) -> list[Profile]:
    return [profile for profile in call.surface.hub.profiles if not profile.groups or set(profile.groups) & set(person.user.groups)]


def option_fields(call: Call, person: Person) -> list[OptionField]:
    return list(call.surface.hub.spawner.option_fields(person.user.name))


def asks(call: Call, person: Person) -> bool:
    """Whether there is anything to choose before a start."""
    return bool(visible_profiles(call, person) or option_fields(call, person))
