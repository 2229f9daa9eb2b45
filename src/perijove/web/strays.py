"""Requests that reach the hub by another name than its own, in subdomain mode: proxies send it whatever no route takes.

People's hosts belong to their servers, which are hostile to each other: nothing of the hub's is ever served there.
"""

from starlette.responses import RedirectResponse, Response

from perijove.domain.errors import MisdirectedError
from perijove.web.call import Call, json_response
from perijove.web.origin import navigation
from perijove.web.redirect import counted
from perijove.web.router import Access
from perijove.web.visitor import PROXIED
from perijove.web.wants import Wants
from perijove.wire.hosts import below, plain_host

NOT_RUNNING = 424
_PAGES = frozenset({Access.PAGE, Access.VISIT})


def own_place(call: Call) -> str:
    """Where the hub has, at its own host, what was asked for (JupyterHub: what is outside its prefix is sent to the same place below it)."""
    surface, path = call.surface, call.path
    inside = f"{path}/".startswith(surface.prefix)
    target = path if inside else surface.prefix + path.removeprefix(surface.base_url).lstrip("/")
    return surface.hub.addresses.subdomain_host + (f"{target}?{call.query}" if call.query else target)


def astray(call: Call, access: Access | None, *, inside: bool) -> Response | None:
    """The answer to a request that came by another name; None if it came by ours, or is one that any name will do for: what servers,
    proxies and load balancers ask, who have their own names for us and show no sign-in.

    Raises MisdirectedError.
    """
    addresses = call.surface.hub.addresses
    if not addresses.domain:
        return None
    sent = call.request.headers.get("host", "")
    host, dotted = plain_host(sent), sent.partition(":")[0].endswith(".")
    if host == addresses.domain and not dotted:  # with a dot it is another site for a browser, which sends no cookies there
        return None
    opens = call.request.method in {"GET", "HEAD"} and navigation(call.request.headers)
    # Only by a proxy do people come. Who asks us directly (servers, other proxies) may have a name for us that is like a person's.
    if PROXIED in call.request.scope and (below(host, addresses.domain) or host == addresses.domain):
        at_server = not inside and call.path.startswith(f"{addresses.base_url}user/")
        if at_server and (not opens or Wants.of(call.request) is Wants.JSON):
            # JupyterLab, whose server has gone: it cannot follow us to another host, but knows this status.
            return json_response({"status": NOT_RUNNING, "message": "This server is not running."}, NOT_RUNNING)
        if opens:
            return RedirectResponse(counted(own_place(call), call.redirects + 1) if at_server else own_place(call), 302)
        return json_response(
            {"status": MisdirectedError.status, "message": f"The hub is not here. Ask it at {addresses.public_url}."}, MisdirectedError.status
        )
    if not inside and opens:
        return RedirectResponse(own_place(call), 302)
    if not inside or access in _PAGES:
        raise MisdirectedError(
            f"Perijove is at {addresses.public_url}, and you asked for {host or 'no host at all'}.",
            f"Go to {addresses.public_url}. If you did, what stands before Perijove changes the Host field; its administrator can have it kept.",
        )
    return None
