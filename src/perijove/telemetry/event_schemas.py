"""The events of the event log: what each holds. The first is JupyterHub's, by the name that readers of its log go by."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from perijove.domain.audit import ACTIONS

METADATA_VERSION: Final = 1
"""Of what every line begins with, as jupyter_events has it."""
STAMPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "__timestamp__": "when it was recorded: ISO 8601, UTC, with microseconds and Z",
        "__schema__": "which event it is: a name of this page",
        "__schema_version__": "the version of that event, as text",
        "__metadata_version__": "of these four fields: 1",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSchema:
    """`properties` are JSON Schemas by name; all are always there."""

    id: str
    version: str
    title: str
    description: str
    properties: Mapping[str, Mapping[str, Any]]

    def json_schema(self) -> dict[str, Any]:
        """Of a whole line (draft 2020-12)."""
        stamps: dict[str, Any] = {name: {"type": "string", "description": said} for name, said in STAMPS.items()}
        stamps["__schema__"] = {"const": self.id, "description": STAMPS["__schema__"]}
        stamps["__schema_version__"] = {"const": self.version, "description": STAMPS["__schema_version__"]}
        stamps["__metadata_version__"] = {"const": METADATA_VERSION, "description": STAMPS["__metadata_version__"]}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": self.id,
            "title": self.title,
            "type": "object",
            "properties": {**stamps, **self.properties},
            "required": [*stamps, *self.properties],
            "additionalProperties": False,
        }


SERVER_ACTION: Final = EventSchema(
    id="https://schema.jupyter.org/jupyterhub/events/server-action",
    version="1",
    title="A server was started or stopped by the hub",
    description="Only when it is done, and only if the hub was asked: a server that ends by itself, or cannot be started, is no action. "
    "JupyterHub writes the same.",
    properties={
        "action": {"enum": ["start", "stop"], "description": "what was done"},
        "username": {"type": "string", "description": "whose server it is"},
        "servername": {"type": "string", "description": 'its name; "" for the default server'},
    },
)
AUDIT: Final = EventSchema(
    id="urn:perijove:events:audit",
    version="1",
    title="Something that the audit log records",
    description="A sign-in, a change of rights, or what somebody asked of a server. Perijove's own; the actions are listed under Audit log.",
    properties={
        "action": {"enum": sorted(ACTIONS), "description": "what happened"},
        "actor": {"type": "string", "description": 'who did it: a user\'s name, "service:NAME", "hub", or "" for nobody known'},
        "target": {"type": "string", "description": "whom or what it is about: a user, USER/SERVER, a group, a service"},
        "outcome": {"type": "string", "description": "success, failure or refused"},
        "address": {"type": "string", "description": 'the client\'s address, where it is known; else ""'},
        "request_id": {"type": "string", "description": 'that of the request, as in the logs, where it is known; else ""'},
        "detail": {"type": "object", "description": "more, depending on the action"},
    },
)
EVENTS: Final = (SERVER_ACTION, AUDIT)
