"""Conformance suites, fakes and a hand-turned clock, for plugin authors and for our own tests."""
