"""What must not be forgotten of an attempt."""

from dataclasses import dataclass, replace

from perijove.domain.batch.status import JobId
from perijove.domain.errors import SpawnerError
from perijove.domain.server import JsonObject


@dataclass(frozen=True, slots=True)
class State:
    """`name`: the job's, unique to the attempt: by it the job is found though nobody heard its number. `person`: whose job it is."""

    name: str
    person: str
    job: JobId | None = None
    since: float = 0.0
    """When it was submitted, in seconds since 1970."""

    def as_json(self) -> JsonObject:
        return {"name": self.name, "person": self.person, "since": self.since} | ({} if self.job is None else {"job": self.job})

    def with_job(self, job: JobId, since: float) -> "State":
        return replace(self, job=job, since=since)


def read_state(state: JsonObject) -> State:
    """Raises SpawnerError if it is another spawner's."""
    name, person, job, since = state.get("name"), state.get("person"), state.get("job"), state.get("since")
    if not isinstance(name, str) or not isinstance(person, str) or not isinstance(job, str | None):
        raise SpawnerError(
            "This server was started by another spawner.", "The administrator can go back to that spawner, or delete the server when it is gone."
        )
    return State(name, person, None if job is None else JobId(job), float(since) if isinstance(since, int | float) else 0.0)
