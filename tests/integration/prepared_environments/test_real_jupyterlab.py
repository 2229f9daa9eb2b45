"""JupyterLab itself, from the package index that this machine has."""

import subprocess
import sys
from pathlib import Path

from perijove.agent.environment.use import command_in
from tests.integration.prepared_environments.conftest import Account


def test_jupyterlab_is_installed_and_answers_from_its_environment(account: Account) -> None:
    for name in ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_CACHE_DIR"):  # what the person at this machine has set, if anything
        del account.environ[name]
    account.environ["PIP_NO_COMPILE"] = "1"  # a quarter of the time
    account.environ["PIP_CACHE_DIR"] = str(Path.home() / ".cache" / "pip")
    describe = {"name": "real", "packages": ["jupyterlab"], "python": sys.executable}
    folder = account.prepare(describe)[-1]["text"]
    prefix, more = command_in(describe, account.environ)
    done = subprocess.run(
        [*prefix, "python", "-m", "jupyter", "lab", "path"], env={**account.environ, **more}, check=True, stdout=subprocess.PIPE, text=True
    )
    assert f"{folder}/env/share/jupyter/lab" in done.stdout
