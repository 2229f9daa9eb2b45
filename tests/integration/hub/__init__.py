"""A whole hub as a process of its own, asked over HTTP."""
