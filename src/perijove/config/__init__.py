"""Typed settings: read, checked, every mistake reported at once."""
