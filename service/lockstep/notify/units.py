"""What a measure is counted in, so that messages say `€4,820` and `36 hours`: money and lengths of time.

Texts of rules get their numbers without: `{{ value }} hours` was written by somebody who knows what is measured.
"""

from collections.abc import Iterable
from typing import assert_never

import msgspec

from lockstep.measure.definition import Aggregate, Expression, Measured, Number, Operation, SeriesDef, series_of
from lockstep.rule.condition.kinds import NewValue, Rule, Share
from lockstep.rule.condition.when import leaves
from lockstep.rule.explained_condition import said_of
from lockstep.rule.judged_verdict import Judged
from lockstep.shop.catalogue import business_of
from lockstep.shop.exchange import money_unit
from lockstep.shop.names import NAMES
from lockstep.shop.translations import known
from lockstep.text.figures import DAYS, HOURS, MONEY, PERCENT, THINGS, TIMES, Figure
from lockstep.transition import Transition

_FIELDS = {
    "total": MONEY,
    "amount": MONEY,
    "cost": MONEY,
    "price": MONEY,
    "previous": MONEY,
    "shipping": MONEY,
    "lines.unit_price": MONEY,
    "hours_to_ship": HOURS,
    "days": DAYS,
    "lead_time_days": DAYS,
}
"""Field of the events' contract → what it is counted in."""
UNITS = {
    "days": DAYS,
    "hours": HOURS,
    "money": MONEY,
    "%": PERCENT,
    "x": TIMES,
    **dict(zip(THINGS, THINGS, strict=True)),
}
"""What a business measure is counted in → the unit of its numbers."""
_COUNTED = "counted"
"""What is counted, not measured: divided by it, money stays money."""


def with_units(transition: Transition, rule: Rule | None, currency: str) -> Transition:
    """The transition whose verdict says what its numbers are counted in, where that is known.

    rule: as it is in force; None: it is gone, and so is what it measured. currency: where neither labels nor filters of
    the rule name one; "": money is told without.
    """
    if rule is None or transition.explanation is None:
        return transition
    units = {}
    for condition, _ in leaves(rule.condition):
        if not isinstance(condition, NewValue | Share):  # these tell of numbers of events
            unit = unit_of_expression(condition.expression)
            named = _currency(condition.expression, transition) or currency
            if any(map(business_of, series_of(condition.expression))):
                named = str(transition.shop.get("currency") or currency)  # totals of a shop are in its own
            units[said_of(condition.expression)] = f"{MONEY} {named}" if unit == MONEY and named else unit
    explanation = _read_in(transition.explanation, units)
    return msgspec.structs.replace(transition, explanation=explanation)


def with_shop_units(transition: Transition, rule: Rule | None, currency: str) -> Transition:
    """The same for business measures alone: what else a text names comes as plain numbers, as its author knows them."""
    business = rule is not None and any(
        isinstance(condition.expression, Measured) and business_of(condition.expression.series)
        for condition, _ in leaves(rule.condition)
    )
    return with_units(transition, rule, currency) if business else transition


def shop_figures(transition: Transition, names: Iterable[str]) -> dict[str, Figure]:
    """The names of the shop in a text as the alert carries them; what it does not know is said in words."""
    facts = transition.shop
    figures = {}
    for name in names:
        value, unit = facts.get(name), NAMES[name].unit
        number = float(value) if isinstance(value, int | float) else None
        unit = money_unit(str(facts.get("currency", ""))) if unit == MONEY else UNITS.get(unit, "")
        figures[name] = Figure(known(facts, name), number, "" if number is None else unit)
    return figures


def _read_in(judged: Judged, units: dict[str, str]) -> Judged:
    parts = tuple(_read_in(part, units) for part in judged.parts)
    return msgspec.structs.replace(judged, unit=judged.unit or units.get(judged.of, ""), parts=parts)


def unit_of_expression(expression: Expression) -> str:
    """HOURS, DAYS, MONEY, of a business measure by itself also PERCENT and TIMES, or "" where it is a plain number."""
    business = business_of(expression.series) if isinstance(expression, Measured) else None
    if business is not None:
        return UNITS.get(business.unit, "")
    unit = _unit(expression)
    return "" if unit in (None, _COUNTED) else str(unit)


def _unit(expression: Expression) -> str | None:
    """The unit, _COUNTED for numbers of events and of things, None for what has none that is known."""
    match expression:
        case Measured(series):
            return _unit_of_series(series)
        case Number():
            return _COUNTED
        case Operation(op, left, right):
            a, b = _unit(left), _unit(right)
            if op in ("+", "-"):
                return a if a == b else None
            if op == "*" and _COUNTED in (a, b):
                return b if a == _COUNTED else a
            return a if op == "/" and b == _COUNTED else None
        case _:
            assert_never(expression)


def _unit_of_series(series: SeriesDef) -> str | None:
    if series.aggregate in (Aggregate.COUNT, Aggregate.DISTINCT) or series.field is None:
        return _COUNTED
    business = business_of(series)
    if business is not None:
        unit = UNITS.get(business.unit)
        return unit if unit in (DAYS, HOURS, MONEY) else _COUNTED
    return _FIELDS.get(series.field, _COUNTED)


def _currency(expression: Expression, transition: Transition) -> str:
    """The one currency that it is about; "" where none or several may be."""
    named = transition.labels.get("currency", "")
    allowed = {
        value for s in series_of(expression) for label, values in s.where if label == "currency" for value in values
    }
    currency = named or (allowed.pop() if len(allowed) == 1 else "")
    return currency if currency.isalpha() and len(currency) == 3 else ""
