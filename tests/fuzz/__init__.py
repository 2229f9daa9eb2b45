"""Random play with the proxy's connections, in memory. `python -m tests.fuzz SECONDS` plays for as long as you like."""
