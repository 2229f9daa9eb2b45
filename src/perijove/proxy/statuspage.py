"""The status for people: one page that looks at itself again every few seconds."""

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1.5rem;background:Canvas;color:CanvasText}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}a{color:LinkText}small{opacity:.75}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.2rem .6rem;border-bottom:1px solid GrayText}"
    "th:first-child,td:first-child{text-align:left}td{font-variant-numeric:tabular-nums}"
)
CSP: Final = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REFRESH_S: Final = 5
_COLUMNS: Final = ("requests", "exchanges", "connections", "tunnels", "upstream_open", "upstream_idle", "answered_5xx", "timeouts", "feed_revision")
_MOST_POOLS: Final = 50


def render_status(totals: Mapping[str, int], workers: Iterable[Mapping[str, int]], pools: Sequence[Mapping[str, Any]], worker: int) -> bytes:
    """A whole HTML document. `pools` are those of the worker with the process id `worker`, the busiest first."""
    rows = [["all, and those that have ended", "", *(str(totals[name]) for name in _COLUMNS)]]
    rows += [[str(row["pid"]), _moment(row["started_at"]), *(str(row[name]) for name in _COLUMNS)] for row in workers]
    shown = [[pool["target"], str(pool["in_use"]), str(pool["idle"]), "refused just now" if pool["down"] else ""] for pool in pools[:_MOST_POOLS]]
    more = f"<p>and {len(pools) - _MOST_POOLS} more</p>" if len(pools) > _MOST_POOLS else ""
    shed = totals["shed"] + totals["shed_address"]
    body = (
        f"<h1>Perijove proxy</h1><p>{totals['routes']} routes, {totals['connections']} connections and {totals['tunnels']} upgraded ones, "
        f"{totals['requests']} requests in {_duration(totals['uptime_s'])}; {totals['refused']} refused, {shed} connections turned away.</p>"
        f"<h2>Workers</h2>{_table(['process', 'began', *(name.replace('_', ' ') for name in _COLUMNS)], rows)}"
        f"<h2>Connections of worker {worker} to servers</h2>{_table(['server', 'in use', 'idle', 'state'], shown)}{more}"
        '<p><small>For programs: <a href="/status">/status</a>, <a href="/routes">/routes</a>, <a href="/metrics">/metrics</a>, '
        '<a href="/health">/health</a></small></p>'
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="refresh" content="{_REFRESH_S}"><title>Perijove proxy</title><style>{_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    ).encode()


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    return f"{days} d {hours} h" if days else f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
