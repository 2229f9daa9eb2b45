"""Asks servers of a `World` whether they answer."""

from perijove.ports.prober import Answer
from perijove.testing.fuse import Fuse
from perijove.testing.world import World


class FakeProber:
    """Implements ports.prober.Prober. A server answers while it lives, as the script of `path`'s server says."""

    def __init__(self, world: World, fuse: Fuse | None = None) -> None:
        self._world = world
        self._fuse = fuse or Fuse()

    async def probe(self, address: str, path: str, timeout_s: float) -> Answer | None:  # noqa: ARG002 - the port's names
        self._fuse.burn("probe")
        process = next((process for process in self._world.live() if process.address == address), None)
        user, _, name = path.partition("/user/")[2].removesuffix("/api").partition("/")
        status = self._world.script(f"{user}/{name.rstrip('/')}").status
        self._fuse.burn("probed")
        return Answer(status, "6.1.1") if process is not None and status is not None else None
