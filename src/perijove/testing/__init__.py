"""For authors of plugins, and for our own tests: a clock turned by hand, spawners that start nothing real, conformance suites."""
