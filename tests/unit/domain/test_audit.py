"""Every action that the code records is in the list, and the list has no others: the reference is written from it."""

import ast
from pathlib import Path

import perijove.control
from perijove.domain.audit import ACTIONS


def recorded() -> set[str]:
    """Literal actions: of AuditEvent(action=...), of `action = a if b else c`, and of calls that pass one on."""
    found: set[str] = set()
    for path in Path(perijove.control.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "action":
                found |= {part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant) and isinstance(part.value, str)}
            if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "action" for target in node.targets):
                found |= {part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant) and isinstance(part.value, str)}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_change":
                found |= {part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return found


def test_what_is_recorded_is_described_and_the_other_way_round() -> None:
    assert recorded() == set(ACTIONS)
