"""The OAuth 2 provider for servers and services."""
