"""A multi-user Jupyter hub."""

__version__ = "0.1.0"
