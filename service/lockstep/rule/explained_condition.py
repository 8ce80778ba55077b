"""Why a condition says what it says: the same verdict code, with every number that it read written down."""

from dataclasses import fields, replace
from datetime import time
from functools import partial
from typing import Any, assert_never
from zoneinfo import ZoneInfo

import msgspec

from lockstep.calendar import Calendar
from lockstep.measure.definition import Aggregate, Expression, Measured, Number, Operation, SeriesDef, series_of
from lockstep.measure.exact import Exact, shown
from lockstep.measure.formula import evaluate
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.held_parts import Held
from lockstep.rule.condition.kind_table import kind_of, word_of
from lockstep.rule.condition.kinds import (
    All,
    AnyOf,
    Condition,
    Hours,
    Leaf,
    Level,
    Not,
    Severity,
    Share,
    Threshold,
)
from lockstep.rule.condition.period import Period
from lockstep.rule.condition.verdicts import firing_of_parts, standing
from lockstep.rule.condition.view import Instant, Kind, Verdict, View
from lockstep.rule.language.quantity import duration_text
from lockstep.shop.catalogue import business_of
from lockstep.text.figures import PERCENT, number_text


class Window(msgspec.Struct, frozen=True):
    """The condition's measure over one stretch, in seconds since the epoch. value: None where there was no data."""

    start: int
    end: int
    value: float | None


class Guard(msgspec.Struct, frozen=True):
    """A number of the condition without which it would hold. got: what it is compared with, where that has a name."""

    name: str
    asked: float | str
    got: float | None = None


class Explained(msgspec.Struct, frozen=True):
    """One condition at one instant.

    kind: threshold, spike, … of: what it measures. verdict: breach, clear, no_data, unjudged, closed or no_bound.
    asked: the numbers that it compares with, as compiled. limit_of: where the limit comes from. terms: each series
    of a formula in the window. history: the stretches that the baseline is made of, oldest first. complete_from:
    series → the second since which all of it was seen, None when nothing ever was. blocked_by: what alone (or,
    where no single one does, together) keeps it from holding. parts: of a combination. held: it would not begin an
    alert; it is a breach as the alert fires and it is not clear. unit: `%` where value, baseline and limit are read
    as percents, else "".
    """

    kind: str
    of: str
    verdict: str
    severity: str | None
    value: float | None
    baseline: float | None
    baseline_of: str
    ratio: float | None
    limit: float | None
    limit_of: str
    window_start: int | None
    window_end: int | None
    counts: dict[str, float]
    asked: dict[str, float | str]
    terms: dict[str, float | None]
    history: tuple[Window, ...]
    complete_from: dict[str, float | None]
    blocked_by: tuple[Guard, ...]
    parts: tuple["Explained", ...] = ()
    held: bool = False
    unit: str = ""


class _Notes:
    """A view that writes down what it is asked. What it does not know itself, it passes on."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.flows: dict[tuple[SeriesDef, int, int], Exact | None] = {}
        self.levels: dict[SeriesDef, Exact | None] = {}
        self.complete: dict[SeriesDef, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    @property
    def zone(self) -> ZoneInfo:
        return self._view.zone

    def flow(self, series: SeriesDef, start: int, end: int) -> Exact | None:
        value = self.flows[series, start, end] = self._view.flow(series, start, end)
        return value

    def level(self, series: SeriesDef, instant_us: int, *, newest: bool = False) -> Exact | None:
        value = self.levels[series] = self._view.level(series, instant_us, newest=newest)
        return value

    def complete_from(self, series: SeriesDef) -> float:
        second = self.complete[series] = self._view.complete_from(series)
        return second

    def has_events(self, series: SeriesDef, before: int) -> bool:
        return self._view.has_events(series, before)


def explain_condition(
    condition: Condition, view: View, at: Instant, firing: Severity | None, held: Held = ()
) -> Explained:
    """What `judge` says of a condition at an instant, and why."""
    notes = _Notes(view)
    verdict = standing(condition, notes, at, firing, held)
    inner: tuple[Explained, ...] = ()
    if isinstance(condition, All | AnyOf):
        firings = firing_of_parts(condition, firing, held)
        inner = tuple(explain_condition(p, view, at, f, h) for p, (f, h) in zip(condition.parts, firings, strict=True))
    elif isinstance(condition, Not):
        inner = (explain_condition(condition.part, view, at, None),)
    expression: Expression | None = condition.expression if isinstance(condition, Leaf) else None
    start, end = _window(condition, verdict, at, view.zone)
    return Explained(
        kind=word_of(condition),
        of="" if expression is None else said_of(expression),
        verdict=verdict.kind.value,
        severity=None if verdict.severity is None else verdict.severity.word,
        value=verdict.value,
        baseline=verdict.baseline,
        baseline_of=verdict.baseline_of,
        ratio=verdict.ratio,
        limit=verdict.limit,
        limit_of=verdict.limit_of,
        window_start=start,
        window_end=end,
        counts=dict(verdict.counts),
        asked=asked_of(condition),
        terms={} if expression is None or inner else _terms(expression, notes, start, end),
        history=() if expression is None or inner else _history(expression, notes, start, end),
        complete_from={said_of(Measured(s)): None if c == float("inf") else c for s, c in notes.complete.items()}
        if not inner
        else {},
        blocked_by=() if inner else _blocked_by(condition, view, at, firing, verdict),
        parts=inner,
        held=verdict.kind is Kind.BREACH
        and (firing is not None or held != ())
        and standing(condition, view, at, None).kind is not Kind.BREACH,
        unit=unit_of(condition, verdict),
    )


def _window(condition: Condition, verdict: Verdict, at: Instant, zone: ZoneInfo) -> tuple[int | None, int | None]:
    """The stretch that was looked at; where nothing was judged, that which would be."""
    window = kind_of(condition).window(condition) if isinstance(condition, Leaf) else None
    if isinstance(window, int):
        return at.end - window, at.end
    if isinstance(window, Period) and verdict.window_end is None:
        end = window.last_end(at.end, zone)
        return window.start(end, zone), end
    return verdict.window_start, verdict.window_end


def unit_of(condition: Condition, verdict: Verdict) -> str:
    """PERCENT where the verdict's numbers are parts of a whole, else ""."""
    return _unit(condition, verdict.limit if verdict.baseline is None else verdict.baseline)


def _unit(condition: Condition, number: float | None) -> str:
    """How a number of a condition is read: of a share as percent; of a formula that divides like by like, such as
    orders by sessions, where it is no multiple: visits per order are 29, not 2,900%."""
    match condition:
        case Share():
            return PERCENT
        case Threshold() if condition.unit:
            return condition.unit
        case All() | AnyOf() | Not():
            return ""
        case _ if _is_percent(condition.expression):
            return PERCENT
        case _:
            is_part = number is not None and abs(number) <= 1 and _divides_like_by_like(condition.expression)
            return PERCENT if is_part else ""


def _is_percent(expression: Expression) -> bool:
    """Whether it is a business measure in percent, whatever its number is."""
    business = business_of(expression.series) if isinstance(expression, Measured) else None
    return business is not None and business.unit == PERCENT


def _divides_like_by_like(expression: Expression) -> bool:
    if not isinstance(expression, Operation) or expression.op != "/":
        return False
    kinds = {_of_what(expression.left), _of_what(expression.right)}
    return len(kinds) == 1 and None not in kinds


def _of_what(expression: Expression) -> str | None:
    """What a number counts: events, or a field's sum; None where that cannot be said."""
    match expression:
        case Measured(s):
            if s.aggregate in (Aggregate.COUNT, Aggregate.DISTINCT):
                return "events"
            return f"{s.aggregate} of {s.field}" if s.aggregate in (Aggregate.SUM, Aggregate.LAST) else None
        case Operation(op, left, right):
            kind = _of_what(left)
            return kind if op in ("+", "-") and kind == _of_what(right) else None
        case Number():
            return None
        case _:
            assert_never(expression)


# ---- what it compares with -----------------------------------------------------------------------------------------

_NOT_ASKED = {
    "expression",
    "measure",
    "whole",
    "severity",
    "parts",
    "part",
    "overrides",
    "window_s",
    "graded",
    "unbound",
    "calendar",
    "kinds",
    "chooses",
    "name",
    "word",
    "unit",
}


def asked_of(condition: Any) -> dict[str, float | str]:
    """The numbers of a condition by name, whatever kind it is."""
    asked: dict[str, float | str] = {}
    for f in fields(condition):
        value = getattr(condition, f.name)
        if isinstance(value, Period):
            asked["window"] = str(value)
        if f.name in _NOT_ASKED or value is None or value == () or value is True:
            continue
        if f.name == "bucket_s" and getattr(condition, "chooses", False):
            asked["bucket"] = f"what suits of {', '.join(map(duration_text, condition.buckets_s))}"
        elif f.name == "levels":
            asked |= {level.severity.word: _level_text(level, condition) for level in value}
        else:
            asked[_written(f.name)] = _plain(f.name, value)
    return asked


_WRITTEN = {
    "least": "of_at_least",
    "by_ratio": "by",
    "clear_below": "clear below",
    "clear_above": "clear above",
    "above_by": "above the usual by",
    "below_by": "below the usual by",
    "clear_below_by": "clear below the usual by",
    "clear_above_by": "clear above the usual by",
}


def _written(name: str) -> str:
    """A field as authors of rules write it."""
    return _WRITTEN.get(name, name.removesuffix("_s"))


def _plain(name: str, value: Any) -> float | str:
    if name == "by_ratio":
        return number_text(value, PERCENT)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and name.endswith("_s"):
        return duration_text(value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, Measured | Number | Operation):
        return said_of(value)
    if isinstance(value, tuple):
        return ", ".join(str(_plain(name, v)) for v in value)
    if isinstance(value, Calendar):
        return "calendar.yml"
    if isinstance(value, Hours):
        if value.start == value.end:  # the whole days
            return _days(value.weekdays)
        return f"{_days(value.weekdays)} {value.start:%H:%M}-{f'{value.end:%H:%M}' if value.end != time() else '24:00'}"
    if hasattr(value, "__dataclass_fields__"):
        inner = ((f.name, getattr(value, f.name)) for f in fields(value))
        said = ((n, v) for n, v in inner if v is not None and v != () and n not in _NOT_ASKED)
        return ", ".join(f"{n} {_number(_plain(n, v))}" for n, v in said)
    return str(value)


def _days(weekdays: frozenset[int]) -> str:
    """`Mon-Fri`, `Sat,Sun`."""
    names, days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), sorted(weekdays)
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{names[days[0]]}-{names[days[-1]]}"
    return ",".join(names[d] for d in days)


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _level_text(level: Level, condition: Condition) -> str:
    clear = f", clear {_bounds_text(level.clear, condition)}" if level.clear is not None else ""
    return f"{_bounds_text(level.breach, condition)}{clear}"


def _bounds_text(bounds: Bounds, condition: Condition) -> str:
    of, sources = dict(bounds.of), dict(bounds.sources)
    phrases = []
    for word in ("above", "below", "at_least", "at_most"):
        value = getattr(bounds, word)
        if value is not None:
            number = float(value)
            text = number_text(number, PERCENT) if _unit(condition, number) else f"{number:g}"
            phrases.append(f"{word} {text}" + (f" ({of[word]})" if word in of else ""))
        elif word in sources:
            phrases.append(f"{word} {sources[word].said}")
    return " and ".join(phrases)


# ---- what it read --------------------------------------------------------------------------------------------------


def said_of(expression: Expression) -> str:
    """What its author calls it, `orders`; without a name `count of order.placed`, formulas with their signs."""
    match expression:
        case Number(value):
            return f"{value:g}"
        case Operation(name=name) if name:
            return name
        case Operation(op, left, right):
            return f"({said_of(left)} {op} {said_of(right)})"
        case Measured(s) if s.name:
            return s.name
        case Measured(s):
            kind = s.aggregate.value
            if s.aggregate is Aggregate.PERCENTILE and s.quantile is not None:
                kind = f"p{s.quantile * 100:g}"
            only = ", ".join(f"{name} {' or '.join(values)}" for name, values in s.where)
            what = s.event_type if s.field is None else f"{s.field} of {s.event_type}"
            named = what if s.is_level else f"{kind} of {what}"
            return named + (f" where {only}" if only else "")
        case _:
            assert_never(expression)


def _read(notes: _Notes, series: SeriesDef, start: int, end: int) -> Exact | None:
    return notes.levels.get(series) if series.is_level else notes.flows.get((series, start, end))


def _terms(expression: Expression, notes: _Notes, start: int | None, end: int | None) -> dict[str, float | None]:
    if isinstance(expression, Measured):
        return {}
    read = dict.fromkeys([*notes.levels, *(s for s, _, _ in notes.flows)])
    named = [s for s in read if s in series_of(expression)]
    return {said_of(Measured(s)): _shown(_read(notes, s, start or 0, end or 0)) for s in named}


def _history(expression: Expression, notes: _Notes, start: int | None, end: int | None) -> tuple[Window, ...]:
    needed = {s for s in series_of(expression) if not s.is_level}
    stretches = sorted(
        (b, e)
        for b, e in {(b, e) for _, b, e in notes.flows}
        if (b, e) != (start, end) and all((s, b, e) in notes.flows for s in needed)
    )
    values = (evaluate(expression, partial(_read, notes, start=b, end=e)) for b, e in stretches)
    return tuple(Window(b, e, _shown(value)) for (b, e), value in zip(stretches, values, strict=True))


def _shown(number: Exact | None) -> float | None:
    return None if number is None else shown(number)


# ---- what kept it from holding -------------------------------------------------------------------------------------

_DIRECTIONS = ("above", "below", "above_by", "below_by")
_LEAST = ("least",)
"""Minimums that a condition always has."""


def _blocked_by(
    condition: Any, view: View, at: Instant, firing: Severity | None, verdict: Verdict
) -> tuple[Guard, ...]:
    """The minimums and hours without which the same code would say breach; found by asking it again without them."""
    if verdict.kind is Kind.BREACH:
        return ()
    guards: dict[str, Any] = {}
    for f in fields(condition):
        value = getattr(condition, f.name)
        if f.name in _LEAST:
            guards[f.name] = 0.0
        elif f.default in (None, ()) and value not in (None, ()) and f.name not in (*_NOT_ASKED, *_DIRECTIONS):
            guards[f.name] = f.default

    def breaches(without: dict[str, Any]) -> bool:
        return standing(replace(condition, **without), view, at, firing).kind is Kind.BREACH

    single = [guard for guard in ({name: default} for name, default in guards.items()) if breaches(guard)]
    blocking = single or ([guards] if len(guards) > 1 and breaches(guards) else [])
    names = list(dict.fromkeys(name for guard in blocking for name in guard))
    return tuple(Guard(_written(n), _plain(n, getattr(condition, n)), _got(n, verdict)) for n in names)


def _got(name: str, verdict: Verdict) -> float | None:
    match name:
        case "at_least":
            return verdict.value
        case "usual_at_least":
            return verdict.baseline
        case "chance":
            return verdict.counts.get("chance")
        case "least":
            return verdict.counts.get("of")
        case "by":
            change = verdict.counts.get("change")
            return None if change is None else abs(change)
        case "deviations":
            sigma = verdict.counts.get("sigma")
            if sigma and verdict.value is not None and verdict.baseline is not None:
                return abs(verdict.value - verdict.baseline) / sigma
            return None
        case _:
            return None
