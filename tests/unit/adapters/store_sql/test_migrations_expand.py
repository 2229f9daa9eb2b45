"""Migrations only add, unless they say that older code cannot live with them: so hubs of two versions work side by side."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from perijove.adapters.store_sql.migrate import SCRIPTS, head

_TAKES_AWAY = {"drop_table", "drop_column", "drop_constraint", "alter_column", "rename_table", "execute"}
_VERSIONS = sorted(path for path in (SCRIPTS / "versions").glob("v*.py") if path.stem[1:5] != "0001")


def _contracts(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Assign) and ast.unparse(node) == "contracts = True" for node in tree.body)


@pytest.mark.parametrize("path", _VERSIONS, ids=lambda path: path.stem)
def test_what_takes_something_away_says_so(path: Path) -> None:
    tree = ast.parse(path.read_text())
    called = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    assert _contracts(tree) or not called & _TAKES_AWAY


@pytest.mark.parametrize("path", _VERSIONS, ids=lambda path: path.stem)
def test_a_new_column_of_an_old_table_has_a_default(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_column":
            column = node.args[-1]
            assert isinstance(column, ast.Call)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in column.keywords}
            assert "server_default" in given or given.get("nullable") == "True", ast.unparse(node)


def test_revisions_are_what_their_files_are_called_so_that_a_start_need_not_ask_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert head() == scripts.get_current_head()
    assert all(Path(script.path).stem[1:5] == script.revision for script in scripts.walk_revisions())


def test_a_hub_s_start_does_not_load_alembic() -> None:
    code = "import sys, perijove.runtime; sys.exit(any(name.partition('.')[0] == 'alembic' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
