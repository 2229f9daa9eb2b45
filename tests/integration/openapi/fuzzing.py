"""One run of Schemathesis, as a program of its own, against a hub and a document."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.conftest import CLONE
from tests.integration.openapi.reference import reference, with_refusals
from tests.integration.openapi.world import CALLBACK, CLIENT, GROUPS, OWNERS, SERVERS, SERVICES, TOKEN, USERS, World, session, tokens

REAL = 0.7
"""How often a name in a request is one that exists."""

_CHECKS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 405, 409]
[checks.missing_required_header]
enabled = false
[checks.use_after_free]
enabled = false
[[operations]]
include-path = "/oauth2/authorize"
[operations.checks.negative_data_rejection]
enabled = false
"""
"""What a schema allows may still be refused for what it says: a scope that is none, a server that runs already. The check of a header that is
missing wants 401 where there are no credentials; JupyterHub, and so we, answer 403. Another check sees that requests without them are refused.
What a run deletes is brought back at once (hooks.py), so that it is found again proves nothing.
Strangers are sent from the authorization page to the sign-in page, whatever they asked for."""

_LOCKED = re.compile(r"Authentication failed: (\d+) operation")


@dataclass(frozen=True)
class Bound:
    """How much is tried: examples per operation and phase, or as long as `minutes` say."""

    examples: int
    seed: int
    minutes: float = 0


@dataclass(frozen=True)
class Outcome:
    """`locked`: how many operations answered nothing but 401 and 403, and so were not really tried."""

    passed: bool
    output: str

    @property
    def locked(self) -> int:
        found = _LOCKED.search(self.output)
        return int(found[1]) if found else 0


def own_document(world: World, folder: Path, bound: Bound, token: str = TOKEN) -> Outcome:
    """Ours, as the hub serves it."""
    document = httpx.get(f"{world.api}/openapi.json").raise_for_status().json()
    return fuzz(world, document, folder, bound, credentials={"token": f'api_key = "token {token}"', "session": f'api_key = "{session(world)}"'})


def own_document_as_a_person(world: World, folder: Path, bound: Bound) -> Outcome:
    """The same, asked by somebody who may do less, and sees less."""
    with world.client() as http:
        made = http.post("/users/cyd/tokens", json={"note": "to look around"}).raise_for_status().json()
    return own_document(world, folder, bound, token=made["token"])


def reference_document(world: World, folder: Path, bound: Bound) -> Outcome:
    """JupyterHub's. It says too little of bad requests to hold anybody to it, and some of our paths take more methods than it has."""
    document = with_refusals(reference())
    left_out = ("negative_data_rejection", "unsupported_method", "allow_header_conformance")
    return fuzz(world, document, folder, bound, credentials=dict.fromkeys(("token", "oauth2"), f'bearer = "{TOKEN}"'), leave_out=left_out)


def fuzz(
    world: World, document: Mapping[str, Any], folder: Path, bound: Bound, *, credentials: Mapping[str, str], leave_out: tuple[str, ...] = ()
) -> Outcome:
    """`credentials`: security scheme of the document -> its line of configuration. `leave_out`: checks."""
    with world.client() as http:
        ids = tokens(http)
    (folder / "document.json").write_text(json.dumps(document))
    (folder / "schemathesis.toml").write_text(_configuration(credentials, ids))
    time = ["--max-time", str(int(bound.minutes * 60))] if bound.minutes else []
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml"), "run", str(folder / "document.json"),
        "--url", world.api, "--seed", str(bound.seed), "--max-examples", str(bound.examples),
        "--exclude-path", "/shutdown",  # it ends the hub that is being tested, as it should
        "--suppress-health-check", "all", "--continue-on-failure", "--no-color", "--generation-database", "none", "--request-timeout", "20",
        *time, *(["--exclude-checks", ",".join(leave_out)] if leave_out else []),
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CLONE), "SCHEMATHESIS_HOOKS": "tests.integration.openapi.hooks", "PERIJOVE_TEST_API": world.api},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Outcome(done.returncode == 0, done.stdout)


def _configuration(credentials: Mapping[str, str], token_ids: list[str]) -> str:
    known: dict[str, tuple[str, ...]] = {
        "users": USERS,
        "owners": OWNERS,
        "recipients": ("dörte",),
        "clients": (CLIENT,),
        "callbacks": (CALLBACK,),
        "response_types": ("code",),
        "token_owners": ("bob",),
        "groups": GROUPS,
        "servers": SERVERS,
        "services": SERVICES,
        "tokens": tuple(token_ids),
        "scopes": ("self", "inherit", "read:users", "access:servers!server=bob/gpu", "servers!user=bob", "admin:users"),
    }
    lines = [f"[auth.openapi.{scheme}]\n{line}" for scheme, line in credentials.items()] + [_CHECKS]
    lines += [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in known.items()]
    everywhere = {
        "path.name": "users", "path.owner": "owners", "path.server": "servers", "path.server_name": "servers", "path.group": "groups",
        "path.service": "services", "path.token_id": "tokens", "body.user": "users", "body.group": "groups", "body.usernames[*]": "users",
        "body.users[*]": "users", "body.groups[*]": "groups", "body.scopes[*]": "scopes", "body.client_id": "clients",
        "query.client_id": "clients", "query.redirect_uri": "callbacks", "query.response_type": "response_types", "query.scope": "scopes",
    }  # fmt: skip
    lines.append("[parameters]\n" + _bindings(everywhere))
    narrower = {  # where "name" is not just anybody's
        "^/groups/": {"path.name": "groups"},
        "^/services/": {"path.name": "services"},
        "^/(shares|share-codes)/": {"path.name": "owners"},
        "^/users/.*/servers?(/|$)": {"path.name": "owners"},
        "^/users/.*/shared/": {"path.name": "recipients"},
        "^/users/.*/tokens/": {"path.name": "token_owners"},
    }
    for paths, bound in narrower.items():
        lines.append(f"[[operations]]\ninclude-path-regex = '{paths}'\n[operations.parameters]\n" + _bindings(bound))
    return "\n".join(lines) + "\n"


def _bindings(bound: Mapping[str, str]) -> str:
    return "\n".join(f'"{place}" = {{ dictionary = "{name}", probability = {REAL} }}' for place, name in bound.items()) + "\n"
