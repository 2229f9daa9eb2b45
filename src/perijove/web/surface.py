"""What all surfaces share: the hub, who is who, templates, metrics."""

from dataclasses import dataclass
from datetime import datetime

from perijove.control.access.identity import Identities
from perijove.control.context import Hub
from perijove.control.servers.activity import Reports
from perijove.control.servers.offering import Judge
from perijove.control.servers.reporting import ReportDesk
from perijove.telemetry.metrics import Metrics
from perijove.web.answers import Answers
from perijove.web.crowd import Crowd
from perijove.web.ending import Ending
from perijove.web.waking import Waking

PROTOCOL_VERSION = "6.1.1"
"""The JupyterHub whose protocol we speak; sent as X-JupyterHub-Version, which servers and clients compare with their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """`proxy_token` is the secret shared with proxies, `page_key` keys the tokens in pages (web/origin.py)."""

    hub: Hub
    identities: Identities
    metrics: Metrics
    answers: Answers
    reports: Reports
    desk: ReportDesk
    judge: Judge
    proxy_token: str
    page_key: bytes
    started: datetime
    ending: Ending
    waking: Waking
    crowd: Crowd

    @property
    def base_url(self) -> str:
        return self.hub.addresses.base_url

    @property
    def prefix(self) -> str:
        """ "{base_url}hub/"."""
        return f"{self.hub.addresses.base_url}hub/"
