"""Folding events into aggregates: one function a series, specialised when rules are loaded.

Nothing is looked up per event that can be decided per series: which fields, which labels, which filters.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from lockstep.labels import NONE, SEPARATOR
from lockstep.measure.aggregate import LARGEST, SCALE, distinct_hash, percentile_key, tracks_currency
from lockstep.measure.definition import Aggregate, SeriesDef

Labels = tuple[str, ...]
Groups = dict[Labels, Any]
"""label values → the aggregate so far, in its working form (`sealed` gives the form that is sent)."""

Fold = Callable[[Any, Groups], None]
"""Folds one event's data into the groups of its bucket."""

Rows = Callable[[Any], Iterable[tuple[Labels, Any]]]

IDENTITY: dict[str, tuple[str, ...]] = {
    "stock.level": ("sku", "location"),
    "stock.lot": ("sku", "lot", "location"),
    "stock.receipt": ("sku", "location"),
    "supplier.updated": ("supplier", "sku"),
}
"""Which thing an event speaks of, for levels: the newest value of each is kept, fewer labels see their sum."""


def label_text(value: Any) -> str:
    """How an event's value reads as a label."""
    if value.__class__ is str:
        return value or NONE
    if value is None:
        return NONE
    return str(msgspec.json.encode(value, order="sorted"), "utf-8")


def number(value: Any) -> int | None:
    """An event's number in millionths; None for what is no number or too large (an extra field may be anything)."""
    if value.__class__ is float:
        return round(value * SCALE) if -LARGEST <= value <= LARGEST else None
    if value.__class__ is int:
        return value * SCALE if -LARGEST <= value <= LARGEST else None
    return None


def _matcher(allowed: Sequence[str]) -> Callable[[str], bool]:
    exact = frozenset(a for a in allowed if not a.endswith("*"))
    prefixes = tuple(a[:-1] for a in allowed if a.endswith("*"))
    return lambda text: text in exact or text.startswith(prefixes) if prefixes else text in exact


def _labels(names: Sequence[str]) -> Callable[[Any], Labels]:
    """Reads the labels `names` off an event's data (or off one of its lines)."""
    if not names:
        return lambda data: ()
    if len(names) == 1:
        get_one = attrgetter(names[0])

        def one(data: Any) -> Labels:
            value = get_one(data)
            return (value if value.__class__ is str and value else label_text(value),)

        return one
    get = attrgetter(*names)
    return lambda data: tuple([v if v.__class__ is str and v else label_text(v) for v in get(data)])


def _filter(where: Sequence[tuple[str, tuple[str, ...]]]) -> Callable[[Any], bool] | None:
    if not where:
        return None
    tests = [(_labels((name,)), _matcher(allowed)) for name, allowed in where]
    return lambda data: all(test(read(data)[0]) for read, test in tests)


def _rows(series: SeriesDef) -> Rows:
    """(labels, raw value) of every place in an event that the series reads; the value is None for a count."""
    on_lines = set(series.line_labels)
    field = series.field
    line_field = field.removeprefix("lines.") if field and field.startswith("lines.") else None
    event_where = tuple((n, a) for n, a in series.where if n not in on_lines and not n.startswith("lines."))
    line_where = tuple(
        (n.removeprefix("lines."), a) for n, a in series.where if n in on_lines or n.startswith("lines.")
    )
    event_ok, line_ok = _filter(event_where), _filter(line_where)

    if not on_lines and line_field is None and not line_where:
        labels = _labels(series.by)
        value = attrgetter(field) if field else None

        def of_event(data: Any) -> Iterable[tuple[Labels, Any]]:
            if event_ok is None or event_ok(data):
                yield labels(data), value(data) if value else None

        return of_event

    event_labels = _labels([n for n in series.by if n not in on_lines])
    line_labels = _labels([n for n in series.by if n in on_lines])
    # Where each label of `by` comes from: a place among the event's labels followed by the line's.
    order = [n for n in series.by if n not in on_lines] + [n for n in series.by if n in on_lines]
    places = [order.index(n) for n in series.by]
    straight = places == list(range(len(places)))
    event_value = attrgetter(field) if field and line_field is None else None
    line_value = attrgetter(line_field) if line_field else None

    def of_lines(data: Any) -> Iterable[tuple[Labels, Any]]:
        if event_ok is not None and not event_ok(data):
            return
        head = event_labels(data)
        seen = set()
        for line in data.lines or ():
            if line_ok is not None and not line_ok(line):
                continue
            both = head + line_labels(line)
            labels = both if straight else tuple([both[p] for p in places])
            if line_value is not None:
                yield labels, line_value(line)
            elif labels not in seen:  # a number of the order itself counts once per value of the line's label
                seen.add(labels)
                yield labels, event_value(data) if event_value else None

    return of_lines


def folder(series: SeriesDef) -> Fold:
    """The function that folds one event's data into the groups of its bucket."""
    rows = _rows(series)
    match series.aggregate:
        case Aggregate.COUNT if not series.line_labels and not series.where:
            labels = _labels(series.by)

            def fold_plain_count(data: Any, groups: Groups) -> None:
                key = labels(data)
                groups[key] = groups.get(key, 0) + data.count

            return fold_plain_count
        case Aggregate.COUNT:

            def fold_count(data: Any, groups: Groups) -> None:
                for key, _ in rows(data):
                    groups[key] = groups.get(key, 0) + data.count

            return fold_count
        case Aggregate.SUM if tracks_currency(series):

            def fold_money(data: Any, groups: Groups) -> None:
                currency = data.currency
                for key, raw in rows(data):
                    amount = number(raw) or 0
                    old = groups.get(key)
                    if old is None:
                        groups[key] = [amount, currency]
                    else:
                        old[0] += amount
                        if currency is not None and old[1] != currency:
                            old[1] = currency if old[1] is None else "*"

            return fold_money
        case Aggregate.SUM:

            def fold_sum(data: Any, groups: Groups) -> None:
                for key, raw in rows(data):
                    groups[key] = groups.get(key, 0) + (number(raw) or 0)

            return fold_sum
        case Aggregate.AVERAGE:

            def fold_average(data: Any, groups: Groups) -> None:
                for key, raw in rows(data):
                    amount = number(raw)
                    if amount is not None:
                        old = groups.setdefault(key, [0, 0])
                        old[0] += amount * data.count
                        old[1] += data.count

            return fold_average
        case Aggregate.MINIMUM | Aggregate.MAXIMUM:
            better = min if series.aggregate is Aggregate.MINIMUM else max

            def fold_extreme(data: Any, groups: Groups) -> None:
                for key, raw in rows(data):
                    amount = number(raw)
                    if amount is not None:
                        groups[key] = better(groups[key], amount) if key in groups else amount

            return fold_extreme
        case Aggregate.DISTINCT:

            def fold_distinct(data: Any, groups: Groups) -> None:
                for key, raw in rows(data):
                    if raw is not None:
                        groups.setdefault(key, set()).add(distinct_hash(label_text(raw)))

            return fold_distinct
        case Aggregate.PERCENTILE:

            def fold_percentile(data: Any, groups: Groups) -> None:
                for key, raw in rows(data):
                    amount = number(raw)
                    if amount is not None:
                        counts = groups.setdefault(key, {})
                        bucket = percentile_key(amount)
                        counts[bucket] = counts.get(bucket, 0) + 1

            return fold_percentile
        case Aggregate.LAST:
            raise ValueError("a level is not folded")


def level_rows(series: SeriesDef) -> Callable[[Any], Iterable[tuple[Labels, str, int]]]:
    """(labels, identity, value in millionths) of every value that an event's data sets of a level."""
    rows = _rows(series)
    names = IDENTITY.get(series.event_type)
    identity = _labels(names) if names else None

    def read(data: Any) -> Iterable[tuple[Labels, str, int]]:
        for labels, raw in rows(data):
            value = number(raw)
            if value is not None:
                yield labels, SEPARATOR.join(identity(data) if identity else labels), value

    return read
