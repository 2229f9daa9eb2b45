"""Slurm by its commands: squeue, sacct, scontrol and sacctmgr as the hub; sbatch and scancel as the person, by the batch helper."""

from perijove.adapters.spawners.batch.slurm.queue import SlurmQueue
from perijove.adapters.spawners.batch.slurm.runner import Acting, AsMyself, Commands, ThroughSudo

__all__ = ["Acting", "AsMyself", "Commands", "SlurmQueue", "ThroughSudo"]
