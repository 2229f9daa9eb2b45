"""A PostgreSQL server of the tests' own: its own process, folder and socket, gone afterwards."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

ACCOUNT = "postgres"
"""The server refuses to run as root; root runs it as this account, which Debian's package made."""


class PostgresServer:
    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._as: dict[str, Any] = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="perijove-pg-"))
        if self._as:
            shutil.chown(self.folder, ACCOUNT, ACCOUNT)
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.fill(self.folder / "data")

    def fill(self, data: Path) -> None:
        """With a server's first files."""
        subprocess.run(
            [self._programs / "initdb", "-D", data, "-U", "hub", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **self._as,
        )

    def start(self) -> None:
        """Returns once it answers."""
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off", "max_connections": "60"}
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", *arguments], stdout=log, stderr=log, cwd="/", **self._as
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    @property
    def running(self) -> bool:
        return self._process is not None

    def stop(self) -> None:
        """As an administrator does at once: connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        return f"postgresql://hub@/{database}?host={quote(str(self.folder), safe='')}"

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str = "template1") -> str:
        """Its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name
