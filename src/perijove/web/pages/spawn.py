"""Start a server: options, progress, and what people see at a server that does not run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from starlette.responses import RedirectResponse, Response

from perijove.control.servers.ask import ask_start
from perijove.control.servers.choosing import checked_options
from perijove.control.servers.naming import find_server
from perijove.control.servers.offering import estimates, offers_for
from perijove.control.servers.progress import said_last
from perijove.control.servers.queueing import place_of
from perijove.control.servers.reporting import report_of
from perijove.domain.access import may, server_resource
from perijove.domain.errors import BadInputError, BadOptionsError, NotFoundError, PerijoveError
from perijove.domain.server import START_PHASES, Phase
from perijove.ports.cluster_spawner import Verdict
from perijove.web.api.progress import event_lines
from perijove.web.api.shown import iso
from perijove.web.call import Call, json_response
from perijove.web.crowd import CountedStream
from perijove.web.pages.own import Target, asks, may_target, option_fields, target_of, visible_profiles
from perijove.web.pages.render import page
from perijove.web.pages.request_form import PREFIX, beside_preset, fixed_by, form_of, link, linked, options_of, typed_in, without_preset
from perijove.web.redirect import counted, safe_next
from perijove.web.wants import Wants
from perijove.wire.names import user_segment

NOT_RUNNING = 424
"""What JupyterHub answers at the address of a stopped server; JupyterLab knows it."""


def next_of(call: Call) -> str:
    """Where to go on to, "" if nowhere or elsewhere."""
    return safe_next(call.request.query_params.get("next"), call.host, call.surface.hub.addresses.subdomain_host) or ""


async def form(call: Call) -> Response:
    """The options of a start; without any, JupyterHub's GET /spawn starts at once, but a link must not: we ask for one click."""
    target = await target_of(call, "start:servers")
    if target.server is not None and target.server.ready:
        return RedirectResponse(next_of(call) or target.url(call), 302)
    if target.server is not None and target.server.pending:
        return RedirectResponse(_pending_url(call, target), 302)
    return await _form(call, target)


async def _form(
    call: Call,
    target: Target,
    *,
    problem: PerijoveError | None = None,
    typed: Mapping[str, Any] | None = None,
    verdict: Verdict | None = None,
    said: str = "",
) -> Response:
    """`typed`: what was typed, else it is what a link says, or what was asked for last."""
    hub, fields, profiles = call.surface.hub, option_fields(call, target.person), visible_profiles(call, target.person)
    values = dict(typed if typed is not None else linked(call.request.query_params, fields) or (target.server.options if target.server else {}))
    default = next((profile.name for profile in profiles if profile.default), profiles[0].name if profiles else "")
    chosen = values.get("profile", default)
    values = without_preset(values, next((profile for profile in profiles if profile.name == chosen), None))
    offers, away = await offers_for(hub, target.person.user.name)
    problems = problem.problems if isinstance(problem, BadOptionsError) else {}
    return await page(
        call,
        "spawn.html",
        status=problem.status if problem else 200,
        problem=problem,
        title=target.title(call),
        path=target.path,
        next=next_of(call),
        profiles=[(profile, fixed_by(profile, fields)) for profile in profiles],
        labels={field.name: f"{field.one_of} {field.label.lower()}" if field.one_of else field.label for field in fields},
        chosen=chosen,
        form=form_of(fields, values, offers, problems, presets=bool(profiles)),
        offers=offers,
        away=away,
        judges=estimates(hub),
        verdict=verdict,
        said=said,
        link=link(f"{call.surface.prefix}spawn", values, fields),
        linked=typed is None and bool(linked(call.request.query_params, fields)),
    )


async def start(call: Call) -> Response:
    target = await target_of(call, "start:servers")
    sent = await call.form()
    hub, user = call.surface.hub, target.person.user.name
    if sent.get("again") == "yes":
        await ask_start(hub, user, target.name, options=None, actor=call.actor)
        return RedirectResponse(_pending_url(call, target), 303)
    try:
        options = _sent_options(call, target, sent)
        verdict, said = await _judged(call, target, options)
        if sent.get("estimate") == "yes":
            return await _form(call, target, typed=_typed(call, target, sent), verdict=verdict, said=said)
        await ask_start(hub, user, target.name, options=options if asks(call, target.person) else None, actor=call.actor)
    except BadInputError as error:
        return await _form(call, target, problem=error, typed=_typed(call, target, sent))
    return RedirectResponse(_pending_url(call, target), 303)


async def estimate(call: Call) -> Response:
    """What the cluster says of what is in the form just now, for the form itself. Starts nothing."""
    target = await target_of(call, "start:servers")
    sent = await call.form()
    try:
        verdict, said = await _judged(call, target, _sent_options(call, target, sent))
    except BadOptionsError as error:
        return json_response({"problems": error.problems})
    except BadInputError as error:
        return json_response({"problems": {"": str(error)}})
    begins = verdict.start if verdict is not None else None
    words = verdict.text if verdict is not None else f"When it would begin cannot be told: {said}"
    return json_response({"problems": {}, "start": iso(begins), "text": words})


def _sent_options(call: Call, target: Target, sent: Mapping[str, str]) -> dict[str, Any]:
    fields, profiles = option_fields(call, target.person), visible_profiles(call, target.person)
    preset = next((profile for profile in profiles if profile.name == sent.get(f"{PREFIX}profile")), None)
    return beside_preset(options_of(sent, fields, profiled=bool(profiles)), preset, fields)


def _typed(call: Call, target: Target, sent: Mapping[str, str]) -> dict[str, Any]:
    return typed_in(sent, option_fields(call, target.person))


async def _judged(call: Call, target: Target, options: Mapping[str, Any]) -> tuple[Verdict | None, str]:
    """Checked by the spawner, and by the cluster as far as that can be asked; what it says if it cannot. Raises BadInputError."""
    hub, user = call.surface.hub, target.person.user.name
    if not estimates(hub):
        return None, ""
    verdict, said = await call.surface.judge.verdict(user, await checked_options(hub, user, options))
    if verdict is not None and verdict.problems:
        raise BadOptionsError(verdict.problems, "It would never begin as it is: nothing was started.")
    return verdict, said


def _pending_url(call: Call, target: Target) -> str:
    following = next_of(call)
    return f"{call.surface.prefix}spawn-pending/{target.path}" + (f"?next={quote(following, safe='')}" if following else "")


async def pending(call: Call) -> Response:
    target = await target_of(call, "read:servers")
    server = target.server
    if server is not None and server.phase is Phase.READY:
        return RedirectResponse(next_of(call) or target.url(call), 302)
    if server is None or server.stopped:
        return await _not_running(call, target, status=200)
    hub = call.surface.hub
    place = await place_of(hub, server.id) if server.phase is Phase.QUEUED else None
    said = await said_last(hub, server) if server.phase in START_PHASES - {Phase.QUEUED} else None
    title = target.title(call)
    return await page(
        call,
        "pending.html",
        title=title[:1].upper() + title[1:],
        path=target.path,
        next=next_of(call),
        stopping=server.phase is Phase.STOPPING,
        message=f"{place.words}. {place.reason}" if place else said.message if said else "One moment …",
        said=None if said is None else {"place": said.place, "begins": _moment(said.estimate), "detail": said.detail},
        asks=asks(call, target.person),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


async def events(call: Call) -> Response:
    """The progress page's own stream: JupyterHub's events, and the tail of the log."""
    target = await target_of(call, "read:servers")
    if target.server is None:
        raise NotFoundError("This server was never started.")
    return CountedStream(event_lines(call, target.server, with_log=True), call.surface.crowd, call.who)


async def _not_running(call: Call, target: Target, *, status: int, following: str = "") -> Response:
    title, failure = target.title(call), target.server.failure if target.server else None
    report = await report_of(call.surface.hub, target.server) if target.server is not None and failure is not None else None
    return await page(
        call,
        "not_running.html",
        status=status,
        title=title[:1].upper() + title[1:],
        path=target.path,
        next=following or next_of(call),
        failure=failure,
        ran=report.facts if report is not None and report.facts.host and may_target(call, "read:servers", target) else None,
        may_start=may_target(call, "start:servers", target),
        asks=asks(call, target.person),
        again=bool(target.server and target.server.options),
    )


async def at_server(call: Call) -> Response:
    """A request for /user/NAME/… that no route took: that server is not running, or on its way."""
    user, _, rest = call.params["rest"].partition("/")
    name = unquote(rest.partition("/")[0])
    user = unquote(user)
    server = await find_server(call.surface.hub, user, name) if name else None
    call.params = {"name": user, "server": name if server is not None else ""}
    on = server_resource(user, call.params["server"])
    verdict = may(call.identity, "access:servers", on)
    if _wants_json(call, rest):
        verdict.enforce()
        path = f"{user_segment(user)}/{name}" if server else user_segment(user)
        hint = f"Start it at {call.surface.prefix}spawn/{path}"
        return json_response({"status": NOT_RUNNING, "message": f"{user}'s server is not running.", "hint": hint}, NOT_RUNNING)
    target = await target_of(call, "access:servers")
    tail = call.path.removeprefix(f"{call.surface.prefix}user/")
    origin = call.surface.hub.addresses.person_origin(target.person.user.name)
    following = f"{origin}{call.surface.base_url}user/{tail}" + (f"?{call.query}" if call.query else "")
    present = target.server
    if present is not None and present.ready:
        return _again(call, target, following)
    if present is not None and present.pending and may_target(call, "read:servers", target):
        return RedirectResponse(f"{call.surface.prefix}spawn-pending/{target.path}?next={quote(following, safe='')}", 303)
    return await _not_running(call, target, status=NOT_RUNNING, following=following)


def _again(call: Call, target: Target, following: str) -> Response:
    """The server is ready, yet the proxy sent the request here: its table is a moment behind. Try again, a few times. In subdomain
    mode people may also have typed the hub's own host, or another person's; who comes from the right one is counted there (web/strays.py)."""
    count = call.redirects
    if count >= 4:
        raise PerijoveError(
            f"{target.title(call).capitalize()} is running, but the proxy does not reach it.",
            "Try again in a minute. If it stays so, an administrator should look at the proxy's log.",
            retry_after_s=10,
        )
    response = RedirectResponse(following if call.surface.hub.addresses.domain else counted(following, count + 1), 302)
    response.headers["retry-after"] = str(2**count)
    return response


def _wants_json(call: Call, rest: str) -> bool:
    return Wants.of(call.request) is Wants.JSON or "/api/" in f"/{rest}/" or call.request.method != "GET"


async def user_redirect(call: Call) -> Response:
    """/hub/user-redirect/PATH: the same path in the asker's own server, started on the way if need be."""
    target = await target_of(call, "access:servers")
    rest = call.path.removeprefix(f"{call.surface.prefix}user-redirect/")
    following = target.url(call) + rest + (f"?{call.query}" if call.query else "")
    if target.server is not None and target.server.ready:
        return RedirectResponse(following, 302)
    return RedirectResponse(f"{call.surface.prefix}spawn/{target.path}?next={quote(following, safe='')}", 302)
