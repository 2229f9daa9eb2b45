"""The login node: what is there, and the person's files that are ours. Texts that run there are constants; whatever varies is an argument of theirs."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from perijove.connect.login import ConnectError, Heard, LoginLostError, SlowError, Ways, lines
from perijove.connect.record import FOLDER, Record, read
from perijove.domain.errors import BadInputError

_MARK: Final = "perijove-says "
_PYTHONS: Final = ("python3", "/usr/bin/python3", *(f"python3.{minor}" for minor in range(14, 7, -1)))
_LOOK: Final = (
    f'echo; echo "{_MARK}home $HOME"; echo "{_MARK}person $(id -un)"; echo "{_MARK}conf $SLURM_CONF"; echo "{_MARK}sbatch $(command -v sbatch)"; '
    'for p in "$@"; do q=$("$p" -c "import sys; sys.exit(sys.version_info < (3, 8) or print(sys.executable))" 2>/dev/null) '
    f'&& echo "{_MARK}python $q" && break; done; true'
)
# path, mode, digest, "new" or "any"; content on standard input
_PUT: Final = (
    "import hashlib, os, sys; path, mode, digest, how = sys.argv[1:5]; data = sys.stdin.buffer.read(); "
    "hashlib.sha256(data).hexdigest() == digest or sys.exit('not all of it arrived'); "
    "os.makedirs(os.path.dirname(path), 0o700, exist_ok=True); fresh = path + '.' + str(os.getpid()); "
    "file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, int(mode, 8)); "
    "os.write(file, data) == len(data) or sys.exit('the disk or quota is full'); os.fsync(file); os.close(file); "
    "os.link(fresh, path) if how == 'new' else os.replace(fresh, path); how == 'new' and os.unlink(fresh)"
)
_HAS: Final = (
    "import hashlib, os, sys; path, digest = sys.argv[1:3]; "
    "sys.exit(0 if os.path.exists(path) and hashlib.sha256(open(path, 'rb').read()).hexdigest() == digest else 3)"
)
_ALL: Final = (
    "import json, os, sys; folder = sys.argv[1]; names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []; "
    "print(json.dumps({n[:-5]: open(os.path.join(folder, n)).read(1 << 20) for n in names if n.endswith('.json')}))"
)
_DROP: Final = "import os, sys; [os.path.exists(path) and os.unlink(path) for path in sys.argv[1:]]"
_TRIES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`sbatch` and `python`: absolute paths; `conf`: SLURM_CONF, if the person has one."""

    home: str
    person: str
    sbatch: str
    python: str
    conf: str = ""

    @property
    def folder(self) -> str:
        return f"{self.home}/{FOLDER}"

    @property
    def commands(self) -> str:
        """Where Slurm's programs are."""
        return self.sbatch.rpartition("/")[0]

    def record(self, name: str) -> str:
        return f"{self.folder}/{name}.json"

    def listening(self, name: str) -> str:
        """Where the agent says where it listens."""
        return f"{self.folder}/{name}.agent"

    def log(self, name: str) -> str:
        return f"{self.folder}/{name}.log"


class Cluster:
    """The person's side of a cluster. Lost connections are made again, a few times."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self._facts: Facts | None = None

    async def run(self, argv: Sequence[str], given: bytes = b"", *, timeout_s: float = 60.0, tries: int = _TRIES) -> Heard:
        """Raises LoginLostError, RefusedLoginError, SlowError."""
        for left in range(tries - 1, -1, -1):
            try:
                login = await self.ways.login()
                return await login.run(argv, given, timeout_s=timeout_s)
            except (LoginLostError, SlowError):
                if not left:
                    raise
            await asyncio.sleep(1.0)
        raise LoginLostError("There was no time to try.")

    async def facts(self, python: str | None = None) -> Facts:
        """Raises ConnectError if the machine cannot be used."""
        if self._facts is None:
            said = await self.run(["bash", "-lc", _LOOK, "perijove", *([python] if python else _PYTHONS)])
            self._facts = facts(said)
        return self._facts

    async def put(self, path: str, content: bytes, *, mode: int = 0o600, new: bool = False) -> bool:
        """Whole or not at all. `new`: only if it is not there; returns False if it is."""
        digest = hashlib.sha256(content).hexdigest()
        said = await self._python(_PUT, path, f"{mode:o}", digest, "new" if new else "any", given=content)
        if new and b"FileExistsError" in said.err:
            return False
        _check(said, f"{path} cannot be written over there")
        return True

    async def upload(self, content: bytes) -> str:
        """The agent's file; returns its path. What is there already is not sent again."""
        found = await self.facts()
        digest = hashlib.sha256(content).hexdigest()
        path = f"{found.home}/.cache/perijove/agent-{digest[:16]}.pyz"
        if (await self._python(_HAS, path, digest)).code:
            await self.put(path, content, mode=0o700)
        return path

    async def records(self) -> tuple[dict[str, Record], dict[str, BadInputError]]:
        """By name: those that are understood, and what is wrong with the others."""
        found = await self.facts()
        said = await self._python(_ALL, found.folder)
        _check(said, f"{found.folder} cannot be read over there")
        fine: dict[str, Record] = {}
        wrong: dict[str, BadInputError] = {}
        texts: Mapping[str, str] = json.loads(said.text.strip().splitlines()[-1])
        for name, text in texts.items():
            try:
                fine[name] = read(text.encode())
            except BadInputError as error:
                wrong[name] = error
        return fine, wrong

    async def keep(self, record: Record, *, new: bool = False) -> bool:
        """Returns False if `new` and there is one of that name."""
        return await self.put((await self.facts()).record(record.name), record.as_json(), new=new)

    async def forget(self, name: str) -> None:
        """Of a job that is gone. Its log stays until the next of that name."""
        found = await self.facts()
        _check(await self._python(_DROP, found.record(name), found.listening(name)), "Files cannot be removed over there")

    async def tail(self, name: str, count: int) -> str:
        said = await self.run(["tail", "-n", str(count), "--", (await self.facts()).log(name)])
        return said.text

    async def prepare(self, agent: str, description: Mapping[str, object], tell: Callable[[str], None]) -> None:
        """Make the environment ready. A connection that breaks meanwhile is made again, and what was done is not done twice. Raises ConnectError."""
        found = await self.facts()
        for left in range(_TRIES - 1, -1, -1):
            try:
                login = await self.ways.login()
                async with login.open([found.python, agent, "prepare"], json.dumps(description).encode()) as pipe:
                    last = await _followed(lines(pipe), tell)
                    said = await pipe.ended()
                break
            except LoginLostError:
                if not left:
                    raise
            await asyncio.sleep(1.0)
        if said.code:
            text = str(last.get("text") or said.trouble)
            output = str(last.get("output") or "")
            raise ConnectError(f"The environment could not be made ready: {text}", "\n".join(output.splitlines()[-12:]))

    async def _python(self, text: str, *words: str, given: bytes = b"") -> Heard:
        return await self.run([(await self.facts()).python, "-I", "-c", text, *words], given)


async def _followed(said: AsyncIterator[bytes], tell: Callable[[str], None]) -> dict[str, object]:
    """The last of what it tells."""
    last: dict[str, object] = {}
    async for line in said:
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and "step" in told:
                last = told
                if told["step"] != "folder":
                    tell(f"{told.get('text')} ({told.get('percent')} %)")
    return last


def facts(said: Heard) -> Facts:
    """From what the look around said, whatever the person's own start files say besides. Raises ConnectError."""
    told = dict(line.removeprefix(_MARK).partition(" ")[::2] for line in said.text.splitlines() if line.startswith(_MARK))
    home, person = told.get("home", "").strip(), told.get("person", "").strip()
    if not home.startswith("/") or not person:
        raise ConnectError(f"The login node does not run programs as it should: {said.trouble}.", "Does `ssh` with a command work by hand?")
    if not told.get("python", "").startswith("/"):
        raise ConnectError(
            "There is no Python 3.8 or newer on the login node.", "Name one with --login-python; `module avail python` over there may know where."
        )
    if not told.get("sbatch", "").startswith("/"):
        raise ConnectError("The login node has no sbatch: it does not belong to a Slurm cluster, or Slurm is not on your PATH there.")
    return Facts(home=home, person=person, sbatch=told["sbatch"].strip(), python=told["python"].strip(), conf=told.get("conf", "").strip())


def _check(said: Heard, what: str) -> None:
    if said.code:
        raise ConnectError(f"{what}: {said.trouble}.", "Is your quota used up over there?")
