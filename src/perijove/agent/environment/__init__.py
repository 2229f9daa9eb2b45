"""Environments that people's servers run in: made ready on the cluster, as the person, and used by `serve`."""
