"""What is asked of a large site, the same of every hub."""

from collections.abc import Iterator
from dataclasses import dataclass

from crowd import Crowd

PAGINATED = "application/jupyterhub-pagination+json"


@dataclass(frozen=True, slots=True)
class Case:
    """`owner`: whose token asks, of bench/listing.py's OWNERS; "page" is an administrator at a browser, and not of JupyterHub.

    `grows`: the answer is longer where more people are, so more time for it is no surprise.
    """

    what: str
    path: str
    owner: str = "bench"
    grows: bool = False


def cases(crowd: Crowd) -> Iterator[Case]:
    """Pages of 200 people are as long as both hubs give."""
    last = crowd.people - 200
    one = crowd.name(crowd.people * 3 // 4 + 2)
    yield Case("first 50", "/users?limit=50")
    yield Case("first 200", "/users?limit=200")
    yield Case("200 in the middle", f"/users?limit=200&offset={crowd.people // 2}")
    yield Case("last 200", f"/users?limit=200&offset={last}")
    for state in ("active", "ready", "inactive"):
        yield Case(f"{state}, first 200", f"/users?limit=200&state={state}")
    yield Case("active, 200 in their middle", f"/users?limit=200&state=active&offset={crowd.servers // 2}")
    yield Case("inactive, 200 in their middle", f"/users?limit=200&state=inactive&offset={crowd.people // 2}")
    for hits, text in (("one", one), ("few", one[:-1]), ("all", "STUDENT"), ("none", "nobody")):
        yield Case(f"name filter, {hits} found", f"/users?limit=200&name_filter={text}")
    for sort in ("name", "-name", "last_activity", "-last_activity", "-id"):
        yield Case(f"by {sort}, first 200", f"/users?limit=200&sort={sort}")
    yield Case("by -last_activity, 200 in the middle", f"/users?limit=200&sort=-last_activity&offset={crowd.people // 2}")
    yield Case("active, by -last_activity", "/users?limit=200&sort=-last_activity&state=active")
    yield Case("with stopped servers, 200", "/users?limit=200&include_stopped_servers=1")
    yield Case("who may see one group: first 200", "/users?limit=200", "grouped")
    yield Case("who may see one group: last 200", f"/users?limit=200&offset={crowd.people // 4 - 200}", "grouped")
    yield Case("who may see three people", "/users?limit=200", "narrow")
    yield Case("one user", f"/users/{one}")
    yield Case("one user, by one server's reader", f"/users/{crowd.first_running}", "server")
    yield Case("one user's tokens", f"/users/{one}/tokens")
    yield Case("groups, with all members", "/groups", grows=True)
    yield Case("one group of a quarter of all", "/groups/cohort-1", grows=True)
    yield Case("services", "/services")
    yield Case("routes", "/proxy?limit=200")
    yield Case("admin page, first", "/hub/admin", "page")
    yield Case("admin page, in the middle", f"/hub/admin?offset={crowd.people // 2}", "page")
    yield Case("admin page, search for few", f"/hub/admin?q={one[:-1]}", "page")
    yield Case("admin page, running", "/hub/admin?state=ready", "page")
