"""The hub's own cookies.

`perijove-session` is the sign-in: HttpOnly, only ever sent to the hub's own path. `jupyterhub-session-id` is the public session
id that servers compare to notice a sign-out (JupyterHub's contract); it authorises nobody. `perijove-visit` marks a browser that
is not signed in, so that the sign-in form can be tied to it.
"""

from starlette.responses import Response

SESSION = "perijove-session"
SESSION_ID = "jupyterhub-session-id"
VISIT = "perijove-visit"
STATE = "perijove-sign-in"


def set_cookie(response: Response, name: str, value: str, *, path: str, secure: bool, max_age_s: int | None = None) -> None:
    response.set_cookie(name, value, max_age=max_age_s, path=path, secure=secure, httponly=True, samesite="lax")


def drop_cookie(response: Response, name: str, *, path: str, secure: bool) -> None:
    response.delete_cookie(name, path=path, secure=secure, httponly=True, samesite="lax")
