"""Who follows a start while the database goes away is told to come again, and the stream ends in order."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from perijove.web.api.progress import event_lines
from perijove.web.call import Call
from perijove.web.surface import Surface
from perijove.wire.names import ServerName

from .front import open_front


@dataclass
class Asked:
    surface: Surface


async def test_a_stream_whose_database_is_gone_ends_with_a_time_to_come_again(tmp_path: Path) -> None:
    async with open_front(tmp_path, ()) as front:
        alice = await front.store.read(lambda tx: tx.users.get("alice"))
        assert alice is not None
        server = await front.store.write(lambda tx: tx.servers.add(alice.id, ServerName(""), now=front.surface.hub.clock.now()))
        front.store.away = True
        lines = [line async for line in event_lines(cast(Call, Asked(front.surface)), server)]
    assert len(lines) == 1
    assert lines[0].startswith(b"retry: ")
    assert 2000 <= int(lines[0].split()[1]) < 4000


async def test_a_stream_says_at_once_when_to_come_again_should_it_break(tmp_path: Path) -> None:
    async with open_front(tmp_path, ()) as front:
        alice = await front.store.read(lambda tx: tx.users.get("alice"))
        assert alice is not None
        server = await front.store.write(lambda tx: tx.servers.add(alice.id, ServerName(""), now=front.surface.hub.clock.now()))
        streams = [[line async for line in event_lines(cast(Call, Asked(front.surface)), server)] for _ in range(20)]
    times = set()
    for lines in streams:
        retry, data = b"".join(lines).splitlines()[:2]
        assert data.startswith(b"data: {")
        times.add(int(retry.removeprefix(b"retry: ")))
    assert len(times) > 10, "not all in one moment"
    assert all(1000 <= time < 4000 for time in times)
