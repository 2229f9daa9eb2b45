"""A file that cannot be used any more."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from perijove.adapters.store_sql.link import TransactionLostError
from perijove.adapters.store_sql.sqlite_link import SqliteLink
from perijove.testing.clock import FakeClock


def test_it_is_told_in_the_log_and_not_with_each_request(tmp_path: Path) -> None:
    """Administrators read the log; what is answered is read by people who cannot mend it."""
    path = tmp_path / "file.sqlite"
    path.write_bytes(b"rubbish" * 1000)
    link = SqliteLink(path, FakeClock(), durable=False, writable=False)
    with capture_logs() as said:
        for _ in range(3):
            with pytest.raises(TransactionLostError, match="not an SQLite database"):
                link.open()
    assert [(line["log_level"], line["problem"], line["path"]) for line in said] == [("error", "the file is not an SQLite database", str(path))]
    link.close()
