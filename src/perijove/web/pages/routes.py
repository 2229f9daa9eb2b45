"""The pages' part of the route table."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from perijove.web.call import Call
from perijove.web.pages import accept_share, account, admin, home, invite, services, share, sign_in, spawn, standing, tokens
from perijove.web.pages.render import static_file
from perijove.web.router import Access, Route

Handler = Callable[[Call], Awaitable[Response]]


def _get(path: str, handler: Handler, access: Access = Access.PAGE) -> Route[Call, Response]:
    return Route(method="GET", path=path, handler=handler, access=access)


def _post(path: str, handler: Handler, access: Access = Access.PAGE) -> Route[Call, Response]:
    return Route(method="POST", path=path, handler=handler, access=access)


def _per_server(prefix: str, make: Callable[[str, Handler], Route[Call, Response]], handler: Handler) -> tuple[Route[Call, Response], ...]:
    return make(f"{prefix}/{{name}}", handler), make(f"{prefix}/{{name}}/{{server}}", handler)


ROUTES: tuple[Route[Call, Response], ...] = (
    _get("/", home.root, Access.OPEN),
    _get("/home", home.home),
    _get("/home/{name}", home.home),
    _post("/add-server/{name}", home.add),
    *_per_server("/stop", _post, home.stop),
    *_per_server("/extend", _post, home.extend),
    _post("/delete/{name}/{server}", home.delete),
    _get("/spawn", spawn.form),
    _post("/spawn", spawn.start),
    *_per_server("/spawn", _get, spawn.form),
    *_per_server("/spawn", _post, spawn.start),
    *_per_server("/spawn-estimate", _post, spawn.estimate),
    *_per_server("/spawn-pending", _get, spawn.pending),
    *_per_server("/spawn-events", _get, spawn.events),
    *(
        Route(method=method, path="/user/{rest:path}", handler=spawn.at_server, access=Access.READ)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ),
    _get("/user-redirect/{rest:path}", spawn.user_redirect),
    _get("/login", sign_in.show, Access.VISIT),
    _post("/login", sign_in.submit, Access.VISIT),
    _get("/callback", sign_in.callback, Access.VISIT),
    _get("/logout", sign_in.sign_out_page, Access.VISIT),
    _post("/logout", sign_in.sign_out, Access.VISIT),
    _get("/invite/{secret}", invite.show, Access.VISIT),
    _post("/invite/{secret}", invite.accept, Access.VISIT),
    _get("/accept-share", accept_share.show),
    _post("/accept-share", accept_share.accept),
    *_per_server("/share", _get, share.show),
    *_per_server("/share", _post, share.add),
    *_per_server("/unshare", _post, share.end),
    *_per_server("/share-link", _post, share.add_link),
    *_per_server("/unlink", _post, share.end_link),
    *_per_server("/leave-share", _post, share.give_up),
    _get("/account", account.show),
    _post("/account/password", account.set_password),
    _post("/account/sessions/{session_id}/end", account.end_session),
    _get("/token", tokens.show),
    _post("/token", tokens.make),
    _post("/token/{token_id}/revoke", tokens.revoke),
    _get("/admin", admin.people),
    _get("/admin/audit", admin.audit),
    _get("/admin/status", standing.show),
    _get("/admin/services", services.show),
    _post("/admin/services/{service}/restart", services.restart),
    _post("/admin/add", admin.add),
    _post("/admin/invite", admin.invite_person),
    _post("/admin/block/{name}", admin.block),
    _post("/admin/unblock/{name}", admin.unblock),
    _post("/admin/reset/{name}", admin.reset_password),
    _post("/admin/delete/{name}", admin.delete),
    *_per_server("/admin/start", _post, admin.start),
    *_per_server("/admin/stop", _post, admin.stop),
    _get("/static/{path}", static_file, Access.OPEN),
)
