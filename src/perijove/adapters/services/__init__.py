"""Managed services as processes of this machine, which end with the hub, however it ends.

Each has a supervisor beside it (perijove.processes), which follows the hub's life by a FIFO. Should somebody kill both at once, what
is left is found by the claim that the launcher made, or by a variable in its environment, and ended before anything is started.
"""

from perijove.adapters.services.processes import LocalServiceProcesses

__all__ = ["LocalServiceProcesses"]
