"""The numbers of the page of today: what came against what is usual and expected, each with what it means.

A tile has the colour of the worst alert about its measures; by itself it is red only where more is expected than can be
shipped, or where something is promoted that is sold out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from lockstep.adapters.http.pages.shop.day_picture import DayPicture, day_picture
from lockstep.adapters.http.pages.shop.stock_rows import StockRow
from lockstep.measure.definition import SeriesDef
from lockstep.reports.cell_text import SAME_PART, SAME_POINTS
from lockstep.shop.business import business
from lockstep.shop.catalogue import SOURCE
from lockstep.shop.forecast import conversion_of
from lockstep.shop.names import names
from lockstep.shop.subjects.day_course import DayCourse, day_course
from lockstep.shop.subjects.returns import channel_returns, returns_ranking
from lockstep.shop.translations import known
from lockstep.shop.whole_shop import Made, Shop, plain
from lockstep.text.days import list_text
from lockstep.text.figures import PERCENT, POINTS, measured_number, measured_text
from lockstep.text.one_line import flat

LEAST_COMPARED = 10
"""Where fewer are usual by now, no percent is told."""
WORST = ("critical", "warning", "info", "over", "pending")
"""Tones from bad to good; `pending`: nothing can be said."""


@dataclass(frozen=True)
class Tile:
    """One number. tone: its colour, word: the same in a word. value: large; lines: below it. to_do: where it is not
    known, what makes it known. help: what it is, for who asks."""

    key: str
    title: str
    value: str
    help: str
    tone: str = "over"
    word: str = ""
    lines: Sequence[str] = ()
    to_do: str = ""
    picture: DayPicture | None = None


def rank(tone: str) -> int:
    """How bad a tone is, 0 the worst."""
    return WORST.index(tone) if tone in WORST else 1


def tiles(
    shop: Shop, now: datetime, severities: Mapping[str, str], stock: Sequence[StockRow], more_stock: int
) -> list[Tile]:
    """severities: key of a tile → the worst severity of an alert about it. stock: products at risk."""
    whole = business(shop, "shop", (), now)
    shown = [
        _traffic(shop, now),
        _orders(shop, now, whole),
        _conversion(shop, now),
        _capacity(shop, now, whole),
        _stock(shop, stock, more_stock),
        _returns(shop, now),
        _to_ship(whole),
    ]
    return [_with_alerts(tile, severities) for tile in shown]


_OF_MEASURES: Mapping[str, Sequence[str]] = {
    "orders": ("expected_today", "forecast_gap"),
    "conversion": ("channel_conversion",),
    "capacity": ("capacity_today", "capacity_used", "capacity_projected", "room_left", "work_units_today"),
    "stock": (
        "days_of_cover",
        "key_cover",
        "gap_days",
        "promoted_cover_gap",
        "promoted_stock",
        "spend_without_stock",
    ),
    "returns": ("return_rate", "return_rise", "channel_return_rate", "channel_return_rise"),
    "ship": ("backlog", "backlog_age", "late_rate"),
}
TILE_OF_MEASURE = {name: tile for tile, names in _OF_MEASURES.items() for name in names}
TILES_OF_PRODUCTS = frozenset({"stock", "returns"})
"""Those that tell of single products."""
_TILE_OF_EVENTS = {
    "traffic.session": "traffic",
    "order.placed": "orders",
    "stock.level": "stock",
    "order.returned": "returns",
    "order.refunded": "returns",
    "order.shipped": "ship",
    "order.delivered": "ship",
}


def tiles_about(series: Iterable[SeriesDef]) -> frozenset[str]:
    """The keys of the tiles that tell of what a rule reads: by its business measures and the events that it measures,
    whatever its author calls them. Orders against visits are the conversion."""
    read = tuple(series)
    named = {TILE_OF_MEASURE.get(str(s.field)) for s in read if s.source == SOURCE}
    events = {s.event_type for s in read if s.source != SOURCE}
    if {"order.placed", "traffic.session"} <= events:
        named.add("conversion")
        events -= {"order.placed", "traffic.session"}
    return frozenset(tile for tile in (*named, *map(_TILE_OF_EVENTS.get, events)) if tile is not None)


def _with_alerts(tile: Tile, alerts: Mapping[str, str]) -> Tile:
    """The tile in the colour of the worst alert about it, where that is worse than what it says itself."""
    worst = alerts.get(tile.key, "")
    if not worst or rank(worst) >= rank(tile.tone):
        return tile
    return replace(tile, tone=worst, word=f"{worst} alert")


def _against(course: DayCourse, weekday: str, unit: str) -> list[str]:
    """How a count stands against what is usual by now and at the end of such a day."""
    if course.usual_so_far is None or course.usual_day is None:
        return [f"What is usual is not known: {course.why}."]
    by_now = measured_number(float(course.usual_so_far))
    against = f"usual by now: {by_now}"
    if course.usual_so_far >= LEAST_COMPARED:
        change = float((course.so_far - course.usual_so_far) / course.usual_so_far)
        way = _than(change, "more", "less", "usual") or "as usual"
        against = f"{way} by now ({by_now})"
    return [against, f"a usual {weekday}: {measured_text(plain(course.usual_day), unit)}"]


def _than(change: float, more: str, less: str, what: str) -> str:
    """`12% more than usual`; "" where it is as good as the same."""
    if abs(change) < SAME_PART:
        return ""
    return f"{measured_text(abs(change), PERCENT)} {more if change > 0 else less} than {what}"


def _today(course: DayCourse, noun: str) -> str:
    return f"{noun}{'' if course.so_far == 1 else 's'} today"


def _traffic(shop: Shop, now: datetime) -> Tile:
    today = shop.day_of(now)
    course = day_course(shop, today, "sessions", now)
    about = (
        "Visits to the shop since midnight, against what is usual by this time of such a weekday. Made of "
        "traffic.session events."
    )
    if not course.so_far and not course.usual_day:
        to_do = "Marketing: have the shop send its visits."
        return Tile("traffic", "Traffic", "not known", about, "pending", "no visit has come", (), to_do)
    lines = _against(course, f"{today:%A}", "visits")
    return Tile(
        "traffic",
        "Traffic",
        measured_number(course.so_far),
        about,
        "over",
        _today(course, "visit"),
        lines,
        picture=day_picture(course, "visits"),
    )


def _orders(shop: Shop, now: datetime, whole: Mapping[str, Made]) -> Tile:
    today = shop.day_of(now)
    course = day_course(shop, today, "orders", now)
    expected = whole["expected_today"]
    about = (
        "Orders since midnight. Expected tonight: what has come, and what usually still comes on such a weekday, with "
        "what campaigns bring."
    )
    if not shop.upto:
        to_do = "Operations: have the shop send its orders."
        return Tile("orders", "Orders", "not known", about, "pending", "no order has come", (), to_do)
    lines = _against(course, f"{today:%A}", "orders")
    if expected.value is None:
        to_do = "Operations: have orders of the past brought in, so that what is usual is known."
        return Tile(
            "orders",
            "Orders",
            measured_number(course.so_far),
            about,
            "pending",
            _today(course, "order"),
            lines,
            to_do,
            day_picture(course, "orders"),
        )
    lines = [f"expected by tonight: {_number(expected)}", *lines]
    gap = whole["forecast_gap"]
    if gap.value is not None:
        gap_words = _than(float(gap.value), "more", "less", "was expected by now")
        lines[1:1] = [gap_words] if gap_words else []
    return Tile(
        "orders",
        "Orders",
        measured_number(course.so_far),
        about,
        "over",
        _today(course, "order"),
        lines,
        picture=day_picture(course, "orders"),
    )


def _conversion(shop: Shop, now: datetime) -> Tile:
    about = "Orders of 100 visits, over the last days. It turns visits into orders: 10,000 visits × 3.1% ≈ 310 orders."
    rate = conversion_of(shop, (), now)
    if rate is None:
        few = f"fewer than {shop.settings.min_sessions} visits in {shop.settings.conversion_days} days"
        to_do = "Marketing: have the shop send its visits."
        return Tile("conversion", "Conversion", "not known", about, "pending", few, (), to_do)
    today = shop.day(shop.day_of(now))
    lines = [f"{measured_number(rate.orders)} orders of {measured_number(rate.sessions)} visits ({rate.of})"]
    if today is not None and today.counts.get("sessions", 0) >= shop.settings.min_sessions:
        share = Fraction(today.counts.get("orders", 0), today.counts["sessions"])
        lines.insert(0, f"today so far: {measured_text(plain(share), PERCENT)}")
    channels = [(name, business(shop, "channel", (name,), now)["channel_conversion"]) for name in shop.channels()[:20]]
    known = [(name, made) for name, made in channels if made.value is not None]
    if len(known) > 1:
        lines += [f"{flat(name)} {made.text}" for name, made in known[:3]]
    value = measured_text(plain(rate.share), PERCENT)
    return Tile("conversion", "Conversion", value, about, "over", f"of visits, {rate.days} days", lines)


def _capacity(shop: Shop, now: datetime, whole: Mapping[str, Made]) -> Tile:
    about = (
        "How much of what can be shipped today is taken by tonight, if orders come as expected. Room left: how many "
        "more orders can be shipped today. What can be shipped is said by a capacity.declared event, or in the files "
        "calendar.yml and shop.yml."
    )
    capacity, projected, room = whole["capacity_today"], whole["capacity_projected"], whole["room_left"]
    if capacity.value is None:
        to_do = "Operations: say how many orders can be shipped a day."
        return Tile("capacity", "Capacity", "not known", about, "pending", capacity.why, (), to_do)
    lines = [f"{capacity.text} can be shipped today"]
    used = whole["capacity_used"]
    if used.value is not None:
        lines.append(f"{used.text} taken so far")
    if projected.value is None:
        return Tile("capacity", "Capacity", "not known", about, "pending", projected.why, lines)
    share = float(projected.value)
    if room.value is not None:
        lines.insert(0, _room_words(shop, now, over=share > 1, whole=whole))
    tone = "critical" if share > 1 else "over"
    word = "over capacity" if share > 1 else "taken by tonight"
    return Tile("capacity", "Capacity", projected.text, about, tone, word, lines)


def _room_words(shop: Shop, now: datetime, *, over: bool, whole: Mapping[str, Made]) -> str:
    if over:
        expected, capacity = whole["expected_today"].value, whole["capacity_today"].value
        too_many = measured_text(float((expected or 0) - (capacity or 0)), "orders")
        return f"{too_many} too many: add no budget, move work to tomorrow"
    known_names = names(shop, {}, now)
    more = f" ≈ {known(known_names, 'visits_for_room')}" if "visits_for_room" in known_names else ""
    room = _number(whole["room_left"])
    return f"room for {room} more order{'' if room == '1' else 's'} today{more}"


def _number(made: Made) -> str:
    """A measure that is known, without its unit."""
    return measured_number(plain(made.value) or 0)


def _stock(shop: Shop, rows: Sequence[StockRow], more: int) -> Tile:
    about = (
        "Products that are sold out, or will be before their next delivery or the end of their campaign. The list is "
        "below. Made of stock.level and stock.receipt events."
    )
    count = len(rows) + more
    if all(product.available is None for product in shop.products.values()):
        to_do = "Operations: have the warehouse send its stock."
        return Tile("stock", "Stock at risk", "not known", about, "pending", "no stock has come", (), to_do)
    if not count:
        return Tile("stock", "Stock at risk", "0", about, "over", "products", ("nothing runs out as far as is known",))
    out = sum(row.is_out for row in rows)
    promoted = [row.sku for row in rows if row.campaigns]
    is_grave = any(row.is_out and row.campaigns for row in rows)
    word = "sold out, promoted" if is_grave else "sold out" if out else "run out"
    lines = ["product" if count == 1 else f"products, {out} of them sold out"]
    if promoted:
        lines.append(f"promoted: {list_text(promoted, 2)}")
    return Tile("stock", "Stock at risk", f"{count:,}", about, "critical" if is_grave else "warning", word, lines)


def _returns(shop: Shop, now: datetime) -> Tile:
    about = "Units that came back, of those sold in the same days; and how that is against the days before."
    made = channel_returns(shop, "", now)
    rate, rise = made["channel_return_rate"], made["channel_return_rise"]
    if rate.value is None:
        return Tile("returns", "Returns", "not known", about, "pending", rate.why)
    lines = []
    if rise.value is not None:
        more = plain(rise.value) or 0
        points = f"{measured_text(abs(more), POINTS)} {'more' if more > 0 else 'less'} than the month before"
        lines.append(points if abs(more) >= SAME_POINTS else "as in the month before")
    lines += [
        f"{flat(row.sku)}: {row.returned} of {row.units}{f', {row.reasons}' if row.reasons else ''}"
        for row in returns_ranking(shop, now, 2)
    ]
    word = f"of what was sold, {shop.settings.return_days} days"
    return Tile("returns", "Returns", rate.text, about, "over", word, lines)


def _to_ship(whole: Mapping[str, Made]) -> Tile:
    about = "Orders that were placed and are neither shipped nor cancelled, and how old the oldest is."
    backlog, age, late = whole["backlog"], whole["backlog_age"], whole["late_rate"]
    if backlog.value is None:
        return Tile("ship", "To ship", "not known", about, "pending", backlog.why)
    lines = []
    if age.value is not None and backlog.value:
        lines.append(f"the oldest waits {age.text}")
    lines.append(f"late deliveries, 7 days: {late.text}" if late.value is not None else late.why)
    return Tile("ship", "To ship", _number(backlog), about, "over", "orders wait", lines)
