"""Prometheus metrics, under JupyterHub's names where the meaning is the same, so that its dashboards and alerts go on working."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from perijove.domain.lifecycle import Event, Transition
from perijove.domain.server import Phase
from perijove.ports.observer import AuditEvent
from perijove.telemetry.pressure import PressureCollector

_SPAWN_BUCKETS = (0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 180, 300, 600, float("inf"))
_WAIT_BUCKETS = (0.1, 1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, float("inf"))
_STOP_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, float("inf"))
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """An Observer with a registry of its own. `prefix` as JUPYTERHUB_METRICS_PREFIX has it, e.g. "jupyterhub_"."""

    def __init__(self, prefix: str = "jupyterhub_") -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.request_duration = Histogram(
            f"{prefix}request_duration_seconds",
            "Time a request took, by method, handler and status",
            ["method", "handler", "code"],
            registry=registry,
        )
        self.spawn_duration = Histogram(
            f"{prefix}server_spawn_duration_seconds",
            "Time from the wish to a ready or failed server",
            ["status", "reason"],
            buckets=_SPAWN_BUCKETS,
            registry=registry,
        )
        self.stop_duration = Histogram(
            f"{prefix}server_stop_seconds", "Time a server took to stop", ["status"], buckets=_STOP_BUCKETS, registry=registry
        )
        self.running_servers = Gauge(f"{prefix}running_servers", "Servers that are ready", registry=registry)
        self.queue_wait = Histogram(
            f"{prefix}server_queue_wait_seconds",
            "Time a server waited in the queue before it was let through",
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self.queued_servers = Gauge(f"{prefix}queued_servers", "Servers that wait for a place", registry=registry)
        self.total_users = Gauge(f"{prefix}total_users", "Users known to the hub", registry=registry)
        self.active_users = Gauge(f"{prefix}active_users", "Users active within a period", ["period"], registry=registry)
        self.poll_duration = Histogram(
            f"{prefix}server_poll_duration_seconds",
            "Time a question to the spawner took, for each server in it, by what was found",
            ["status"],
            registry=registry,
        )
        self.proxy_add_duration = Histogram(
            f"{prefix}proxy_add_duration_seconds", "Time until all proxies that live knew a new server's route", ["status"], registry=registry
        )
        self.check_routes_duration = Histogram(
            f"{prefix}check_routes_duration_seconds", "Time it took to see that all proxies have the route table, when asked", registry=registry
        )
        self.startup_duration = Histogram(f"{prefix}hub_startup_duration_seconds", "Time from the hub's start until it answers", registry=registry)
        self.init_spawners_duration = Histogram(
            f"{prefix}init_spawners_duration_seconds", "Time a starting hub took to find out which servers need it", registry=registry
        )
        self.logout_duration = Histogram(f"{prefix}logout_duration_seconds", "Time a sign-out took", registry=registry)
        self.csp_reports = Counter(f"{prefix}csp_reports_total", "Reports of browsers that a page's security policy was broken", registry=registry)
        self.login_duration = Histogram(f"{prefix}login_duration_seconds", "Time a sign-in took", ["status"], registry=registry)
        self.loop_interval = Histogram(
            f"{prefix}event_loop_interval_seconds", "Time between turns of the event loop that were due every 50 ms", registry=registry
        )
        self.transitions = Counter(f"{prefix}server_transitions_total", "Moves of servers, by phase reached", ["phase"], registry=registry)
        self.audit_events = Counter(f"{prefix}audit_events_total", "Audit events, by action and outcome", ["action", "outcome"], registry=registry)
        self.service_up = Gauge(f"{prefix}service_up", "Whether a service answers at its url, or its process runs", ["service"], registry=registry)
        self.service_restarts = Gauge(
            f"{prefix}service_restarts", "Restarts of a managed service since the hub's start", ["service"], registry=registry
        )
        self.replicas = Gauge(f"{prefix}replicas", "Hubs of this site that live", registry=registry)
        self.replica_clock_ahead = Gauge(
            f"{prefix}replica_clock_ahead_seconds",
            "By how much the clock of a hub's machine is ahead of the database's",
            ["replica"],
            registry=registry,
        )
        self.replica_working_on = Gauge(
            f"{prefix}replica_leases", "Servers on which a hub works just now, under leases", ["replica"], registry=registry
        )
        self.duties = Gauge(f"{prefix}duty_holder", "1 for the hub that does this periodic work for all", ["work", "replica"], registry=registry)
        self.proxies = Gauge(f"{prefix}proxies", "Proxies that follow the site's hubs", registry=registry)
        self.proxy_behind = Gauge(f"{prefix}proxy_changes_behind", "Changes of routes that a proxy has not applied yet", ["proxy"], registry=registry)
        self.queue_longest_wait = Gauge(
            f"{prefix}queue_longest_wait_seconds",
            "How long the first has waited of those whom no limit of their own keeps; 0 if nobody",
            registry=registry,
        )
        self.requests_refused = Counter(
            f"{prefix}requests_refused",
            "Requests refused because there was too much at once: requests, streams of progress, or streams of one person (streams_each)",
            ["reason"],
            registry=registry,
        )
        self.requests_open = Gauge(f"{prefix}requests_open", "Requests that are being answered", registry=registry)
        self.streams_open = Gauge(f"{prefix}progress_streams_open", "Streams of progress that are being sent", registry=registry)
        self.pressure = PressureCollector(prefix, registry)
        self._request_children: dict[tuple[str, str, int], Histogram] = {}
        self._asked_to_stop: dict[int, float] = {}
        self._routing: dict[int, float] = {}
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """What is known to come is there from the start, so that the first increase can be seen."""
        for status in ("success", "failure"):
            self.spawn_duration.labels(status, "")
            self.stop_duration.labels(status)
            self.login_duration.labels(status)
        for reason in ("requests", "streams", "streams_each"):
            self.requests_refused.labels(reason)
        for status in ("running", "stopped"):
            self.poll_duration.labels(status)
        self.proxy_add_duration.labels("success")

    def server_polled(self, duration_s: float, *, running: bool) -> None:
        self.poll_duration.labels("running" if running else "stopped").observe(duration_s)

    def routes_checked(self, duration_s: float) -> None:
        self.check_routes_duration.observe(duration_s)

    def servers_found(self, duration_s: float) -> None:
        self.init_spawners_duration.observe(duration_s)

    def transition(self, transition: Transition, at: datetime) -> None:
        before, after = transition.before, transition.after
        if before.phase is after.phase:
            return
        self.transitions.labels(after.phase.value).inc()
        wanted_at = after.queued_at or after.started_at
        if transition.event is Event.ADMIT and after.queued_at is not None:
            self.queue_wait.observe(max(0.0, (at - after.queued_at).total_seconds()))
        if after.phase is Phase.READY and transition.event is Event.ROUTED and wanted_at is not None and before.ready_at is None:
            self.spawn_duration.labels("success", "").observe(max(0.0, (at - wanted_at).total_seconds()))
        elif after.phase is Phase.FAILED and wanted_at is not None and after.ready_at is None:
            self.spawn_duration.labels("failure", after.failure.code if after.failure else "").observe(max(0.0, (at - wanted_at).total_seconds()))
        if after.phase is Phase.ROUTING:
            self._routing[after.id] = time.perf_counter()
        elif before.phase is Phase.ROUTING and (began := self._routing.pop(after.id, None)) is not None and after.phase is Phase.READY:
            self.proxy_add_duration.labels("success").observe(time.perf_counter() - began)
        if after.phase is Phase.STOPPING:
            self._asked_to_stop[after.id] = time.perf_counter()
        elif before.phase is Phase.STOPPING and (began := self._asked_to_stop.pop(after.id, None)) is not None:
            self.stop_duration.labels("success").observe(time.perf_counter() - began)

    def request(self, method: str, handler: str, status: int, seconds: float) -> None:
        """One answered request; `handler` names the function."""
        key = (method, handler, status)
        child = self._request_children.get(key)
        if child is None:
            child = self._request_children[key] = self.request_duration.labels(method, handler, str(status))
        child.observe(seconds)

    def audit(self, event: AuditEvent) -> None:
        self.audit_events.labels(event.action, event.outcome).inc()

    def census(self, *, running: int, queued: int, users: int, active: dict[str, int]) -> None:
        """How many there are now."""
        self.running_servers.set(running)
        self.queued_servers.set(queued)
        self.total_users.set(users)
        for period, count in active.items():
            self.active_users.labels(period).set(count)

    def services(self, up: Mapping[str, bool], restarts: Mapping[str, int]) -> None:
        """How services are now, all of them."""
        self.service_up.clear()
        self.service_restarts.clear()
        for name, there in up.items():
            self.service_up.labels(name).set(there)
        for name, count in restarts.items():
            self.service_restarts.labels(name).set(count)

    def standing(
        self,
        *,
        clocks_ahead_s: Mapping[str, float],
        working_on: Mapping[str, int],
        duties: Mapping[str, str],
        proxies_behind: Mapping[str, int],
        longest_wait_s: float,
    ) -> None:
        """How the site stands now: by replica, by replica, work -> replica, by proxy. Who is not named is gone."""
        for gauge in (self.replica_clock_ahead, self.replica_working_on, self.duties, self.proxy_behind):
            gauge.clear()
        self.replicas.set(len(clocks_ahead_s))
        self.proxies.set(len(proxies_behind))
        self.queue_longest_wait.set(longest_wait_s)
        for replica, ahead_s in clocks_ahead_s.items():
            self.replica_clock_ahead.labels(replica).set(ahead_s)
            self.replica_working_on.labels(replica).set(working_on.get(replica, 0))
        for work, replica in duties.items():
            self.duties.labels(work, replica).set(1)
        for proxy, behind in proxies_behind.items():
            self.proxy_behind.labels(proxy).set(behind)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)

    @contextmanager
    def login(self) -> Iterator[None]:
        """Time one sign-in; an exception counts as a failure."""
        began = time.perf_counter()
        try:
            yield
        except BaseException:
            self.login_duration.labels("failure").observe(time.perf_counter() - began)
            raise
        self.login_duration.labels("success").observe(time.perf_counter() - began)
