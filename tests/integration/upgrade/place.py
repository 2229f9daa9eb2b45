"""A running `perijove up`, and an administrator who has it replaced."""

import os
import subprocess
import sys
from dataclasses import dataclass, field

import httpx2 as httpx

from tests.running.perijove import Running

DRIVER = {"authorization": "token the-drivers-own-long-token-0123456789"}
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
[[services]]
name = "driver"
api_token = "{DRIVER["authorization"].removeprefix("token ")}"
[[roles]]
name = "driver"
services = ["driver"]
scopes = ["admin:users", "admin:servers", "access:servers", "read:hub"]
"""
NOTHING = """
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
"""


@dataclass
class Site:
    running: Running
    environ: dict[str, str] = field(default_factory=dict)

    def api(self, method: str, path: str, **more: object) -> httpx.Response:
        return httpx.request(method, f"{self.running.url}/hub/api{path}", headers=DRIVER, timeout=60, **more)  # type: ignore[arg-type]

    def ready(self, name: str) -> bool:
        return bool(self.api("GET", f"/users/{name}").json()["servers"].get("", {}).get("ready"))

    def replaced(self, *more: str) -> tuple[int, str]:
        """Ask for it, as an administrator does; the exit code and what is said."""
        done = subprocess.run(
            [sys.executable, "-m", "perijove", "up", "--replace", "--config", str(self.running.config), *more],
            capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **self.environ},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def change(self, was: str, becomes: str) -> None:
        text = self.running.config.read_text()
        assert was in text
        self.running.config.write_text(text.replace(was, becomes))
