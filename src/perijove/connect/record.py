"""What is kept of one connection, on the cluster: so any machine of the person's can come back to it, and a closed laptop loses nothing."""

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from perijove.domain.batch.request import JobRequest, request_of
from perijove.domain.errors import BadInputError

FOLDER: Final = ".local/share/perijove/connect"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`job` "": it is being submitted, and the answer may have been lost. `token`: of the Jupyter server, and `secret`: of the tunnel; the file is
    for the person's eyes only. `made`: ISO 8601, UTC. `agent`, `python`: absolute paths over there."""

    name: str
    start_id: str
    request: dict[str, Any]
    environment: dict[str, Any]
    token: str
    secret: str
    made: str
    agent: str
    python: str
    folder: str
    job: str = ""
    port: int = 0
    """Of the person's machine, where it was last."""

    def __post_init__(self) -> None:
        datetime.fromisoformat(self.made)

    @property
    def asked(self) -> JobRequest:
        return request_of(self.request)

    def as_json(self) -> bytes:
        return json.dumps({"version": _VERSION, **asdict(self)}).encode()


def requested(request: JobRequest) -> dict[str, Any]:
    """As a record keeps it."""
    found = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(request).items()}
    return {name: value for name, value in found.items() if value not in (None, [])}


def read(content: bytes) -> Record:
    """Raises BadInputError for anything that is not one of ours."""
    try:
        told = json.loads(content)
        if told.pop("version") != _VERSION:
            raise BadInputError("It was written by another version of Perijove.", "Use that version, or cancel the job and remove the file.")
        known = {one.name: one for one in fields(Record)}
        record = Record(**{name: value for name, value in told.items() if name in known})
    except (ValueError, TypeError, AttributeError, KeyError):
        raise BadInputError("It is not a record of a connection.", f"Look at the files in ~/{FOLDER} over there.") from None
    texts = (record.name, record.start_id, record.token, record.secret, record.agent, record.python, record.folder, record.job)
    if not all(isinstance(text, str) for text in texts) or not isinstance(told.get("port", 0), int) or not isinstance(told["request"], dict):
        raise BadInputError("It is not a record of a connection.", f"Look at the files in ~/{FOLDER} over there.")
    return record
