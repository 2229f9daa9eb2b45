"""What the programs beside servers report: the newest of each server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perijove.domain.report import Report
from perijove.domain.server import Phase, ServerId


@dataclass(frozen=True, slots=True)
class Reporter:
    """A server that reports: what must hold for its report to be taken, and the report before, without its log."""

    server_id: ServerId
    user_name: str
    name: str
    start_id: str
    phase: Phase
    before: Report | None


class Reports(Protocol):
    """None of it is announced: pages look when they are opened."""

    def reporters(self, server_ids: Sequence[ServerId]) -> dict[ServerId, Reporter]:
        """Those that are there. In one query, which locks nothing."""
        ...

    def put_all(self, reports: Sequence[Report]) -> None:
        """Replace, in one statement; those whose server is gone, or is at another attempt by now, are passed over. At most one of each server."""
        ...

    def end_at(self, server_id: ServerId, start_id: str, ends_at: datetime) -> None:
        """The place has promised another end. Nothing happens if there is no report of this attempt."""
        ...

    def get(self, server_id: ServerId, start_id: str) -> Report | None:
        """Of this attempt, with its log."""
        ...

    def of_servers(self, server_ids: Sequence[ServerId]) -> dict[ServerId, Report]:
        """Of the present attempts, without their logs, in one query."""
        ...
