"""Interfaces to the world outside the hub, one a file."""
