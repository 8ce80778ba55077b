"""The slow, obvious judge: the specification written down once more, with every window summed from the raw events.

It shares nothing with the service but the plan's words, the labels' value for "missing" and the ids. Every bucket end
of every group is judged; sums are exact fractions, percentiles and distinct counts exact. Times are microseconds
since the epoch. Weakness: it takes the events of one partition a topic, fewer than a chunk, and levels of stock only.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, isqrt, sqrt
from statistics import NormalDist, variance
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.calendar import Calendar
from lockstep.labels import NONE, stable_id
from lockstep.measure.definition import (
    Aggregate,
    Expression,
    Measured,
    Number,
    Operation,
    SeriesDef,
    series_of,
)
from lockstep.rule.condition.bound import Bounds, OfMeasure, OfTable
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    AnyOf,
    Baseline,
    Change,
    Condition,
    Hours,
    Level,
    NewValue,
    NoData,
    Not,
    Plan,
    Projection,
    Rule,
    Severity,
    Share,
    Spike,
    Threshold,
    series_of_condition,
)
from lockstep.rule.condition.period import Period, Window

SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIDNIGHT = datetime.min.time()
NON_NEGATIVE = {
    ("order.placed", "lines.quantity"),
    ("order.returned", "lines.quantity"),
    ("traffic.spend", "amount"),
}
"""(event type, field) that can never be below zero: only their sums cannot be undone by more events."""

ROLES = {
    "order": "orders",
    "feedback": "orders",
    "traffic": "traffic",
    "stock": "inventory",
    "supplier": "inventory",
    "campaign": "plans",
    "capacity": "plans",
}

Group = tuple[str, ...]


def micros(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


# ---- what events contribute -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """What one event gives one group of one series. numbers: exact, each with the weight `weight`."""

    time: int
    weight: int
    numbers: tuple[Fraction, ...]
    texts: tuple[str, ...]
    identity: Group
    currency: str
    event_id: str
    place: int


def _text(value: object) -> str:
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(value: float) -> Fraction:
    """As the door rounds it: to a millionth."""
    return Fraction(round(Fraction(str(value)) * SECOND), SECOND)


def _matches(value: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None


def _facts(series: SeriesDef, place: int, event: Mapping[str, Any]) -> Iterable[tuple[Group, Fact]]:
    """The groups of `series` that an event belongs to, with what it gives each of them."""
    if event["type"] != series.event_type:
        return
    data = event["data"]

    def filtered(of: Mapping[str, Any], names: Callable[[str], bool]) -> bool:
        return all(any(_matches(_text(of.get(n)), p) for p in allowed) for n, allowed in series.where if names(n))

    if not filtered(data, lambda n: n not in series.line_labels):
        return
    in_lines = bool(series.line_labels) or (series.field or "").startswith("lines.")
    parts: list[Mapping[str, Any]] = [data]
    if in_lines:
        parts = [line for line in data["lines"] if filtered(line, lambda n: n in series.line_labels)]
    groups: dict[Group, list[Mapping[str, Any]]] = {}
    for part in parts:
        key = tuple(_text((part if n in series.line_labels else data).get(n)) for n in series.by)
        groups.setdefault(key, []).append(part)
    for key, members in groups.items():
        name = series.field
        values = [] if name is None else [m.get(name.removeprefix("lines.")) for m in members]
        if name is not None and not name.startswith("lines."):
            values = [data.get(name)]
        values = [v for v in values if v is not None]
        if name is not None and not values:
            continue
        yield (
            key,
            Fact(
                time=micros(event["time"]),
                weight=data.get("count", 1),
                numbers=tuple(_number(v) for v in values if isinstance(v, int | float)),
                texts=tuple(_text(v) for v in values),
                identity=(_text(data.get("sku")), _text(data.get("location"))),
                currency=_text(data.get("currency")),
                event_id=f"{event['source']} {event['id']}",
                place=place,
            ),
        )


class Events:
    """The events as the judge may know them: in time order, each id once, nothing after `until`."""

    def __init__(self, events: Iterable[Mapping[str, Any]], until: int | None) -> None:
        ordered = sorted(events, key=lambda e: micros(e["time"]))
        last = max((micros(e["time"]) for e in ordered), default=0)
        self.until = last if until is None else until
        self.first: dict[str, int] = {}
        self.times: dict[str, list[int]] = {}
        self.kept: list[Mapping[str, Any]] = []
        seen: set[tuple[str, str, str]] = set()
        for event in ordered:
            time, role = micros(event["time"]), ROLES[event["type"].split(".")[0]]
            if time > self.until:
                continue
            self.first.setdefault(role, time)
            self.times.setdefault(role, []).append(time)
            key = (role, event["source"], event["id"])
            if key not in seen:
                seen.add(key)
                self.kept.append(event)
        self._of: dict[SeriesDef, dict[Group, list[Fact]]] = {}

    def of(self, series: SeriesDef) -> dict[Group, list[Fact]]:
        """Group → what it got, in order."""
        if series not in self._of:
            groups: dict[Group, list[Fact]] = {}
            for place, event in enumerate(self.kept):
                for group, fact in _facts(series, place, event):
                    groups.setdefault(group, []).append(fact)
            self._of[series] = groups
        return self._of[series]


# ---- values ---------------------------------------------------------------------------------------------------------


def aggregate(series: SeriesDef, facts: list[Fact]) -> Fraction | None:
    """The number that these facts make; None is no_data."""
    numbers = [n for f in facts for n in f.numbers]
    match series.aggregate:
        case Aggregate.COUNT:
            return Fraction(sum(f.weight for f in facts))
        case Aggregate.SUM:
            is_money = series.field == "total" and "currency" not in series.by
            if is_money and len({f.currency for f in facts}) > 1:
                return None
            return sum(numbers, Fraction())
        case Aggregate.DISTINCT:
            return Fraction(len({t for f in facts for t in f.texts}))
        case Aggregate.AVERAGE:
            weight = sum(f.weight * len(f.numbers) for f in facts)
            return sum((n * f.weight for f in facts for n in f.numbers), Fraction()) / weight if weight else None
        case Aggregate.MINIMUM:
            return min(numbers, default=None)
        case Aggregate.MAXIMUM:
            return max(numbers, default=None)
        case Aggregate.PERCENTILE:
            assert series.quantile is not None
            ranked = sorted(numbers)
            return ranked[max(ceil(Fraction(str(series.quantile)) * len(ranked)), 1) - 1] if ranked else None
        case _:
            raise AssertionError(series.aggregate)


Levels = Callable[[SeriesDef, Group], Fraction | None]


@dataclass
class Reader:
    """Reads expressions for one group as of one instant.

    earlier: the same group as of an instant before. before_last: a level as it was before its newest value.
    """

    events: Events
    group: dict[str, str]
    levels: Levels
    asof: int
    width: int = 0
    earlier: Callable[[int], "Reader"] | None = None
    before_last: Levels | None = None

    def of(self, series: SeriesDef) -> Group:
        """The values of the labels that a series has: all of the rule's, or fewer."""
        return tuple(self.group[name] for name in series.by)

    def facts(self, series: SeriesDef) -> list[Fact]:
        return self.events.of(series).get(self.of(series), [])

    def flow(self, series: SeriesDef, start: int, end: int) -> Fraction | None:
        first = self.events.first.get(series.source)
        if first is None or first >= self.asof:
            return None
        return aggregate(series, [f for f in self.facts(series) if start <= f.time < end])

    def value(self, expression: Expression, start: int, end: int, scale: Fraction = Fraction(1)) -> Fraction | None:
        match expression:
            case Number(value):
                return Fraction(str(value))
            case Measured(series) if series.is_level:
                return self.levels(series, self.of(series))
            case Measured(series):
                found = self.flow(series, start, end)
                additive = series.aggregate in (Aggregate.COUNT, Aggregate.SUM)
                return found * scale if found is not None and additive else found
            case Operation(op, left, right):
                a, b = self.value(left, start, end, scale), self.value(right, start, end, scale)
                if a is None or b is None:
                    return None
                match op:
                    case "+":
                        return a + b
                    case "-":
                        return a - b
                    case "*":
                        return a * b
                    case _:
                        return a / b if b else None

    def complete(self, expression: Expression, start: int) -> bool:
        """Whether every flow in the expression has been seen since `start`. A topic without events is no_data."""
        return all(
            s.is_level or (first := self.events.first.get(s.source)) is None or first >= self.asof or start >= first
            for s in series_of(expression)
        )


# ---- verdicts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """kind: breach, clear, no_data, unjudged, closed or no_bound. window: [start, end) of the flows it looked at."""

    kind: str
    severity: Severity = Severity.INFO
    value: float | None = None
    baseline: float | None = None
    window: tuple[int, int] | None = None
    baseline_of: str = ""
    limit: float | None = None
    so_far: bool = False


UNJUDGED = Verdict("unjudged")
CLOSED = Verdict("closed")


def _local(day: date, at: Any, zone: ZoneInfo) -> int:
    return (datetime.combine(day, at, zone).astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def _calendar(window: Period, end: int, zone: ZoneInfo, back: int = 0) -> tuple[int, int]:
    """The day or week of the shop that the microsecond before `end` belongs to, or that so many days earlier."""
    day = moment(end - 1).astimezone(zone).date() - timedelta(days=back)
    if window.word == "week":
        monday = date.fromisocalendar(*day.isocalendar()[:2], 1)
        return _local(monday, MIDNIGHT, zone), _local(monday + timedelta(weeks=1), MIDNIGHT, zone)
    until = _local(day + timedelta(days=1), MIDNIGHT, zone) if window.by is None else _local(day, window.by, zone)
    return _local(day, MIDNIGHT, zone), until


def _begin(window: Window | None, end: int, zone: ZoneInfo) -> int:
    """Where the window begins that ends at `end`."""
    return _calendar(window, end, zone)[0] if isinstance(window, Period) else end - (window or 0) * SECOND


def _levels_for(condition: Threshold | Share, labels: Mapping[str, str]) -> tuple[Level, ...]:
    """The levels of a group, with the rows of tables; those whose breach has no row are none."""
    levels = condition.levels
    for override in reversed(condition.overrides):
        if all(_matches(labels.get(name, NONE), pattern) for name, pattern in override.match):
            levels = override.levels
    found = []
    for level in levels:
        breach = _with_rows(level.breach, labels)
        if breach is not None:
            found.append(replace(level, breach=breach, clear=level.clear and _with_rows(level.clear, labels)))
    return tuple(found)


def _with_rows(bounds: Bounds, labels: Mapping[str, str]) -> Bounds | None:
    for word, source in bounds.sources:
        if isinstance(source, OfTable):
            alike = [
                (sum("*" not in p for p in row), sum(len(p) - p.count("*") for p in row), number)
                for row, number in source.rows
                if all(_matches(labels[name], p) for name, p in zip(source.labels, row, strict=True))
            ]
            number = max(alike, key=lambda a: a[:2])[2] if alike else source.otherwise
            if number is None:
                return None
            bounds = replace(bounds, **{word: _times(source, Fraction(str(number))) if alike else number})
    return replace(bounds, sources=tuple((w, s) for w, s in bounds.sources if not isinstance(s, OfTable)))


def _times(source: OfMeasure | OfTable, value: Fraction) -> Fraction:
    return Fraction(str(source.times)) * value + Fraction(str(source.plus))


def _hold(bounds: Bounds, low: Fraction, high: Fraction) -> bool:
    """Whether bounds hold of a number that is known to lie between two (both the same: exactly known)."""
    is_beyond = (
        (bounds.above, lambda n: low > n),
        (bounds.at_least, lambda n: low >= n),
        (bounds.below, lambda n: high < n),
        (bounds.at_most, lambda n: high <= n),
    )
    return all(holds(Fraction(str(n))) for n, holds in is_beyond if n is not None)


def _with_measures(levels: tuple[Level, ...], read: Reader, end: int, zone: ZoneInfo) -> tuple[Level, ...] | str:
    """The levels with the values of the measures that they name, or "unjudged" or "no_data"."""
    kinds = set()

    def settle(bounds: Bounds | None) -> Bounds | None:
        for word, source in () if bounds is None else bounds.sources:
            start = _begin(source.window_s, end, zone)
            value = read.value(source.expression, start, end)
            if not read.complete(source.expression, start):
                kinds.add("unjudged")
            elif value is None:
                kinds.add("no_data")
            else:
                bounds = replace(bounds, **{word: _times(source, value)})
        return bounds and replace(bounds, sources=())

    found = tuple(replace(level, breach=settle(level.breach), clear=settle(level.clear)) for level in levels)
    return max(kinds) if kinds else found


def _only_rising(levels: Iterable[Level]) -> bool:
    return all(lv.breach.below is None and lv.breach.at_most is None and not lv.breach.sources for lv in levels)


def _shown(levels: tuple[Level, ...], reached: Severity | None) -> float | None:
    """The number that is told: of the level that was reached, else of the lowest."""
    breach = next((lv.breach for lv in levels if lv.severity is reached), levels[0].breach)
    numbers = (breach.above, breach.at_least, breach.below, breach.at_most)
    return next((float(n) for n in numbers if n is not None), None)


def _single(expression: Expression, *kinds: Aggregate) -> SeriesDef | None:
    if isinstance(expression, Measured) and expression.series.aggregate in kinds:
        return expression.series
    return None


def threshold(
    c: Threshold, read: Reader, labels: Mapping[str, str], end: int, firing: Severity | None, zone: ZoneInfo
) -> Verdict:
    levels = _levels_for(c, labels)
    start = _begin(c.window_s, end, zone)
    window = (start, end) if c.flows else None
    found = read.value(c.expression, start, end)
    if not levels:
        return Verdict("no_bound", value=None if found is None else float(found), window=window)
    complete = read.complete(c.expression, start)
    settled = _with_measures(levels, read, end, zone)
    may_breach = not isinstance(settled, str) and _only_rising(settled)
    grows = (Aggregate.COUNT, Aggregate.SUM, Aggregate.DISTINCT)
    may_breach = may_breach and _single(c.expression, *grows) is not None
    if settled == "unjudged" or (not complete and not may_breach):
        return UNJUDGED
    if found is None or isinstance(settled, str):
        shown = None if found is None else float(found)
        return Verdict("no_data", levels[0].severity, shown, window=window) if complete else UNJUDGED
    value = float(found)
    holding = []
    for level in settled:
        breaches = _hold(level.breach, found, found)
        is_clear = not breaches if level.clear is None else _hold(level.clear, found, found)
        if breaches or (firing is not None and level.severity <= firing and not is_clear):
            holding.append(level.severity)
    limit = _shown(settled, max(holding) if holding else None)
    if not holding:
        return Verdict("clear", value=value, window=window, limit=limit) if complete else UNJUDGED
    return Verdict("breach", max(holding), value, window=window, limit=limit)


def _middle(values: list[Fraction]) -> Fraction:
    ranked, half = sorted(values), len(values) // 2
    return ranked[half] if len(values) % 2 else (ranked[half - 1] + ranked[half]) / 2


def _root(x: Fraction) -> Fraction:
    """Exact where there is an exact one; else no fraction is equal to it, and near is enough."""
    exact = Fraction(isqrt(x.numerator), isqrt(x.denominator)) if x > 0 else Fraction()
    return exact if exact * exact == max(x, 0) else Fraction(sqrt(x))


def _earlier(end: int, days: int, zone: ZoneInfo) -> int:
    """The same wall-clock time so many days earlier."""
    there = moment(end).astimezone(zone).replace(tzinfo=None) - timedelta(days=days)
    return (there.replace(tzinfo=zone).astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Usual:
    """A baseline: its value, its spread (MAD), of which windows, how many window lengths that is."""

    value: Fraction
    level: float
    spread: Fraction
    windows: list[Fraction]
    lengths: Fraction
    of: str


def _days(start: int, end: int, zone: ZoneInfo) -> list[date]:
    """Every local day that [start, end) touches."""
    first, last = (moment(t).astimezone(zone).date() for t in (start, end - 1))
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _marks(b: Baseline, days: list[date], back: int) -> set[str]:
    return set() if b.calendar is None else {k for d in days for k in b.calendar.kinds(d - timedelta(days=back))}


def _seen(c: Spike, read: Reader, end: int, backs: list[int], zone: ZoneInfo) -> tuple[int, list[Fraction]]:
    """How many of the windows so many days earlier were seen whole, and the values of those that have one."""
    windows = []
    for back in backs:
        if isinstance(c.window_s, Period):
            windows.append(_calendar(c.window_s, end, zone, back))
        else:
            then = _earlier(end, back, zone)
            windows.append((then - c.window_s * SECOND, then))
    whole = [(b, e) for b, e in windows if read.complete(c.expression, b)]
    return len(whole), [v for b, e in whole if (v := read.value(c.expression, b, e)) is not None]


def usual(c: Spike, b: Baseline, read: Reader, end: int, zone: ZoneInfo, because: tuple[str, ...] = ()) -> Usual | str:
    """What is usual, or "unjudged" or "no_data"."""
    start = _begin(c.window_s, end, zone)

    def made(known: list[Fraction], of: str) -> Usual:
        middle = _middle(known)
        spread = _middle([abs(v - middle) for v in known])
        wide = 3 * max(1.4826 * float(spread), sqrt(max(float(middle), 1.0)))
        level = sum(min(max(float(v - middle), -wide), wide) for v in known) / len(known) + float(middle)
        return Usual(middle, level, spread, known, Fraction(len(known)), _said(of, because))

    if b.weeks is None and b.days is None:
        width = c.window_s * SECOND
        stretch = (b.previous_s or c.window_s) * SECOND
        if not read.complete(c.expression, start - stretch):
            return "unjudged"
        found = read.value(c.expression, start - stretch, start, Fraction(width, stretch))
        if found is None:
            return "no_data"
        return Usual(
            found,
            float(found),
            Fraction(),
            [found],
            Fraction(stretch, width),
            _said(f"the {_length(stretch)} before", because),
        )
    asked, step, word = (b.weeks, 7, "week") if b.weeks else (b.days or 0, 1, "day")
    period = c.window_s if isinstance(c.window_s, Period) else None
    days = _days(*(_calendar(period, end, zone) if period else (start, end)), zone)
    grain = 7 if period and period.word == "week" else 1
    today = _marks(b, days, 0)
    missing = "unjudged"
    if today:
        alike = [n for n in range(grain, asked * step + 1, grain) if _marks(b, days, n) == today][: max(asked, 3)]
        whole, known = _seen(c, read, end, alike, zone)
        kind = "closed" if "closed" in today else min(today)
        name = {"campaign": "campaign day", "holiday": "holiday", "closed": "closed day"}[kind]
        if len(known) >= 3:
            return made(known, f"the last {len(known)} {name}s")
        missing = "no_data" if whole >= 3 else missing
        n = len(known) if whole >= 3 else whole
        because = (*because, _few(n, name))
        if "closed" in today:
            return missing
    backs = [step * n for n in range(1, asked + 1) if not _marks(b, days, step * n)]
    whole, known = _seen(c, read, end, backs, zone)
    least = b.known_at_least or min(asked, 3)
    if len(known) >= least:
        said = f"{asked} {word}s" if asked > 1 else word
        return made(known, f"the last {said}" if len(known) == asked else f"{len(known)} of the last {said}")
    missing = "no_data" if whole >= least else missing
    if b.otherwise is None:
        return missing
    n = len(known) if whole >= least else whole
    left_out = "" if len(backs) == asked else "unmarked "
    said = _few(n, f"{left_out}{word}")
    instead = usual(c, b.otherwise, read, end, zone, (*because, said))
    return missing if instead == "unjudged" else instead


def _few(n: int, of: str) -> str:
    return f"only {n} {of}s are known" if n > 1 else f"only 1 {of} is known" if n else f"no {of} is known"


def _said(of: str, because: tuple[str, ...]) -> str:
    return of + (f", because {' and '.join(because)}" if because else "")


def _length(stretch: int) -> str:
    seconds = stretch // SECOND
    size, word = next(
        (s, w) for s, w in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")) if seconds % s == 0
    )
    return f"{seconds // size} {word}{'' if seconds == size else 's'}"


def chance_of(c: Spike, value: Fraction, found: Usual) -> float:
    """How likely chance alone makes a count as far away: its probabilities added one by one."""
    mean, n = found.level, float(found.lengths)
    corrections = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.2, 7: 1.14, 8: 1.129, 9: 1.107}
    scatter, count = 1.0, len(found.windows)
    if count > 1 and mean > 0:
        correction = corrections.get(count, count / (count - 0.8))
        scatter = max(1.0, (correction * 1.4826 * float(found.spread)) ** 2 / mean)
        if any(found.windows):
            scatter = max(1.0, min(scatter, float(variance(found.windows) * count / sum(found.windows))))
        if value < found.value and count <= 4:
            scatter = min(scatter, 1 + mean / 4)
    center = mean + 0.5 / n
    broad = scatter * center * (1 + 1 / n)
    p, r = center / broad, center**2 / (broad - center)
    likely = [p**r]
    for k in range(int(value)):
        likely.append(likely[-1] * (k + r) / (k + 1) * (1 - p))
    return 1 - sum(likely[:-1]) if value >= found.value else sum(likely)


def spike(c: Spike, read: Reader, end: int, firing: Severity | None, zone: ZoneInfo) -> Verdict:
    start = _begin(c.window_s, end, zone)
    if c.hours and not _within(c.hours, c.closed, start, end, zone):
        return CLOSED
    if not c.hours and c.closed is not None and any("closed" in c.closed.kinds(d) for d in _days(start, end, zone)):
        # Nobody expects anything: what is sold all the same may be much, never too little.
        either = c.above is None and c.above_by is None and c.below is None and c.below_by is None
        if not either and c.above is None and c.above_by is None:
            return CLOSED
        rise = replace(
            c,
            closed=None,
            below=None,
            below_by=None,
            clear_above=None,
            clear_above_by=None,
            above=1 if either else c.above,
        )
        found = spike(rise, read, end, firing, zone)
        return found if found.kind == "breach" else CLOSED
    if not read.complete(c.expression, start):
        return UNJUDGED
    value = read.value(c.expression, start, end)
    found = usual(c, c.baseline, read, end, zone)
    if found == "unjudged":
        return UNJUDGED
    baseline = found.value if isinstance(found, Usual) else None
    if value is None or baseline is None or isinstance(found, str):
        shown = None if value is None else float(value)
        return Verdict("no_data", c.severity, shown, window=(start, end))
    numbers = {"value": float(value), "baseline": float(baseline), "window": (start, end), "baseline_of": found.of}
    enough = c.usual_at_least is None or baseline >= Fraction(str(c.usual_at_least))
    comparable = c.usual_at_least is not None or baseline > 0  # a ratio of nothing is none, a difference is one
    sigma = Fraction("1.4826") * found.spread
    if _single(c.expression, Aggregate.COUNT):
        sigma = max(sigma, _root(baseline))
    difference = value - baseline
    far = None if c.deviations is None else Fraction(str(c.deviations)) * sigma
    up = c.above is not None or c.above_by is not None
    down = c.below is not None or c.below_by is not None
    alone = c.deviations is not None and not up and not down
    rises = (
        (up or alone)
        and (comparable or not (alone or c.above is not None))
        and (c.above is None or value > Fraction(str(c.above)) * baseline)
        and (c.above_by is None or value - baseline > Fraction(str(c.above_by)))
        and (c.at_least is None or value >= Fraction(str(c.at_least)))
        and (far is None or difference > far)
    )
    falls = (
        (down or alone)
        and (comparable or not (alone or c.below is not None))
        and (c.below is None or value < Fraction(str(c.below)) * baseline)
        and (c.below_by is None or baseline - value > Fraction(str(c.below_by)))
        and (far is None or -difference > far)
    )
    is_far = breaches = enough and (rises or falls)
    if breaches and c.chance is not None and _single(c.expression, Aggregate.COUNT):
        breaches = chance_of(c, value, found) <= c.chance
    if breaches:
        return Verdict("breach", c.severity, **numbers)
    bands = [
        (c.clear_below, lambda n: value < Fraction(str(n)) * baseline),
        (c.clear_above, lambda n: value > Fraction(str(n)) * baseline),
        (c.clear_below_by, lambda n: value - baseline < Fraction(str(n))),
        (c.clear_above_by, lambda n: value - baseline > Fraction(str(n))),
    ]
    ratios_say = enough and comparable
    said = [(n, holds) for n, holds in (bands if ratios_say else bands[2:]) if n is not None]
    is_clear = all(holds(n) for n, holds in said)
    if firing is not None and (is_far or (not is_clear and (value, baseline) != (0, 0))):
        return Verdict("breach", c.severity, **numbers)
    return Verdict("clear", c.severity, **numbers)


def _within(of: tuple[Hours, ...], closed: Calendar | None, start: int, end: int, zone: ZoneInfo) -> bool:
    """Whether [start, end) lies within one stretch of expected hours; days that touch at midnight join."""
    first, last = moment(start).astimezone(zone).date(), moment(end).astimezone(zone).date()
    stretches: list[tuple[datetime, datetime]] = []
    for n in range(-1, (last - first).days + 2):
        day = first + timedelta(days=n)
        is_closed = closed is not None and "closed" in closed.kinds(day)
        for hours in () if is_closed else of:
            if day.weekday() in hours.weekdays:
                over = hours.end.hour == 0 and hours.end.minute == 0
                opens = datetime.combine(day, hours.start, zone).astimezone(UTC)
                closes = datetime.combine(day + timedelta(days=over), hours.end, zone).astimezone(UTC)
                stretches.append((opens, closes))
    joined: list[tuple[datetime, datetime]] = []
    for opens, closes in sorted(stretches):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        else:
            joined.append((opens, closes))
    return any(opens <= moment(start) and moment(end) <= closes for opens, closes in joined)


def absence(c: Absence, read: Reader, end: int, zone: ZoneInfo) -> Verdict:
    start = _begin(c.window_s, end, zone)
    value = read.value(c.expression, start, end)
    if value is not None and value > 0:
        return Verdict("clear", c.severity, float(value), window=(start, end))
    if not read.complete(c.expression, start):
        return UNJUDGED
    if value is None:
        return Verdict("no_data", c.severity, window=(start, end))
    always = (Hours(frozenset(range(7)), MIDNIGHT, MIDNIGHT),)
    if (not c.hours and c.closed is None) or _within(c.hours or always, c.closed, start, end, zone):
        return Verdict("breach", c.severity, 0.0, window=(start, end))
    return UNJUDGED


def change(c: Change, read: Reader, end: int) -> Verdict:
    if c.window_s is None:
        assert read.before_last is not None
        (series,) = series_of(c.expression)
        window = None
        now, before = read.levels(series, read.of(series)), read.before_last(series, read.of(series))
    else:
        assert read.earlier is not None
        width = c.window_s * SECOND
        window = (end - width, end)
        if not read.complete(c.expression, end - 2 * width):
            return UNJUDGED
        now = read.value(c.expression, end - width, end)
        before = read.earlier(end - width).value(c.expression, end - 2 * width, end - width)
    if now is None or before is None:
        only_levels = all(s.is_level for s in series_of(c.expression))
        first = before is None and only_levels and (now is not None or c.window_s is not None)
        shown = None if now is None else float(now)
        return UNJUDGED if first else Verdict("no_data", c.severity, shown, window=window)
    moved = now - before
    right_way = (moved > 0 and c.up) or (moved < 0 and c.down)
    far = (c.by is None or abs(moved) >= Fraction(str(c.by))) and (
        c.by_ratio is None or abs(moved) >= Fraction(str(c.by_ratio)) * abs(before)
    )
    return Verdict("breach" if right_way and far else "clear", c.severity, float(now), float(before), window)


def new_value(c: NewValue, read: Reader, end: int) -> Verdict:
    (series,) = series_of(c.expression)
    start = end - c.window_s * SECOND
    begun = read.events.first.get(series.source)
    buckets = [f.time // read.width * read.width for f in read.facts(series) if f.time < end]
    inside = [b for b in buckets if b >= start]
    looked_at = min(inside, default=start)
    if begun is None or begun >= end or looked_at < begun + c.learn_s * SECOND:
        return UNJUDGED
    value = read.value(c.expression, start, end)
    assert value is not None
    is_new = bool(inside) and not any(looked_at - c.in_s * SECOND <= b < looked_at for b in buckets)
    return Verdict("breach" if is_new else "clear", c.severity, float(value), window=(start, end))


def share(
    c: Share, read: Reader, labels: Mapping[str, str], end: int, firing: Severity | None, zone: ZoneInfo
) -> Verdict:
    levels = _levels_for(c, labels)
    start = _begin(c.window_s, end, zone)
    window = (start, end) if c.flows else None
    if not levels:
        return Verdict("no_bound", window=window)
    settled = _with_measures(levels, read, end, zone)
    if not read.complete(c.expression, start) or settled == "unjudged":
        return UNJUDGED
    part, whole = read.value(c.part, start, end), read.value(c.whole, start, end)
    if part is None or whole is None:
        return Verdict("no_data", levels[0].severity, window=window)
    if whole < Fraction(str(c.least)) or whole <= 0:
        return Verdict("clear", window=window)
    seen = low = high = part / whole
    value = float(seen)
    if isinstance(settled, str):
        return Verdict("no_data", levels[0].severity, value, window=window)
    if c.confidence is not None:
        # The interval's ends are the true shares from which what was seen is exactly z deviations away.
        n, p, z = whole, min(max(seen, Fraction()), Fraction(1)), Fraction(NormalDist().inv_cdf(c.confidence))
        root = z * _root(4 * n * p * (1 - p) + z * z)
        low, high = (2 * n * p + z * z - root) / (2 * (n + z * z)), (2 * n * p + z * z + root) / (2 * (n + z * z))
    holding = []
    for level in settled:
        breaches = _hold(level.breach, low, high)
        is_clear = not breaches if level.clear is None else _hold(level.clear, seen, seen)
        if breaches or (firing is not None and level.severity <= firing and not is_clear):
            holding.append(level.severity)
    kind, severity = ("breach", max(holding)) if holding else ("clear", levels[0].severity)
    return Verdict(kind, severity, value, window=window, limit=_shown(settled, max(holding) if holding else None))


def projection(c: Projection, read: Reader, end: int, zone: ZoneInfo) -> Verdict:
    width = c.window_s * SECOND
    today = moment(end - 1).astimezone(zone).date()
    begins, ends = (
        (datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
        for d in (today, today + timedelta(days=1))
    )
    ahead = ends - end if c.within_s is None else c.within_s * SECOND
    is_level = all(s.is_level for s in series_of(c.measure))
    since = end - width if is_level else min(begins, end - width)
    if not read.complete(c.expression, since):
        return UNJUDGED
    now = read.value(c.measure, begins, end)
    if is_level and c.pace is None:
        (series,) = series_of(c.measure)
        assert read.earlier is not None
        if read.earlier(end - width).levels(series, read.of(series)) is None:
            return UNJUDGED
        pace = Fraction()
        for identity in {f.identity for f in read.facts(series)}:
            facts = [f for f in read.facts(series) if f.identity == identity]
            at_ends = []
            for e in range(end - width, end + 1, read.width):
                at_ends.append(next((f.numbers[-1] for f in reversed(facts) if f.time < e), None))
            for a, b in pairwise(at_ends):
                pace += max(a - b, Fraction()) if a is not None and b is not None else 0
    else:
        found = read.value(c.pace or c.measure, end - width, end)
        if found is None:
            return Verdict("no_data", c.severity, None if now is None else float(now), window=(end - width, end))
        pace = found
    window = (end - width, end)
    if now is None:
        return Verdict("no_data", c.severity, window=window)
    step = max(pace, Fraction()) * ahead / width
    then = now - step if is_level else now + step
    limit = Fraction(str(c.reaches))
    reached = (min(now, then) <= limit) if is_level else (max(now, then) >= limit)
    return Verdict("breach" if reached else "clear", c.severity, float(now), float(then), window)


def _all(parts: list[Verdict]) -> str:
    kinds = {p.kind for p in parts}
    return next((k for k in ("clear", "no_bound", "closed", "unjudged", "no_data") if k in kinds), "breach")


Place = tuple[int, ...]
"""Where a part stands: its number in its combination, after the numbers of those around it."""
Memory = dict[Place, Severity]
"""The severity at which the parts of each `any` hold that have breached and are not clear."""


@dataclass
class Parts:
    """What the parts of each `any` hold before a verdict, and what each of them says in it."""

    held: Memory = field(default_factory=dict)
    said: dict[Place, Verdict] = field(default_factory=dict)


def verdict(
    c: Condition,
    read: Reader,
    labels: Mapping[str, str],
    end: int,
    firing: Severity | None,
    zone: ZoneInfo,
    parts_of: Parts | None = None,
    place: Place = (),
) -> Verdict:
    parts_of = parts_of or Parts()

    def of(n: int, part: Condition, firing: Severity | None) -> Verdict:
        return holding_verdict(part, read, labels, end, firing, zone, parts_of, (*place, n))

    if _period_of(c) is not None and end != _calendar(_period_of(c), end, zone)[1]:
        return _within_period(c, read, labels, end, firing, zone)
    match c:
        case Threshold():
            return threshold(c, read, labels, end, firing, zone)
        case Spike():
            return spike(c, read, end, firing, zone)
        case Absence():
            return absence(c, read, end, zone)
        case Change():
            return change(c, read, end)
        case NewValue():
            return new_value(c, read, end)
        case Share():
            return share(c, read, labels, end, firing, zone)
        case Projection():
            return projection(c, read, end, zone)
        case All(parts, severity):
            # While it fires all parts hold: one that has no levels of its own at the rule's severity.
            some = any(_has_grades(p) for p in parts)
            own = severity if some and firing is not None else firing
            told = [of(n, p, firing if _has_grades(p) else own) for n, p in enumerate(parts)]
            grades = [v.severity for p, v in zip(parts, told, strict=True) if _has_grades(p)]
            kind = _all(told)
            return Verdict(kind, min(grades, default=severity) if kind == "breach" else severity)
        case AnyOf(parts, severity):
            # Each holds for itself, whatever the alert fires for.
            told = [of(n, p, parts_of.held.get((*place, n))) for n, p in enumerate(parts)]
            parts_of.said |= {(*place, n): v for n, v in enumerate(told)}
            swapped = [_swap(v) for v in told if v.kind not in ("no_bound", "closed")] or told
            kind = _swap(Verdict(_all(swapped))).kind
            pairs = [(p, v) for p, v in zip(parts, told, strict=True) if v.kind == "breach"]
            return Verdict(kind, max([v.severity if _has_grades(p) else severity for p, v in pairs], default=severity))
        case Not(part, severity):
            return Verdict(_swap(holding_verdict(part, read, labels, end, None, zone)).kind, severity)  # no memory


def _period_of(c: Condition) -> Period | None:
    window = getattr(c, "window_s", None)
    return window if isinstance(window, Period) else None


def _within_period(
    c: Condition, read: Reader, labels: Mapping[str, str], end: int, firing: Severity | None, zone: ZoneInfo
) -> Verdict:
    """In the middle of a day or week nothing is judged but what the rest of it cannot change any more."""
    if isinstance(c, Absence):
        found = absence(c, read, end, zone)
        return found if found.kind == "clear" else UNJUDGED
    if not _is_lasting(c, labels):
        return UNJUDGED
    found = threshold(c, read, labels, end, None, zone) if isinstance(c, Threshold) else spike(c, read, end, None, zone)
    if found.kind != "breach":
        return UNJUDGED
    return replace(found, severity=max(found.severity, firing or found.severity), so_far=True)


def holding_verdict(
    c: Condition,
    read: Reader,
    labels: Mapping[str, str],
    end: int,
    firing: Severity | None,
    zone: ZoneInfo,
    parts_of: Parts | None = None,
    place: Place = (),
) -> Verdict:
    """What a part of a combination says: that of a day says until the next one what it said at its end."""
    found = verdict(c, read, labels, end, firing, zone, parts_of, place)
    period = _period_of(c)
    if period is None or found.kind != "unjudged":
        return found
    over = max(e for e in (_calendar(period, end, zone, n)[1] for n in (0, 1, 7)) if e <= end)
    if over == end:
        return found
    assert read.earlier is not None
    return verdict(c, read.earlier(over), labels, over, firing, zone, parts_of, place)


def carried(memory: Memory, old: Condition, new: Condition) -> Memory:
    """What an edit leaves of it: a part keeps its own wherever it goes, one that is edited in its place, too."""
    if not (isinstance(old, All) and isinstance(new, All)) and not (isinstance(old, AnyOf) and isinstance(new, AnyOf)):
        return {}
    found: Memory = {}
    for n, part in enumerate(new.parts):
        alike = [m for m, p in enumerate(old.parts) if p == part] or ([n] if len(old.parts) == len(new.parts) else [])
        for m in alike[:1]:
            inside = {place[1:]: s for place, s in memory.items() if place[0] == m and len(place) > 1}
            found |= {(n, *place): s for place, s in carried(inside, old.parts[m], part).items()}
            if (m,) in memory:
                found[n,] = memory[m,]
    return found


def _has_grades(c: Condition) -> bool:
    """Whether it has levels by name, so that it says how severe it is."""
    if isinstance(c, All | AnyOf):
        return any(_has_grades(p) for p in c.parts)
    return isinstance(c, Threshold | Share) and c.graded


def _swap(v: Verdict) -> Verdict:
    return replace(v, kind={"breach": "clear", "clear": "breach"}.get(v.kind, v.kind))


def _is_lasting(c: Condition, labels: Mapping[str, str]) -> bool:
    """Whether more events cannot undo its breach: a count, or a sum of what is never negative, that is too high."""
    if not isinstance(c, Threshold | Spike):
        return False
    series = _single(c.expression, Aggregate.COUNT, Aggregate.SUM)
    if series is None or (
        series.aggregate is not Aggregate.COUNT and (series.event_type, series.field) not in NON_NEGATIVE
    ):
        return False
    if isinstance(c, Threshold):
        levels = _levels_for(c, labels)
        return bool(levels) and _only_rising(levels)
    return (c.above is not None or c.above_by is not None) and c.below is None and c.below_by is None


def early(
    c: Condition, read: Reader, labels: Mapping[str, str], end: int, firing: Severity | None, zone: ZoneInfo
) -> Verdict | None:
    """The breach of an open bucket that more events cannot undo, or None."""
    match c:
        case NewValue():
            found = new_value(c, read, end)
            return found if found.kind == "breach" else None
        case Threshold() | Spike():
            levels = () if isinstance(c, Spike) else _levels_for(c, labels)
            goes_on = _period_of(c) is not None and end != _calendar(_period_of(c), end, zone)[1]
            found = UNJUDGED
            if _is_lasting(c, labels):
                found = verdict(c, read, labels, end, firing if goes_on else None, zone)
            top = levels[-1].severity if levels else getattr(c, "severity", None)
            # A lower severity might still rise before the bucket closes; then it would have been told wrongly.
            return found if found.kind == "breach" and found.severity == top else None
        case _:
            return None


# ---- the lifecycle --------------------------------------------------------------------------------------------------


@dataclass
class Alert:
    """One alert, stepped by verdicts in order.

    said: its transitions. last: the last verdict that was data (or was counted as such by the policy), whose numbers
    a timer's transition carries. waits: the last one was not, so `for` does not run out. begins: when the version
    of the rule that is in force gives its first verdict. id: that of the rule under which the episode began.
    """

    rule: Rule
    labels: dict[str, str]
    said: list[dict[str, Any]] = field(default_factory=list)
    state: str = "inactive"
    started: int = 0
    severity: Severity = Severity.INFO
    clear_since: int | None = None
    number: int = 0
    episode: str = ""
    last: Verdict = UNJUDGED
    waits: bool = False
    seen_whole: bool = True
    breaching: Severity | None = None
    ended: int = 0
    bucket_verdicts: list[bool] = field(default_factory=list)
    begins: int = 0
    id: str = ""
    memory: Memory = field(default_factory=dict)

    @property
    def holding(self) -> Parts:
        return Parts(self.memory if self.state == "firing" else {})

    def under(self, rule: Rule, begins: int) -> None:
        """Go on under a version of the rule."""
        self.memory = carried(self.memory, self.rule.condition, rule.condition)
        self.rule, self.begins = rule, begins

    def _remember(self, v: Verdict, parts: Parts) -> None:
        is_open = self.state in ("pending", "firing")
        if not is_open and v.kind not in ("breach", "no_data"):
            return
        before = self.memory if is_open else {}
        unknown = {place: before[place] for place in parts.said if place in before}
        self.memory = {p: s for p, s in unknown.items() if parts.said[p].kind in ("no_data", "unjudged")}
        self.memory |= {p: said.severity for p, said in parts.said.items() if said.kind == "breach"}

    @property
    def firing(self) -> Severity | None:
        return self.severity if self.state == "firing" else None

    def _say(self, state: str, at: int, so_far: bool = False) -> None:
        self.number += 1
        window = self.last.window
        self.said.append(
            {
                "rule": self.rule.name,
                "labels": self.labels,
                "alert_id": self.id,
                "episode_id": self.episode,
                "transition_id": stable_id("transition", self.episode, self.number),
                "number": self.number,
                "state": state,
                "at": at,
                "started_at": self.started,
                "severity": self.severity.word,
                "value": self.last.value,
                "baseline": self.last.baseline,
                "baseline_of": self.last.baseline_of,
                "limit": self.last.limit,
                "window_start": window and window[0],
                "window_end": window and window[1],
                "so_far": so_far,
                "window_known": self.seen_whole,
            }
        )

    def timers(self, up_to: int) -> None:
        """What is due at or before `up_to` happens at its own instant, but not before `begins`."""
        if self.state == "cooling" and (due := self._after(self.ended, self.rule.cool_down_s)) <= up_to:
            self.state = "inactive"
            if self.breaching is not None and not self.waits:
                self._begin(due, self.breaching)
        if self.state == "pending" and self.rule.tolerance is None and self.breaching is not None:
            due = self._after(self.started, self.rule.for_s)
            if due <= up_to and not self.waits:
                self.state = "firing"
                self._say("firing", due)
        if self.state == "firing" and self.clear_since is not None:
            due = self._after(self.clear_since, self.rule.keep_firing_for_s)
            if due <= up_to:
                self._end("resolved", due)
                self.timers(up_to)

    def _after(self, instant: int, seconds: int) -> int:
        return max(instant + seconds * SECOND, self.begins)

    def _begin(self, at: int, severity: Severity, event_id: str = "", so_far: bool = False) -> None:
        self.started, self.number, self.severity, self.bucket_verdicts = at, 0, severity, [True]
        self.id = alert_id(self.rule, self.labels)
        self.episode = episode_id(self.rule, self.labels, at, event_id)
        self.state = "pending" if self.rule.for_s or self.rule.tolerance else "firing"
        self._say(self.state, at, so_far)

    def _end(self, state: str, at: int) -> None:
        self._say(state, at)
        cools = state == "resolved" and self.rule.cool_down_s
        self.state, self.clear_since, self.ended = "cooling" if cools else "inactive", None, at

    def over(self, at: int) -> None:
        """The rule has expired or is gone: what is open ends."""
        if self.state in ("pending", "firing"):
            self._say("cancelled" if self.state == "pending" else "resolved", at)
        self.state, self.clear_since = "inactive", None

    def judged(self, at: int, v: Verdict, parts: Parts, event_id: str = "", so_far: bool = False) -> None:
        """A verdict at `at`, after `timers(at - 1)`."""
        self._remember(v, parts)
        if v.kind == "closed":
            self.breaching, self.waits, self.clear_since = None, False, None
            if self.state in ("pending", "firing"):
                self._end("cancelled" if self.state == "pending" else "resolved", at)
            return
        self.seen_whole = v.kind not in ("unjudged", "no_data")
        if v.kind == "unjudged":
            return
        if v.kind == "no_bound":
            v = replace(v, kind="clear")
        self.waits = v.kind == "no_data" and self.rule.no_data is NoData.KEEP
        if self.waits:
            return
        self.last = v
        kind = v.kind
        if kind == "no_data":
            kind = "clear" if self.rule.no_data is NoData.OK else "breach"
            if self.state in ("pending", "firing"):
                v = replace(v, severity=self.severity)
        self.breaching = v.severity if kind == "breach" else None
        if self.state == "pending" and self.rule.tolerance is not None:
            self.bucket_verdicts.append(kind == "breach")
            of_them = self.bucket_verdicts[-self.rule.tolerance.buckets :]
            if kind == "breach":
                self.severity = v.severity
            # Only a breach fires: what an earlier version counted may be enough for this one as it stands.
            if kind == "breach" and sum(of_them) >= self.rule.tolerance.breaches:
                self.state = "firing"
                self._say("firing", at, so_far)
            elif not any(of_them):
                self._end("cancelled", at)
        elif kind == "breach":
            before = self.severity
            if self.state == "inactive":
                self._begin(at, v.severity, event_id, so_far)
            elif self.state == "pending":
                self.severity = v.severity
                if at > self.started + self.rule.for_s * SECOND:
                    self.state = "firing"
                    self._say("firing", at, so_far)
            elif self.state == "firing":
                self.severity = v.severity
                self.clear_since = None
                if before != v.severity:
                    self._say("severity", at, so_far)
        elif self.state == "pending":
            self._end("cancelled", at)
        elif self.state == "firing":
            if self.rule.keep_firing_for_s == 0:
                self._end("resolved", at)
            elif self.clear_since is None:
                self.clear_since = at


def alert_id(rule: Rule, labels: Mapping[str, str]) -> str:
    return stable_id("alert", rule.name, *(part for name in rule.by for part in (name, labels[name])))


def episode_id(rule: Rule, labels: Mapping[str, str], at: int, event_id: str) -> str:
    return stable_id("episode", alert_id(rule, labels), at, event_id)


# ---- one rule -------------------------------------------------------------------------------------------------------


def _sum_of_newest(facts: Iterable[Fact], series: SeriesDef, asof: int) -> Fraction | None:
    """The newest value of each identity, added; None when there is none."""
    newest: dict[Group, Fact] = {}
    for fact in facts:
        held = newest.get(fact.identity)
        if held is None or fact.time >= held.time:
            newest[fact.identity] = fact
    stale = None if series.stale_after_s is None else asof - series.stale_after_s * SECOND
    if stale is not None and all(f.time <= stale for f in newest.values()):
        return None
    return sum((f.numbers[-1] for f in newest.values()), Fraction()) if newest else None


Alerts = dict[Group, Alert]


def _level_rule(rule: Rule, events: Events, zone: ZoneInfo, alerts: Alerts) -> None:
    """Only levels inside: judged at each value, and once, by what they are, where the rule comes into force."""
    series = series_of_condition(rule.condition)
    since, until = _stretch(rule)
    expires = _expiry(rule, zone)
    for group in dict.fromkeys([*alerts, *(g for s in series for g in events.of(s))]):
        alert = alerts.setdefault(group, Alert(rule, dict(zip(rule.by, group, strict=True))))
        alert.under(rule, since)
        found_places = {(f.time, f.place, f.event_id) for s in series for f in events.of(s).get(group, [])}
        for time in _fading(series, group, events):
            found_places.add((time, max(f[1] for f in found_places if f[0] < time), ""))
        all_places = sorted(found_places)
        earlier = [place for time, place, _ in all_places if time <= since]
        places = [(since, earlier[-1], "border")] if earlier else []
        places += [p for p in all_places if since < p[0] <= until]
        for time, place, event_id in places:

            def levels(s: SeriesDef, g: Group, place: int = place, time: int = time) -> Fraction | None:
                return _sum_of_newest([f for f in events.of(s).get(g, []) if f.place <= place], s, time)

            def before_last(s: SeriesDef, g: Group, place: int = place, time: int = time) -> Fraction | None:
                return _sum_of_newest([f for f in events.of(s).get(g, []) if f.place <= place][:-1], s, time)

            if time >= expires or time > events.until:
                break
            alert.timers(time - 1)
            reader = Reader(events, alert.labels, levels, time, before_last=before_last)
            parts = alert.holding
            found = verdict(rule.condition, reader, alert.labels, time, alert.firing, zone, parts)
            alert.judged(time, found, parts, event_id)
        alert.timers(min(events.until, expires - 1, until))
        if expires <= min(events.until, until):
            alert.over(max(expires, alert.begins))


def _stretch(rule: Rule) -> tuple[int, int]:
    """What lies after the first and up to the second instant is the rule's to judge."""
    since = -(1 << 62) if rule.since_s is None else rule.since_s * SECOND
    return since, 1 << 62 if rule.until_s is None else rule.until_s * SECOND


def _fading(series: Iterable[SeriesDef], group: Group, events: Events) -> Iterable[int]:
    """The instants at which a level becomes stale, because nothing newer came in time."""
    for s in series:
        times = sorted(f.time for f in events.of(s).get(group, []))
        for time, after in pairwise([*times, events.until + 1]):
            if s.stale_after_s is not None and time + s.stale_after_s * SECOND < after:
                yield time + s.stale_after_s * SECOND


def _expiry(rule: Rule, zone: ZoneInfo) -> int:
    """The instant at which the rule's last day is over."""
    if rule.expires is None:
        return 1 << 62
    day = rule.expires + timedelta(days=1)
    return (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def _flow_rule(rule: Rule, events: Events, zone: ZoneInfo, alerts: Alerts) -> None:
    series = series_of_condition(rule.condition)
    width = rule.bucket_s * SECOND
    since, until = _stretch(rule)
    if not any(s.source in events.first for s in series):
        return  # no event has told the time to this rule: an alert that an edit left to it waits for the first one
    expires = _expiry(rule, zone)
    heard: dict[Group, list[int]] = {group: [] for group in alerts}
    any_event = [t for role in {s.source for s in series} for t in events.times.get(role, [])]
    always = set(_expected_groups(rule.condition)) if rule.by else {()}
    if rule.by:
        for s in (s for s in series if s.by == rule.by):
            for group, facts in events.of(s).items():
                heard.setdefault(group, []).extend(f.time for f in facts)
    else:
        heard[()] = any_event
    for group in always:
        heard[group] = any_event
    for group, times in heard.items():
        if not times and group not in alerts:
            continue
        first = since if group in alerts else max(min(times), since)
        end = (first // width + 1) * width
        alert = alerts.setdefault(group, Alert(rule, dict(zip(rule.by, group, strict=True))))
        # No clock ends by what an earlier version said: each waits for this one's first verdict.
        alert.under(rule, end if rule.since_s is not None else 0)

        def reader(end: int, labels: dict[str, str] = alert.labels) -> Reader:
            @cache
            def levels(s: SeriesDef, g: Group) -> Fraction | None:
                return _sum_of_newest([f for f in events.of(s).get(g, []) if f.time < end], s, end)

            return Reader(events, labels, levels, end, width, lambda earlier: reader(earlier, labels))

        while True:
            # What a timer ends just before an instant is not open there any more, and may be forgotten.
            alert.timers(min(end - 1, events.until, expires - 1, until))
            before = end - rule.forget_after_s * SECOND
            expected = group in always and min(times, default=end) < end
            known = expected or alert.state != "inactive" or any(before <= t < end for t in times)
            if end > min(events.until, until) or end >= expires:
                break
            if known:
                parts = alert.holding
                found = verdict(rule.condition, reader(end), alert.labels, end, alert.firing, zone, parts)
                alert.judged(end, found, parts, so_far=found.so_far)
            end += width
        alert.timers(min(events.until, expires - 1, until))
        if expires <= min(events.until, until):
            alert.over(max(expires, alert.begins))
        if not known or end >= expires or end > until:
            continue
        found_early = early(rule.condition, reader(end), alert.labels, end, alert.firing, zone)
        if found_early is not None:
            alert.timers(end - 1)
            alert.judged(end, found_early, Parts(), so_far=True)
            alert.timers(end)


def _expected_groups(c: Condition) -> Iterable[Group]:
    match c:
        case All(parts, _) | AnyOf(parts, _):
            return [g for p in parts for g in _expected_groups(p)]
        case Not(part, _):
            return _expected_groups(part)
        case _:
            return c.expected if isinstance(c, Absence) else ()


def _looks_back(c: Condition) -> bool:
    match c:
        case All(parts, _) | AnyOf(parts, _):
            return any(_looks_back(p) for p in parts)
        case Not(part, _):
            return _looks_back(part)
        case _:
            falls = isinstance(c, Projection) and c.pace is None and all(s.is_level for s in series_of(c.measure))
            return falls or (isinstance(c, Change) and c.window_s is not None)


def reference_transitions(
    plan: Plan, events: list[Mapping[str, Any]], *, zone: ZoneInfo, until: datetime | None = None
) -> list[dict[str, Any]]:
    """Every transition that these events lead to, sorted by instant, rule, labels and number.

    at, started_at, window_start and window_end are microseconds since the epoch.
    """
    seen = Events(events, None if until is None else micros(until.isoformat()))
    said: list[dict[str, Any]] = []
    left: dict[int, Alerts] = {}  # place of a rule in the plan → the alerts that the version before left to it
    after = _next_versions(plan.rules)
    for place, rule in enumerate(plan.rules):
        alerts = left.pop(place, {})
        (_level_rule if _is_at_values(rule) else _flow_rule)(rule, seen, zone, alerts)
        heir = after.get(place)
        if heir is not None and _goes_on(rule, plan.rules[heir]):
            left[heir] = alerts
            continue
        for alert in alerts.values():
            if rule.until_s is not None and rule.until_s * SECOND <= seen.until:
                alert.over(rule.until_s * SECOND)
            said += alert.said
    return sorted(said, key=lambda t: (t["at"], t["rule"], sorted(t["labels"].items()), t["number"]))


def _is_at_values(rule: Rule) -> bool:
    """Whether a rule is judged at each value of its levels; else at bucket ends."""
    series = series_of_condition(rule.condition)
    return all(s.is_level and s.by == rule.by for s in series) and not _looks_back(rule.condition)


def _next_versions(rules: tuple[Rule, ...]) -> dict[int, int]:
    """Place of a version → place of the one that begins where it ends, under its name or one that says `was`."""
    found: dict[int, int] = {}
    for place, rule in enumerate(rules):
        for name in (rule.name, *rule.was):
            before = [n for n, r in enumerate(rules[:place]) if r.name == name and n not in found]
            if before and rule.since_s is not None and rules[before[-1]].until_s == rule.since_s:
                found[before[-1]] = place
                break
    return found


def _goes_on(old: Rule, new: Rule) -> bool:
    """Whether open alerts stay open under the next version.

    Other labels are other alerts. Values of levels are judged as they come, and do not wait for what is judged at
    bucket ends to have got there: so the alerts of a rule that becomes one on levels alone end. So do those of a rule
    that is spread over the workers by other labels than before.
    """
    same_place = old.by == new.by and _shared_by(old) == _shared_by(new)
    return same_place and (_is_at_values(old) or not _is_at_values(new))


def _shared_by(rule: Rule) -> Group:
    """The labels whose values say where a group is judged: those that all of the rule's measures have."""
    return min((s.key for s in series_of_condition(rule.condition) if s.key is not None), key=len, default=rule.by)


def without_repeats(transitions: Iterable[Mapping[str, Any]]) -> bool:
    """Whether no transition id stands twice."""
    return all(n == 1 for n in Counter(t["transition_id"] for t in transitions).values())
