"""What the page of today says: what is wrong and what each team does about it, then the shop's day in numbers.

Every number is a business measure, a forecast or an answer to a plan (`lockstep.shop`), so it is the one that alerts
and reports say. What cannot be known is said in words, with what to do about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from lockstep.adapters.http.pages.board_view import BoardView, Row, Section
from lockstep.adapters.http.pages.shop.stock_rows import StockRow, at_risk, stock_rows
from lockstep.adapters.http.pages.shop.today_tiles import Tile, rank, tiles
from lockstep.reports.basis import Basis
from lockstep.reports.matters import matters
from lockstep.reports.report_record import Matter
from lockstep.shop.day_sums import instant, plan_bounds, plan_days
from lockstep.shop.facts import PlanFacts
from lockstep.shop.plan_answer import answer, assess
from lockstep.shop.subjects.returns import returns_ranking
from lockstep.shop.subjects.silent_sources import silent_sources
from lockstep.shop.whole_shop import Shop
from lockstep.text.days import day_text, list_text
from lockstep.text.figures import duration_words, many, measured_text
from lockstep.text.one_line import flat

STALE = timedelta(minutes=30)
"""Facts older than this are said to be old."""
AHEAD_DAYS = 14
"""Campaigns that begin in so many days are shown."""
COMING_DAYS = 7
MOST_RETURNED, MOST_EXPIRING = 10, 40
MOST_PLANS, MOST_TODO, MOST_COMING = 8, 2, 12
LONGEST_TODO = 170
_NONE = Section("", "", ())
TEAMS = ("marketing", "operations")


@dataclass(frozen=True)
class CampaignRow:
    """A campaign, when it runs, and the answer to it. name: as it is shown, campaign: as it was announced, by which its
    page knows it. tone, word: of the answer."""

    name: str
    campaign: str
    when: str
    tone: str
    word: str
    why: str
    suggestion: str
    is_running: bool


@dataclass(frozen=True)
class Todo:
    """What a team does now, the most urgent first; empty: nothing. link: alert id, where it is an alert's."""

    team: str
    lines: Sequence[tuple[str, str]]
    more: int = 0


@dataclass(frozen=True)
class TodayView:
    """headline, tone: whether anything is wrong. remark: what must be known of the numbers. fires, handled, unheard:
    alerts that nobody has, that somebody has, and of which people hear nothing. as_of: up to when facts are known.
    idle: what stands where a team has nothing to do."""

    headline: str
    tone: str
    todos: Sequence[Todo]
    remark: str
    tiles: Sequence[Tile]
    fires: Sequence[Row]
    handled: Sequence[Row]
    unheard: Sequence[Row]
    more_alerts: int
    campaigns: Sequence[CampaignRow]
    stock: Sequence[StockRow]
    more_stock: int
    coming: Sequence[tuple[str, str]]
    day: str
    as_of: str
    idle: str

    @property
    def held(self) -> list[Row]:
        """What somebody has, then what nobody hears of, each with the words why."""
        return [*self.handled, *self.unheard]


@dataclass(frozen=True)
class Firing:
    """What fires. texts: alert id → team → what it means for that team, of alerts that nobody has. worst_of_tile: key
    of a tile → the worst severity of an alert about it."""

    board: BoardView
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    worst_of_tile: Mapping[str, str] = field(default_factory=dict)


def today_view(shop: Shop, firing: Firing, *, now: datetime, is_kept: bool = True) -> TodayView:
    """is_kept: whether facts of the shop are made at all."""
    today = shop.day_of(now)
    sections = {section.title: section for section in firing.board.sections}
    fires = sections["Fires"]
    handled, unheard = sections.get("Somebody has it", _NONE), sections.get("People hear nothing of it", _NONE)
    stock, more_stock = stock_rows(shop, now)
    campaigns = _campaigns(shop, now)
    of_report = _matters(shop, now)
    todos = [_todo(team, fires.rows, firing, campaigns, of_report) for team in TEAMS]
    headline, tone = _headline(fires, handled, unheard, campaigns, stock)
    remark = _remark(shop, now, is_kept)
    if tone == "over" and remark:
        known = "nothing is known of the shop's day yet"
        if is_kept and shop.upto:
            known = "the numbers are old" if now - instant(shop.upto) > STALE else "some numbers are old"
        headline, tone = f"Nothing fires; {known}", "pending"
    return TodayView(
        headline=headline,
        tone=tone,
        todos=todos,
        remark=remark,
        tiles=tiles(shop, now, firing.worst_of_tile, stock, more_stock),
        fires=fires.rows[:MOST_PLANS],
        handled=handled.rows[:MOST_PLANS],
        unheard=unheard.rows[:MOST_PLANS],
        more_alerts=firing.board.uncounted
        + sum(max(0, len(one.rows) - MOST_PLANS) + one.more for one in (fires, handled, unheard)),
        campaigns=campaigns,
        stock=stock,
        more_stock=more_stock,
        coming=_coming(shop, today),
        day=f"{today:%A}, {today.day} {today:%B %Y}",
        as_of=_as_of(shop, now),
        idle="Nothing that is known; see above." if remark else "Nothing to do now.",
    )


# ---- what is wrong --------------------------------------------------------------------------------------------------


def _headline(
    fires: Section, handled: Section, unheard: Section, campaigns: Sequence[CampaignRow], stock: Sequence[StockRow]
) -> tuple[str, str]:
    count = len(fires.rows) + fires.more
    if count:
        worst = min((row.tone for row in fires.rows), key=rank)
        critical = sum(row.tone == "critical" for row in fires.rows)
        how_bad = f", {critical} of them critical" if critical and count > 1 else ", critical" if critical else ""
        return f"{many(count, 'alert')} {'needs' if count == 1 else 'need'} somebody{how_bad}", worst
    in_trouble = [row for row in campaigns if row.tone in ("critical", "warning")]
    if in_trouble:
        worst = min((row.tone for row in in_trouble), key=rank)
        names = list_text([row.name for row in in_trouble], 2)
        return f"{names}: the plan has to change", worst
    known = len(handled.rows) + handled.more
    if known:
        return f"{many(known, 'alert')}, and somebody has {'it' if known == 1 else 'each'}", "info"
    quiet = len(unheard.rows) + unheard.more
    if quiet:
        return f"{many(quiet, 'alert')} of which people hear nothing; see why below", "info"
    if stock:
        return f"Nothing fires; {many(len(stock), 'product')} will run out", "info"
    return "Nothing needs you now", "over"


def _todo(
    team: str,
    fires: Sequence[Row],
    firing: Firing,
    campaigns: Sequence[CampaignRow],
    of_report: Sequence[Matter],
) -> Todo:
    lines: list[tuple[str, str]] = []
    for row in fires:
        text = firing.texts.get(row.alert_id, {}).get(team, "")
        if text:
            lines.append((_cut(text), row.alert_id))
    for plan in campaigns:
        if plan.tone in ("critical", "warning"):
            said = plan.suggestion if team == "marketing" and plan.suggestion else plan.why
            lines.append((_cut(f"{plan.name}: {said}"), ""))
    lines += [(_cut(matter.act), "") for matter in of_report if matter.who == team]
    return Todo(team, lines[:MOST_TODO], max(0, len(lines) - MOST_TODO))


def _matters(shop: Shop, now: datetime) -> list[Matter]:
    """What the report would say that matters, but for campaigns, which stand with their answers, and alerts.

    Of a large shop those products are looked at that may be at risk, that have a last day, or that come back most.
    """
    chosen = {product.sku: product for product in at_risk(shop, now)}
    chosen |= {row.sku: shop.products[row.sku] for row in returns_ranking(shop, now, MOST_RETURNED)}
    lots = [product for product in shop.products.values() if product.lots]
    lots.sort(key=lambda product: (min(lot.expires_on for lot in product.lots), product.sku))
    chosen |= {product.sku: product for product in lots[:MOST_EXPIRING]}
    few = replace(shop, products=chosen)
    return [matter for matter in matters(Basis(few, now)) if not matter.name.startswith("plan/")]


def _cut(text: str) -> str:
    """As many whole sentences as find room; of a longer one its beginning."""
    one_line = flat(text)
    if len(one_line) <= LONGEST_TODO:
        return one_line
    end = one_line.rfind(". ", 0, LONGEST_TODO)
    return one_line[: end + 1] if end > 0 else f"{one_line[: LONGEST_TODO - 1]}…"


def _remark(shop: Shop, now: datetime, is_kept: bool) -> str:
    if not is_kept:
        return (
            "Nothing is reckoned of the shop's days yet. Switch a pack on in rules/shop.yml, or write a rule with a "
            "business measure such as days_of_cover; what fires is shown all the same."
        )
    if not shop.upto:
        return "No event of the shop has come yet. Send orders, traffic and stock; schemas/README.md says how."
    age = now - instant(shop.upto)
    if age > STALE:
        return (
            f"Nothing newer has come for {duration_words(age.total_seconds())}. Look whether events still arrive; the "
            "numbers are as of then."
        )
    return " ".join(one.sentence(shop, now) for one in silent_sources(shop, now))


def _as_of(shop: Shop, now: datetime) -> str:
    if not shop.upto:
        return "nothing is known yet"
    local = instant(shop.upto).astimezone(shop.zone)
    day = "" if local.date() == shop.day_of(now) else f"{day_text(local.date())} "
    return f"known up to {day}{local:%H:%M}"


# ---- campaigns, and what comes ---------------------------------------------------------------------------------------


_ANSWERS = {
    "yes": ("over", "can be done"),
    "change": ("warning", "has to change"),
    "no": ("critical", "cannot be done"),
}


def _campaigns(shop: Shop, now: datetime) -> list[CampaignRow]:
    """Those that run and that begin soon, the next first; each with the answer that its page and mails give."""
    until = now + timedelta(days=AHEAD_DAYS)
    plans = [
        plan
        for plan in shop.plans.values()
        if not plan.cancelled and plan_bounds(plan)[1] > now and plan_bounds(plan)[0] <= until
    ]
    return [
        _campaign(shop, plan, now) for plan in sorted(plans, key=lambda p: (plan_bounds(p)[0], p.campaign))[:MOST_PLANS]
    ]


def _campaign(shop: Shop, plan: PlanFacts, now: datetime) -> CampaignRow:
    seen = assess(shop, plan, now)
    if seen.verdict != "yes":
        seen = answer(shop, plan, now)
    tone, word = _ANSWERS[seen.verdict]
    starts = plan_bounds(plan)[0]
    first, last = plan_days(plan, shop.zone)
    is_running = starts <= now
    span = day_text(first) if first == last else f"{day_text(first)} to {day_text(last)}"
    when = (
        f"runs until {day_text(last)}" if is_running else f"in {duration_words((starts - now).total_seconds())}: {span}"
    )
    why = seen.reasons[0] if seen.reasons else ""
    if seen.verdict == "yes" and seen.unknown:
        tone, word, why = "pending", "not all is known", seen.unknown[0]
    return CampaignRow(flat(plan.campaign), plan.campaign, when, tone, word, why, seen.suggestion, is_running)


def _coming(shop: Shop, today: date) -> list[tuple[str, str]]:
    """(day, what) of the next days: marked days, capacity that was declared, and deliveries."""
    rows: list[tuple[date, str]] = []
    for n in range(COMING_DAYS + 1):
        day = today + timedelta(n)
        for entry in shop.calendar.for_people if shop.calendar is not None else ():
            if entry.kind != "campaign" and entry.is_on(day):
                rows.append((day, f"{'PR' if entry.kind == 'pr' else entry.kind}: {flat(entry.name)}"))
    last = today + timedelta(COMING_DAYS)
    for one in shop.capacities.values():
        day = shop.day_of(instant(one.starts))
        if today <= day <= last:
            rows.append((day, f"capacity: {measured_text(one.orders_per_day, 'orders')} a day"))
    deliveries: dict[date, list[tuple[int, str, bool]]] = {}
    for product in shop.products.values():
        for receipt in product.receipts:
            day = date.fromisoformat(receipt.expected_on)
            if receipt.status != "received" and day <= last:
                is_late = day < today or receipt.expected_on > receipt.first_expected_on
                deliveries.setdefault(max(day, today), []).append((receipt.quantity, product.sku, is_late))
    for day, goods in deliveries.items():
        named = list_text([f"{many(n, 'unit')} of {flat(sku)}" for n, sku, _ in sorted(goods, reverse=True)])
        late = sum(is_late for *_, is_late in goods)
        rows.append((day, f"delivery: {named}{f' ({late} of {len(goods)} late)' if late else ''}"))
    ordered = sorted(rows)[:MOST_COMING]
    return [("today" if day == today else day_text(day), what) for day, what in ordered]
