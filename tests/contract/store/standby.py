"""A standby of a PostgreSQL server of the tests' own, that can take its place."""

import subprocess
from pathlib import Path

from tests.contract.store.postgres import PostgresServer
from tests.running.perijove import until


class Standby(PostgresServer):
    """Follows `primary`, which runs, from the start on."""

    def __init__(self, programs: Path, primary: PostgresServer) -> None:
        self.primary = primary
        super().__init__(programs)

    def fill(self, data: Path) -> None:
        subprocess.run(
            [self._programs / "pg_basebackup", "-D", data, "-R", "-c", "fast", "--no-sync", "-U", "hub", "-h", self.primary.folder],
            check=True,
            cwd="/",
            **self._as,
        )

    def promote(self) -> None:
        """Once it has all that the primary committed, as is right for a planned failover, and for a synchronous standby."""
        ((position,),) = self.primary.execute("SELECT pg_current_wal_lsn()::text")
        until(lambda: self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn") == [(True,)], what="the standby to catch up")
        self.primary.stop()
        self.execute("SELECT pg_promote()")
