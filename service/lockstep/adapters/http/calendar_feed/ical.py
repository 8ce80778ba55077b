"""What the shop knows of its days, as iCalendar (RFC 5545) for the calendars of both teams.

Campaigns, holidays, closed days, capacity that was declared and deliveries that are expected; on-call shifts where they
are asked for. An event keeps its UID while its days, numbers or words change, and its SEQUENCE grows with each
announcement, so that a calendar shows it once, and as it is now. A library writes the text: nothing that a name says
becomes a line of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from icalendar import Calendar, Event, vRecur

from lockstep.calendar import Day, Entry
from lockstep.labels import stable_id
from lockstep.shop.facts import CapacityFacts, PlanFacts, Receipt
from lockstep.shop.whole_shop import Shop
from lockstep.text.figures import measured_text
from lockstep.text.one_line import flat

BACK = timedelta(days=31)
"""How long what is over stays in the calendar."""
AHEAD = timedelta(days=2 * 366)
"""How far ahead single days are shown: public holidays are known for decades, and a calendar asks again each hour."""
MOST_EVENTS = 1_000
"""Of each kind; those that come first."""
MOST_LINES = 20
"""Products that an event lists."""
EVERY = timedelta(hours=1)
"""How often a calendar is asked to look again."""
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_YEAR_0 = datetime(2020, 1, 1, tzinfo=UTC)
_KINDS = {
    "campaign": "Campaign",
    "holiday": "Holiday",
    "closed": "Closed",
    "content": "Content",
    "pr": "PR",
    "capacity": "Capacity",
}


@dataclass(frozen=True)
class DutyShift:
    """Somebody's turn on call."""

    schedule: str
    who: str
    starts: datetime
    ends: datetime


def calendar_feed(shop: Shop, *, now: datetime, shifts: Iterable[DutyShift] = (), name: str = "Shop") -> bytes:
    """The whole calendar as a file. Times are of the shop's zone. now: what was over a month before is left out."""
    calendar = Calendar()
    calendar.add("prodid", "-//Lockstep//Shop calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", flat(name))
    calendar.add("x-wr-timezone", shop.zone.key)
    calendar.add("refresh-interval", EVERY, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    midnight = datetime.combine(shop.day_of(now), time(), shop.zone).astimezone(UTC)
    for event in _events(shop, shifts, now):
        if "DTSTAMP" not in event:
            event.add("dtstamp", midnight)
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _events(shop: Shop, shifts: Iterable[DutyShift], now: datetime) -> Iterator[Event]:
    since = now - BACK
    plans = [plan for plan in shop.plans.values() if _instant(plan.ends) >= since]
    for plan in sorted(plans, key=lambda p: (_instant(p.starts), p.campaign))[:MOST_EVENTS]:
        yield _campaign(shop, plan)
    capacities = [one for one in shop.capacities.values() if _instant(one.ends) >= since]
    for capacity in sorted(capacities, key=lambda c: _instant(c.starts))[:MOST_EVENTS]:
        yield _capacity(shop, capacity)
    yield from _receipts(shop, since)
    for entry, ordinal in _numbered(shop.calendar.for_people if shop.calendar is not None else ()):
        if entry.kind != "campaign" or entry.name not in shop.plans:
            yield from _marked(entry, ordinal, shop.day_of(since))
    for shift in shifts:
        event = _event(
            "shift", shift.schedule, shift.starts.isoformat(), title=f"On call: {shift.who} ({shift.schedule})"
        )
        event.add("categories", ["On call"])
        _from_to(event, shop, shift.starts, shift.ends)
        yield event


def _event(kind: str, *parts: str, title: str) -> Event:
    event = Event()
    event.add("uid", f"{kind}-{stable_id('calendar-feed', kind, *parts)[:24]}@lockstep")
    event.add("summary", flat(title))
    return event


def _from_to(event: Event, shop: Shop, starts: datetime, ends: datetime) -> None:
    """The stretch; whole days of the shop as days, which no zone moves. ends: the last moment."""
    begin, end = starts.astimezone(shop.zone), ends.astimezone(shop.zone)
    over = end + timedelta(seconds=1) if end.time().replace(microsecond=0) == time(23, 59, 59) else end
    over = over.replace(microsecond=0)
    if begin.time() == over.time() == time() and over > begin:
        event.add("dtstart", begin.date())
        event.add("dtend", over.date())
        return
    event.add("dtstart", begin)
    event.add("dtend", max(end, begin))


def _told(event: Event, told_at: str, sequence: int | None = None) -> None:
    """When it was announced last, and how often; without a number the time itself counts up."""
    if not told_at:
        event.add("sequence", sequence or 0)
        return
    at = _instant(told_at).astimezone(UTC)
    event.add("dtstamp", at)
    event.add("last-modified", at)
    event.add("sequence", max(0, int((at - _YEAR_0).total_seconds())) if sequence is None else sequence)


def _campaign(shop: Shop, plan: PlanFacts) -> Event:
    event = _event("campaign", plan.campaign, title=f"Campaign: {plan.campaign}")
    event.add("categories", ["Campaign"])
    event.add("status", "CANCELLED" if plan.cancelled else "CONFIRMED")
    _from_to(event, shop, _instant(plan.starts), _instant(plan.ends))
    _told(event, plan.told_at, max(0, plan.number - 1))
    lines = []
    if plan.expected_orders is not None:
        lines.append(f"Expected: {measured_text(plan.expected_orders, 'orders')}")
    if plan.expected_sessions is not None:
        lines.append(f"Expected: {measured_text(plan.expected_sessions, 'visits')}")
    if plan.channels:
        lines.append(f"Channels: {', '.join(map(flat, plan.channels[:MOST_LINES]))}")
    if plan.skus:
        lines.append(f"Products: {_listed(plan.skus)}")
    event.add("description", "\n".join(lines))
    return event


def _capacity(shop: Shop, capacity: CapacityFacts) -> Event:
    orders = measured_text(capacity.orders_per_day, "orders")
    event = _event("capacity", capacity.starts, title=f"Capacity: {orders} a day")
    event.add("categories", ["Capacity"])
    _from_to(event, shop, _instant(capacity.starts), _instant(capacity.ends))
    _told(event, capacity.told_at)
    return event


def _receipts(shop: Shop, since: datetime) -> Iterator[Event]:
    """Deliveries to the shop, one event for what was first told for one day by one order."""
    together: dict[tuple[str, str], list[tuple[str, Receipt]]] = {}
    for sku in sorted(shop.products):
        for receipt in shop.products[sku].receipts:
            day = date.fromisoformat(receipt.expected_on)
            if day >= shop.day_of(since):
                of = receipt.purchase_order or f"sku {sku}"
                together.setdefault((of, receipt.first_expected_on), []).append((sku, receipt))
    for key in sorted(together, key=lambda k: (k[1], k[0]))[:MOST_EVENTS]:
        yield _receipt(key, together[key])


def _receipt(key: tuple[str, str], lines: Sequence[tuple[str, Receipt]]) -> Event:
    of, first_expected_on = key
    waiting = [receipt for _, receipt in lines if receipt.status != "received"]
    day = date.fromisoformat(min(receipt.expected_on for receipt in waiting or [receipt for _, receipt in lines]))
    units = sum(receipt.quantity for _, receipt in lines)
    what = lines[0][0] if len(lines) == 1 else f"{len(lines)} products"
    order = f" ({of})" if lines[0][1].purchase_order else ""
    moved = f", first told for {first_expected_on}" if day.isoformat() != first_expected_on else ""
    came = "" if waiting else ", came in"
    event = _event("receipt", *key, title=f"Delivery: {units:,} of {what}{order}{moved}{came}")
    event.add("categories", ["Delivery"])
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(1))
    _told(event, max((receipt.received_at or receipt.told_at for _, receipt in lines), default=""))
    listed = [f"{r.quantity:,} of {flat(sku)}, {r.status}, {r.expected_on}" for sku, r in lines[:MOST_LINES]]
    rest = [f"and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    event.add("description", "\n".join([*listed, *rest]))
    return event


def _numbered(entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
    """Each entry with its number among those of its kind and name."""
    seen: dict[tuple[str, str], int] = {}
    for entry in entries[:MOST_EVENTS]:
        ordinal = seen.get((entry.kind, entry.name), 0)
        seen[entry.kind, entry.name] = ordinal + 1
        yield entry, ordinal


def _marked(entry: Entry, ordinal: int, since: date) -> Iterator[Event]:
    """The days of an entry of calendar.yml; what comes every week or year recurs."""
    word = _KINDS.get(entry.kind, entry.kind.capitalize())
    title = entry.name if entry.name.lower().startswith(word.lower()) else f"{word}: {entry.name}"
    if entry.first is not None and entry.last is not None and entry.last >= since:
        event = _event(entry.kind, entry.name, str(ordinal), title=title)
        event.add("dtstart", entry.first)
        event.add("dtend", entry.last + timedelta(1))
        yield _of_kind(event, word)
    for day in entry.on:
        event = _event(entry.kind, entry.name, str(ordinal), _day_text(day), title=title)
        first = _first_of(day, since)
        if first is None:
            continue
        event.add("dtstart", first)
        event.add("dtend", first + timedelta(1))
        if day.weekday is not None:
            event.add("rrule", vRecur({"FREQ": ["WEEKLY"], "BYDAY": [_WEEKDAYS[day.weekday]]}))
        elif day.yearly is not None:
            event.add("rrule", vRecur({"FREQ": ["YEARLY"]}))
        yield _of_kind(event, word)


def _of_kind(event: Event, word: str) -> Event:
    event.add("categories", [word])
    event.add("sequence", 0)
    return event


def _first_of(day: Day, since: date) -> date | None:
    """The first of the days from then on; None where it is over."""
    if day.on is not None:
        return day.on if since <= day.on <= since + BACK + AHEAD else None
    if day.yearly is not None:
        month, number = day.yearly
        # A 29 February is one in leap years alone.
        years = range(since.year, since.year + 9)
        known = (date(year, month, number) for year in years if (month, number) != (2, 29) or _is_leap(year))
        return next((one for one in known if one >= since), None)
    return next(since + timedelta(n) for n in range(7) if (since + timedelta(n)).weekday() == day.weekday)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _day_text(day: Day) -> str:
    return f"{day.on or ''}/{day.yearly or ''}/{'' if day.weekday is None else day.weekday}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(flat, names[:MOST_LINES]))
    return f"{shown} and {len(names) - MOST_LINES} more" if len(names) > MOST_LINES else shown


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
