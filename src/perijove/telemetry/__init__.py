"""Observers of what happened: logs, metrics. Nothing calls them but through the Observer port and the web edge."""
