"""What reports say: whole, of the same numbers as everything else, ranked by money, plain about what is not known."""

import os
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
from report_samples import ACTIONS, NEWS, SIX, line, sample_shop
from shop_build import TODAY, at, capacity, days, history, lot, plan, product, receipt, shop_of

from lockstep.calendar.calendar_file import read_calendar
from lockstep.reports.comparison import comparisons
from lockstep.reports.daily import daily
from lockstep.reports.hourly import hourly
from lockstep.reports.monthly import month_id, monthly
from lockstep.reports.news import AlertNews
from lockstep.reports.renderings.report_markdown import markdown
from lockstep.reports.report_record import Report, decode, encode
from lockstep.reports.weekly import SHARES, forecast_of, minutes_of, weekly
from lockstep.shop.business import business
from lockstep.shop.whole_shop import Shop, plain
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.yaml.document import parse_document

GOLDEN = Path(__file__).parent / "golden"
MADE = {"daily": daily, "weekly": weekly, "monthly": monthly, "hourly": hourly}


@cache
def sample(kind: str) -> Report:
    """Made once for all tests: asking what each campaign could be instead takes a second."""
    return MADE[kind](sample_shop(), NEWS, ACTIONS, SIX)


def figure(report: Report, name: str):
    return next(f for s in report.sections for f in s.figures if f.name == name)


def table(report: Report, name: str):
    return next(t for s in report.sections for t in s.tables if t.name == name)


@pytest.mark.parametrize("kind", MADE)
def test_a_report_is_this_text(kind):
    """Golden files: what a person reads, compared whole. `LOCKSTEP_GOLDEN=1` writes them anew.

    Without campaigns, whose answers are worded, and tested, elsewhere.
    """
    report = MADE[kind](sample_shop(campaigns=False), NEWS, ACTIONS, SIX)
    assert report == decode(encode(report))
    path = GOLDEN / f"{kind}.md"
    if os.environ.get("LOCKSTEP_GOLDEN"):
        path.write_text(markdown(report))
    assert markdown(report) == path.read_text()


def test_the_same_facts_make_the_same_bytes():
    """Whoever composes it: the first one that is written counts, and any other would have said the same."""
    assert encode(daily(sample_shop(), NEWS, ACTIONS, SIX)) == encode(sample("daily"))


def test_its_numbers_are_those_of_the_business_measures():
    """Page, report and alerts have one source."""
    shop = sample_shop()
    report = sample("daily")
    made = business(shop, "shop", (), SIX)
    for name in ("expected_today", "capacity_today", "room_left", "backlog"):
        assert figure(report, name).value == made[name].value
    covers = {row[0]: row[2] for row in table(report, "running_out").rows}
    for sku, cover in covers.items():
        assert cover == plain(business(shop, "product", (sku,), SIX)["days_of_cover"].value)


def test_a_day_is_compared_with_the_same_weekday_and_with_what_was_expected_of_it():
    report = sample("daily")
    orders = figure(report, "orders")
    assert (orders.value, orders.week_before, orders.usual) == (128, 162, 162)
    assert orders.forecast is not None
    assert orders.forecast > 162  # ADVENT ran, so more was expected of it than is usual
    assert orders.curve[-1] == 128


def test_matters_are_ranked_by_money_and_then_by_how_soon():
    matters = sample("daily").matters
    assert 3 <= len(matters) <= 6
    stakes = [m.at_stake or 0 for m in matters]
    assert stakes == sorted(stakes, reverse=True)
    assert all(m.who and m.act and m.what for m in matters)


def test_of_two_that_cost_the_same_the_sooner_one_comes_first():
    shop = shop_of(
        *history(weeks=8, whole={"orders": 10, "revenue": 10_000}),
        product("LATER", sells=10, stock=50, price=100, receipts=[receipt(100, "2026-12-08")], upto=SIX),
        product("SOON", sells=10, stock=20, price=100, receipts=[receipt(100, "2026-12-05")], upto=SIX),
    )
    stock = [m.name for m in daily(shop, AlertNews(), (), SIX).matters if m.name.startswith("stock/")]
    assert stock == ["stock/SOON", "stock/LATER"]


def test_what_costs_nothing_that_is_known_is_a_matter_too():
    """An alert that nobody has, when there is nothing that costs more."""
    shop = shop_of(*history(weeks=8, whole={"orders": 10, "revenue": 10_000}))
    news = AlertNews(open=(line("9", "ShopDown", "critical", "no orders for 2 hours", "2026-11-30T03:00:00Z"),))
    (matter,) = daily(shop, news, (), SIX).matters
    assert matter.at_stake is None
    assert (matter.who, matter.act) == ("both teams", "Say who is on it: no orders for 2 hours")
    assert (matter.what, matter.due) == ("Mon 30 Nov 04:00: no orders for 2 hours", "2026-11-30T05:00:00Z")


def test_alerts_of_one_rule_are_one_matter_with_what_the_rule_tells_each_team():
    """And an alert of what another matter is about is none of its own."""
    acts = {"marketing": "Plan nothing new with it.", "operations": "Order it earlier: it takes 14 days longer."}
    lines = [
        line(n, "LongerLeadTime", "warning", f"the supplier of {sku} takes 14 days longer", "2026-11-29T08:00:00Z",
             labels={"sku": sku}, acts=acts)
        for n, sku in (("1", "22722"), ("2", "22960"), ("3", "47566"))
    ]  # fmt: skip
    shop = shop_of(
        *history(weeks=8, whole={"orders": 10, "revenue": 10_000}),
        product("47566", sells=4, stock=0, price=100, upto=SIX),
    )
    report = daily(shop, AlertNews(open=tuple(lines)), (), SIX)
    stock, alerts = report.matters
    assert (stock.name, alerts.name) == ("stock/47566", "alert/a1")
    assert alerts.what == "Sun 29 Nov 09:00: the supplier of 22722 takes 14 days longer, and 1 more such alert"
    assert (alerts.who, alerts.act, alerts.also) == ("operations", "Order it earlier", "Plan nothing new with it")
    assert [(todo.who, todo.act) for todo in report.todo if todo.act in (alerts.act, alerts.also)] == [
        ("marketing", "Plan nothing new with it"),
        ("operations", "Order it earlier"),
    ]


def test_a_sold_out_product_comes_before_an_alert_that_has_been_open_for_a_week():
    """Of neither is known what it costs; of one thing there is one alert."""
    open_ = [
        line(n, rule, "warning", "KEY-1 is slow", "2026-11-20T08:00:00Z", labels={"sku": "KEY-1"})
        for n, rule in (("1", "SlowMoving"), ("2", "DeadStock"))
    ]
    shop = shop_of(
        *history(weeks=8, whole={"orders": 10, "revenue": 10_000}), product("47566", sells=4, stock=0, upto=SIX)
    )
    report = daily(shop, AlertNews(open=tuple(open_)), (), SIX)
    assert [matter.name for matter in report.matters] == ["stock/47566", "alert/a1"]


def test_what_runs_out_is_one_thing_to_whoever_promotes():
    report = daily(sample_shop(campaigns=False), NEWS, ACTIONS, SIX)
    acts = {who: [todo.act for todo in report.todo if todo.who == who] for who in ("marketing", "operations", "Ben")}
    assert "Do not promote products 85099B and 47566 until they are back" in acts["marketing"]
    assert "Order 264 units of product 47566" in acts["operations"]
    assert report.matters[0].name == "capacity"
    assert acts["operations"][0].startswith("Find people for 50 more orders on Sat 5 Dec and Sun 6 Dec")


def test_the_agenda_decides_who_does_what_nobody_does():
    todo = [(t.who, t.act, t.what) for t in weekly(sample_shop(), NEWS, ACTIONS, SIX).todo if t.who == "nobody yet"]
    assert todo == [("nobody yet", "Agree on a budget for campaign ADVENT", "Asked Sat 28 Nov")]


def test_a_launch_is_told_what_cannot_wait_until_tomorrow():
    shop = sample_shop(campaigns=False)
    names = {matter.name for matter in daily(shop, NEWS, (), SIX).matters}
    assert {"capacity", "expiry/21212"} <= names
    assert {matter.name for matter in hourly(shop, NEWS, (), SIX).matters} == {
        "stock/85099B",
        "spend/web",
        "returns/22086",
    }


def test_an_alert_that_somebody_has_is_no_matter():
    shop = shop_of(*history(weeks=8, whole={"orders": 10, "revenue": 10_000}))
    has_it = line("9", "ShopDown", "critical", "no orders", "2026-11-30T03:00:00Z", has_it="Anna")
    assert daily(shop, AlertNews(open=(has_it,)), (), SIX).matters == ()


def test_an_empty_shop_says_what_it_does_not_know():
    report = daily(shop_of(currency=""), AlertNews(why="nobody asked"), (), SIX)
    assert report.matters == ()
    assert figure(report, "orders").value is None
    said = " ".join(report.unknown)
    for word in ("sales", "products", "capacity", "alerts"):
        assert word in said
    assert "nothing is known of its orders" in report.headline


def test_what_is_not_known_for_one_reason_is_said_once():
    report = daily(shop_of(currency=""), AlertNews(), (), SIX)
    assert "backlog now, oldest order in it: nothing is known of orders yet" in report.unknown
    assert len({text.partition(": ")[2] for text in report.unknown}) == len(report.unknown)


def test_money_without_a_rate_is_left_out_and_said():
    shop = shop_of(*history(weeks=8, whole={"orders": 10, "revenue": {"EUR": 10_000, "USD": 5_000}}), currency="EUR")
    report = daily(shop, AlertNews(), (), SIX)
    assert figure(report, "revenue").value == 10_000
    assert any("USD" in text for text in report.unknown)


def test_money_of_a_channel_without_a_rate_is_not_told_as_none():
    """What was sold in dollars is not 0 EUR; of a channel that spends nothing that is said."""
    us = {"orders": 10, "shipped": 10, "revenue": {"USD": 5_000}, "shipping_cost": {"USD": 500}}
    report = daily(shop_of(*history(weeks=8, us=us), currency="EUR"), AlertNews(), (), SIX)
    channels = table(report, "channels")
    row = dict(zip([column.name for column in channels.columns], channels.rows[0], strict=True))
    assert (row["revenue"], row["cost_to_serve"], row["spend"]) == (None, None, 0)


def test_a_price_that_is_not_known_is_said_and_nothing_is_made_up():
    shop = shop_of(
        *history(weeks=8, whole={"orders": 10, "revenue": 10_000}), product("A-1", sells=4, stock=0, upto=SIX)
    )
    report = daily(shop, AlertNews(), (), SIX)
    (matter,) = (m for m in report.matters if m.name == "stock/A-1")
    assert matter.at_stake is None
    assert any("no price is known" in text for text in report.unknown)


@pytest.mark.parametrize("day", ["2026-10-25", "2026-03-29"], ids=["25 hours", "23 hours"])
def test_the_day_after_the_clocks_change_tells_of_the_whole_day(day):
    after = at("06:00", date.fromisoformat(day) + timedelta(1))
    shop = shop_of(*history(weeks=6, until=after.date(), whole={"orders": 50, "sessions": 1_000}))
    report = daily(shop, AlertNews(), (), after)
    assert report.id == f"daily/{after.date()}"
    assert figure(report, "orders").value == 50
    assert report.sections[0].title.startswith("Yesterday, Sun")


def test_a_day_of_which_the_end_is_missing_is_compared_with_nothing():
    """That 5 orders came by noon is no fall."""
    facts = [f for f in history(weeks=8, whole={"orders": 50, "revenue": 10_000}) if f.day < "2026-11-29"]
    shop = shop_of(*facts, *days("2026-11-29", upto=at("12:00", "2026-11-29"), whole={"orders": 5, "revenue": 900}))
    report = daily(shop, AlertNews(), (), SIX)
    assert report.headline.startswith("Yesterday: 5 orders until Sun 29 Nov 12:00, where what is known ends; 9 EUR.")
    assert not any(matter.name == "revenue" for matter in report.matters)
    assert "what came after Sun 29 Nov 12:00: nothing that was told later is known" in report.unknown


# ---- the weekly agenda ----------------------------------------------------------------------------------------------


def test_the_agenda_has_the_parts_and_shares_of_the_guide():
    report = weekly(sample_shop(meeting_minutes=45), NEWS, ACTIONS, SIX)
    assert [s.name for s in report.sections] == ["leadership", "marketing", "operations", "issues", "actions"]
    shares = {s.name: s.share for s in report.sections}
    assert shares["leadership"] < 0.10
    assert (shares["marketing"], shares["operations"], shares["issues"]) == (0.30, 0.30, 0.20)
    assert sum(shares.values()) == pytest.approx(1)
    assert sum(s.minutes for s in report.sections) == 45


@pytest.mark.parametrize("minutes", [1, 15, 50, 60, 90])
def test_no_minute_of_a_meeting_is_lost(minutes):
    assert sum(minutes_of(dict(SHARES), minutes).values()) == minutes


def test_it_says_how_the_forecast_has_changed_since_the_last_one():
    """Of the days that both expect something of."""
    before = sample("weekly")
    assert forecast_of(before)["2026-12-02"] == 186
    shop = sample_shop()
    for n in range(1, 50):  # the shop has grown since
        day = TODAY - timedelta(n)
        for name in ("", "web"):
            facts = shop.day(day, name)
            facts.counts["orders"] *= 2
    after = weekly(shop, NEWS, ACTIONS, SIX, before=before)
    changes = {row[0]: (row[1], row[2], row[3]) for row in table(after, "forecast").rows}
    now, then, change = changes["2026-12-02"]
    assert then == 186
    assert now > 300
    assert change.startswith("+")


def test_a_campaign_that_ends_at_midnight_is_not_of_the_day_that_begins_then():
    shop = sample_shop()
    shop.put(plan("LATE NIGHT", "2026-12-01", "2026-12-02", ends=rfc3339_of(at("00:00", "2026-12-03"))))
    named = {row[0]: row[4] or "" for row in table(weekly(shop, NEWS, ACTIONS, SIX), "forecast").rows}
    assert [day for day, names in named.items() if "LATE NIGHT" in names] == ["2026-12-01", "2026-12-02"]


def test_the_agenda_lists_what_is_to_be_ordered_sold_off_and_decided():
    report = sample("weekly")
    (order,) = table(report, "reorder").rows
    assert (order[0], order[1]) == ("47566", 264)
    (expiring,) = table(report, "expiring").rows
    assert (expiring[0], expiring[4]) == ("21212", "320 units at 30% off")
    assert [row[0] for row in table(report, "slow").rows] == ["84879"]
    assert [row[0] for row in table(report, "returns").rows] == ["22086"]
    assert [row[1] for row in table(report, "suppliers").rows] == ["22720"]
    assert [row[0] for row in table(report, "locations").rows] == ["amazon-fba"]
    assert [row[0] for row in table(report, "without_owner").rows] == [NEWS.open[0].headline]
    assert [row[0] for row in table(report, "actions").rows] == [ACTIONS[0].text, ACTIONS[1].text]
    leadership = " ".join(report.sections[0].lines)
    assert 'critical for 15 hours and nobody has said "I\'m on it"' in leadership
    assert "Ben, overdue since Sat 28 Nov" in leadership


def test_the_agenda_names_lots_that_get_too_old_for_a_channel():
    """By shelf_life of shop.yml, what is too old first; a shop that says nothing of it has no such table."""
    lots = [lot(30, "2027-03-10"), lot(5, "2027-02-01", "L-2"), lot(9, "2027-06-01", "L-3")]
    shop = shop_of(product("TEA", lots=lots), shelf_life={"amazon": 90})
    rows = table(weekly(shop, AlertNews(), (), SIX), "shelf_life").rows
    assert rows == (("TEA", "L-2", "amazon", "2026-11-03", 5), ("TEA", "L-1", "amazon", "2026-12-10", 30))
    assert "shelf_life" not in {t.name for s in sample("weekly").sections for t in s.tables}


def test_an_hour_is_the_last_whole_one():
    shop = shop_of(
        *history(weeks=8, whole={"orders": 100, "sessions": 1_000}),
        *days(TODAY, upto=at("13:00"), web={"orders": 48, "sessions": 500}),
        capacity(150, "2026-11-30"),
    )
    report = hourly(shop, AlertNews(), (), at("13:00"))
    assert report.id == "hourly/2026-11-30T12Z"
    orders = figure(report, "orders")
    assert (orders.usual, orders.week_before) == (8, 8)
    assert orders.value == shop.day(TODAY).by_hour["orders"][12]


def test_it_says_which_products_are_expected_to_sell_otherwise():
    """By their pace of now and of a week ago, those that moved most first; plainly of what nobody can know."""
    grew = [2] * 50 + [30] * 7 + [0]
    shop = shop_of(
        *history(weeks=8, whole={"orders": 10, "units": 20, "revenue": 10_000}),
        product("GREW", sells=grew, stock=900, upto=SIX),
        product("SAME", sells=5, stock=900, upto=SIX),
        product("AD", sells=1, stock=900, upto=SIX),
        product("NEW", sells=[0], stock=900, upto=SIX),
        plan("JUMBO-BAGS", "2026-12-01", "2026-12-03", ["AD"], orders=30),
    )
    rows = {row[0]: row[1:] for row in table(weekly(shop, AlertNews(), (), SIX), "product_forecast").rows}
    assert list(rows) == ["AD", "GREW", "SAME"]
    assert rows["GREW"] == (63, 14, "+49", None)
    assert rows["SAME"] == (35, 35, "the same", None)
    assert rows["AD"] == (7 + 60, 7, "the same", 60)
    note = table(weekly(shop, AlertNews(), (), SIX), "product_forecast").note
    assert note == "Of 1 products nothing can be expected: no whole day is known on which they could be bought."


def test_content_and_pr_of_the_calendar_are_listed():
    """In the daily report and the agenda; content and PR first, then holidays; no weekend and no campaign."""
    document, _ = parse_document(
        "calendar.yml",
        """\
campaigns: [{name: ADVENT, from: 2026-12-01, to: 2026-12-04}]
content: [{name: Gift guide, from: 2026-12-02, to: 2026-12-04}, {name: Newsletter, on: Tue}]
pr: [{name: Radio, on: 2026-12-03}, {name: Fair, on: 2027-05-01}]
holidays: [{name: Christmas, on: 12-25}]
closed: [{name: Weekend, on: Sun}, {name: Stocktaking, on: 2026-12-05}]
""",
    )
    calendar, faults = read_calendar(document)
    assert faults == []
    shop = sample_shop()
    shop.calendar = calendar
    two_weeks = table(daily(shop, NEWS, ACTIONS, SIX), "calendar").rows
    assert two_weeks == (
        ("Newsletter", "content", "2026-12-01", None),
        ("Gift guide", "content", "2026-12-02", "2026-12-04"),
        ("Radio", "PR", "2026-12-03", None),
        ("Newsletter", "content", "2026-12-08", None),
        ("Stocktaking", "closed", "2026-12-05", None),
    )
    four_weeks = table(weekly(shop, NEWS, ACTIONS, SIX), "calendar").rows
    assert ("Christmas", "holiday", "2026-12-25", None) in four_weeks


def test_a_month_is_the_one_before():
    shop = shop_of(*history(weeks=13, whole={"orders": 10, "revenue": 10_000}))
    report = monthly(shop, AlertNews(), (), at("06:00", "2026-12-01"))
    assert (report.id, report.title) == ("monthly/2026-11", "Monthly summary, November 2026")
    assert figure(report, "orders").value == 10 * 29  # the 30th is not known
    assert any("1 of the 30 days of November" in text for text in report.unknown)


def of_month(month: str, orders: int) -> Shop:
    """A shop with so many orders on each day of a month, and 100 on those of the two before."""
    last = date.fromisoformat(f"{month}-28")
    first = last.replace(day=1)
    days_of = [day for n in range(31) if (day := first + timedelta(n)).month == first.month]
    earlier = history(weeks=12, until=first, whole={"orders": 100, "sessions": 1_000, "revenue": 10_000})
    return shop_of(*earlier, *(f for d in days_of for f in days(d, whole={"orders": orders, "sessions": 2_000})))


def test_months_are_compared_by_the_day():
    """October has a day more than November; with as many orders a day nothing has changed."""
    report = monthly(of_month("2026-11", 100), AlertNews(), (), at("06:00", "2026-12-01"))
    orders = figure(report, "orders")
    assert (orders.value, orders.days, orders.week_before, orders.before_days) == (3_000, 30, 3_100, 31)
    (october,) = comparisons(orders, report)
    assert october.text == "October 3,100 (the same a day)"
    more = monthly(of_month("2026-11", 110), AlertNews(), (), at("06:00", "2026-12-01"))
    assert more.headline.startswith("November: 3,300 orders, 10% more a day than October; ")


def test_a_month_is_compared_with_the_same_one_of_last_year():
    """As its own summary had it, which is kept; without one that is said."""
    last_year = monthly(of_month("2025-11", 80), AlertNews(), (), at("06:00", "2025-12-01"))
    shop, first = of_month("2026-11", 100), at("06:00", "2026-12-01")
    report = monthly(shop, AlertNews(), (), first, year_before=last_year)
    assert comparisons(figure(report, "orders"), report)[1].text == "November 2025 2,400 (+25%)"
    assert comparisons(figure(report, "conversion"), report)[1].text == "November 2025 4% (+1 point)"
    assert "| October | November 2025 |" in markdown(report)
    assert not any("2025" in text for text in report.unknown)
    assert month_id(first, years_before=1) == last_year.id
    alone = monthly(shop, AlertNews(), (), first)
    assert any(text.startswith("November 2025: no summary of it is kept") for text in alone.unknown)
