"""Rules of [[services]]."""

import re
from collections.abc import Sequence
from typing import Final

from perijove.config.problems import Path as Place
from perijove.config.problems import Problems
from perijove.config.settings import ServiceEntry
from perijove.domain.service_rules import MIN_TOKEN, client_id_problem, name_problem, url_problem

MIN_SERVICE_TOKEN: Final = MIN_TOKEN
_VARIABLE: Final = re.compile(r"[^=\0]+")
_MANAGED: Final = ("cwd", "environment", "user")


def check_services(services: Sequence[ServiceEntry], problems: Problems) -> None:
    """Add a problem for each rule that does not hold."""
    clients: dict[str, str] = {}
    for index, entry in enumerate(services):
        place: Place = ("services", index)
        if problem := name_problem(entry.name):
            problems.add((*place, "name"), problem)
        if entry.url and (problem := url_problem(entry.url)):
            problems.add((*place, "url"), problem, "Write it like http://127.0.0.1:9000.")
        if entry.oauth_client_id and (problem := client_id_problem(entry.oauth_client_id)):
            problems.add((*place, "oauth_client_id"), problem, f"Did you mean 'service-{entry.oauth_client_id}'?")
        client = entry.oauth_client_id or f"service-{entry.name}"
        if clients.get(client, entry.name) != entry.name:  # the same name twice is told of elsewhere
            problems.add((*place, "oauth_client_id"), f"{client!r} is that of {clients[client]!r} too")
        clients[client] = entry.name
        if entry.timeout <= 0:
            problems.add((*place, "timeout"), "must be more than 0")
        _managed(entry, place, problems)


def _managed(entry: ServiceEntry, place: Place, problems: Problems) -> None:
    words: tuple[str, ...] = ()
    try:
        words = entry.command_words
    except ValueError as error:
        problems.add((*place, "command"), f"cannot be split into words: {error}", "Write it as a list.")
        return
    if not words:
        for name in _MANAGED:
            if getattr(entry, name):
                problems.add((*place, name), "is of use only with `command`: nobody else's process can be given it")
        return
    if not words[0] or any("\0" in word for word in words):
        problems.add((*place, "command"), "must begin with a program, and no word may contain a NUL")
    if entry.cwd and not entry.cwd.startswith("/"):
        problems.add((*place, "cwd"), f"{entry.cwd!r} must be an absolute path")
    for name in entry.environment:
        if not _VARIABLE.fullmatch(name):
            problems.add((*place, "environment", name), f"{name!r} cannot name a variable")
