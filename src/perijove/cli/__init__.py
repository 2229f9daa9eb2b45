"""The command line."""

from perijove.cli.main import main

__all__ = ["main"]
