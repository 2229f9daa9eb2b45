"""A service of the kind that sites write: an API for programs, which bring a token (FastAPI, jupyterhub.services.auth.HubAuth)."""

import os
from typing import Annotated, Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from jupyterhub.services.auth import HubAuth

auth = HubAuth.instance()
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


if __name__ == "__main__":
    router.add_api_route("/me", me)
    router.add_api_route("/me-awaited", me_awaited)
    app = FastAPI()
    app.include_router(router)
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port or 0)
