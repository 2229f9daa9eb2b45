"""From a request's credentials to who asks and what they may do. Asked on every request, so answered from memory where it can be.

The memory is dropped by the store's notices (control/recall.py). What was used is noted in memory and written in bulk.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from perijove.control.context import Hub
from perijove.control.people.effective import Standing, session_standing, token_standing
from perijove.control.people.policy import access_rules
from perijove.control.people.sessions import Refresher
from perijove.control.recall import Answer, Recall, Tag
from perijove.control.trouble import complain
from perijove.domain.access import Identity
from perijove.domain.change import Notice, Topic
from perijove.domain.server import UserId
from perijove.domain.token import Session, TokenKind, hash_secret
from perijove.ports.store.store import DatabaseUnavailableError, Tx

_log = structlog.get_logger("perijove.identity")
TOPICS = (Topic.TOKEN, Topic.SESSION, Topic.USER, Topic.GROUP, Topic.ROLE, Topic.SERVICE)
MAX_REMEMBERED = 50_000
MAX_AGE = timedelta(minutes=5)
"""A net under the notices."""
FLUSH_EVERY_S = 30.0
SEEN_EVERY = timedelta(minutes=3)
"""How often a session's last_seen is written."""
FOLLOW_AGAIN_S = 1.0
DEAF_S = 4.0
"""The store looks for notices every 3 s at least. What has not been heard of for longer has to be asked for."""
ASK_EVERY_S = 1.0
MANY = 1000
"""Notices that are looked through one by one; with more it is cheaper to forget everything."""


@dataclass(slots=True)
class _Bearer:
    """A token's answer. `user_id` is set if using the token is a sign of the person's own activity."""

    identity: Identity
    token_id: int
    user_id: UserId | None


@dataclass(slots=True)
class Browser:
    """A sign-in cookie's answer: who it is, and the session's row as it was read."""

    identity: Identity
    session: Session
    refreshed_at: datetime
    seen_written: datetime


class Identities:
    """Made by `open_identities`, one for each process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._catalog = hub.catalog
        self._rules = access_rules(hub)
        self._tokens: Recall[_Bearer] = Recall(MAX_REMEMBERED)
        self._browsers: Recall[Browser] = Recall(MAX_REMEMBERED)
        self._refresher = Refresher(hub)
        self._used_tokens: dict[int, datetime] = {}
        self._used_users: dict[UserId, datetime] = {}
        self._used_sessions: dict[int, datetime] = {}
        self._revision = 0
        self._first_try = asyncio.Event()

    def cached(self, token: str, now: datetime) -> Identity | None:
        """The holder of an API token if that is in memory, at the cost of a few microseconds; None: ask `of_token`."""
        bearer = self._tokens.get(hash_secret(token), now)
        if bearer is None:
            return None
        self._note(bearer, now)
        return bearer.identity

    async def of_token(self, token: str) -> Identity | None:
        """The holder of an API token, None if it does not hold: unknown, expired, revoked, or of somebody blocked."""
        now, hashed = self._hub.clock.now(), hash_secret(token)
        bearer = self._tokens.get(hashed, now)
        if bearer is None:
            bearer = await self._tokens.look_up(hashed, lambda: self._hub.store.read(lambda tx: self._find_token(tx, hashed)))
            if bearer is None:
                return None
        self._note(bearer, now)
        return bearer.identity

    def cached_browser(self, cookie: str, now: datetime) -> Browser | None:
        """As `cached`, for the sign-in cookie; None also if the person is to be checked again."""
        browser = self._browsers.get(hash_secret(cookie), now)
        if browser is None or self._refresher.due(browser.refreshed_at, now):
            return None
        self._note_seen(browser, now)
        return browser

    async def of_browser(self, cookie: str) -> Browser | None:
        """Who is signed in with this cookie, None if nobody. Checks the person again with the authenticator if that is due."""
        hashed = hash_secret(cookie)
        while True:
            now = self._hub.clock.now()
            browser = self._browsers.get(hashed, now)
            if browser is None:
                browser = await self._browsers.look_up(hashed, lambda: self._hub.store.read(lambda tx: self._find_browser(tx, hashed)))
                if browser is None:
                    return None
            if not self._refresher.due(browser.refreshed_at, now):
                break
            refreshed = await self._refresher.refresh(browser.session, hashed)
            if refreshed is None:
                self._browsers.drop((Topic.SESSION, hashed.hex()))
                return None
            if refreshed <= browser.refreshed_at:
                break  # it cannot be told now, or is being found out for another request
            browser.refreshed_at = refreshed
            await self.caught_up()  # groups may have changed
        self._note_seen(browser, now)
        return browser

    async def caught_up(self) -> None:
        """Return when every change that was committed before this call counts here.

        For whoever answers a request that took something away: the next request must not find it.
        """
        last, notices = await self._hub.store.read(lambda tx: (tx.notices.last(), tx.notices.after(self._revision, TOPICS, limit=MANY)))
        if notices is None or len(notices) >= MANY:
            self._tokens.clear()
            self._browsers.clear()
        else:
            self._apply(notices)
        self._revision = max(self._revision, last)

    async def flush(self) -> None:
        """Write down what was used since the last time."""
        tokens, users, sessions = self._used_tokens, self._used_users, self._used_sessions
        if not (tokens or users or sessions):
            return
        self._used_tokens, self._used_users, self._used_sessions = {}, {}, {}

        def write(tx: Tx) -> None:
            if tokens:
                tx.tokens.touch(list(tokens), max(tokens.values()))
            tx.users.touch_all(users)
            tx.sessions.seen_all(sessions)

        await self._hub.store.write(write)

    def _note(self, bearer: _Bearer, now: datetime) -> None:
        self._used_tokens[bearer.token_id] = now
        if bearer.user_id is not None:
            self._used_users[bearer.user_id] = now

    def _note_seen(self, browser: Browser, now: datetime) -> None:
        self._used_users[browser.session.user_id] = now
        if now - browser.seen_written >= SEEN_EVERY:
            browser.seen_written = now
            self._used_sessions[browser.session.id] = now

    def _find_token(self, tx: Tx, hashed: bytes) -> Answer[_Bearer] | None:
        token, now = tx.tokens.find(hashed), self._hub.clock.now()
        standing = None if token is None else token_standing(tx, self._catalog, token, self._rules, now)
        if token is None or standing is None:
            return None
        # A server that reports for itself, or asks who its visitor is, is no sign of the person (JupyterHub's rule).
        bearer = _Bearer(standing.identity, token.id, standing.user_id if token.kind is TokenKind.API else None)
        return Answer(bearer, _tags(standing, (Topic.TOKEN, hashed.hex())), _until(now, token.expires_at))

    def _find_browser(self, tx: Tx, hashed: bytes) -> Answer[Browser] | None:
        session, now = tx.sessions.find(hashed), self._hub.clock.now()
        if session is None or session.issuer != self._hub.authenticator.issuer:
            return None  # signed in through a door that has been closed since
        standing = session_standing(tx, self._catalog, session, self._rules, now)
        if standing is None:
            return None
        browser = Browser(standing.identity, session, session.refreshed_at, session.last_seen)
        return Answer(browser, _tags(standing, (Topic.SESSION, hashed.hex())), _until(now, session.expires_at))

    def _apply(self, notices: Sequence[Notice]) -> None:
        if any(notice.topic is Topic.ROLE for notice in notices):  # rare, and may concern anybody
            self._tokens.clear()
            self._browsers.clear()
        self._tokens.apply(notices)
        self._browsers.apply(notices)
        if notices:
            self._revision = max(self._revision, notices[-1].revision)

    async def follow(self) -> None:
        """Drop from memory what notices make void, until cancelled."""
        while True:
            try:
                async with self._hub.store.follow(TOPICS) as batches:
                    self._revision = await self._hub.store.read(lambda tx: tx.notices.last())
                    self._tokens.begin()
                    self._browsers.begin()
                    self._first_try.set()
                    async for batch in batches:
                        self._apply(batch)
            except LookupError:
                _log.info("left behind by the notices of change; starting over")
            except Exception as error:  # noqa: BLE001 - whatever it is, people must not be locked out for it
                complain("notices of change do not arrive; every request asks the database until they do", error)
            finally:
                self._tokens.end()
                self._browsers.end()
                self._first_try.set()
            await self._hub.clock.sleep(FOLLOW_AGAIN_S)

    async def keep_flushing(self) -> None:
        """Flush now and then, until cancelled."""
        while True:
            await self._hub.clock.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - the next flush may succeed
                complain("last activity could not be written", error)

    async def keep_asking(self) -> None:
        """While the store hears of no changes, ask for them, until cancelled: the connection that listens may be cut off alone, and then what was
        revoked elsewhere would count here until it is too old to be remembered."""
        while True:
            await self._hub.clock.sleep(ASK_EVERY_S)
            if self._hub.store.deaf_s <= DEAF_S:
                continue
            try:
                await self.caught_up()
            except DatabaseUnavailableError:
                pass  # all of it is away, which others say; notebooks go on by what is remembered, for MAX_AGE
            except Exception as error:  # noqa: BLE001 - the next time may succeed
                complain("what was revoked cannot be asked for", error)

    async def started(self) -> None:
        """Return when `follow` stands, or failed once."""
        await self._first_try.wait()


def _tags(standing: Standing, own: Tag) -> frozenset[Tag]:
    return frozenset(
        {
            own,
            *((Topic.USER, name) for name in standing.users),
            *((Topic.GROUP, name) for name in standing.groups),
            *((Topic.SERVICE, name) for name in standing.services),
        }
    )


def _until(now: datetime, expires_at: datetime | None) -> datetime:
    end = now + MAX_AGE
    return end if expires_at is None else min(end, expires_at)


@asynccontextmanager
async def open_identities(hub: Hub) -> AsyncIterator[Identities]:
    """Identities that follow the store's notices and write down what was used, while the context lasts."""
    identities = Identities(hub)
    loop = asyncio.get_running_loop()
    tasks = [  # cancelled and awaited below; a TaskGroup would wrap the errors of the context's body
        loop.create_task(identities.follow(), name="identities: follow"),
        loop.create_task(identities.keep_flushing(), name="identities: flush"),
        loop.create_task(identities.keep_asking(), name="identities: ask"),
    ]
    try:
        await identities.started()
        yield identities
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        try:
            await identities.flush()
        except DatabaseUnavailableError as error:  # it must not keep a hub from ending as it was asked to
            complain("last activity could not be written", error)
