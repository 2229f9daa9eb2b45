"""What holds for all tests in a browser."""

from playwright.sync_api import expect

expect.set_options(timeout=30_000)  # milliseconds: a kernel begins slowly on a machine that has other tests to run
