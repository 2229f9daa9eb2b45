"""Where the tunnels of jobs end: agents come in from outside, proxies and hubs ask for connections to their servers.

It knows no hub and no database: who an agent is, its token says (wire/agents.py).
"""
