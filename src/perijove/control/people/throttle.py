"""Slowing down those who guess passwords: failures are counted in the database, by name and by address.

An attempt is counted before the authenticator is asked, so that a thousand guesses sent at once count as a thousand.
Success clears the counters; an attempt that could not be judged is given back.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from perijove.config.settings import LimitsSection
from perijove.domain.errors import TooManyAttemptsError
from perijove.ports.secrets import Secrets
from perijove.ports.store.credentials import Attempts
from perijove.ports.store.store import Tx
from perijove.wire.names import BadNameError, parse_user_name

FIRST_WAIT_S = 15.0
"""Doubles with each further failure, up to the end of the window."""
_AN_INSTANT = timedelta(microseconds=1)


def throttle_keys(secrets: Secrets, name: str, address: str) -> tuple[str, ...]:
    """What an attempt counts under. Names are digested: people type passwords into the wrong field."""
    keys = []
    if name:
        try:
            normal = str(parse_user_name(name))
        except BadNameError:
            normal = ""
        digest = hmac.digest(secrets.key("throttle"), normal.encode("utf-8", "surrogatepass"), "sha256")
        keys.append(f"user:{digest.hex()[:32]}")
    if address:
        keys.append(f"address:{_network(address)}")
    return tuple(keys)


def count_attempt(tx: Tx, keys: Sequence[str], limits: LimitsSection, now: datetime) -> None:
    """Count an attempt that is about to be made. Raises TooManyAttemptsError, counting nothing, if it has to wait."""
    if not limits.sign_in_failures:
        return
    window = timedelta(seconds=limits.sign_in_window)
    for key in keys:
        tx.serialise(f"throttle {key}")
    waits = [_wait_s(found, limits.sign_in_failures, window, now) for key in keys if (found := tx.throttle.get(key)) is not None]
    wait_s = max(waits, default=0)
    if wait_s > 0:
        raise TooManyAttemptsError("Too many failed sign-ins.", f"Wait {in_words(wait_s)}, then try again.", retry_after_s=wait_s)
    start = now - window + _AN_INSTANT  # a window ends where the wait for it ends
    for key in keys:
        tx.throttle.fail(key, now, start)


def give_back(tx: Tx, keys: Sequence[str]) -> None:
    """Take one attempt back: it was not judged."""
    for key in keys:
        tx.serialise(f"throttle {key}")
        found = tx.throttle.get(key)
        if found is None:
            continue
        tx.throttle.clear(key)
        for moment in (found.first_at, *[found.last_at] * (found.failures - 2))[: found.failures - 1]:
            tx.throttle.fail(key, moment, found.first_at)


def clear_attempts(tx: Tx, keys: Sequence[str]) -> None:
    for key in keys:
        tx.throttle.clear(key)


def _wait_s(found: Attempts, most: int, window: timedelta, now: datetime) -> int:
    """Whole seconds to wait still; 0: none."""
    over = found.failures - most
    end = found.first_at + window
    if over < 0 or end <= now:
        return 0
    pause = timedelta(seconds=min(FIRST_WAIT_S * 2 ** min(over, 32), window.total_seconds()))
    left = min(found.last_at + pause, end) - now
    return max(0, -int(-left.total_seconds() // 1))


def in_words(seconds: int) -> str:
    """ "45 seconds", "3 minutes"."""
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{-(-seconds // 60)} minutes"


def _network(address: str) -> str:
    """One household or machine: an IPv6 address counts by its /64, of which anybody may have all."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
