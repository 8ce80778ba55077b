"""What a series is, fully: its aggregate, where its numbers come from, how it is grouped. A changed one is another."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import assert_never

from lockstep.event import TYPES, is_known_field
from lockstep.identity import Parts
from lockstep.labels import stable_id


class Aggregate(StrEnum):
    """How the events of one bucket become one number. LAST is a level, everything else a flow.

    WHOLE is no number: each event travels as it is, one by one like the values of a level, for who makes facts of it.
    """

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    LAST = "last"
    DISTINCT = "distinct"
    PERCENTILE = "percentile"
    WHOLE = "whole"


_MONEY = ("total", "shipping", "lines.unit_price")
"""Fields that hold money in the event's `currency`, and are added up."""


@dataclass(frozen=True)
class SeriesDef:
    """One measure under one grouping, as compiled from a rule file.

    event_type: the one event type that feeds it. source: the role of the topic that carries that type
    (orders, traffic, inventory, plans); settings map roles to topic names.
    field: path in the event's data, `total` or `lines.quantity`; None for a count.
    quantile: 0.9 for p90, only for PERCENTILE.
    where: label filters, all must hold: (label, allowed values); a value may end in `*`.
    by: label names, sorted. A label of the order lines has no prefix here; `line_labels` says which those are.
    bucket_s: width of the base slice in seconds (60, 10 or 1); 0 for a level.
    stale_after_s: a level older than this is no_data; None: never.
    key: the labels, a part of `by`, whose values say on which samples partition the series lives, because a rule joins
    it with measures that have no more in common; None: all of `by`. Under two keys it is two series.
    name: what its author calls the measure, for texts; no part of what the series is. A renamed one is the same.
    """

    aggregate: Aggregate
    event_type: str
    source: str
    field: str | None = None
    quantile: float | None = None
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    by: tuple[str, ...] = ()
    line_labels: tuple[str, ...] = ()
    bucket_s: int = 60
    stale_after_s: int | None = None
    key: tuple[str, ...] | None = None
    name: str = dataclasses.field(default="", compare=False, repr=False)

    @cached_property
    def tracks_currency(self) -> bool:
        """Whether a sum of money could mix currencies: then it remembers which one it saw."""
        return (
            self.aggregate is Aggregate.SUM
            and self.field in _MONEY
            and is_known_field(self.event_type, "currency")
            and "currency" not in self.by
            and all(label != "currency" for label, _ in self.where)
        )

    @cached_property
    def id(self) -> str:
        """Names the series in partials and state: a changed definition is a new series, never a mixture."""
        return stable_id(
            "series-1",
            self.aggregate,
            self.event_type,
            self.source,
            self.field,
            self.quantile,
            self.where,
            self.by,
            self.line_labels,
            self.bucket_s,
            *([] if self.key is None else [self.key]),
            # Other aggregates than those that were stored before: another series, never a mixture.
            *(["currency"] if self.tracks_currency and TYPES[self.event_type].got_currency else []),
        )[:16]

    @cached_property
    def key_places(self) -> tuple[int, ...] | None:
        """Where the labels of the key stand in `by`; None: all of them, as they are."""
        return None if self.key is None else tuple(self.by.index(label) for label in self.key)

    @property
    def is_level(self) -> bool:
        """Whether it travels event by event, and not as the aggregates of buckets."""
        return self.aggregate in (Aggregate.LAST, Aggregate.WHOLE)

    @property
    def is_additive(self) -> bool:
        """Whether nothing is zero: a closed bucket without events counts 0 for a known group."""
        return self.aggregate in (Aggregate.COUNT, Aggregate.SUM, Aggregate.DISTINCT)


@dataclass(frozen=True)
class Measured:
    """A leaf of a formula: one series."""

    series: SeriesDef


@dataclass(frozen=True)
class Number:
    """A constant in a formula."""

    value: float


@dataclass(frozen=True)
class Operation:
    """left op right, op one of + - * /. name: what its author calls it, for texts; "" within a larger one."""

    op: str
    left: "Expression"
    right: "Expression"
    name: str = dataclasses.field(default="", compare=False, repr=False)


Expression = Measured | Number | Operation
"""What a condition looks at: one series, or a formula of several over the same labels."""

EXPRESSION_PARTS: Parts = {
    SeriesDef: (
        *("aggregate", "event_type", "source", "field", "quantile", "where", "by", "line_labels", "bucket_s"),
        *("stale_after_s", "key"),
    ),
    Measured: ("series",),
    Number: ("value",),
    Operation: ("op", "left", "right"),
}
"""What names an expression in stored state; see `lockstep.identity` before you change a line."""


def series_of(expression: Expression) -> tuple[SeriesDef, ...]:
    """Every series in an expression, in reading order, each once."""
    match expression:
        case Measured(series):
            return (series,)
        case Number():
            return ()
        case Operation(_, left, right):
            return tuple(dict.fromkeys(series_of(left) + series_of(right)))
        case _:
            assert_never(expression)


def in_buckets(expression: Expression, bucket_s: int, other_s: int) -> Expression:
    """The same expression, with its series in slices of `other_s` seconds where they were in slices of `bucket_s`."""
    match expression:
        case Measured(series) if series.bucket_s == bucket_s:
            return Measured(dataclasses.replace(series, bucket_s=other_s))
        case Measured() | Number():
            return expression
        case Operation(op, left, right, name):
            return Operation(op, in_buckets(left, bucket_s, other_s), in_buckets(right, bucket_s, other_s), name)
        case _:
            assert_never(expression)


class OfExpression:
    """What those share that read one expression. series, flows: of the expression alone."""

    expression: Expression

    @cached_property
    def series(self) -> tuple[SeriesDef, ...]:
        return series_of(self.expression)

    @cached_property
    def flows(self) -> tuple[SeriesDef, ...]:
        return tuple(s for s in self.series if not s.is_level)
