"""Looks at a Slurm cluster, at this machine and at one compute node: `perijove doctor slurm`."""

from perijove.adapters.spawners.batch.doctor.examine import Saying, Wanted, examine

__all__ = ["Saying", "Wanted", "examine"]
