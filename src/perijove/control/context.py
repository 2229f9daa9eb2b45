"""What every use case is given: the ports, and the settings they need."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from perijove.config.settings import Settings
from perijove.control.board import Board
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.lifecycle import Transition
from perijove.domain.options import Profile
from perijove.ports.authenticator import Authenticator
from perijove.ports.clock import Clock
from perijove.ports.observer import AuditEvent, Observer
from perijove.ports.prober import Prober
from perijove.ports.secrets import Secrets
from perijove.ports.service_processes import ServiceProcesses
from perijove.ports.spawner import Spawner
from perijove.ports.store.store import Store
from perijove.ports.timings import NoTimings, Timings
from perijove.wire.scopes import BUILT_IN, Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """`replica` names this process among the replicas (host:pid:random). `observers` are told of transitions and audit events."""

    replica: str
    settings: Settings
    addresses: HubAddresses
    store: Store
    clock: Clock
    secrets: Secrets
    spawner: Spawner
    authenticator: Authenticator
    prober: Prober
    watch: Watch
    observers: Sequence[Observer] = ()
    profiles: Sequence[Profile] = ()
    catalog: Catalog = BUILT_IN
    """The scopes there are, the site's own included."""
    timings: Timings = field(default_factory=NoTimings)
    board: Board = field(default_factory=Board)
    service_processes: ServiceProcesses | None = None
    """What runs managed services, where that can be done."""

    def moved(self, transition: Transition) -> None:
        """Tell all observers of a committed transition."""
        now = self.clock.now()
        for observer in self.observers:
            observer.transition(transition, now)

    def audit(self, event: AuditEvent) -> None:
        """Tell all observers."""
        for observer in self.observers:
            observer.audit(event)
