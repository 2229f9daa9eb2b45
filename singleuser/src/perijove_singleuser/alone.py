"""`python -m perijove_singleuser.alone`: a Jupyter server without a hub, for one person who has its token. `perijove connect` has it started."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyter_server.serverapp import ServerApp
from traitlets import Unicode
from traitlets.config import Config

from .app import pick_interface

TOKEN_VARIABLE = "PERIJOVE_ALONE_TOKEN"
_LEAST = 32


class AloneServer(ServerApp):
    """On a unix socket of the person's, for whoever knows the token. The person's own configuration files count, but not for who comes in."""

    description = "Start Jupyter where the agent of a job can reach it. `perijove connect` starts this, not people."

    place = Unicode()
    secret = Unicode()

    def initialize(self, argv: list[str] | None = None, *args: Any, **kwargs: Any) -> None:
        """Prepare everything up to listening."""
        interface, self._page = pick_interface()
        if interface:
            self.jpserver_extensions = {**self.jpserver_extensions, interface: True}
        super().initialize(argv, *args, **kwargs)

    def load_config_file(self, suppress_errors: bool = True) -> None:  # type: ignore[override]
        """Read the configuration files, and put what must be above them."""
        super().load_config_file(suppress_errors)
        if "default_url" not in self.config.ServerApp:
            self.config.ServerApp.default_url = self._page
        self.update_config(self.forced())

    def forced(self) -> Config:
        """Where it listens, and that nobody comes in without the token."""
        config = Config()
        server = config.ServerApp
        server.sock = self.place
        server.sock_mode = "0600"
        server.base_url = "/"
        server.open_browser = False
        server.answer_yes = True
        server.allow_unauthenticated_access = False
        server.allow_remote_access = False
        server.allow_origin = ""
        server.allow_origin_pat = ""
        server.disable_check_xsrf = False
        server.certfile = ""
        server.keyfile = ""
        server.identity_provider_class = "jupyter_server.auth.identity.IdentityProvider"
        config.IdentityProvider.token = self.secret
        return config

    def _bind_http_server_unix(self) -> bool:
        before = os.umask(0o177)  # tornado makes the socket first and sets its mode after
        try:
            return super()._bind_http_server_unix()
        finally:
            os.umask(before)

    async def cleanup_extensions(self) -> None:
        """As always, and leave no socket behind."""
        await super().cleanup_extensions()
        Path(self.sock).unlink(missing_ok=True)  # noqa: ASYNC240 - a moment, and nobody is served any more


def told(environ: MutableMapping[str, str]) -> tuple[str, str]:
    """The socket and the token, which kernels are not to find in their environment. Raises ValueError."""
    address, token = urlsplit(environ.get("JUPYTERHUB_SERVICE_URL", "")), environ.pop(TOKEN_VARIABLE, "")
    path = unquote(address.netloc)
    if address.scheme != "http+unix" or not path.startswith("/"):
        raise ValueError("JUPYTERHUB_SERVICE_URL must name a unix socket: this is started by the agent of a job")
    if len(token) < _LEAST:
        raise ValueError(f"{TOKEN_VARIABLE} must be a secret of at least {_LEAST} characters")
    return path, token


def main() -> None:
    """Run until stopped."""
    try:
        place, secret = told(os.environ)
    except ValueError as error:
        sys.exit(f"perijove-singleuser: {error}")
    AloneServer.launch_instance(place=place, secret=secret)


if __name__ == "__main__":
    main()
