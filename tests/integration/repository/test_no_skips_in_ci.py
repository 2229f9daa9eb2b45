"""The rule of tests/conftest.py, seen from outside: in CI a skipped test fails, and says what was missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"


def run_pytest(folder: Path, text: str, **more: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (folder / "test_it.py").write_text("import pytest\n" + text)
    environ = {name: value for name, value in os.environ.items() if name not in {"CI", "PERIJOVE_NO_SKIP"}} | more
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "."], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "text",
    [
        "def test_it(): pytest.skip('no browser')",
        "@pytest.mark.skip(reason='no browser')\ndef test_it(): ...",
        "@pytest.fixture\ndef browser(): pytest.skip('no browser')\ndef test_it(browser): ...",
        "pytest.skip('no browser', allow_module_level=True)",
    ],
)
def test_a_skip_fails_in_ci_only(tmp_path: Path, text: str) -> None:
    elsewhere = run_pytest(tmp_path, f"def test_other(): pass\n{text}")
    assert elsewhere.returncode in {0, 5}, elsewhere.stdout  # 5: the whole file was skipped
    in_ci = run_pytest(tmp_path, f"def test_other(): pass\n{text}", CI="true")
    assert in_ci.returncode not in {0, 5}
    assert "no browser" in in_ci.stdout


def test_a_run_without_any_test_fails(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, "").returncode != 0
