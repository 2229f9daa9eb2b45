"""Servers as processes of this machine: each as the person's own Unix account if the hub is root, else all as the hub's.

Theory of operation
-------------------
Three processes, so that nothing is lost or doubled when any of them is killed:

* the hub (`spawner.py`) writes down where the attempt will live, then runs
* the launcher (`launcher.py`), which leaves the hub's session, forks the future server and *claims* the attempt by linking a
  complete file to a name only one process can take (`claims.py`). Stopping claims the same name. Whoever is first wins,
  however many hubs and launchers try. Then it lets the fork become the person's account and the server, and turns into
* the supervisor (`supervisor.py`), which stays: it keeps the log within its size, passes signals on, ends what the server
  leaves behind, and writes down how it ended. A hub that comes later, after any crash, reads all of it from the run folder.
"""

from perijove.adapters.spawners.local.config import Config
from perijove.adapters.spawners.local.spawner import LocalSpawner

__all__ = ["Config", "LocalSpawner"]
