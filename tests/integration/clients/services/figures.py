"""A service of the kind that sites write: an API for programs, which bring a token, and a page (FastAPI, jupyterhub.services.auth).

The page signs people in step by step, as services do that are not made with tornado: without PKCE, and with a cookie of its own.
"""

import os
from typing import Annotated, Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, HTTPException
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from jupyterhub.services.auth import HubAuth, HubOAuth

auth = HubAuth.instance()
oauth = HubOAuth()
router = APIRouter(prefix=os.environ["JUPYTERHUB_SERVICE_PREFIX"].rstrip("/"))


def _admit(user: dict[str, Any] | None) -> dict[str, Any]:
    if user is None:
        raise HTTPException(401, "The hub does not know this token")
    if not auth.check_scopes(auth.access_scopes, user):
        raise HTTPException(403, f"{user['name']} may not use this service")
    return user


def by_waiting(authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
    """Who brings this token; asks the hub in a thread."""
    return _admit(auth.user_for_token(authorization.partition(" ")[2]))


async def by_awaiting(authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
    """The same on the event loop."""
    return _admit(await auth.user_for_token(authorization.partition(" ")[2], sync=False))


def me(user: Annotated[dict[str, Any], Depends(by_waiting)]) -> dict[str, Any]:
    """The whole model that the hub gave."""
    return user


async def me_awaited(user: Annotated[dict[str, Any], Depends(by_awaiting)]) -> dict[str, Any]:
    """The same."""
    return user


async def page(figures_token: Annotated[str, Cookie()] = "") -> Response:
    """The visitor's name, or the way to the hub."""
    user = await oauth.user_for_token(figures_token, use_cache=False, sync=False) if figures_token else None
    if user is None:
        state = oauth.generate_state(next_url=f"{router.prefix}/page")
        return RedirectResponse(f"{oauth.login_url}&state={state}", 302)
    return PlainTextResponse(f"hello {_admit(user)['name']}")


async def callback(code: str, state: str) -> Response:
    """Back from the hub."""
    answer = RedirectResponse(oauth.get_next_url(state), 302)
    answer.set_cookie("figures_token", await oauth.token_for_code(code, sync=False), path=router.prefix, httponly=True)
    return answer


if __name__ == "__main__":
    router.add_api_route("/me", me)
    router.add_api_route("/me-awaited", me_awaited)
    router.add_api_route("/page", page, response_model=None)
    router.add_api_route("/oauth_callback", callback, response_model=None)
    app = FastAPI()
    app.include_router(router)
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port or 0)
