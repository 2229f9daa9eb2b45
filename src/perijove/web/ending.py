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
    relieved = False
    """Another hub takes what comes from now on, at the same socket."""
    leaving = False
    """It will end soon: requests should go elsewhere, where there is an elsewhere."""

    def begin(self, after_s: float) -> None:
        """Leave, and end `after_s` later; asked once more, at once. For the running event loop."""
        if after_s <= 0 or self.leaving:
            self.set()
        else:
            asyncio.get_running_loop().call_later(after_s, self.set)
        self.leaving = True
