"""Where `perijove chp` answers otherwise than configurable-http-proxy 5.3, on purpose: every such question, and why.

A difference that is not here fails, and so does one that is here and is not seen any more.
"""

DIFFERENCES: dict[str, str] = {}

COMMAND_LINE: dict[str, str] = {}
"""Of `test_command_line.py`."""

ACTIVITY: dict[str, str] = {}
"""Of `test_activity.py`."""
