"""The command `perijove-singleuser`.

Nothing of Jupyter is imported here: with JUPYTERHUB_DISABLE_USER_CONFIG, packages a person
installed into their home must not be imported instead of the environment's, so Python has to be
started again without them first. A broken `pip install --user` is the commonest reason why a
server does not start.
"""

from __future__ import annotations

import os
import runpy
import site
import sys
from pathlib import Path

from .contract import is_true


def main() -> None:
    """Start the server, without the person's own packages if the hub says so."""
    if is_true(os.environ.get("JUPYTERHUB_DISABLE_USER_CONFIG")) and not _without_user_packages():
        os.execv(sys.executable, [sys.executable, "-s", "-m", __package__, *sys.argv[1:]])  # noqa: S606 - Python itself, with our own arguments
    runpy.run_module(__package__, run_name="__main__")


def _without_user_packages() -> bool:
    if sys.flags.no_user_site or not site.ENABLE_USER_SITE:
        return True
    # Installed among the person's own packages ourselves: leaving them out leaves us out.
    return Path(__file__).is_relative_to(site.getusersitepackages())
