"""Folding events into aggregates: one function a series, specialised when rules are loaded.

Nothing is looked up per event that can be decided per series: which fields, which labels, which filters. Many events
are folded at a time, because a call costs as much as a fold.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec

from lockstep.labels import NONE, SEPARATOR
from lockstep.measure.aggregate import LARGEST, SCALE, distinct_hash, percentile_key, tracks_currency
from lockstep.measure.definition import Aggregate, SeriesDef

Labels = tuple[str, ...]
Groups = dict[Labels, Any]
"""label values → the aggregate so far, in its working form (`sealed` gives the form that is sent)."""

Fold = Callable[[Sequence[Any], Groups], None]
"""Folds the data of events of one bucket into its groups."""

Rows = Callable[[Sequence[Any]], Iterable[tuple[Labels, Any, Any]]]
"""(labels, raw value, the event's data) of every place that a series reads."""

LevelRows = Callable[[Any], Iterable[tuple[Labels, str, int]]]
"""(labels, identity, value in millionths) of every value that an event's data sets of a level."""

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


def _labels(names: Sequence[str]) -> Callable[[Sequence[Any]], Sequence[Labels]]:
    """Reads the labels `names` off each event's data (or off each of its lines)."""
    if not names:
        return lambda datas: [()] * len(datas)
    if len(names) == 1:
        get_one = attrgetter(names[0])
        return lambda datas: [(v if v.__class__ is str and v else label_text(v),) for v in map(get_one, datas)]
    get = attrgetter(*names)
    return lambda datas: [
        tuple([v if v.__class__ is str and v else label_text(v) for v in values]) for values in map(get, datas)
    ]


Filter = Callable[[Sequence[Any]], Sequence[Any]]


def _filter(where: Sequence[tuple[str, tuple[str, ...]]]) -> Filter | None:
    """Keeps what has the allowed labels."""
    if not where:
        return None
    tests = [(attrgetter(name), _matcher(allowed)) for name, allowed in where]
    return lambda datas: [d for d in datas if all(test(label_text(read(d))) for read, test in tests)]


def _rows(series: SeriesDef) -> Rows:
    """The raw value is None for a count."""
    on_lines = set(series.line_labels)
    field = series.field
    line_field = field.removeprefix("lines.") if field and field.startswith("lines.") else None
    event_where = tuple((n, a) for n, a in series.where if n not in on_lines and not n.startswith("lines."))
    line_where = tuple(
        (n.removeprefix("lines."), a) for n, a in series.where if n in on_lines or n.startswith("lines.")
    )
    chosen, chosen_lines = _filter(event_where), _filter(line_where)

    if not on_lines and line_field is None and not line_where:
        labels = _labels(series.by)
        value = attrgetter(field) if field else None

        def of_events(datas: Sequence[Any]) -> Iterable[tuple[Labels, Any, Any]]:
            if chosen is not None:
                datas = chosen(datas)
            return zip(labels(datas), repeat(None) if value is None else map(value, datas), datas, strict=False)

        return of_events

    event_labels = _labels([n for n in series.by if n not in on_lines])
    line_labels = _labels([n for n in series.by if n in on_lines])
    # Where each label of `by` comes from: a place among the event's labels followed by the line's.
    order = [n for n in series.by if n not in on_lines] + [n for n in series.by if n in on_lines]
    places = [order.index(n) for n in series.by]
    straight = places == list(range(len(places)))
    event_value = attrgetter(field) if field and line_field is None else None
    line_value = attrgetter(line_field) if line_field else None

    if line_value is not None and straight and len(on_lines) == len(series.by):

        def of_flat_lines(datas: Sequence[Any]) -> Iterable[tuple[Labels, Any, Any]]:
            if chosen is not None:
                datas = chosen(datas)
            if chosen_lines is not None:
                each = [(line, data) for data in datas for line in chosen_lines(data.lines or ())]
                lines, owners = [line for line, _ in each], [data for _, data in each]
            else:
                lines = [line for data in datas for line in data.lines or ()]
                owners = [data for data in datas for _ in data.lines or ()]
            return zip(line_labels(lines), map(line_value, lines), owners, strict=True)

        return of_flat_lines

    def of_lines(datas: Sequence[Any]) -> Iterable[tuple[Labels, Any, Any]]:
        if chosen is not None:
            datas = chosen(datas)
        for data, head in zip(datas, event_labels(datas), strict=True):
            lines = data.lines or ()
            if chosen_lines is not None:
                lines = chosen_lines(lines)
            seen = set()
            for line, own in zip(lines, line_labels(lines), strict=True):
                both = head + own
                labels = both if straight else tuple([both[p] for p in places])
                if line_value is not None:
                    yield labels, line_value(line), data
                elif labels not in seen:  # a number of the order itself counts once per value of the line's label
                    seen.add(labels)
                    yield labels, event_value(data) if event_value else None, data

    return of_lines


def folder(series: SeriesDef) -> Fold:
    """The function that folds the data of many events into the groups of their bucket."""
    rows = _rows(series)
    match series.aggregate:
        case Aggregate.COUNT:

            def fold_count(datas: Sequence[Any], groups: Groups) -> None:
                get = groups.get
                for key, _, data in rows(datas):
                    groups[key] = get(key, 0) + data.count

            return fold_count
        case Aggregate.SUM if tracks_currency(series):

            def fold_money(datas: Sequence[Any], groups: Groups) -> None:
                get = groups.get
                for key, raw, data in rows(datas):
                    # What `number` does, for the commonest class without a call.
                    amount = raw * SCALE if raw.__class__ is int and -LARGEST <= raw <= LARGEST else number(raw) or 0
                    currency = data.currency
                    old = get(key)
                    if old is None:
                        groups[key] = [amount, currency]
                    else:
                        old[0] += amount
                        if currency is not None and old[1] != currency:
                            old[1] = currency if old[1] is None else "*"

            return fold_money
        case Aggregate.SUM:

            def fold_sum(datas: Sequence[Any], groups: Groups) -> None:
                get = groups.get
                for key, raw, _ in rows(datas):
                    amount = raw * SCALE if raw.__class__ is int and -LARGEST <= raw <= LARGEST else number(raw) or 0
                    groups[key] = get(key, 0) + amount

            return fold_sum
        case Aggregate.AVERAGE:

            def fold_average(datas: Sequence[Any], groups: Groups) -> None:
                get = groups.get
                for key, raw, data in rows(datas):
                    amount = raw * SCALE if raw.__class__ is int and -LARGEST <= raw <= LARGEST else number(raw)
                    if amount is not None:
                        old = get(key)
                        if old is None:
                            old = groups[key] = [0, 0]
                        old[0] += amount * data.count
                        old[1] += data.count

            return fold_average
        case Aggregate.MINIMUM | Aggregate.MAXIMUM:
            better = min if series.aggregate is Aggregate.MINIMUM else max

            def fold_extreme(datas: Sequence[Any], groups: Groups) -> None:
                for key, raw, _ in rows(datas):
                    amount = number(raw)
                    if amount is not None:
                        groups[key] = better(groups[key], amount) if key in groups else amount

            return fold_extreme
        case Aggregate.DISTINCT:

            def fold_distinct(datas: Sequence[Any], groups: Groups) -> None:
                for key, raw, _ in rows(datas):
                    if raw is not None:
                        groups.setdefault(key, set()).add(distinct_hash(label_text(raw)))

            return fold_distinct
        case Aggregate.PERCENTILE:

            def fold_percentile(datas: Sequence[Any], groups: Groups) -> None:
                for key, raw, _ in rows(datas):
                    amount = number(raw)
                    if amount is not None:
                        counts = groups.setdefault(key, {})
                        bucket = percentile_key(amount)
                        counts[bucket] = counts.get(bucket, 0) + 1

            return fold_percentile
        case Aggregate.LAST:
            raise ValueError("a level is not folded")


def level_rows(series: SeriesDef) -> LevelRows:
    """The function that reads a level off an event's data."""
    rows = _rows(series)
    names = IDENTITY.get(series.event_type)
    identity = _labels(names) if names else None

    def read(data: Any) -> Iterable[tuple[Labels, str, int]]:
        for labels, raw, _ in rows((data,)):
            value = number(raw)
            if value is not None:
                yield labels, SEPARATOR.join(identity((data,))[0] if identity else labels), value

    return read
