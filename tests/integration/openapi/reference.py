"""JupyterHub's own description of its REST API, out of its source distribution: no wheel carries it, and it is not ours to keep a copy of."""

import copy
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from tests.conftest import CLONE

VERSION = "6.1.1"
_KEPT = CLONE / ".cache" / f"jupyterhub-{VERSION}-source"
_MEMBER = f"jupyterhub-{VERSION}/docs/source/_static/rest-api.yml"
_METHODS = ("get", "put", "post", "delete", "patch")

REFUSALS = {
    "400": "something in the request is wrong",
    "403": "no credentials, wrong ones, or ones that do not allow it",
    "404": "no such thing, or none that the asker may know of",
    "409": "it exists already, or something is in its way",
}
"""The reference lists hardly any refusal, though JupyterHub answers all of these."""
_PROBLEM = {
    "type": "object",
    "required": ["status", "message"],
    "properties": {"status": {"type": "integer"}, "message": {"type": "string"}},
}
_OAUTH_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}

MENDED: dict[tuple[str, str], dict[str, Any]] = {
    # Its words say "not authenticated".
    ("/", "get"): {"security": []},
    # A browser's page: strangers are sent to sign in, and everybody is sent back to who asked.
    ("/oauth2/authorize", "get"): {"security": [], "responses": {"302": {"description": "to the sign-in page, or back to who asked"}}},
    # A list in the document; an object by name in what JupyterHub answers.
    ("/services", "get"): {
        "responses": {
            "200": {
                "description": "by name",
                "content": {"application/json": {"schema": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Service"}}}},
            }
        }
    },
    # RFC 6749 section 5.2, which JupyterHub follows too.
    ("/oauth2/token", "post"): {
        "security": [],
        "responses": {status: {"description": "refused", "content": {"application/json": {"schema": _OAUTH_ERROR}}} for status in ("400", "401")},
    },
}
"""(path, method) -> what the reference leaves out, or says against what JupyterHub does."""

NULLS = {
    "User": ("server", "pending", "last_activity", "auth_state", "user_info"),
    "Server": ("last_activity", "started", "pending"),
    "Token": ("last_activity", "expires_at"),
    "NewToken": ("last_activity", "expires_at"),
}
"""Fields that are null in JupyterHub's answers, too, which its schemas do not say."""


def reference() -> dict[str, Any]:
    """The document as JupyterHub publishes it. Raises subprocess.CalledProcessError with pip's words if the package index has it not."""
    archive = _KEPT / f"jupyterhub-{VERSION}.tar.gz"
    if not archive.exists():
        _fetch(archive)
    with tarfile.open(archive) as source:
        text = source.extractfile(_MEMBER)
        assert text is not None
        found = yaml.safe_load(text.read())
    return cast(dict[str, Any], json.loads(json.dumps(found, default=lambda moment: moment.isoformat())))  # YAML has dates, JSON has none


def _fetch(archive: Path) -> None:
    wanted = ["--no-deps", "--no-binary", "jupyterhub", "--dest", str(archive.parent), f"jupyterhub=={VERSION}"]
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-input", *wanted], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"pip could not download JupyterHub's source distribution:\n{done.stderr}"


def with_refusals(document: dict[str, Any]) -> dict[str, Any]:
    """The same, with what it leaves out: the refusals, and what is in `MENDED`."""
    whole = copy.deepcopy(document)
    for path, method, operation in operations(whole):
        mended = MENDED.get((path, method), {})
        answers = {str(status): answer for status, answer in operation["responses"].items()} | mended.get("responses", {})
        for status, meaning in REFUSALS.items():
            said = answers.setdefault(status, {"description": meaning})
            said.setdefault("content", {"application/json": {"schema": _PROBLEM}})
        operation.update(mended, responses=answers)
    for name, fields in NULLS.items():
        properties = whole["components"]["schemas"][name]["properties"]
        properties.update({field: {"anyOf": [properties[field], {"type": "null"}]} for field in fields})
    return whole


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation)."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]
