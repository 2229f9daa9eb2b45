"""A large site on paper: how often everything is asked for on a morning, times what it costs."""

from dataclasses import dataclass

from scaling_fit import Sweep

_REPORT_EVERY_S = 300.0
"""A server reports its activity (JupyterHub's JUPYTERHUB_ACTIVITY_INTERVAL), and asks again whose token it was shown."""
_PROXY_REPORT_S = 10.0


@dataclass(frozen=True, slots=True)
class Site:
    """`servers` running at the busiest time; `starts_s`: how many a second are asked for while a morning's classes begin."""

    people: int = 50_000
    servers: int = 5_000
    starts_s: float = 10.0
    pages_each: float = 4.0
    """Pages and API calls of a person who starts a server: sign in, home, the spawn page, being sent on."""
    proxies: int = 2


def morning(people: Sweep, servers: Sweep, waiting: Sweep) -> str:
    """In Markdown: what of one processor each kind of work takes."""
    site = Site()
    many, few = {what: values[-1] for what, values in people.costs.items()}, {what: values[-1] for what, values in servers.costs.items()}
    queue = {what: values[-1] for what, values in waiting.costs.items()}
    reports_s = site.servers / _REPORT_EVERY_S
    rows = [
        ("activity reports of servers", reports_s, few["activity report, CPU ms"]),
        ("a proxy says which routes are busy", site.proxies / _PROXY_REPORT_S, few["proxy's report of all routes, CPU ms"]),
        ("servers ask who their visitor is", reports_s, many["first check of a token, CPU ms"]),
        ("starts and stops", site.starts_s, many["start and stop of a server, CPU ms"]),
        ("tokens and sign-ins of starts", site.starts_s, many["make a token, CPU ms"]),
        ("pages of those who start", site.starts_s * site.pages_each, many["page of 50 people, CPU ms"]),
        ("periodic work, polls of all servers", 1.0, few["nobody asks, CPU ms a second"]),
        (f"{waiting.sizes[-1]:,} people wait in the queue and watch", 1.0, queue["everybody watches, CPU ms a second"]),
        ("places given, which all who wait hear of", site.starts_s, queue["a place is given to the next while all watch, CPU ms"]),
    ]
    lines = [
        f"A morning with {site.people:,} people, {site.servers:,} running servers and {site.starts_s:g} starts a second, on one hub:",
        "",
        "| work | a second | CPU ms each | of one processor |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {what} | {often:,.1f} | {each:.3g} | {often * each / 10:.1f} % |" for what, often, each in rows]
    lines.append(f"| all of it | | | {sum(often * each for _, often, each in rows) / 10:.1f} % |")
    return "\n".join(lines)
