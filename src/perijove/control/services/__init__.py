"""Services: run by the hub or not, reached through the proxy, looked after."""
