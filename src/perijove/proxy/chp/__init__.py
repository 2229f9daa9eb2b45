"""`perijove chp`: the proxy with the command line, REST API and manners of configurable-http-proxy 5.3, for hubs that drive that.

A keeper process holds the routes and answers the API; the proxy's workers follow it as they would follow a hub.
"""
