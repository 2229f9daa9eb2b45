"""Servers that are shared: with people, with groups, by link."""
