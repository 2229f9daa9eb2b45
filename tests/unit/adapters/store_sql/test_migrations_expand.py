"""Migrations only add, unless they say that older code cannot live with them: so hubs of two versions work side by side."""

import ast
from pathlib import Path

import pytest

from perijove.adapters.store_sql.migrate import SCRIPTS

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
