"""Calendars that are fetched: with their etag, within bounds; they travel with the rules, the last good one stays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.outbound.ical_feeds import LARGEST, IcalFeeds, says_the_same
from lockstep.adapters.rule_files import load_routing
from lockstep.adapters.rulebook import RuleBook
from lockstep.adapters.stream import open_broker
from lockstep.notify.oncall.schedule_form import gap_faults
from lockstep.settings import Settings
from lockstep.text.feed_address import FeedAddress
from lockstep.yaml.document import document_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULE = """\
measures: {stock: {last: available, of: stock.level}}
rules:
  - {name: Low, by: [sku], teams: [operations], threshold: {measure: stock, at_most: 20}}
"""
ROUTING = """\
teams: {operations: ["oncall:day"]}
receivers: {anna: {email: {to: [anna@example.com]}}, ben: {email: {to: [ben@example.com]}}}
schedules: {day: {zone: Europe/London, ical: "ADDRESS"}}
"""


def calendar(who: str, *, stamp: str = "20261124T120000Z") -> str:
    return "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//a calendar//EN",
            "BEGIN:VEVENT",
            "UID:1",
            f"DTSTAMP:{stamp}",
            "DTSTART:20261101T000000Z",
            "DTEND:20271101T000000Z",
            f"SUMMARY:{who}",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )


@dataclass
class Calendars:
    """A server of calendars that answers as it is told, and remembers what it was asked."""

    text: str = field(default_factory=lambda: calendar("anna"))
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        if self.hangs:
            await asyncio.sleep(60)
        tag = f'"{hash(self.text)}"'
        if request.headers.get("If-None-Match") == tag and self.status == 200:
            return web.Response(status=304)
        return web.Response(text=self.text, status=self.status, headers={"ETag": tag, **self.headers})


@asynccontextmanager
async def serving() -> AsyncIterator[Calendars]:
    calendars, app = Calendars(), web.Application()
    app.router.add_get("/shift.ics", calendars.answer)
    async with TestServer(app) as server:
        calendars.url = f"http://127.0.0.1:{server.port}/shift.ics"
        yield calendars


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **delta: float) -> None:
        self.now += timedelta(**delta)


async def test_a_calendar_is_asked_for_with_its_tag():
    """Every five minutes, and what has not changed is not sent again."""
    async with serving() as there:
        clock = Clock()
        feeds, address = IcalFeeds(secrets_from({}), clock=clock), FeedAddress(there.url)
        assert await feeds.look([address]) == {address.file: there.text}
        assert await feeds.look([address]) == {}
        assert len(there.asked) == 1
        clock.pass_by(minutes=5)
        assert await feeds.look([address]) == {}
        assert "If-None-Match" in there.asked[1]
        there.text = calendar("ben")
        clock.pass_by(minutes=5)
        assert await feeds.look([address]) == {address.file: there.text}
        await feeds.close()


@pytest.mark.parametrize(
    ("rule", "is_taken"),
    [
        pytest.param("FREQ=WEEKLY;BYDAY=MO", True, id="every Monday, without an end"),
        pytest.param("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", False, id="a 30 February, looked for until the year 9999"),
    ],
)
async def test_a_calendar_that_cannot_be_read_in_time_is_refused(rule, is_taken):
    """It is read in a process of its own first: the service would stand still with it. How large the service is by then
    makes no difference."""
    service = b"a" * 500_000_000
    async with serving() as there:
        clock = Clock()
        feeds, address = IcalFeeds(secrets_from({}), clock=clock), FeedAddress(there.url)
        there.text = calendar("anna").replace("SUMMARY", f"RRULE:{rule}\r\nSUMMARY")
        assert await feeds.look([address]) == ({address.file: there.text} if is_taken else {})
        clock.pass_by(minutes=15)
        assert ["takes too long to read" in fault for fault in feeds.faults.values()] == [True] * (not is_taken)
        assert len(service) == 500_000_000
        await feeds.close()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"status": 500}, "answers 500"),
        ({"status": 404}, "answers 404; copy the address anew, the private one where the calendar is not public"),
        ({"status": 302, "headers": {"Location": "/other"}}, "answers 302, it leads elsewhere; write the address to"),
        ({"text": "<html>"}, "sends no calendar; give the address that ends in .ics, not that of a page"),
        ({"text": "BEGIN:VCALENDAR" + "x" * LARGEST}, f"sends more than {LARGEST:,} bytes"),
        ({"hangs": True}, "gives no whole answer in 0.2 s"),
    ],
)
async def test_what_gives_no_calendar(changed: dict[str, Any], says: str):
    """The last one stays. People are told after a quarter of an hour, without the address, which may be private."""
    async with serving() as there:
        clock = Clock()
        feeds = IcalFeeds(
            secrets_from({"LOCKSTEP_SECRET_SHIFTS": there.url}), clock=clock, timeout_s=0.2 if "hangs" in changed else 5
        )
        address = FeedAddress(secret="SHIFTS")
        assert len(await feeds.look([address])) == 1
        for name, value in changed.items():
            setattr(there, name, value)
        for _ in range(4):
            assert feeds.faults == {}
            clock.pass_by(minutes=5)
            assert await feeds.look([address]) == {}
        assert says in feeds.faults[address]
        assert "shift.ics" not in feeds.faults[address]
        there.status, there.hangs, there.text = 200, False, calendar("ben")
        clock.pass_by(minutes=5)
        assert (len(await feeds.look([address])), feeds.faults) == (1, {})
        await feeds.close()


async def test_who_asks_for_patience_gets_it():
    """At most for an hour."""
    async with serving() as there:
        there.status, there.headers = 429, {"Retry-After": "86400"}
        clock = Clock()
        feeds, address = IcalFeeds(secrets_from({}), clock=clock), FeedAddress(there.url)
        await feeds.look([address])
        clock.pass_by(minutes=59)
        await feeds.look([address])
        assert len(there.asked) == 1
        clock.pass_by(minutes=1)
        await feeds.look([address])
        assert len(there.asked) == 2
        await feeds.close()


async def test_a_secret_that_is_not_set_says_so():
    clock = Clock()
    feeds, address = IcalFeeds(secrets_from({}), clock=clock), FeedAddress(secret="SHIFTS")
    for _ in range(4):
        await feeds.look([address])
        clock.pass_by(minutes=5)
    assert feeds.faults[address].startswith("secret SHIFTS is not set; set LOCKSTEP_SECRET_SHIFTS")


def test_the_time_of_an_answer_is_no_news():
    """Programs write it into every event."""
    assert says_the_same(calendar("anna"), calendar("anna", stamp="20261124T130000Z"))
    assert not says_the_same(calendar("anna"), calendar("ben"))


@asynccontextmanager
async def a_book(tmp_path, routing: str) -> AsyncIterator[RuleBook]:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "rules.yml").write_text(RULE)
    (folder / "routing.yml").write_text(routing)
    settings = Settings(broker=f"sqlite:///{tmp_path}/lockstep.db", rules=folder)
    broker = open_broker(settings, clock=lambda: NOON)
    await broker.start()
    try:
        from lockstep.worker.required_topics import topic_specs

        await broker.declare(topic_specs(settings))
        book = RuleBook(broker, folder, clock=lambda: NOON)
        await book.begin()
        yield book
    finally:
        await broker.stop()


def on_call(book: RuleBook) -> str | None:
    return book.loaded()[1].schedules["day"].on_call(NOON.timestamp())


async def test_what_was_fetched_travels_with_the_rules(tmp_path):
    """A new calendar is a new version, one that says the same is none, one that cannot be used is refused by itself;
    edits of the folder keep what was fetched, and another worker knows it."""
    async with a_book(tmp_path, ROUTING.replace("ADDRESS", "webcal://calendar.example.com/a/shift.ics")) as book:
        (address,) = book.feeds()
        assert address == FeedAddress("https://calendar.example.com/a/shift.ics")
        assert on_call(book) is None
        assert await book.propose_feeds({address.file: calendar("anna")}, {}, 60)
        assert on_call(book) == "anna"
        assert not await book.propose_feeds({address.file: calendar("anna", stamp="20261124T130000Z")}, {}, 120)
        assert not await book.propose_feeds({address.file: calendar("nobody we know")}, {}, 180)
        assert on_call(book) == "anna"
        (fault,) = book.refused[address.file]
        assert "the shift 'nobody we know' is of no receiver" in str(fault)
        assert not await book.propose_feeds({}, {}, 180)  # not asked meanwhile
        assert [*book.refused] == [address.file]
        (tmp_path / "rules/rules.yml").write_text(RULE.replace("20", "30"))
        assert await book.propose(240) == ["Low: at_most 20 → 30"]
        assert (on_call(book), [*book.refused]) == ("anna", [address.file])
        assert await book.propose_feeds({address.file: calendar("ben")}, {}, 300)
        assert (on_call(book), book.refused) == ("ben", {})
        assert await book.propose(360) == []  # the folder has no such file, and that undoes nothing
        assert on_call(book) == "ben"
        failing = {address: "calendar.example.com answers 500"}
        assert not await book.propose_feeds({}, failing, 360)
        assert on_call(book) == "ben"
        (fault,) = book.refused[address.file]
        assert "it cannot be fetched: calendar.example.com answers 500; the last good one stays in force" in str(fault)
        assert not await book.propose_feeds({}, {}, 360)
        assert book.refused == {}
        assert not await book.propose_feeds({address.file: "BEGIN:VCALENDAR"}, {}, 360)
        assert [*book.refused] == [address.file]
        book.forget_feeds()  # another worker asks now
        assert book.refused == {}
        (tmp_path / "rules/routing.yml").write_text(
            ROUTING.replace('ical: "ADDRESS"', "rotations: [{who: anna, from: 2026-11-02 09:00}]")
        )
        await book.propose(420)
        assert book.current is not None
        assert address.file not in book.current.files


async def test_campaigns_that_are_fetched_travel_with_the_rules(tmp_path):
    """As shifts do: a new version where a day is another, the last good one where there is none, and an event that is
    taken out is gone."""

    def campaigns(book: RuleBook) -> list[tuple[str, str]]:
        calendar = book.loaded()[0].calendar
        return [] if calendar is None else [(e.kind, e.name) for e in calendar.entries]

    def two(*names: str) -> str:
        head = calendar("").partition("BEGIN:VEVENT")[0]
        event = "BEGIN:VEVENT\r\nUID:{0}\r\nDTSTART;VALUE=DATE:20261204\r\nSUMMARY:{0}\r\nEND:VEVENT\r\n"
        return head + "".join(map(event.format, names)) + "END:VCALENDAR\r\n"

    async with a_book(tmp_path, "teams: {}\nreceivers: {}\n") as book:
        (tmp_path / "rules/calendar.yml").write_text(
            'feeds: [{ical: "https://calendar.example.com/marketing.ics", as: campaigns}]\n'
        )
        await book.propose(60)
        (address,) = book.feeds()
        assert campaigns(book) == []
        assert await book.propose_feeds({address.file: two("Spring", "Summer")}, {}, 120)
        assert campaigns(book) == [("campaign", "Spring"), ("campaign", "Summer")]
        assert not await book.propose_feeds({address.file: "BEGIN:VCALENDAR"}, {}, 180)
        assert [*book.refused] == [address.file]
        assert not await book.propose_feeds({}, {address: "calendar.example.com answers 500"}, 180)
        assert "mend its address where it is named" in str(book.refused[address.file][0])
        assert len(campaigns(book)) == 2
        (tmp_path / "rules/calendar.yml").write_text("feeds: [{ical: 5}]\n")
        await book.propose(240)  # refused, so what it named before stays
        assert (len(campaigns(book)), "calendar.yml" in book.refused) == (2, True)
        (tmp_path / "rules/calendar.yml").write_text(
            'feeds: [{ical: "https://calendar.example.com/marketing.ics", as: pr}]\n'
        )
        await book.propose(300)
        assert campaigns(book) == []  # shown, and nothing is judged by it
        assert await book.propose_feeds({address.file: two("Summer")}, {}, 360)
        shown = book.loaded()[0].calendar
        assert shown is not None
        assert [(e.kind, e.name) for e in shown.for_people] == [("pr", "Summer")]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("http://calendar.example.com/a.ics", "a calendar is fetched by https alone; write its https:// address"),
        ("https://anna:word@calendar.example.com/a.ics", "this is no address of a calendar; write one like https://"),
        ("https://", "this is no address of a calendar"),
        ("ftp://calendar.example.com/a.ics", "this is no address of a calendar"),
    ],
)
def test_what_is_no_address(tmp_path, written, says):
    """With the way out."""
    (tmp_path / "routing.yml").write_text(ROUTING.replace("ADDRESS", written))
    _, faults = load_routing(tmp_path / "routing.yml")
    assert [says in str(f) for f in faults if f.code == "LS272"] == [True]


def test_what_nobody_has_fetched_has_no_gaps(tmp_path):
    """Nor is a receiver said to be of no use whom it may name."""
    text = ROUTING.replace('"ADDRESS"', "{secret: SHIFTS}")
    (tmp_path / "routing.yml").write_text(text)
    routing, faults = load_routing(tmp_path / "routing.yml")
    assert (routing is not None, faults) == (True, [])
    document, _ = document_of("routing.yml", text.encode())
    assert routing is not None
    assert document is not None
    assert gap_faults(document, routing.schedules, NOON) == []
    assert routing.feeds == {FeedAddress(secret="SHIFTS")}
