"""A machine may have the proxy alone, or hubs alone: each is replaced by itself."""

import subprocess
import sys

from tests.integration.upgrade.place import NOTHING, SETTINGS, Site
from tests.running.perijove import perijove, until


def test_a_proxy_alone_is_replaced_and_its_hub_is_not_touched() -> None:
    with perijove(SETTINGS + NOTHING, command="hub") as running:
        words = [sys.executable, "-m", "perijove", "up", "proxy", "--config", str(running.config)]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as proxy:
            until(lambda: running.healthy(running.url), what="the proxy")
            code, said = Site(running).replaced("proxy")
            assert (code, "The new proxy" in said, "hub" in said) == (0, True, False), said
            assert running.healthy(running.url)
            proxy.terminate()
            assert proxy.wait(30) == 0
        assert running.healthy()
