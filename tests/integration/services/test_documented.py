"""The example of docs/howto/services.md, as it is there: a managed service that signs people in by the hub."""

import os
import pwd
import re
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.clients.visitor import Visitor
from tests.running.perijove import free_port, perijove, until

from .test_managed import SETTINGS, Site

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "services.md"


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


def test_the_documented_example_signs_its_visitor_in(clients_env: Path) -> None:
    with TemporaryDirectory(prefix="pj-board-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "board.py").write_text(example("python"))
        settings = example("toml")
        own = pwd.getpwuid(os.geteuid()).pw_name
        for documented, here in {
            "/srv/board": name,
            "python3": str(clients_env / "bin" / "python"),
            ":9000": f":{free_port()}",
            'user = "board"': f'user = "{own}"',
        }.items():
            assert documented in settings
            settings = settings.replace(documented, here)
        with perijove(SETTINGS + settings.replace('file = "board.key"', 'env = "BOARD_KEY"'), environ={"BOARD_KEY": "k"}) as running:
            board = Site(running, folder)
            until(lambda: board.state("board")["up"], what=f"the board in:\n{running.output}\n{board.state('board')}")
            with closing(Visitor(running.url)) as bob:
                bob.sign_in("bob")
                assert bob.open("/services/board/").json() == {"title": "News", "visitor": "bob"}
                assert 'href="/services/board/"' in bob.open("/hub/home").text
            with closing(Visitor(running.url)) as nobody:
                assert nobody.open("/services/board/").url.path == "/hub/login"
