"""The limits that hold here: those of the settings, and what the spawner says of itself."""

from datetime import timedelta

from perijove.control.context import Hub
from perijove.domain.limits import GroupLimits, Limits
from perijove.ports.spawner import BearsStarts, QueuesStarts


def limits_of(hub: Hub) -> Limits:
    settings = hub.settings.limits
    bearable = hub.spawner.concurrent_starts if isinstance(hub.spawner, BearsStarts) else 0
    ours = 0 if isinstance(hub.spawner, QueuesStarts) and hub.spawner.queues_starts else settings.concurrent_starts
    return Limits(
        concurrent_starts=min((number for number in (ours, bearable) if number > 0), default=0),
        active_servers=settings.active_servers,
        active_servers_per_user=settings.active_servers_per_user,
        queue_step=timedelta(seconds=settings.queue_step),
        groups={
            group.name: GroupLimits(
                active_servers=group.active_servers,
                concurrent_starts=group.concurrent_starts,
                active_servers_per_user=group.active_servers_per_user,
                priority=group.priority,
            )
            for group in settings.groups
        },
    )
