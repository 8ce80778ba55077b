"""Calendars that stand at an address (`ical: https://…/shift.ics`): fetched with their etag, within bounds.

Nothing is stored here. What was fetched becomes a file of the next version of the rules, so that every worker and every
restart has the same text, and the last good one stays in force (`RuleBook.propose_feeds`).
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
import structlog

from lockstep.adapters.channels import Secrets, host_of, retry_after_s
from lockstep.adapters.outbound.ical_trial import is_read_in_time
from lockstep.adapters.outbound.json_post import bare_session
from lockstep.errors import DeliveryError
from lockstep.text.feed_address import FeedAddress, feed_url

log = structlog.get_logger("lockstep.feeds")

EVERY = timedelta(minutes=5)
"""How often an address is asked; one that fails is asked no sooner."""
LONGEST_WAIT = timedelta(hours=1)
"""So long at most one that asks for patience (Retry-After) is left alone."""
TIMEOUT_S = 20.0
LARGEST = 400_000
"""Bytes of a calendar; all files of a version of the rules together have at most a few more."""
TOLD_AFTER = timedelta(minutes=15)
"""So long one fails before people are told: the last good text is in force, and most faults are over by then."""

_CHANGES_BY_ITSELF = re.compile(r"^(DTSTAMP|LAST-MODIFIED|X-WR-[A-Z-]*)[;:].*(\r?\n[ \t].*)*\r?\n?", re.MULTILINE)
"""Lines that a calendar program writes anew with each answer though no event has changed."""


class FeedFault(Exception):
    """Why an address gave no calendar, in words, with its host alone."""


@dataclass
class _Feed:
    """What is known of an address. tag, changed: as the answer to the last good question said, for the next one.

    due: when to ask again. failing_since, fault: while it fails. tried: its last text that was read in time.
    """

    due: datetime | None = None
    tag: str = ""
    changed: str = ""
    failing_since: datetime | None = None
    fault: str = ""
    tried: str = ""


class IcalFeeds:
    """Asks addresses; one reader a worker, of which only the owner of the alerts asks."""

    def __init__(
        self, secrets: Secrets, *, clock: Callable[[], datetime], timeout_s: float = TIMEOUT_S, every: timedelta = EVERY
    ) -> None:
        self._secrets, self._clock, self._timeout_s, self._every = secrets, clock, timeout_s, every
        self._feeds: dict[FeedAddress, _Feed] = {}
        self._session: aiohttp.ClientSession | None = None

    async def look(self, addresses: Collection[FeedAddress]) -> dict[str, str]:
        """Ask those that are due: file's name → its text, of those that have given a new one. Never raises for a feed.

        addresses: all there are; what is known of others is forgotten. Each is asked by itself: a slow one holds up
        nobody for longer than its time.
        """
        self._feeds = {address: self._feeds.get(address, _Feed()) for address in sorted(addresses)}
        now = self._clock()
        due = [address for address, feed in self._feeds.items() if feed.due is None or feed.due <= now]
        texts = await asyncio.gather(*(self._asked(address, self._feeds[address]) for address in due))
        return {address.file: text for address, text in zip(due, texts, strict=True) if text is not None}

    @property
    def faults(self) -> Mapping[FeedAddress, str]:
        """What fails now for so long that people are told, and why."""
        now = self._clock()
        return {
            address: feed.fault
            for address, feed in self._feeds.items()
            if feed.failing_since is not None and now - feed.failing_since >= TOLD_AFTER
        }

    def ask_whole(self, files: Collection[str]) -> None:
        """What these have sent could not be used: it is asked for again though it has not changed, as the rules may."""
        for address, feed in self._feeds.items():
            if address.file in files:
                feed.tag = feed.changed = ""

    def forget(self) -> None:
        """Another worker asks now: whoever asks next begins anew."""
        self._feeds.clear()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _asked(self, address: FeedAddress, feed: _Feed) -> str | None:
        now = self._clock()
        feed.due = now + self._every
        try:
            text = await self._fetched(address, feed)
        except FeedFault as fault:
            if feed.failing_since is None or feed.fault != str(fault):
                log.warning("a calendar could not be fetched, the last one stays", feed=address.file, reason=str(fault))
            feed.failing_since, feed.fault = feed.failing_since or now, str(fault)
            return None
        if feed.failing_since is not None:
            log.info("a calendar is fetched again", feed=address.file)
        feed.failing_since, feed.fault = None, ""
        return text

    async def _fetched(self, address: FeedAddress, feed: _Feed) -> str | None:
        """Its text; None where it has not changed. Raises FeedFault."""
        try:
            url = feed_url(self._secrets(address.secret) if address.secret else address.url)
        except DeliveryError as error:
            raise FeedFault(str(error)) from error
        except ValueError as error:
            raise FeedFault(f"secret {address.secret}: {error}") from error
        if self._session is None:
            self._session = bare_session(self._timeout_s)
        headers = {"user-agent": "lockstep", "accept": "text/calendar", "accept-encoding": "gzip"}
        headers |= {"if-none-match": feed.tag} if feed.tag else {}
        headers |= {"if-modified-since": feed.changed} if feed.changed and not feed.tag else {}
        host = host_of(url)
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status == 304:
                    return None
                if answer.status != 200:
                    self._be_patient(feed, answer.headers)
                    raise FeedFault(f"{host} answers {answer.status}{_hint(answer.status)}")
                raw = b""
                async for part in answer.content.iter_chunked(65_536):
                    raw += part
                    if len(raw) > LARGEST:
                        said = f"{host} sends more than {LARGEST:,} bytes; let it offer the coming months alone"
                        raise FeedFault(said)
                feed.tag = answer.headers.get("ETag", "")
                feed.changed = answer.headers.get("Last-Modified", "")
        except TimeoutError as error:
            raise FeedFault(f"{host} gives no whole answer in {self._timeout_s:g} s") from error
        except aiohttp.ClientError as error:  # its own words may have the address
            raise FeedFault(f"{host} cannot be reached ({type(error).__name__})") from error
        text = raw.decode("utf-8", "replace")
        if "BEGIN:VCALENDAR" not in text[:10_000].upper():
            feed.tag = feed.changed = ""
            raise FeedFault(f"{host} sends no calendar; give the address that ends in .ics, not that of a page")
        if not await self._is_readable(text, feed):
            feed.tag = feed.changed = ""
            raise FeedFault(f"{host} sends a calendar that takes too long to read; give what recurs an end")
        return text

    async def _is_readable(self, text: str, feed: _Feed) -> bool:
        """Whether the service can read it without standing still; only what recurs can take longer than its length."""
        if "RRULE" in text.upper() and not says_the_same(text, feed.tried):
            try:
                if not await is_read_in_time(text):
                    return False
            except OSError as error:
                raise FeedFault(f"no process can be started to read a calendar ({type(error).__name__})") from error
        feed.tried = text
        return True

    def _be_patient(self, feed: _Feed, headers: Mapping[str, str]) -> None:
        now = self._clock()
        after_s = retry_after_s(headers, now)
        if after_s is not None:
            wait = min(timedelta(seconds=min(after_s, 1e6)), LONGEST_WAIT)
            feed.due = now + max(wait, self._every)


def says_the_same(one: str, other: str) -> bool:
    """Whether two answers of a calendar have the same events: programs write the time of the answer into each."""
    return one == other or _CHANGES_BY_ITSELF.sub("", one) == _CHANGES_BY_ITSELF.sub("", other)


def _hint(status: int) -> str:
    if status in (301, 302, 303, 307, 308):
        return ", it leads elsewhere; write the address to which it leads"
    if status in (401, 403, 404, 410):
        return "; copy the address anew, the private one where the calendar is not public"
    return ""
