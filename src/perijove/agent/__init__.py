"""What runs beside a person's server where no proxy can reach it: it dials out, and carries connections back.

This package is sent to machines that have nothing of Perijove's: it uses the standard library only, of Python 3.8 or newer, and
imports nothing of the rest. The gateway, at the other end, imports it, so that both ends always speak the same.
"""

VERSION = "0.1.0"
"""Of the agent: said with `--version` and in its greeting."""
NUMBERS = 64
"""Agents add a number below this to the address that they dial; the proxy leads number n to its gateway n modulo how many it has."""
