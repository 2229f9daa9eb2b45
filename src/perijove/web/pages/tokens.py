"""API tokens of one's own."""

from starlette.responses import Response

from perijove.control.access.delegate import grantable
from perijove.control.access.tokens import make_token, revoke_token, tokens_of_user
from perijove.domain.errors import BadInputError, NotFoundError, PerijoveError
from perijove.domain.token import TokenKind
from perijove.web.call import Call
from perijove.web.pages.home import see_other
from perijove.web.pages.render import page

_AGES = ((3600, "1 hour"), (86400, "1 day"), (604800, "1 week"), (2592000, "1 month"), (31536000, "1 year"), (0, "never"))


async def _page(call: Call, *, made: str = "", problem: PerijoveError | None = None) -> Response:
    tokens = await tokens_of_user(call.surface.hub, call.who.name)
    longest = call.surface.hub.settings.hub.token_max_age
    ages = [(seconds, label) for seconds, label in _AGES if not longest or 0 < seconds <= longest] or [(int(longest), "the longest allowed")]
    return await page(
        call,
        "tokens.html",
        status=problem.status if problem else 200,
        here="token",
        made=made,
        problem=problem,
        ages=ages,
        tokens=[token for token in tokens if token.kind is TokenKind.API],
        clients=[token for token in tokens if token.kind is TokenKind.OAUTH],
    )


async def show(call: Call) -> Response:
    return await _page(call)


async def make(call: Call) -> Response:
    form, hub, name = await call.form(), call.surface.hub, call.who.name
    try:
        seconds = float(form.get("expires_in") or 0)
        wanted = form.get("scopes", "").split() or None
        scopes = await grantable(hub, name, call.who, scopes=wanted, roles=None)
        made = await make_token(hub, name, scopes=scopes, note=form.get("note", "").strip(), expires_in_s=seconds or None, actor=call.who)
    except ValueError:
        return await _page(call, problem=BadInputError("The time after which the token ends is not a number."))
    except BadInputError as error:
        return await _page(call, problem=error)
    return await _page(call, made=made.text)


async def revoke(call: Call) -> Response:
    text = call.params["token_id"]
    if not text.isascii() or not text.isdigit() or len(text) > 17:
        raise NotFoundError("There is no such token.")
    await revoke_token(call.surface.hub, call.who.name, int(text), actor=call.who)
    return see_other(call, "token")
