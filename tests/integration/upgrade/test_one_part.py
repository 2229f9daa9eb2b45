"""Hub and proxy are replaced one after the other, or one of them alone."""

import os
import socket
import subprocess
import sys

from tests.integration.upgrade.place import NOTHING, SETTINGS, Site
from tests.running.perijove import perijove


def test_a_proxy_alone_is_replaced_and_its_hub_is_not_touched() -> None:
    with perijove(SETTINGS + NOTHING, command="hub") as running:
        heard, path = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), str(running.folder / "notify")
        heard.bind(path)
        heard.settimeout(60)
        words = [sys.executable, "-m", "perijove", "up", "proxy", "--config", str(running.config)]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, "NOTIFY_SOCKET": path}) as proxy, heard:
            assert heard.recv(100) == b"READY=1"
            assert running.healthy(running.url), "it was said when it was so"
            code, said = Site(running).replaced("proxy")
            assert (code, "The new proxy" in said, "hub" in said) == (0, True, False), said
            assert running.healthy(running.url)
            proxy.terminate()
            assert proxy.wait(30) == 0
        assert running.healthy()


def test_a_proxy_that_cannot_start_leaves_the_old_one_with_the_new_hub() -> None:
    """The log's folder is not there: only the proxy finds out."""
    with perijove(SETTINGS + NOTHING) as running:
        site = Site(running)
        hub, proxy = running.child("hub"), running.child("proxy")
        site.change("[proxy]\n", '[proxy]\naccess_log = "json"\naccess_log_file = "nowhere/access.log"\n')
        code, said = site.replaced()
        assert (code, "The new proxy did not become ready" in said, "The old one goes on" in said) == (1, True, True), said
        assert (running.child("hub") == hub, running.child("proxy") == proxy) == (False, True)
        assert "nowhere" in running.output
        assert running.healthy(running.url)
