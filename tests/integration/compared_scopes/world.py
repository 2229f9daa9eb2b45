"""The small world that both algebras speak of: who there is, who is in which group, and whose servers and services there are.

The standard library only: the oracle reads it in JupyterHub's own environment.
"""

from typing import Any

GROUPS_OF = {"alice": ["staff"], "bob": ["staff", "tas"], "carol": []}
GROUPS = ["staff", "tas", "empty"]
SERVERS = [f"{user}/{server}" for user in GROUPS_OF for server in ("", "lab")]
SERVICES = ["forum", "grader"]
CUSTOM: dict[str, dict[str, Any]] = {
    "custom:reports": {"description": "work with reports", "subscopes": ["custom:reports:read"]},
    "custom:reports:read": {"description": "read reports"},
}
