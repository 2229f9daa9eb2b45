"""A service of the kind that sites write: pages for people who sign in by the hub (tornado, jupyterhub.services.auth.HubOAuth)."""

import asyncio
import json
import os
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado.escape import xhtml_escape
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.web import Application, RequestHandler, authenticated


class Page(HubOAuthenticated, RequestHandler):  # type: ignore[misc]  # JupyterHub carries no types
    """Says who the visitor is; posts of its form are kept nowhere."""

    @authenticated
    def get(self) -> None:
        self.write(f"<p>{xhtml_escape(json.dumps(self.current_user))}</p><form method=post>{self.xsrf_form_html()}</form>")

    @authenticated
    def post(self) -> None:
        self.write(f"noted for {self.current_user['name']}: {self.get_argument('note')}")


class AwaitingPage(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """The same, asking the hub without blocking; what is refused is told, not redirected."""

    async def get(self) -> None:
        user: dict[str, Any] | None = await self.hub_auth.get_user(self, sync=False)
        allowed = user and self.hub_auth.check_scopes(self.hub_auth.access_scopes, user)
        if not allowed:
            self.set_status(403)
        self.write({"name": user["name"] if user else None, "kind": user["kind"] if user else None})


class StartingPage(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """Starts its visitor's server, with the rights that the visitor gave to this service."""

    @authenticated
    async def post(self) -> None:
        url = f"{self.hub_auth.api_url}/users/{self.current_user['name']}/server"
        token = self.hub_auth.get_token(self)
        ask = HTTPRequest(url, "POST", {"Authorization": f"Bearer {token}"}, body="")
        answer = await AsyncHTTPClient().fetch(ask, raise_error=False)
        self.set_status(answer.code)
        self.write(answer.body)


async def main() -> None:
    """Listen where the hub was told that this service is."""
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    pages = [
        (prefix, Page),
        (url_path_join(prefix, "awaiting"), AwaitingPage),
        (url_path_join(prefix, "start"), StartingPage),
        (url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler),
    ]
    Application(pages, cookie_secret=os.urandom(32), xsrf_cookies=True).listen(address.port or 0, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
