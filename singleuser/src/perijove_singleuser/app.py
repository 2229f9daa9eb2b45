"""The Jupyter server with its hub built in.

A subclass of ServerApp and not an optional extension: jupyter_server goes on without an extension
that fails to load, and a server without its hub's sign-in must not go on.
"""

from __future__ import annotations

import asyncio
import os
import random
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jupyter_core.paths import ENV_CONFIG_PATH, jupyter_config_dir, jupyter_path
from jupyter_server.serverapp import ServerApp
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform
from traitlets import Instance, Unicode, default
from traitlets.config import Config

from .activity import ActivityReporter
from .contract import Contract
from .hub import VERSION_HEADER, HubClient
from .place import LABEXTENSIONS, Place, PlaceHandler
from .provider import HubAuthorizer, HubIdentityProvider
from .user_config import outside_home

# For hubs that announce no version: the JupyterHub whose contract this package was written to.
PROTOCOL_VERSION = "6.1.1"
_FRAMING = "frame-ancestors 'none'"


def pick_interface() -> tuple[str, str]:
    """The extension and the address of the best interface that is installed here."""
    if find_spec("jupyterlab") is not None:
        return "jupyterlab", "/lab"
    # Notebook 6 has no such module; it is an application of its own and cannot be loaded here.
    if find_spec("notebook") is not None and find_spec("notebook.app") is not None:
        return "notebook", "/tree"
    return "", "/"


class SingleUserServer(ServerApp):
    """One person's server of a hub. All Jupyter server options and extensions work as usual."""

    description = "Start Jupyter as one person's server of a hub. Hubs start this, not people."

    contract = Instance(Contract)
    hub_version = Unicode(PROTOCOL_VERSION)

    def config_from_hub(self) -> Config:
        """Settings the hub decides; the command line may still change them."""
        contract, bind = self.contract, self.contract.bind
        config = Config()
        server = config.ServerApp
        server.base_url = contract.prefix
        server.port_retries = 0
        if bind.socket_path:
            server.sock = bind.socket_path
            server.sock_mode = "0600"
        else:
            server.ip = bind.ip
            server.port = bind.port
        if bind.tls or contract.certfile:
            server.keyfile = contract.keyfile
            server.certfile = contract.certfile
            server.client_ca = contract.client_ca
        if contract.root_dir:
            server.root_dir = str(Path(contract.root_dir).expanduser())
        if contract.debug:
            config.Application.log_level = "DEBUG"
        if contract.disable_user_config:
            config.LabServerApp.labextensions_path = outside_home(jupyter_path("labextensions"))
        extra = self.config.LabServerApp.get("extra_labextensions_path", [])
        config.LabServerApp.extra_labextensions_path = [*(extra if isinstance(extra, list) else []), LABEXTENSIONS]
        server.open_browser = False
        server.quit_button = False
        # The hub's pages are another application to it: what it deletes must not stay in a trash
        # folder nobody empties, on a disk with a quota.
        config.FileContentsManager.delete_to_trash = False
        return config

    def forced_config(self) -> Config:
        """Settings without which the hub does not decide who comes in; nothing changes them."""
        config = Config()
        server = config.ServerApp
        server.identity_provider_class = HubIdentityProvider
        server.allow_remote_access = True
        server.trust_xheaders = True
        server.allow_unauthenticated_access = False
        server.answer_yes = True
        return config

    def load_config_file(self, suppress_errors: bool = True) -> None:  # type: ignore[override]
        """Read the configuration files, and put the hub's settings above them."""
        super().load_config_file(suppress_errors)
        if "default_url" not in self.config.ServerApp:
            self.config.ServerApp.default_url = self.contract.default_url or pick_interface()[1]
        if "authorizer_class" not in self.config.ServerApp:
            self.config.ServerApp.authorizer_class = HubAuthorizer
        self.update_config(self.config_from_hub())

    def initialize(self, argv: list[str] | None = None, *args: Any, **kwargs: Any) -> None:
        """Prepare everything up to listening."""
        interface, _ = pick_interface()
        if interface:
            self.jpserver_extensions = {**self.jpserver_extensions, interface: True}
        super().initialize(argv, *args, **kwargs)

    def init_configurables(self) -> None:
        """Make the managers and the identity provider."""
        self.update_config(self.forced_config())
        super().init_configurables()
        provider = self.identity_provider
        if not isinstance(provider, HubIdentityProvider):
            raise TypeError("the hub's identity provider is not in place")
        self._hub = HubClient(self.contract)
        provider.attach(self.contract, self._hub)
        self._provider = provider

    def init_webapp(self) -> None:
        """Make the web application, with the headers the hub wants on every response."""
        headers = dict(self.tornado_settings.get("headers", {}))
        headers.setdefault("Content-Security-Policy", _FRAMING)
        headers[VERSION_HEADER] = self.hub_version
        self.tornado_settings["headers"] = headers
        if not (self.contract.allow_websocket_cookie or self.contract.allow_token_in_url):
            self.log.warning(
                "JUPYTERHUB_ALLOW_WEBSOCKET_COOKIE_AUTH is off and JUPYTERHUB_ALLOW_TOKEN_IN_URL is not on: browsers cannot use "
                "kernels. The hub's administrator must change one of them."
            )
        super().init_webapp()
        self.web_app.settings["page_config_hook"] = self._provider.page_config
        place = (self.contract.prefix + "perijove/place", PlaceHandler, {"place": Place(self._hub)})
        self.web_app.add_handlers(".*$", [place])  # type: ignore[no-untyped-call] # tornado leaves it so
        # Extensions bring handlers that know nothing of jupyter_server's `headers` setting.
        self.web_app.add_transform(
            partial(  # type: ignore[arg-type]
                _ContractHeaders,
                version=self.hub_version,
                policy=headers["Content-Security-Policy"],
            )
        )

    def init_httpserver(self) -> None:
        """Listen, and then begin to tell the hub of activity."""
        super().init_httpserver()
        self.io_loop.add_callback(self._begin_reporting)

    def _bind_http_server_unix(self) -> bool:
        # tornado makes the socket first and sets its mode after; nobody may connect in between
        before = os.umask(0o177)
        try:
            self._socket_is_ours = super()._bind_http_server_unix()
        finally:
            os.umask(before)
        return self._socket_is_ours

    def _begin_reporting(self) -> None:
        contract = self.contract
        if not contract.activity_url or not contract.activity_interval_s:
            self.log.warning("The hub asked for no activity reports; it may think this is idle.")
            return
        reporter = ActivityReporter(
            self.web_app.last_activity,
            self._hub.report_activity,
            interval_s=contract.activity_interval_s,
            log=self.log,
            uniform=random.uniform,
        )
        self._reporting = asyncio.create_task(reporter.run())

    async def cleanup_extensions(self) -> None:
        """Stop what was begun here, then the extensions."""
        reporting = getattr(self, "_reporting", None)
        if reporting is not None:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        await self._provider.identities.close()
        self._remove_socket()
        self._hub.close()
        await super().cleanup_extensions()

    def _remove_socket(self) -> None:
        # A file left behind looks like a server, to people and to spawners.
        if getattr(self, "_socket_is_ours", False):
            Path(self.sock).unlink(missing_ok=True)

    @property
    def config_file_paths(self) -> list[str]:
        """Where configuration is read from; extensions ask here too."""
        paths: list[str] = super().config_file_paths
        return outside_home(paths) if self.contract.disable_user_config else paths

    @default("config_dir")
    def _config_dir_default(self) -> str:
        if self.contract.disable_user_config:
            return ENV_CONFIG_PATH[0]
        return str(jupyter_config_dir())


class _ContractHeaders(OutputTransform):
    """Adds the contract's headers to whatever answers."""

    def __init__(self, request: HTTPServerRequest, *, version: str, policy: str) -> None:
        super().__init__(request)
        self._version = version
        self._policy = policy

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: ARG002 - tornado passes it
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers[VERSION_HEADER] = self._version
        if "Content-Security-Policy" not in headers:
            headers["Content-Security-Policy"] = self._policy
        return status_code, headers, chunk
