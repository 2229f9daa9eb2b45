"""Asks a server whether it answers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status, and the X-JupyterHub-Version it came with, if any."""

    status: int
    version: str | None = None


class Prober(Protocol):
    async def probe(self, address: str, path: str, timeout_s: float) -> Answer | None:
        """GET `path` from "http://host:port", "http+unix://%2Fpath" or "tunnel://START_ID", following no redirect. None: no answer in time."""
        ...
