"""The end of a hub, and what it tells whoever started it."""

import asyncio
from typing import Final

ASKED: Final = 80
"""Exit code: somebody asked for the end by the API; hub and proxy are not to be started again."""
ASKED_HUB_ALONE: Final = 81
"""Exit code: the same, but the proxy is to go on."""


class Ending(asyncio.Event):
    """Set when the hub ends: streams finish then."""

    exit_code = 0
