"""From the file's sections to the proxy's own record."""

from perijove.cli.run_proxy import limits
from perijove.config.settings import ProxyLimitsSection
from perijove.proxy.settings import Limits


def test_what_the_file_does_not_say_is_what_the_proxy_does_by_itself() -> None:
    assert limits(ProxyLimitsSection()) == Limits()


def test_every_limit_of_the_file_reaches_the_proxy() -> None:
    usual = limits(ProxyLimitsSection())
    for name in ProxyLimitsSection.__struct_fields__:
        changed = limits(ProxyLimitsSection(**{name: 12345}))
        assert changed != usual, name
