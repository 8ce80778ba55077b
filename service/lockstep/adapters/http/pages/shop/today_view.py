"""What the page of today says: what is wrong and what each team does about it, then the shop's day in numbers.

Every number is a business measure, a forecast or an answer to a plan (`lockstep.shop`), so it is the one that alerts
and reports say. What cannot be known is said in words, with what to do about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from lockstep.adapters.http.pages.board_view import FIRES, HANDLED, UNHEARD, BoardView, Row, Section
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
from lockstep.text.one_line import cut_text, flat

STALE = timedelta(minutes=30)
"""Facts older than this are said to be old."""
AHEAD_DAYS = 14
"""Campaigns that begin in so many days are shown."""
COMING_DAYS = 7
MOST_RETURNED, MOST_EXPIRING = 10, 40
MOST_PLANS, MOST_TODO, MOST_COMING = 8, 2, 12
MOST_HELD = 3
"""Alerts that need nobody, as somebody has them."""
MOST_ON_WALL = 3
"""Alerts that a screen on the wall has room for, where nobody can scroll."""
LONGEST_TODO, LONGEST_HEADLINE = 170, 140
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
    """What a team does now, the most urgent first; empty: nothing. lines: (what, alert id; "" where it is no alert's).
    more: how many less urgent ones there are."""

    team: str
    lines: Sequence[tuple[str, str]]
    more: int = 0


@dataclass(frozen=True)
class TodayView:
    """headline, tone: what is wrong, the worst of it; below: what else is, and whether anybody has it. is_new: whether
    nothing at all is known of the shop yet. remark: what must be known of the numbers. fires, handled, unheard: alerts
    that nobody has, that somebody has, and of which people hear nothing. more_alerts, more_on_wall: how many found no
    place. as_of: up to when facts are known."""

    headline: str
    below: str
    tone: str
    is_new: bool
    todos: Sequence[Todo]
    remark: str
    tiles: Sequence[Tile]
    fires: Sequence[Row]
    handled: Sequence[Row]
    unheard: Sequence[Row]
    more_alerts: int
    more_on_wall: int
    campaigns: Sequence[CampaignRow]
    stock: Sequence[StockRow]
    more_stock: int
    coming: Sequence[tuple[str, str]]
    day: str
    as_of: str

    @property
    def held(self) -> list[Row]:
        """What somebody has, then what nobody hears of, each with the words why."""
        return [*self.handled, *self.unheard]


@dataclass(frozen=True)
class Firing:
    """What fires. worst_of_tile: key of a tile → the worst severity of an alert about it."""

    board: BoardView
    worst_of_tile: Mapping[str, str] = field(default_factory=dict)


def today_view(shop: Shop, firing: Firing, *, now: datetime, is_kept: bool = True) -> TodayView:
    """is_kept: whether facts of the shop are made at all."""
    today = shop.day_of(now)
    sections = [firing.board.section(kind) for kind in (FIRES, HANDLED, UNHEARD)]
    fires, handled, unheard = sections
    stock, more_stock = stock_rows(shop, now)
    campaigns = _campaigns(shop, now)
    of_report = _matters(shop, now)
    todos = [_todo(team, fires.rows, campaigns, of_report) for team in TEAMS]
    remark = _remark(shop, now, is_kept)
    headline, tone = _headline(fires, handled, unheard, campaigns, todos)
    if tone == "over" and remark:
        headline, tone = _unknown_headline(shop, now, is_kept), "pending"
    count = firing.board.uncounted + sum(one.count for one in sections)
    shown = [*fires.rows[:MOST_PLANS], *handled.rows[:MOST_HELD], *unheard.rows[:MOST_HELD]]
    return TodayView(
        headline=headline,
        below=_below(fires) or ("" if tone != "info" or any(todo.lines for todo in todos) else "Nothing else to do."),
        tone=tone,
        is_new=not shop.upto and not count,
        todos=todos if any(todo.lines for todo in todos) else [],
        remark=remark,
        tiles=tiles(shop, now, firing.worst_of_tile, stock, more_stock),
        fires=fires.rows[:MOST_PLANS],
        handled=handled.rows[:MOST_HELD],
        unheard=unheard.rows[:MOST_HELD],
        more_alerts=count - len(shown),
        more_on_wall=max(0, count - MOST_ON_WALL),
        campaigns=campaigns,
        stock=stock,
        more_stock=more_stock,
        coming=_coming(shop, today),
        day=f"{today:%A}, {today.day} {today:%B %Y}",
        as_of=_as_of(shop, now),
    )


# ---- what is wrong --------------------------------------------------------------------------------------------------


def _headline(
    fires: Section, handled: Section, unheard: Section, campaigns: Sequence[CampaignRow], todos: Sequence[Todo]
) -> tuple[str, str]:
    """What is wrong, the worst of it, and its colour."""
    if fires.rows:
        return _cut(fires.rows[0].headline, LONGEST_HEADLINE), fires.rows[0].tone
    in_trouble = [row for row in campaigns if row.tone in ("critical", "warning")]
    if in_trouble:
        worst = min((row.tone for row in in_trouble), key=rank)
        noun = "Campaign" if len(in_trouble) == 1 else "Campaigns"
        return f"{noun} {list_text([row.name for row in in_trouble], 2)} cannot run as planned", worst
    if handled.count:
        return f"{many(handled.count, 'alert')}, and somebody is on {'it' if handled.count == 1 else 'each'}", "info"
    if unheard.count:
        return f"{many(unheard.count, 'alert')} kept quiet; see why below", "info"
    if any(todo.lines for todo in todos):
        return "No alert, and something to prepare", "info"
    return "All is well. Nothing to do.", "over"


def _below(fires: Section) -> str:
    """Whether anybody has the worst, and how many more there are."""
    if not fires.rows:
        return ""
    if fires.count == 1:
        return "Nobody has it yet."
    critical = fires.critical - (fires.rows[0].tone == "critical")
    how_bad = f", {critical} of them critical" if critical else ""
    more = fires.count - 1
    return f"Nobody has it yet. {many(more, 'more alert')} {'waits' if more == 1 else 'wait'}{how_bad}."


def _unknown_headline(shop: Shop, now: datetime, is_kept: bool) -> str:
    if not is_kept or not shop.upto:
        return "No alert. Nothing is known of the shop's day yet"
    return f"No alert, but {'the' if now - instant(shop.upto) > STALE else 'some'} numbers are old"


def _todo(
    team: str,
    fires: Sequence[Row],
    campaigns: Sequence[CampaignRow],
    of_report: Sequence[Matter],
) -> Todo:
    lines: list[tuple[str, str]] = []
    for row in fires:
        for text in (text for of, text in row.todos if of in ("", team)):
            lines.append(
                (text if row.is_named_in(text) else f"{row.subject[:1].upper()}{row.subject[1:]}: {text}", row.alert_id)
            )
    for plan in campaigns:
        if plan.tone in ("critical", "warning"):
            said = plan.suggestion if team == "marketing" and plan.suggestion else plan.why
            lines.append((_cut(f"Campaign {plan.name}: {said}"), ""))
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


def _cut(text: str, longest: int = LONGEST_TODO) -> str:
    return cut_text(flat(text), longest)


def _remark(shop: Shop, now: datetime, is_kept: bool) -> str:
    if not is_kept:
        return (
            "Nothing is reckoned of the shop's day: no rule asks for it yet. Whoever sets Lockstep up switches on one "
            "of its packs of rules. Alerts are shown all the same."
        )
    if not shop.upto:
        return "No order, visit or stock has arrived yet. First: have the shop send its orders."
    age = now - instant(shop.upto)
    if age > STALE:
        return (
            f"Nothing newer has come for {duration_words(age.total_seconds())}. Operations: ask IT why no orders, "
            "visits and stock come from the shop. The numbers below are as of then."
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
    last, overdue = today + timedelta(COMING_DAYS), today - timedelta(1)
    for one in shop.capacities.values():
        day = shop.day_of(instant(one.starts))
        if today <= day <= last:
            rows.append((day, f"capacity: {measured_text(one.orders_per_day, 'orders')} a day"))
    deliveries: dict[date, list[tuple[int, str, bool]]] = {}
    for product in shop.products.values():
        for receipt in product.receipts:
            day = date.fromisoformat(receipt.expected_on)
            if receipt.status != "received" and day <= last:
                is_late = receipt.expected_on > receipt.first_expected_on
                deliveries.setdefault(overdue if day < today else day, []).append(
                    (receipt.quantity, product.sku, is_late)
                )
    for day, goods in deliveries.items():
        named = list_text([f"{many(n, 'unit')} of {flat(sku)}" for n, sku, _ in sorted(goods, reverse=True)])
        late = sum(is_late for *_, is_late in goods)
        rows.append((day, f"delivery: {named}{f' ({late} of {len(goods)} late)' if late else ''}"))
    ordered = sorted(rows)[:MOST_COMING]
    names = {overdue: "overdue", today: "today"}
    return [(names.get(day) or day_text(day), what) for day, what in ordered]
