"""One question to slurmrestd over a unix socket, HTTPS, or HTTP on this machine; and which version of its interface is spoken."""

import asyncio
import ipaddress
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import h11

from perijove.adapters.spawners.batch.slurmrest.tokens import Tokens
from perijove.domain.batch.request import shown
from perijove.ports.batch import NotAllowedError, QueueAwayError

OLDEST, NEWEST = 36, 45
"""Of v0.0.NN: those whose forms are known here."""
_MOST_BYTES: Final = 256 << 20
_CHUNK: Final = 1 << 16
_PATHS: Final = re.compile(r"/(slurm|slurmdb)/v0\.0\.(\d+)/(?:job/submit|jobs)/?$")
_AWAY: Final = "Jobs go on meanwhile. It is asked again by itself."


@dataclass(frozen=True, slots=True)
class Offer:
    """What this slurmrestd speaks: the number in v0.0.NN, and of the accounting's part (None: it has none)."""

    version: int
    accounting: int | None = None


@dataclass(kw_only=True)
class Rest:
    """`url`: http+unix://%2Frun%2Fslurmrestd.sock, https://head:6820, or http:// on this very machine."""

    url: str
    tokens: Tokens
    ca_file: str = ""
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        self._offer: Offer | None = None
        parts = urlsplit(self.url)
        if parts.scheme not in {"http+unix", "https"} and not (parts.scheme == "http" and _here(parts.hostname or "")):
            raise NotAllowedError(
                f"slurmrestd's address {self.url} would carry tokens in the open.",
                "Give a unix socket (http+unix://…), https://, or http:// to 127.0.0.1.",
            )

    async def offer(self, person: str) -> Offer:
        """Raises QueueAwayError if it speaks no version that is known."""
        if self._offer is None:
            for path in ("/openapi/v3", "/openapi.json", "/openapi"):
                status, found = await self._exchange("GET", path, person, None)
                if status == 200 and isinstance(found, dict) and isinstance(found.get("paths"), dict):
                    self._offer = chosen(found["paths"])
                    break
            else:
                raise QueueAwayError("slurmrestd does not say what it speaks.", "The administrator can see whether the address is slurmrestd's.")
        return self._offer

    async def ask(self, method: str, path: str, person: str, body: object = None) -> dict[str, Any]:
        """The answer to `/slurm/VERSION` + path (or slurmdb/…), its errors included. Raises QueueAwayError, NotAllowedError."""
        offer = await self.offer(person)
        part, number = ("slurmdb", offer.accounting) if path.startswith("slurmdb/") else ("slurm", offer.version)
        status, found = await self._exchange(method, f"/{part}/v0.0.{number}/{path.removeprefix('slurmdb/')}", person, body)
        if status in {401, 403, 511}:
            raise NotAllowedError(
                "slurmrestd does not take the token.", "The administrator can compare the keys of the hub and of Slurm, and the clocks."
            )
        if not isinstance(found, dict):
            self._offer = None  # perhaps another version is there by now
            raise QueueAwayError(f"slurmrestd answered {status} with something that is not understood.", _AWAY)
        return found

    async def _exchange(self, method: str, path: str, person: str, body: object) -> tuple[int, object]:
        fields = {"X-SLURM-USER-NAME": person, "X-SLURM-USER-TOKEN": await self.tokens.token(person), "Accept": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            fields["Content-Type"] = "application/json"
        try:
            async with asyncio.timeout(self.timeout_s):
                status, text = await self._speak(method, path, fields, content)
        except TimeoutError:
            raise QueueAwayError(f"slurmrestd took longer than {self.timeout_s:.0f} s.", _AWAY) from None
        except (OSError, h11.ProtocolError) as error:
            raise QueueAwayError(f"slurmrestd does not answer: {error}.", _AWAY) from None
        try:
            return status, json.loads(text)
        except ValueError:
            return status, None

    async def _speak(self, method: str, path: str, fields: Mapping[str, str], content: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connect()
        try:
            machine = h11.Connection(h11.CLIENT)
            host = "localhost" if self.url.startswith("http+unix:") else urlsplit(self.url).netloc
            length = {"Content-Length": str(len(content))} if content else {}
            headers = list(({"Host": host, "Connection": "close"} | dict(fields) | length).items())
            writer.write(machine.send(h11.Request(method=method, target=path, headers=headers)) or b"")
            if content:
                writer.write(machine.send(h11.Data(data=content)) or b"")
            writer.write(machine.send(h11.EndOfMessage()) or b"")
            await writer.drain()
            return await _answer(machine, reader)
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        if parts.scheme == "http+unix":
            return await asyncio.open_unix_connection(unquote(parts.netloc))
        tls = ssl.create_default_context(cafile=self.ca_file or None) if parts.scheme == "https" else None
        return await asyncio.open_connection(parts.hostname, parts.port or (443 if tls else 80), ssl=tls)


async def _answer(machine: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, bytes]:
    status, text = 0, bytearray()
    while True:
        event = machine.next_event()
        if event is h11.NEED_DATA:
            machine.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            text += event.data
            if len(text) > _MOST_BYTES:
                raise OSError("its answer is longer than 256 MiB")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return status, bytes(text)


def chosen(paths: Mapping[str, object]) -> Offer:
    """The newest version that it offers and that is known here. Raises QueueAwayError."""
    found: dict[str, list[int]] = {"slurm": [], "slurmdb": []}
    for path in paths:
        if matched := _PATHS.match(path):
            found[matched[1]].append(int(matched[2]))
    known = {part: [number for number in numbers if OLDEST <= number <= NEWEST] for part, numbers in found.items()}
    if not known["slurm"]:
        offered = ", ".join(f"v0.0.{number}" for number in sorted(set(found["slurm"]))) or "nothing"
        raise QueueAwayError(
            f"slurmrestd offers {shown(offered)}; v0.0.{OLDEST} to v0.0.{NEWEST} are understood.", "A newer Perijove may understand it."
        )
    return Offer(max(known["slurm"]), max(known["slurmdb"], default=None))


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
