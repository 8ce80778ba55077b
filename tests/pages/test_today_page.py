"""The one page for both teams: what is wrong, who does what, and the day in the numbers of alerts and reports."""

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from html import unescape

import aiohttp
import msgspec
import pytest
from chromium import CONTRAST, browser, needs_chromium
from icalendar import Calendar
from page_samples import ANNA, FELL, decided, decision, records, rule, served, stands, transition
from shop_build import HOURS, NOON, TODAY, days, history, plan, product, receipt, shop_of, today
from today_samples import OUT, RULES, busy_records, busy_shop, quiet_shop

from lockstep.adapters.http.pages.shop.today_tiles import TILE_OF_MEASURE, tiles_about
from lockstep.response.decision import Reason
from lockstep.response.standing import Handling
from lockstep.rule.condition.kinds import series_of_condition
from lockstep.rule.language.load import load_texts
from lockstep.shop.business import business
from lockstep.shop.catalogue import BUSINESS
from lockstep.shop.forecast import conversion_of, expected_day, usual_day
from lockstep.shop.plan_answer import answer
from lockstep.shop.subjects.returns import channel_returns
from lockstep.shop.whole_shop import Shop
from lockstep.text.figures import PERCENT, measured_text
from lockstep.text.rfc3339 import rfc3339_of

TAB, ENTER = ("Tab", 9), ("Enter", 13)


@pytest.fixture
async def busy(tmp_path):
    async with served(tmp_path, busy_records(), now=NOON, whole_shop=busy_shop(), rules=RULES) as pages:
        yield pages


async def read(url: str, status: int = 200, **headers: str) -> tuple[str, aiohttp.ClientResponse]:
    async with aiohttp.ClientSession(trust_env=False) as session, session.get(url, headers=headers) as answered:
        text = await answered.text()
        assert answered.status == status, text
        return text, answered


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def part(page: str, name: str) -> str:
    return words(re.findall(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0])


async def test_its_head_says_what_is_wrong_and_what_each_team_does(busy):
    """In the rules' own words for the team, the gravest first; and that more waits below."""
    head = part((await read(f"{busy.url}/today"))[0], "head")
    assert head.startswith(
        "Product 85099B is sold out while campaign CYBER MONDAY promotes it Nobody has it yet. 2 more alerts wait. "
        "Monday, 30 November 2026 · known up to 12:00"
    )
    marketing, operations = head.split("Marketing ")[1].split("Operations ")
    assert marketing.startswith("Pause the ads for product 85099B now, or lead them to product 47566. Add no budget")
    assert operations.startswith("Ask the supplier of product 85099B for a part of the 500 before Fri 4 Dec. Call two")
    assert "less urgent" in marketing


async def test_its_alerts_say_the_numbers_of_its_tiles(busy):
    """One page, one shop: what is too many today is so many in the alert, in the tile and in what to do."""
    page = (await read(f"{busy.url}/today"))[0]
    whole = business(busy.whole_shop, "shop", (), NOON)
    too_many = f"{whole['expected_today'].value - whole['capacity_today'].value} orders"
    assert f"{too_many} more are expected today than can be shipped" in part(page, "alerts")
    assert f"{too_many} too many: add no budget" in part(page, "numbers")
    assert f"Add no budget today: {too_many} too many" in part(page, "head")
    web = channel_returns(busy.whole_shop, "web", NOON)["channel_return_rate"].text
    assert f"Returns of the channel web rose to {web}" in part(page, "alerts")


async def test_what_one_thing_brings_is_one_trouble(tmp_path):
    """The gravest of a product has the card, and the others stand beside it; it is counted once."""
    further = [
        transition(name, labels={"sku": "85099B"}, severity="warning") for name in ("CapacityProjected", "Other")
    ]
    async with served(tmp_path, records([*further, OUT]), now=NOON, whole_shop=quiet_shop(), rules=RULES) as pages:
        today, board = [(await read(f"{pages.url}/{path}"))[0] for path in ("today", "")]
    assert "more alert" not in part(today, "head")
    assert part(today, "head").count("85099B") == 3
    for page in (today, board):
        assert page.count('class="take"') == 1
        assert [page.count(f'alerts/{one.alert_id}"') for one in further] == [1, 1]
    assert "1 alert needs somebody" in words(board)


async def test_its_numbers_are_those_of_the_shop_s_measures(busy):
    """Made by the same functions as those of alerts and reports, and not again by the page."""
    shop, numbers = busy.whole_shop, part((await read(f"{busy.url}/today"))[0], "numbers")
    whole = business(shop, "shop", (), NOON)
    expected = expected_day(shop, shop.day_of(NOON), NOON)
    assert f"expected by tonight: {expected.value}" in numbers
    assert f"Capacity {whole['capacity_projected'].text}" in numbers
    too_many = expected.value - whole["capacity_today"].value
    assert f"{too_many} orders too many: add no budget" in numbers
    assert f"To ship {whole['backlog'].value} orders wait" in numbers
    rate = conversion_of(shop, (), NOON)
    assert f"Conversion {measured_text(float(rate.share), PERCENT)} of visits, 28 days" in numbers
    usual = usual_day(shop, shop.day_of(NOON), "sessions")
    assert f"a usual Monday: {measured_text(float(usual.value), 'visits')}" in numbers
    assert "144% more than usual by now (780)" in numbers


async def test_campaigns_stand_with_the_answer_that_they_got(busy):
    """Now and next, with the reason and what to do instead."""
    campaigns = part((await read(f"{busy.url}/today"))[0], "campaigns")
    for name, word in (
        ("CYBER MONDAY", "cannot be done"),
        ("SAINT NICHOLAS", "cannot be done"),
        ("ADVENT", "can be done"),
    ):
        given = answer(busy.whole_shop, busy.whole_shop.plans[name], NOON)
        assert f"{word} {name}" in campaigns
        assert given.reasons[0] in campaigns
        assert given.suggestion in campaigns
    assert campaigns.index("runs until Tue 1 Dec") < campaigns.index("in 3 days 12 hours: Fri 4 Dec to Sun 6 Dec")


@pytest.mark.parametrize(
    ("measures", "condition", "tiles"),
    [
        ("mine: {count: order.returned}", "threshold: {measure: mine, window: 1d, above: 5}", {"returns"}),
        ("a: {sum: total, of: order.placed}", "spike: {measure: a, window: 1h, above: 2x, at_least: 5}", {"orders"}),
        ("a: {count: order.placed}, b: {count: traffic.session}, c: {formula: a / b}",
         "threshold: {measure: c, window: 1d, below: 1%}", {"conversion"}),
        ("left: {last: available, of: stock.level}", "threshold: {measure: left, at_most: 5}", {"stock"}),
        ("", "threshold: {measure: room_left, at_most: 5}", {"capacity"}),
        ("late: {count: order.delivered, where: {late: true}}", "threshold: {measure: late, window: 1d, above: 5}",
         {"ship"}),
        ("clicks: {count: ad.clicked}", "threshold: {measure: clicks, window: 1h, above: 5}", set()),
    ],
)  # fmt: skip
def test_a_tile_knows_its_alerts_by_what_their_rules_measure(measures, condition, tiles):
    """However the author calls a measure: a name is a matter of taste."""
    loaded = load_texts({"r.yml": f"measures: {{{measures}}}\nrules: [{{name: R, {condition}}}]\n", "shop.yml": "{}"})
    (rule,) = loaded.plan.rules
    assert tiles_about(series_of_condition(rule.condition)) == tiles


def test_every_tile_s_measures_are_business_measures():
    assert set(TILE_OF_MEASURE) <= set(BUSINESS)


async def test_a_tile_has_the_colour_of_the_worst_alert_about_it(tmp_path):
    """Spikes of orders colour the orders, whatever they are called, and nothing else."""
    alert = transition("Surge", labels={}, severity="critical")
    rules = {"Surge": rule("Surge")}
    async with served(tmp_path, records([alert]), now=NOON, whole_shop=quiet_shop(), rules=rules) as pages:
        page = (await read(f"{pages.url}/today"))[0]
    coloured = re.findall(r'<article class="tile critical-edge">.*?<h3>([^<]*)</h3>', page, re.DOTALL)
    assert coloured == ["Orders"]
    assert page.count('<span class="badge critical">critical alert</span>') == 1


async def test_a_campaign_leads_to_its_answer(busy):
    """By an address that its card on the page of campaigns has."""
    page = (await read(f"{busy.url}/today"))[0]
    assert 'href="./campaigns#c-CYBER%20MONDAY"' in page


async def test_stock_at_risk_says_until_when_and_what_comes(busy):
    """What is promoted and gone first; then what runs out before the next delivery, or with none planned."""
    page = (await read(f"{busy.url}/today"))[0]
    stock = part(page, "stock")
    out = "sold out Product 85099B out for 4 days before the next delivery: 500 on Fri 4 Dec ; campaign CYBER"
    assert stock.index(out) < stock.index("Product 85123A 11 left, lasts 2.8 days; out for 4 days before the next")
    assert "runs out Product 20725 6 left, lasts 1 day; no delivery is planned" in stock
    assert "47566" not in stock
    coming = part(page, "coming")
    assert "Fri 4 Dec delivery: 500 units of 85099B (1 of 1 late)" in coming
    assert "today capacity: 120 orders a day" in coming


async def test_a_delivery_that_has_not_come_is_overdue(busy):
    """It is said of no day on which it will come."""
    busy.today.live.every_s, busy.today.live.share = 0.0, 0.0
    busy.put(product("22423", sells=4, stock=40, receipts=[receipt(90, "2026-11-28", order="PO-9")]))
    assert "overdue delivery: 90 units of 22423 today capacity" in part((await read(f"{busy.url}/today"))[0], "coming")


async def test_who_has_an_alert_is_said(busy):
    """It is nobody's any more to do; the page says whose it is."""
    busy.today.live.every_s, busy.today.live.share = 0.0, 0.0
    at = rfc3339_of(NOON - timedelta(minutes=2))
    taken = Handling(alert_id=OUT.alert_id, episode_id=OUT.episode_id, acknowledged_by="Anna", acknowledged_at=at)
    await busy.broker.publish(stands(taken))
    await busy.known.responses.refresh()
    page = (await read(f"{busy.url}/today"))[0]
    assert "Nobody has it yet. 1 more alert waits." in part(page, "head")
    assert "Pause the ads" not in page
    assert "Anna has it since 11:58" in part(page, "alerts")


async def test_an_alert_of_which_people_hear_nothing_is_there_with_the_reason(tmp_path):
    """It needs nobody, and is not hidden either: a silence that was forgotten would keep it so."""
    why = "silenced by Anna until Mon 30 Nov 2026 18:00 CET: stocktaking"
    quiet = [*records([OUT]), *decided(decision(OUT, "marketing-mail", "email", "not_told", Reason.SILENCED, why))]
    async with served(tmp_path, quiet, now=NOON, whole_shop=quiet_shop(), rules=RULES) as pages:
        page = (await read(f"{pages.url}/today"))[0]
    assert part(page, "head").startswith("1 alert kept quiet; see why below")
    assert f"85099B is sold out while campaign CYBER MONDAY promotes it {why}" in part(page, "alerts")
    assert "Pause the ads" not in page


async def test_on_a_quiet_day_it_says_so(tmp_path):
    """At one glance: nothing is red, and nobody has anything to do."""
    async with served(tmp_path, [], now=NOON, whole_shop=quiet_shop()) as pages:
        page = (await read(f"{pages.url}/today"))[0]
    assert part(page, "head") == "All is well. Nothing to do. Monday, 30 November 2026 · known up to 12:00"
    assert "as usual by now (26)" in part(page, "numbers")
    assert "room for 50 more orders today ≈ 1,500 visits" in part(page, "numbers")
    assert 'class="badge critical"' not in page


async def test_what_is_not_known_is_said_with_what_to_do_about_it(tmp_path):
    """No number is made up: neither a zero nor a blank stands where nobody told anything."""
    async with served(tmp_path, [], now=NOON, whole_shop=Shop(NOON.tzinfo)) as pages:
        page = (await read(f"{pages.url}/today"))[0]
    head = part(page, "head")
    assert "Nothing is known of the shop's day yet" in head
    assert "No order, visit or stock has arrived yet. First: have the shop send its orders." in head
    assert "Then this page shows both teams the day at a glance" in head
    assert part(page, "numbers") == ""
    known = shop_of(*history(weeks=1, whole={"orders": 1}), *today(whole={"orders": 1}))
    async with served(tmp_path, [], now=NOON, whole_shop=known) as pages:
        numbers = part((await read(f"{pages.url}/today"))[0], "numbers")
    assert numbers.count("not known") == 6
    assert "Operations: say how many orders can be shipped a day." in numbers
    assert "Marketing: have the shop send its visits." in numbers


async def test_old_facts_are_said_to_be_old(tmp_path):
    """A feed that stands still must not look like a quiet afternoon."""
    later = NOON + timedelta(hours=3)
    async with served(tmp_path, [], now=later, whole_shop=quiet_shop()) as pages:
        head = part((await read(f"{pages.url}/today"))[0], "head")
    assert head.startswith("No alert, but the numbers are old")
    assert "Nothing newer has come for 3 hours. Operations: ask IT why no orders, visits and stock come" in head
    assert "known up to 12:00" in head
    assert "Nothing to do" not in head


async def test_a_source_that_is_silent_alone_is_said(tmp_path):
    """Orders go on, so nothing looks old: visits of noon must not be read as those of the afternoon."""
    afternoon = NOON + timedelta(hours=4, minutes=30)
    orders, sessions = list(HOURS[:17]), [40 * n for n in HOURS[:12]]
    so_far = days(TODAY, upto=afternoon, web={"by_hour": {"orders": orders, "sessions": sessions}})
    shop = shop_of(*history(weeks=8, web={"orders": 100, "sessions": 4_000}), *so_far, capacity_per_day=150)
    async with served(tmp_path, [], now=afternoon, whole_shop=shop) as pages:
        head = part((await read(f"{pages.url}/today"))[0], "head")
    assert head.startswith("No alert, but some numbers are old")
    assert "No visits came since 12:00, where 1,040 are usual: visits and conversion are as of then." in head


async def test_nothing_that_events_say_becomes_markup(tmp_path):
    """A product, a campaign and a note with HTML in their names."""
    bad = '<img src=x onerror="alert(1)">'
    shop = shop_of(
        *history(whole={"orders": 20}),
        product(bad, sells=4, stock=0, receipts=[receipt(10, "2026-12-02")]),
        plan(bad, "2026-11-30", "2026-12-01", [bad], orders=5),
    )
    alert = transition("StockLow", labels={"sku": bad})
    async with served(tmp_path, records([alert]), now=NOON, whole_shop=shop) as pages:
        page = (await read(f"{pages.url}/today"))[0]
        made = pages.today.live.now()
    assert "<img" not in page
    assert all("<img" not in html for html in made.parts.values())
    assert page.count("&lt;img") >= 3


async def test_the_first_view_is_small_and_quick(tmp_path):
    """All that a browser loads for it is at most 100 kB, and it is there within 300 ms, with 3,000 products."""
    shop = busy_shop()
    for n in range(3_000):
        shop.put(product(f"SKU-{n}", sells=n % 7, stock=n % 90))
    async with served(tmp_path, busy_records(), now=NOON, whole_shop=shop, rules=RULES) as pages:
        began_s = time.process_time()  # of this process alone, client and server: others use the machine as well
        page, answered = await read(f"{pages.url}/today")
        took_s = time.process_time() - began_s
        others = [await read(f"{pages.url}/{name}") for name in ("style.css", "live.js", "icon.svg")]
    size = sum(len(text.encode()) for text in (page, *(text for text, _ in others)))
    assert size <= 100_000
    assert took_s <= 0.3
    policy = answered.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


async def test_without_scripts_it_is_loaded_again_each_minute(busy):
    page = (await read(f"{busy.url}/today"))[0]
    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in page


async def test_who_has_no_token_sees_nothing(tmp_path):
    """Neither the page nor its events, also not by the link of a message."""
    token = "a-token-of-sixteen-letters"
    async with served(tmp_path, busy_records(), now=NOON, whole_shop=busy_shop(), api_token=token) as pages:
        page, _ = await read(f"{pages.url}/today", 401)
        assert "85099B" not in page
        await read(f"{pages.url}/today/live", 401)
        link = pages.links.to("look", FELL.alert_id, FELL.episode_id, ANNA).rpartition("/")[2]
        await read(f"{pages.url}/today?token={link}", 401)


async def test_a_screen_on_the_wall_stays_logged_in(tmp_path):
    """Its events renew what the browser keeps; an hour later they end, and it is asked anew whether it may look on."""
    token = "a-token-of-sixteen-letters"
    async with served(tmp_path, [], now=NOON, whole_shop=busy_shop(), api_token=token) as pages:
        pages.today.live.life_s, pages.today.live.beat_s = 0.05, 0.02
        cookies = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(trust_env=False, cookie_jar=cookies) as session:
            async with session.get(f"{pages.url}/login") as asked:
                (form,) = re.findall(r'name="form" value="([^"]+)"', await asked.text())
            given = {"form": form, "token": token, "to": "today"}
            async with session.post(f"{pages.url}/login", data=given) as entered:
                assert "85099B" in await entered.text()
            async with asyncio.timeout(10), session.get(f"{pages.url}/today/live?screen=wall") as answered:
                assert answered.cookies["lockstep_session"]["max-age"] == str(7 * 24 * 3600)
                await answered.content.read()
            async with asyncio.timeout(10), session.get(f"{pages.url}/today/live") as answered:
                assert "lockstep_session" not in answered.cookies


# ---- the calendar ---------------------------------------------------------------------------------------------------


async def test_the_calendar_is_subscribed_to_by_the_address_that_the_page_shows(tmp_path):
    """Without a login; with any other address it is refused, and what did not change is not sent again."""
    async with served(tmp_path, [], now=NOON, whole_shop=busy_shop(), api_token="a-token-of-sixteen-letters") as pages:
        page, _ = await read(f"{pages.url}/today", Authorization="Bearer a-token-of-sixteen-letters")
        (link,) = re.findall(r'href="\./(calendar\.ics\?token=[^"]+)"', page)
        text, answered = await read(f"{pages.url}/{link}")
        assert answered.content_type == "text/calendar"
        titles = {str(event["SUMMARY"]) for event in Calendar.from_ical(text).walk("VEVENT")}
        assert {"Campaign: ADVENT", "Capacity: 120 orders a day", "Delivery: 300 of 85123A (PO-2)"} <= titles
        await read(f"{pages.url}/{link}", 304, **{"If-None-Match": answered.headers["ETag"]})
        on_call, _ = await read(f"{pages.url}/{link}&oncall=true")
        assert "On call: ben (night)" in on_call
        await read(f"{pages.url}/calendar.ics", 401)
        await read(f"{pages.url}/{link}x", 401)
        look = pages.links.token("look", FELL.alert_id)
        await read(f"{pages.url}/calendar.ics?token={look}", 401)


# ---- live -----------------------------------------------------------------------------------------------------------


class Listener:
    """Somebody who looks on. heard: the names of all events that came."""

    def __init__(self, answered: aiohttp.ClientResponse) -> None:
        self.answered = answered
        self.heard: list[str] = []

    async def next(self, name: str = "parts") -> str:
        """The data of the next event of this name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self.answered.content:
                key, _, value = line.decode().rstrip("\n").partition(": ")
                if key:
                    fields[key] = value
                    continue
                self.heard += [fields["event"]] if "event" in fields else []
                if fields.get("event") == name:
                    return fields["data"]
                fields = {}
        raise AssertionError("it ended")


async def test_who_looks_on_gets_the_parts_that_changed(busy):
    """All of them at first, unless they have that version; then only what is another one."""
    busy.today.live.every_s, busy.today.live.share = 0.01, 0.0
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(f"{busy.url}/today/live") as first,
        session.get(f"{busy.url}/today/live?version={busy.today.live.now().version}") as second,
    ):
        assert first.content_type == "text/event-stream"
        every = msgspec.json.decode(await Listener(first).next())
        assert every.keys() == {"head", "numbers", "alerts", "campaigns", "stock", "coming", "foot"}
        version = await Listener(second).next("beat")
        busy.put(product("20725", sells=6, stock=600))
        changed = msgspec.json.decode(await Listener(first).next())
        assert changed == msgspec.json.decode(await Listener(second).next())
        assert changed.keys() == {"numbers", "stock"}
        assert "20725" not in changed["stock"]
        assert version != busy.today.live.now().version


async def test_a_change_of_nothing_that_is_shown_tells_nobody_anything(busy):
    """The page is made again, is as it was, and no part is sent."""
    live, is_made_again = busy.today.live, asyncio.Event()
    live.every_s, live.share, live.beat_s = 0.01, 0.0, 0.1
    version, make = live.now().version, live.make

    def made() -> Mapping[str, str]:
        is_made_again.set()
        return make()

    live.make = made
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(f"{busy.url}/today/live?version={version}") as answered,
    ):
        listener = Listener(answered)
        await listener.next("beat")
        busy.put(product("47566", sells=1, stock=399))
        async with asyncio.timeout(20):
            await is_made_again.wait()
        assert [await listener.next("beat") for _ in range(2)] == [version] * 2
        assert set(listener.heard) == {"beat"}


async def test_one_too_many_is_asked_to_come_again_and_goes_away_with_its_connection(busy):
    """A place is free again when somebody has gone."""
    busy.today.live.most_listeners = 1
    async with aiohttp.ClientSession(trust_env=False) as session:
        async with session.get(f"{busy.url}/today/live") as answered:
            await Listener(answered).next()
            assert busy.today.live.listeners == 1
            _, refused = await read(f"{busy.url}/today/live", 503)
            assert refused.headers["Retry-After"] == "30"
        await read(f"{busy.url}/today")
        busy.today.live.beat_s = 0.01
        async with asyncio.timeout(20):
            while busy.today.live.listeners:
                await asyncio.sleep(0.01)
        async with session.get(f"{busy.url}/today/live") as answered:
            await Listener(answered).next()


async def test_who_is_slow_lets_nobody_wait_and_is_given_up(busy):
    """One reads nothing at all while much changes; the other hears of each change, and the first is let go."""
    live = busy.today.live
    live.every_s, live.share, live.send_s = 0.01, 0.0, 0.5
    host, port = busy.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1)
    writer.write(f"GET /today/live HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await writer.drain()
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(f"{busy.url}/today/live") as answered,
    ):
        listener = Listener(answered)
        await listener.next()
        count = 0
        async with asyncio.timeout(60):
            while live.listeners > 1:
                count += 1
                # Large parts, so that what nobody reads fills the buffers between the two.
                busy.whole_shop.products.clear()
                busy.put(*(product(f"{'N' * 9_000}-{n}-{count}", sells=6, stock=0) for n in range(8)))
                assert f"-{count}" in (await listener.next())
    writer.close()


async def test_a_worker_that_stops_waits_for_nobody(busy):
    async with aiohttp.ClientSession(trust_env=False) as session, session.get(f"{busy.url}/today/live") as answered:
        await Listener(answered).next()
        await busy.today.live.close()
        async with asyncio.timeout(5):
            await answered.content.read()


# ---- in a browser ---------------------------------------------------------------------------------------------------


@needs_chromium
async def test_a_change_is_seen_without_loading_the_page_again(busy, tmp_path):
    """What was opened stays open, the focus stays, and nothing of other hosts is asked for."""
    busy.today.live.every_s, busy.today.live.share = 0.05, 0.0
    async with browser(tmp_path / "profile") as tab:
        await tab.look(width=375)
        await tab.open(f"{busy.url}/today")
        await tab.value("document.querySelector('#help-stock summary').focus()")
        await tab.press(*ENTER)
        assert await tab.value("document.querySelector('#help-stock').open")
        assert "20725" in await tab.text()
        asked = len([address for address in tab.requests if address.endswith("/today")])
        busy.put(product("20725", sells=6, stock=600))
        async with asyncio.timeout(20):
            while "20725" in await tab.text():
                await asyncio.sleep(0.05)
        assert await tab.value("document.querySelector('#help-stock').open")
        assert await tab.value("document.activeElement.closest('details').id") == "help-stock"
        assert await tab.value("document.getElementById('live-note').textContent") == "Live"
        assert len([address for address in tab.requests if address.endswith("/today")]) == asked
        assert {address.split("/")[2] for address in tab.requests} == {busy.url.split("/")[2]}
        assert tab.complaints == []


@needs_chromium
async def test_it_comes_back_by_itself_after_the_connection_broke(busy, tmp_path):
    """It says meanwhile that it is not live."""
    live = busy.today.live
    live.every_s, live.share = 0.05, 0.0
    async with browser(tmp_path / "profile") as tab:
        await tab.look(width=375)
        await tab.open(f"{busy.url}/today")
        async with asyncio.timeout(20):
            while await tab.value("document.getElementById('live-note').textContent") != "Live":
                await asyncio.sleep(0.05)
        await live.close()
        async with asyncio.timeout(20):
            while "Not live" not in await tab.value("document.getElementById('live-note').textContent"):
                await asyncio.sleep(0.05)
        live._is_closed = False
        busy.put(product("20725", sells=6, stock=600))
        async with asyncio.timeout(30):
            while "20725" in await tab.text():
                await asyncio.sleep(0.05)


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_first_screen_of_a_phone_says_what_is_wrong(busy, tmp_path, dark):
    """The headline and both teams' parts are on it, without scripts; nothing is wider than the screen on any width."""
    async with browser(tmp_path / "profile") as tab:
        await tab.look(width=375, height=667, dark=dark, script=False)
        await tab.open(f"{busy.url}/today")
        assert await tab.value("document.querySelector('#head').getBoundingClientRect().bottom") <= 667
        for width, query in ((375, ""), (800, ""), (1280, ""), (1920, "?screen=wall")):
            await tab.look(width=width, height=1080, dark=dark)
            await tab.open(f"{busy.url}/today{query}")
            await tab.value("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert await tab.value("document.documentElement.scrollWidth") <= width
            assert await tab.value(CONTRAST) >= 4.5


@needs_chromium
async def test_on_the_wall_all_of_it_is_on_one_screen(busy, tmp_path):
    """Nothing is to be scrolled or pressed, and the headline is read from across the room."""
    async with browser(tmp_path / "profile") as tab:
        await tab.look(width=1920, height=1080)
        await tab.open(f"{busy.url}/today?screen=wall")
        assert await tab.value("document.documentElement.scrollHeight") <= 1080
        assert float(await tab.value("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)")) >= 48
        bottom = (
            "Math.max(...[...document.querySelectorAll('main section')].map(s => s.getBoundingClientRect().bottom))"
        )
        assert await tab.value(bottom) <= 1080
