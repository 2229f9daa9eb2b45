"""Slurm through slurmrestd: everything by HTTP with tokens, so that the hub needs no Slurm on its machine and no sudo."""

from perijove.adapters.spawners.batch.slurmrest.http import Rest
from perijove.adapters.spawners.batch.slurmrest.queue import RestQueue
from perijove.adapters.spawners.batch.slurmrest.tokens import KeyTokens, TokenCommand, Tokens

__all__ = ["KeyTokens", "Rest", "RestQueue", "TokenCommand", "Tokens"]
