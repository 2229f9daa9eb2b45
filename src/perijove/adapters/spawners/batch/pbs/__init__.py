"""PBS (OpenPBS, PBS Professional) by its commands: qstat, qselect and pbsnodes as the hub; qsub, qsig and qdel as the person, by the batch helper."""

from perijove.adapters.spawners.batch.pbs.queue import PbsQueue
from perijove.adapters.spawners.batch.pbs.runner import PbsAsMyself, PbsCommands

__all__ = ["PbsAsMyself", "PbsCommands", "PbsQueue"]
