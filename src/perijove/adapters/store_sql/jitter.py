"""Come back at different times: what all lost at once must not all return at once."""

from random import randint, uniform  # noqa: TID251 - jitter


def apart(pause_s: float) -> float:
    """About as long."""
    return pause_s * uniform(0.5, 1.5)  # noqa: S311 - jitter


def retry_after_s() -> int:
    """When to try again what the database could not do."""
    return randint(3, 9)  # noqa: S311 - jitter
