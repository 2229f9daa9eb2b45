"""How the login node is reached: host keys, second factors, jump hosts, connections that stand already."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from perijove.connect.by_asyncssh import AsyncSsh
from perijove.connect.by_openssh import OpenSsh
from perijove.connect.cluster import Cluster
from perijove.connect.login import LoginLostError, Pipe, RefusedLoginError, Ways
from perijove.connect.words import Destination
from tests.integration.connect.conftest import Place
from tests.running.sshd import Sshd, sshd


@dataclass
class Someone:
    """Implements Person: answers as told, and remembers what it was asked."""

    answers: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.heard.append(text)

    def tell(self, text: str) -> None:
        self.heard.append(text)

    async def ask(self, question: str, *, secret: bool) -> str:
        self.heard.append(f"{question}{'(secret)' if secret else ''}")
        if not self.answers:
            raise RefusedLoginError("nobody is there")
        return self.answers.pop(0)


@asynccontextmanager
async def by(kind: str, login: Sshd, person: Someone | None = None, config: Path | None = None) -> AsyncIterator[Ways]:
    file, someone, to = str(config or login.config), person or Someone(), Destination("login")
    ways: Ways = OpenSsh(to, someone, options=["-F", file]) if kind == "openssh" else AsyncSsh(to, someone, config=[file])
    try:
        yield ways
    finally:
        await ways.aclose()


async def said(ways: Ways, *argv: str, given: bytes = b"") -> str:
    return (await (await ways.login()).run(argv, given)).text


@pytest.mark.parametrize("kind", ["asyncssh", "openssh"])
async def test_words_arrive_as_they_are(place: Place, kind: str) -> None:
    words = ["", "a b", "$HOME", "`id`", "';id;'", '"', "\\", "*", "ä€", "--", "-n", "a\x1fb", "{a,b}", "~", "#", "&&"]
    async with by(kind, place.sshd) as ways:
        heard = await (await ways.login()).run(["printf", r"%s\0", *words])
        assert heard.out.decode().split("\0")[:-1] == words
        assert await said(ways, "cat", given=b"what is given\n\0") == "what is given\n\0"
        assert (await (await ways.login()).run(["sh", "-c", "echo no >&2; exit 7"])).code == 7


@pytest.mark.parametrize("kind", ["asyncssh", "openssh"])
async def test_a_connection_that_broke_is_made_again(place: Place, kind: str) -> None:
    async with by(kind, place.sshd) as ways:
        cluster = Cluster(ways)
        assert (await cluster.run(["echo", "1"])).text == "1\n"
        login = await ways.login()
        async with login.open(["cat"]) as pipe:
            pipe.write(b"x")
            assert await pipe.read() == b"x"
            place.sshd.cut()
            with pytest.raises(LoginLostError):
                await _to_its_end(pipe)
        assert (await cluster.run(["echo", "2"])).text == "2\n"


async def _to_its_end(pipe: Pipe) -> None:
    assert not await pipe.read()
    await pipe.ended()


@pytest.mark.parametrize("kind", ["asyncssh", "openssh"])
async def test_an_unknown_host_key_is_not_accepted_by_itself(place: Place, kind: str) -> None:
    place.sshd.known_hosts.write_text("")
    async with by(kind, place.sshd) as ways:
        with pytest.raises(RefusedLoginError):
            await said(ways, "id")
    assert place.sshd.known_hosts.read_text() == ""


async def test_an_unknown_host_key_is_shown_and_remembered_when_accepted(place: Place) -> None:
    place.sshd.known_hosts.write_text("elsewhere ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEVaTm9ib2R5cy1rZXktYXQtYWxsLWJ1dC0zMi1i")  # no line's end
    shown = subprocess.run(["ssh-keygen", "-lf", str(place.sshd.folder / "host_key.pub")], capture_output=True, text=True, check=True).stdout.split()[
        1
    ]
    person = Someone(["yes"])
    async with by("asyncssh", place.sshd, person) as ways:
        assert await said(ways, "id", "-un") == f"{place.person}\n"
    assert shown in person.heard[0]
    async with by("openssh", place.sshd) as ways:  # it reads the same file and asks nothing any more
        assert await said(ways, "id", "-un") == f"{place.person}\n"
    async with by("asyncssh", place.sshd) as ways:
        assert await said(ways, "id", "-un") == f"{place.person}\n"


async def test_a_changed_host_key_is_refused_whatever_the_person_says(place: Place) -> None:
    place.sshd.know(" ".join((place.sshd.folder / "other_key.pub").read_text().split()[:2]))
    person = Someone(["yes", "yes"])
    async with by("asyncssh", place.sshd, person) as ways:
        with pytest.raises(RefusedLoginError, match="has changed") as refused:
            await said(ways, "id")
    assert f"ssh-keygen -R '[127.0.0.1]:{place.sshd.port}'" in refused.value.hint
    assert person.answers == ["yes", "yes"]


async def test_a_key_that_is_not_let_in_says_what_to_do(place: Place, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(place.sshd.config.read_text().replace("/key", "/other_key"))
    async with by("asyncssh", place.sshd, config=config) as ways:
        with pytest.raises(RefusedLoginError, match="does not let you in"):
            await said(ways, "id")


@pytest.mark.parametrize("kind", ["asyncssh", "openssh"])
async def test_a_jump_host_is_gone_through(place: Place, tmp_path: Path, kind: str) -> None:
    with sshd(place.person, forwarding=True) as jump:
        config = tmp_path / "config"
        theirs = jump.config.read_text().replace("Host login", "Host jump")
        config.write_text(f"{theirs}\n{place.sshd.config.read_text()}  ProxyJump jump\n")
        async with by(kind, place.sshd, config=config) as ways:
            assert await said(ways, "sh", "-c", 'echo "${SSH_CONNECTION##* }"') == f"{place.sshd.port}\n"
        assert "Accepted publickey" in (jump.folder / "log").read_text()


async def test_a_connection_that_stands_is_used_and_left_alone(place: Place, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"{place.sshd.config.read_text()}  ControlPath {tmp_path}/standing\n")
    master = subprocess.Popen(["ssh", "-F", str(config), "-M", "-N", "login"], stdin=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(20):
            while not (tmp_path / "standing").exists():
                await asyncio.sleep(0.05)
        before = (place.sshd.folder / "log").read_text().count("Accepted")
        async with by("openssh", place.sshd, config=config) as ways:
            assert [await said(ways, "echo", "1"), await said(ways, "echo", "2")] == ["1\n", "2\n"]
        assert (place.sshd.folder / "log").read_text().count("Accepted") == before
        assert master.poll() is None
    finally:
        master.terminate()
        master.wait()


async def test_no_connection_of_ours_outlives_us(place: Place) -> None:
    ways = OpenSsh(Destination("login"), Someone(), options=["-F", str(place.sshd.config)])
    await ways.login()
    master = ways._master
    assert master is not None
    assert master.stdin is not None
    master.stdin.close()  # as the system does for a process that was killed
    assert await asyncio.wait_for(master.wait(), 20) == 0
    await ways.aclose()


class _TwoFactors(asyncssh.SSHServer):
    """Asks for a password and then for a code, as login nodes with a second factor do: no sshd does so without PAM."""

    def begin_auth(self, username: str) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> tuple[str, str, str, Sequence[tuple[str, bool]]]:
        return "Second factor", "Your phone shows it.", "", [("Password: ", False), ("Code: ", True)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return list(responses) == ["secret", "123456"]


async def _echo(process: "asyncssh.SSHServerProcess[str]") -> None:
    process.stdout.write(str(process.command))
    process.exit(0)


async def test_a_second_factor_is_asked_for(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=_TwoFactors, server_host_keys=[key], process_factory=_echo) as listening:
        port = listening.get_port()
        known = tmp_path / "known"
        known.write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
        config = tmp_path / "config"
        config.write_text(f"Host login\n  HostName 127.0.0.1\n  Port {port}\n  User {os.getpid()}\n  UserKnownHostsFile {known}\n")
        person = Someone(["secret", "123456"])
        ways = AsyncSsh(Destination("login"), person, config=[str(config)])
        assert await said(ways, "echo", "a b") == "echo 'a b'"
        await ways.aclose()
    assert person.heard == ["Second factor", "Your phone shows it.", "Password: (secret)", "Code: "]
