"""Folding events into aggregates: one function a series, specialised when rules are loaded.

Nothing is looked up per event that can be decided per series: which fields, which labels, which filters. Many events
are folded at a time, because a call costs as much as a fold, and what several series read is read once (columns.py).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lockstep.event import TYPES
from lockstep.labels import SEPARATOR
from lockstep.measure.aggregate import distinct_hash, merge_money, percentile_key
from lockstep.measure.columns import (
    Columns,
    Key,
    Labels,
    Places,
    chosen,
    counts,
    keys,
    label_text,
    lines,
    numbers,
    picked,
    texts,
    values,
)
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.text.personal_data import without_personal

FEW = 32
"""Up to so many a loop counts faster than a Counter, which takes a while to begin."""

Groups = dict[Labels, Any]
"""label values → the aggregate so far, in its working form."""

Fold = Callable[[Columns, Groups], None]
"""Folds the data of events of one bucket into its groups."""

Rows = tuple[Sequence[Key], Places, Sequence[Any]]
"""All that a series reads: the keys of the labels, the places of the events, and the values (none for a count)."""

LevelRows = Callable[[Columns], Iterable[tuple[Labels, str, int, int]]]
"""(labels, identity, value in millionths, place of the event) of every value that events set of a level."""


def _rows(series: SeriesDef) -> Callable[[Columns], Rows]:
    """Values of a distinct count are as they stand in the event, all others are numbers in millionths."""
    column_of = values if series.aggregate is Aggregate.DISTINCT else numbers
    on_lines = set(series.line_labels)
    field = series.field
    line_field = field.removeprefix("lines.") if field and field.startswith("lines.") else None
    event_where = tuple((n, a) for n, a in series.where if n not in on_lines and not n.startswith("lines."))
    line_where = tuple(
        (n.removeprefix("lines."), a) for n, a in series.where if n in on_lines or n.startswith("lines.")
    )
    value = column_of(line_field or field) if field else None

    def events_of(columns: Columns) -> Places:
        return columns.get(chosen(event_where)) if event_where else None

    def values_at(columns: Columns, places: Places) -> Sequence[Any]:
        return () if value is None else picked(columns.get(value), places)

    if not on_lines and line_field is None and not line_where:
        by = keys(series.by)

        def of_events(columns: Columns) -> Rows:
            places = events_of(columns)
            return picked(columns.get(by), places), places, values_at(columns, places)

        return of_events

    event_names = tuple(n for n in series.by if n not in on_lines)
    line_names = tuple(n for n in series.by if n in on_lines)
    # For each label of `by`: whether it is the line's, and its column.
    label_columns = [(name in on_lines, texts(name)) for name in series.by]
    line_keys = keys(line_names)

    def of_lines(columns: Columns) -> Rows:
        every, owners = columns.get(lines)
        kept, allowed = every.get(chosen(line_where)) if line_where else None, events_of(columns)
        if allowed is not None:
            owned = set(allowed)
            kept = [n for n in (range(len(owners)) if kept is None else kept) if owners[n] in owned]
        events = picked(owners, kept)
        if event_names:
            texts_of = [
                picked(every.get(column), kept) if is_line else picked(columns.get(column), events)
                for is_line, column in label_columns
            ]
            by: Sequence[Key] = list(zip(*texts_of, strict=True)) if len(texts_of) > 1 else texts_of[0]
        else:
            by = picked(every.get(line_keys), kept)
        if line_field is not None:
            return by, events, values_at(every, kept)
        if len(set(events)) < len(events):
            # A number of the order itself counts once per value of the line's label.
            once = dict.fromkeys(zip(events, by, strict=True))
            events, by = [event for event, _ in once], [key for _, key in once]
        return by, events, values_at(columns, events)

    return of_lines


def _that_say_it(rows: Rows) -> Rows:
    """Without those that have no value."""
    by, places, field_values = rows
    if None not in field_values:
        return rows
    having = [n for n, value in enumerate(field_values) if value is not None]
    return picked(by, having), having if places is None else picked(places, having), picked(field_values, having)


def _count(by: Sequence[Key]) -> Mapping[Key, int]:
    """How often each key is there."""
    if by and not by[0]:  # without labels there is one group
        return {(): len(by)}
    if len(by) > FEW:
        return Counter(by)
    times: dict[Key, int] = {}
    get = times.get
    for key in by:
        times[key] = get(key, 0) + 1
    return times


def _sum(by: Sequence[Key], amounts: Sequence[int]) -> Mapping[Key, int]:
    """The sum of the amounts of each key."""
    if by and not by[0]:
        return {(): sum(amounts)}
    sums: dict[Key, int] = {}
    get = sums.get
    for key, amount in zip(by, amounts, strict=True):
        sums[key] = get(key, 0) + amount
    return sums


def _labels(key: Key) -> Labels:
    return (key,) if key.__class__ is str else key  # type: ignore[return-value] # mypy does not know __class__


def _add(groups: Groups, sums: Mapping[Key, int]) -> None:
    get = groups.get
    for key, amount in sums.items():
        labels = _labels(key)
        groups[labels] = get(labels, 0) + amount


def folder(series: SeriesDef) -> Fold:
    """The function that folds the data of many events into the groups of their bucket.

    It is a closure for each aggregate, so that folding an event asks nothing.
    """
    rows = _rows(series)
    match series.aggregate:
        case Aggregate.COUNT:

            def fold_count(columns: Columns, groups: Groups) -> None:
                by, places, _ = rows(columns)
                weights = columns.get(counts)
                _add(groups, _sum(by, picked(weights, places)) if weights else _count(by))

            return fold_count
        case Aggregate.SUM if series.tracks_currency:
            currency_of = values("currency")

            def fold_money(columns: Columns, groups: Groups) -> None:
                by, places, read_amounts = rows(columns)
                amounts = [amount or 0 for amount in read_amounts]
                each = picked(columns.get(currency_of), places)
                for currency in set(each):
                    having = None
                    if each.count(currency) < len(each):
                        having = [n for n, other in enumerate(each) if other == currency]
                    for key, amount in _sum(picked(by, having), picked(amounts, having)).items():
                        labels = _labels(key)
                        old = groups.get(labels)
                        groups[labels] = [amount, currency] if old is None else merge_money(old, [amount, currency])

            return fold_money
        case Aggregate.SUM:

            def fold_sum(columns: Columns, groups: Groups) -> None:
                by, _, amounts = rows(columns)
                _add(groups, _sum(by, [amount or 0 for amount in amounts]))

            return fold_sum
        case Aggregate.AVERAGE:

            def fold_average(columns: Columns, groups: Groups) -> None:
                by, places, amounts = _that_say_it(rows(columns))
                weights = columns.get(counts)
                if weights:
                    weights = picked(weights, places)
                    amounts = [amount * n for amount, n in zip(amounts, weights, strict=True)]
                events = _sum(by, weights) if weights else _count(by)
                for key, amount in _sum(by, amounts).items():
                    labels = _labels(key)
                    old = groups.setdefault(labels, [0, 0])
                    old[0] += amount
                    old[1] += events[key]

            return fold_average
        case Aggregate.MINIMUM | Aggregate.MAXIMUM:
            better = min if series.aggregate is Aggregate.MINIMUM else max

            def fold_extreme(columns: Columns, groups: Groups) -> None:
                by, _, amounts = _that_say_it(rows(columns))
                for key, amount in zip(by, amounts, strict=True):
                    labels = _labels(key)
                    groups[labels] = better(groups[labels], amount) if labels in groups else amount

            return fold_extreme
        case Aggregate.DISTINCT:

            def fold_distinct(columns: Columns, groups: Groups) -> None:
                by, _, field_values = _that_say_it(rows(columns))
                for key, text in set(zip(by, map(label_text, field_values), strict=True)):
                    groups.setdefault(_labels(key), set()).add(distinct_hash(text))

            return fold_distinct
        case Aggregate.PERCENTILE:

            def fold_percentile(columns: Columns, groups: Groups) -> None:
                by, _, amounts = _that_say_it(rows(columns))
                for (key, amount), n in Counter(zip(by, amounts, strict=True)).items():
                    buckets = groups.setdefault(_labels(key), {})
                    bucket = percentile_key(amount)
                    buckets[bucket] = buckets.get(bucket, 0) + n

            return fold_percentile
        case Aggregate.LAST | Aggregate.WHOLE:
            raise ValueError("what travels event by event is not folded")


def _whole_rows(columns: Columns) -> Iterable[tuple[Labels, str, int, int]]:
    for place, data in enumerate(columns.rows):
        yield (), str(msgspec.json.encode(without_personal(msgspec.to_builtins(data))), "utf-8"), 0, place


def level_rows(series: SeriesDef) -> LevelRows:
    """The function that reads a level off events; of WHOLE the identity is the event's data as JSON."""
    if series.aggregate is Aggregate.WHOLE:
        return _whole_rows
    rows = _rows(series)
    names = [texts(name) for name in TYPES[series.event_type].identity]

    def read(columns: Columns) -> Iterable[tuple[Labels, str, int, int]]:
        by, places, numbers_read = rows(columns)
        places = range(len(by)) if places is None else places
        labels = [_labels(key) for key in by]
        each = zip(*(picked(columns.get(name), places) for name in names), strict=True) if names else labels
        for own, identity, value, place in zip(labels, map(SEPARATOR.join, each), numbers_read, places, strict=True):
            if value is not None:
                yield own, identity, value, place

    return read
