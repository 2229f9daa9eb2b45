"""A spawner with all that a cluster's may offer, whose cluster is a folder of files: a test says there when jobs begin and end, and reads there
what was asked."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from perijove.adapters.spawners.local.config import Config as LocalSettings
from perijove.adapters.spawners.local.spawner import LocalSpawner
from perijove.domain.batch.cluster import Association, Cluster, Node, Partition
from perijove.domain.batch.offers import Offers, offers
from perijove.domain.errors import BadOptionsError, SpawnerError
from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject
from perijove.ports.cluster_spawner import Verdict
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Progress, StartEvent, StartRequest, Status
from perijove.testing.null_spawner import NullSpawner

CLUSTER = Cluster(
    name="jupiter",
    version=(24, 5),
    partitions=(
        Partition(
            name="short",
            default=True,
            max_time_s=4 * 3600,
            nodes=(Node(name="c1", partitions=frozenset({"short"}), cpus=16, free_cpus=5, memory_mb=64000, free_memory_mb=9000),),
        ),
        Partition(
            name="gpu",
            max_time_s=24 * 3600,
            nodes=(
                Node(
                    name="g1",
                    partitions=frozenset({"gpu"}),
                    cpus=32,
                    free_cpus=30,
                    memory_mb=256000,
                    free_memory_mb=200000,
                    gpus={"a100": 4, "v100": 2},
                    free_gpus={"a100": 1},
                ),
            ),
        ),
    ),
)
ASSOCIATIONS = (
    Association(account="def-x", qos=("normal", "high"), default=True),
    Association(account="rrg-y", qos=("normal",)),
)
_LONGEST_S = {"short": 4 * 3600, "gpu": 24 * 3600}


class ClusterSpawner(NullSpawner):
    """For a person NAME: `NAME.json` is what their job got; it waits until there is `NAME.go`, fails with the words in `NAME.fail`, has ended with
    those in `NAME.dead`. `extended` lists what was prolonged."""

    class Config(NullSpawner.Config, frozen=True, forbid_unknown_fields=True, kw_only=True):
        folder: str

    def __init__(self, config: Config, context: PluginContext, address: str) -> None:
        super().__init__(config, context, address)
        self._folder = Path(config.folder)
        self._clock = context.clock

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Any, context: PluginContext) -> AsyncIterator["ClusterSpawner"]:
        async with super().open(config, context) as made:
            assert isinstance(made, ClusterSpawner)
            yield made

    def _said(self, handle: Handle, kind: str) -> str | None:
        path = self._folder / f"{handle.user_name}.{kind}"
        return path.read_text() if path.exists() else None

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        handle = request.handle
        yield Checkpoint({"job": handle.start_id})
        told = {"token": request.env["JUPYTERHUB_API_TOKEN"], "start_id": handle.start_id, "options": dict(request.options)}
        part = self._folder / f"{handle.user_name}.part"
        part.write_text(json.dumps(told))
        part.rename(part.with_suffix(".json"))
        begins = self._clock.now() + timedelta(minutes=25)
        yield Progress("Other jobs are before it in the queue.", 20, place=3, estimate=begins, detail="PENDING (Priority) job 17", waits=True)
        while self._said(handle, "go") is None:
            if (words := self._said(handle, "fail")) is not None:
                raise SpawnerError(words, "Choose another account.")
            await self._clock.sleep(0.05)
        async for event in super().start(request):
            if isinstance(event, Address):
                yield event

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        answers = await super().poll(handles)
        words = [self._said(handle, "dead") for handle in handles]
        return [answer if word is None else Exited(None, word, "Ask for more time.") for answer, word in zip(answers, words, strict=True)]

    def option_fields(self, user_name: str) -> Sequence[OptionField]:
        return (
            OptionField(name="time", label="Time", kind="text", help="Hours:minutes:seconds", example="3:00:00"),
            OptionField(name="partition", label="Partition", kind="text", offered="partition", more=True),
            OptionField(name="account", label="Account", kind="text", offered="account", more=True),
            OptionField(name="qos", label="QOS", kind="text", offered="qos", more=True),
            OptionField(name="cpus", label="CPUs", kind="integer", minimum=1, more=True),
            OptionField(name="memory", label="In all", kind="text", one_of="Memory", example="8G", more=True),
            OptionField(name="memory_per_cpu", label="Per CPU", kind="text", one_of="Memory", example="3000M", more=True),
            OptionField(name="gpus", label="GPUs", kind="gpus", offered="gpus", more=True),
        )

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        problems = {}
        if options.get("time") and _seconds(options["time"]) is None:
            problems["time"] = f"{options['time']!r} is no time such as 3:00:00."
        if options.get("memory") and options.get("memory_per_cpu"):
            problems["memory"] = "Memory is given in all and per CPU: choose one of the two."
        if problems:
            raise BadOptionsError(problems)
        return dict(options)

    async def offers(self, user_name: str) -> Offers:
        if user_name == "mallory":
            raise SpawnerError("The scheduler does not answer.")
        return offers(CLUSTER, ASSOCIATIONS, age_s=12.0)

    async def estimate(self, user_name: str, options: Mapping[str, Any]) -> Verdict:
        partition = options.get("partition") or "short"
        if partition not in _LONGEST_S:
            return Verdict({"partition": f"There is no partition {partition!r}; there are short, gpu."})
        if (_seconds(options.get("time") or "1:00:00") or 0) > _LONGEST_S[partition]:
            return Verdict({"time": f"The partition {partition} allows {_LONGEST_S[partition] // 3600}:00 h, not {options['time']}."})
        return Verdict({}, self._clock.now() + timedelta(hours=2))

    def extendable_s(self, handle: Handle) -> int:
        return 0 if handle.user_name == "mallory" else 7200

    async def extend(self, handle: Handle, by_s: int) -> datetime:
        if self._said(handle, "full") is not None:
            raise SpawnerError("The partition allows no more time.", "Start again with the same request when it has ended.")
        with (self._folder / "extended").open("a") as file:
            file.write(f"{handle.user_name} {by_s}\n")
        return self._clock.now() + timedelta(seconds=by_s)


class LocalCluster(LocalSpawner):
    """Real servers on this machine that may be prolonged. `NAME.json` is what a server got."""

    class Config(LocalSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
        folder: str

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        told = {"token": request.env["JUPYTERHUB_API_TOKEN"], "start_id": request.handle.start_id}
        assert isinstance(self._config, LocalCluster.Config)
        (Path(self._config.folder) / f"{request.handle.user_name}.json").write_text(json.dumps(told))
        async for event in super().start(request):
            yield event

    def extendable_s(self, handle: Handle) -> int:
        return 7200

    async def extend(self, handle: Handle, by_s: int) -> datetime:
        return self._context.clock.now() + timedelta(seconds=by_s)


def _seconds(text: Any) -> int | None:
    parts = str(text).split(":")
    return int(parts[0]) * 3600 + int(parts[1]) * 60 + int(parts[2]) if len(parts) == 3 and all(part.isdigit() for part in parts) else None
