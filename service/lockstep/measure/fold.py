"""Folding events into aggregates: one function a series, specialised when rules are loaded.

Nothing is looked up per event that can be decided per series: which fields, which labels, which filters. Many events
are folded at a time, because a call costs as much as a fold.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from lockstep.event import TYPES
from lockstep.labels import NONE, SEPARATOR
from lockstep.measure.aggregate import LARGEST, distinct_hash, percentile_key, tracks_currency
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.exact import SCALE

Labels = tuple[str, ...]
Groups = dict[Labels, Any]
"""label values → the aggregate so far, in its working form (`sealed` gives the form that is sent)."""

Fold = Callable[[Sequence[Any], Groups], None]
"""Folds the data of events of one bucket into its groups."""

Rows = Callable[[Sequence[Any]], Iterable[tuple[Labels, Any, Any]]]
"""(labels, value, the event's data) of every place that a series reads."""

LevelRows = Callable[[Any], Iterable[tuple[Labels, str, int]]]
"""(labels, identity, value in millionths) of every value that an event's data sets of a level."""


def label_text(value: Any) -> str:
    """How an event's value reads as a label."""
    if value.__class__ is str:
        return value or NONE
    if value is None:
        return NONE
    return str(msgspec.json.encode(value, order="sorted"), "utf-8")


def numbers(values: Iterable[Any]) -> list[int | None]:
    """Events' numbers in millionths; None for what is no number or too large (an extra field may be anything)."""
    return [
        round(v * SCALE) if (v.__class__ is float or v.__class__ is int) and -LARGEST <= v <= LARGEST else None
        for v in values
    ]


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


def _rows(series: SeriesDef, read: Callable[[Iterable[Any]], Iterable[Any]]) -> Rows:
    """read: makes what is folded of the raw values; they are None for a count."""
    on_lines = set(series.line_labels)
    field = series.field
    line_field = field.removeprefix("lines.") if field and field.startswith("lines.") else None
    event_where = tuple((n, a) for n, a in series.where if n not in on_lines and not n.startswith("lines."))
    line_where = tuple(
        (n.removeprefix("lines."), a) for n, a in series.where if n in on_lines or n.startswith("lines.")
    )
    chosen, chosen_lines = _filter(event_where), _filter(line_where)
    value = attrgetter(line_field or field) if field else None

    def values(places: Sequence[Any]) -> Iterable[Any]:
        return [None] * len(places) if value is None else read(map(value, places))

    if not on_lines and line_field is None and not line_where:
        labels = _labels(series.by)

        def of_events(datas: Sequence[Any]) -> Iterable[tuple[Labels, Any, Any]]:
            datas = datas if chosen is None else chosen(datas)
            return zip(labels(datas), values(datas), datas, strict=True)

        return of_events

    event_names = [n for n in series.by if n not in on_lines]
    line_names = [n for n in series.by if n in on_lines]
    event_labels, line_labels = _labels(event_names), _labels(line_names)
    # Where each label of `by` comes from: a place among the event's labels followed by the line's.
    places = [(event_names + line_names).index(n) for n in series.by]

    def of_lines(datas: Sequence[Any]) -> Iterable[tuple[Labels, Any, Any]]:
        datas = datas if chosen is None else chosen(datas)
        parts = [data.lines or () for data in datas]
        if chosen_lines is not None:
            parts = [chosen_lines(part) for part in parts]
        lines = [line for part in parts for line in part]
        owners = [data for data, part in zip(datas, parts, strict=True) for _ in part]
        keys = line_labels(lines)
        if event_names:
            heads = [head for head, part in zip(event_labels(datas), parts, strict=True) for _ in part]
            both = [head + own for head, own in zip(heads, keys, strict=True)]
            keys = [tuple([names[p] for p in places]) for names in both]
        if line_field is not None:
            return zip(keys, values(lines), owners, strict=True)
        # A number of the order itself counts once per value of the line's label.
        once = {(id(owner), key): owner for key, owner in zip(keys, owners, strict=True)}
        return zip([key for _, key in once], values(list(once.values())), once.values(), strict=True)

    return of_lines


def folder(series: SeriesDef) -> Fold:  # noqa: C901 # a closure an aggregate, so that folding an event asks nothing
    """The function that folds the data of many events into the groups of their bucket."""
    rows = _rows(series, list if series.aggregate is Aggregate.DISTINCT else numbers)
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
                for key, amount, data in rows(datas):
                    amount, currency = amount or 0, data.currency
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
                for key, amount, _ in rows(datas):
                    groups[key] = get(key, 0) + (amount or 0)

            return fold_sum
        case Aggregate.AVERAGE:

            def fold_average(datas: Sequence[Any], groups: Groups) -> None:
                get = groups.get
                for key, amount, data in rows(datas):
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
                for key, amount, _ in rows(datas):
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
                for key, amount, _ in rows(datas):
                    if amount is not None:
                        counts = groups.setdefault(key, {})
                        bucket = percentile_key(amount)
                        counts[bucket] = counts.get(bucket, 0) + 1

            return fold_percentile
        case Aggregate.LAST:
            raise ValueError("a level is not folded")


def level_rows(series: SeriesDef) -> LevelRows:
    """The function that reads a level off an event's data."""
    rows = _rows(series, numbers)
    names = TYPES[series.event_type].identity
    identity = _labels(names) if names else None

    def read(data: Any) -> Iterable[tuple[Labels, str, int]]:
        for labels, value, _ in rows((data,)):
            if value is not None:
                yield labels, SEPARATOR.join(identity((data,))[0] if identity else labels), value

    return read
