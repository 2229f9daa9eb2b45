"""The public door: sends requests to people's servers and to the hub."""

from perijove.proxy.settings import Limits, ProxySettings
from perijove.proxy.supervisor import run

__all__ = ["Limits", "ProxySettings", "run"]
