"""Servers that dial out: agent, gateway, proxy."""
