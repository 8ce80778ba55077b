"""Rule files as their authors write them: the source of the editor's schema. Descriptions are the hover texts."""

import re
from collections.abc import Iterator
from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from lockstep.calendar import KINDS
from lockstep.document import did_you_mean, keys
from lockstep.rule.condition.kinds import Hours, Tolerance
from lockstep.rule.condition.period import Period
from lockstep.rule.language import quantity

Duration = Annotated[
    int,
    BeforeValidator(quantity.duration_s),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["90s", "15m", "1h30m", "7d"]}),
]
CalendarWindow = Annotated[
    int | Period,
    BeforeValidator(quantity.window),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["15m", "1h30m", "day", "week"]}),
]
"""A length, or a day or week of the shop's calendar."""
Ratio = Annotated[
    float,
    BeforeValidator(quantity.ratio),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+(x|%)$", "examples": ["2x", "0.5x"]}),
]
Away = Annotated[
    tuple[float | None, float | None],
    BeforeValidator(quantity.away),
    WithJsonSchema({"type": "string", "examples": ["2x", "0.5x", "20 more", "20 less", "2x and 20 more"]}),
]
"""(ratio, signed difference): how far from the usual."""
Chance = Annotated[
    float,
    BeforeValidator(quantity.chance),
    WithJsonSchema({"type": "string", "examples": ["1 in 1000", "0.1%"]}),
]
Limit = Annotated[
    float,
    BeforeValidator(quantity.number),
    WithJsonSchema({"type": ["number", "string"], "pattern": r"^-?[0-9.]+%?$", "examples": [20, "25%"]}),
]
By = Annotated[
    tuple[float | None, float | None],
    BeforeValidator(quantity.difference),
    WithJsonSchema({"type": ["number", "string"], "pattern": r"^[0-9.]+%?$", "examples": [5, "20%"]}),
]
"""A difference: as a number, or as a part of what was before."""
Stretch = Annotated[
    Hours,
    BeforeValidator(quantity.hours),
]
DayKind = Literal["campaign", "holiday", "closed"]
SeverityWord = Literal["info", "warning", "critical"]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


def _label(value: Any) -> Any:
    if isinstance(value, str) and not _LABEL.fullmatch(value):
        parts = [part for part in re.split(r"[,;\s]+", value) if part != "and"]
        if 1 < len(parts) < 10 and all(map(_LABEL.fullmatch, parts)) and re.search(r"[,;]|\band\b", value):
            raise ValueError(f"'{value[:100]}' are several labels; write [{', '.join(parts)}] [LS135]")
        raise ValueError(f"'{value[:100]}' cannot be a label; write a field's name: letters, digits and _ [LS135]")
    return value


_LABEL = re.compile(r"(lines\.)?[A-Za-z][A-Za-z0-9_]{0,99}")

Label = Annotated[
    str, BeforeValidator(_label), WithJsonSchema({"type": "string", "examples": ["channel", "sku", "lines.sku"]})
]
"""A label of the event, or of its lines."""


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _listed(items: dict[str, Any]) -> WithJsonSchema:
    """What may be written once or as a list."""
    return WithJsonSchema({"anyOf": [items, {"type": "array", "items": items}]})


_TEXT = {"type": "string"}
_HOURS = {"type": "string", "examples": ["Mon-Fri 08:00-18:00", "Sun 10:00-16:00", "Mon-Sat"]}
_VALUE = {"type": ["string", "number", "boolean"]}


def _texts(value: Any) -> Any:
    """Label values may be written as numbers or flags; they are compared as text."""
    if isinstance(value, dict):
        return {k: [_text(v) for v in (vs if isinstance(vs, list) else [vs])] for k, vs in value.items()}
    return value


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


AGGREGATES = ("count", "sum", "average", "minimum", "maximum", "last", "distinct", "formula")
_PERCENTILE = re.compile(r"p([1-9][0-9]?(?:\.[0-9]{1,2})?)")
SHORT = {"avg": "average", "min": "minimum", "max": "maximum"}


class MeasureModel(_Strict):
    """A number kept over event time, per group of the rules that use it. Name exactly one of its kinds."""

    count: str | None = Field(None, description="How many events of this type, `order.placed`")
    sum: str | None = Field(None, description="Sum of a field, `total` or `lines.quantity`; needs `of`")
    average: str | None = Field(None, description="Average of a field; needs `of`")
    minimum: str | None = Field(None, description="Smallest value of a field; needs `of`")
    maximum: str | None = Field(None, description="Largest value of a field; needs `of`")
    last: str | None = Field(None, description="A level: the newest value of a field, `available`; needs `of`")
    distinct: str | None = Field(None, description="How many different values of a field; needs `of`")
    percentile: str | None = Field(
        None, description="Written as `p90: hours_to_ship`, any from p1 to p99.9; needs `of`", exclude=True
    )
    quantile: float | None = Field(None, exclude=True)
    formula: str | None = Field(None, description="Other measures with + - * / and parentheses, `orders / sessions`")
    of: str | None = Field(None, description="The event type that the field belongs to")
    where: Annotated[
        dict[Label, Annotated[list[str], Field(min_length=1)]],
        BeforeValidator(_texts),
        WithJsonSchema(
            {"type": "object", "additionalProperties": {"anyOf": [_VALUE, {"type": "array", "items": _VALUE}]}}
        ),
    ] = Field(
        default_factory=dict, description="Only events whose label has this value (or one of a list; `*` ends a prefix)"
    )
    stale_after: Duration | None = Field(None, description="A level older than this is no data")

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError("a measure is written as keys and values; write one like {count: order.placed} [LS114]")
        result: dict[str, Any] = {}
        for key, value in data.items():
            percent = _PERCENTILE.fullmatch(key)
            word = "percentile" if percent else SHORT.get(str(key), str(key))
            if word in result:
                raise ValueError(f"a measure has one kind, this has '{key}' and one more; keep one of them [LS115]")
            if key in ("percentile", "quantile"):
                raise ValueError("a percentile is written with its number; write one like p90: hours_to_ship [LS115]")
            result[word] = value
            if percent:
                result["quantile"] = float(percent[1]) / 100
        return result

    @classmethod
    def unknown_key(cls, key: str, given: Any) -> tuple[str, str, str] | None:
        """What to say about a key that no measure has; None for the usual words."""
        if re.fullmatch(r"p[0-9.]+", key):
            return f"'{key}' is no percentile", "write one from p1 to p99.9", "LS115"
        return None

    @model_validator(mode="after")
    def _one_kind(self) -> "MeasureModel":
        kinds = [k for k in (*AGGREGATES, "percentile") if getattr(self, k) is not None]
        if len(kinds) != 1:
            found = f"{len(kinds)} kinds ({', '.join(kinds)})" if kinds else "no kind"
            raise ValueError(f"a measure has one kind, this has {found}; write one like count: order.placed [LS115]")
        if kinds[0] not in ("count", "formula") and self.of is None:
            raise ValueError(f"'{kinds[0]}' needs the event type of its field; add 'of: order.placed' [LS115]")
        if self.stale_after is not None and kinds[0] != "last":
            raise ValueError("only a level (last) can be stale; remove 'stale_after' [LS115]")
        return self


def _times(value: Any) -> Any:
    found = quantity.ratio(value) if isinstance(value, str) and value.strip()[-1:] in ("x", "%") else value
    number = quantity.number(found)
    if number <= 0:
        raise ValueError(f"'{str(value)[:100]}' is no factor of a number; write one like 1.5 [LS220]")
    return number


class SourceModel(_Strict):
    """A number that stands elsewhere: what another measure is at the time, or a row of a table."""

    measure: str | None = Field(None, description="Name of a measure; its value at the time is the number")
    by: Annotated[list[Label] | None, BeforeValidator(_one_or_many), _listed(_TEXT)] = Field(
        None, description="Of the measure: fewer labels than the rule's, `[]` for the whole shop; default: the same"
    )
    window: Duration | None = Field(
        None, description="Of a measure that is a flow: the last whole buckets that count; default: the same window"
    )
    file: str | None = Field(None, description="A table beside this file, `thresholds.csv`")
    column: str | None = Field(
        None, description="Of the table: the column of the numbers; default: named like the bound, `at_most`"
    )
    otherwise: Limit | None = Field(
        None, description="Of the table: the number for groups without a row; default: they are not judged"
    )
    times: Annotated[
        float,
        BeforeValidator(_times),
        WithJsonSchema({"type": ["number", "string"], "pattern": r"^[0-9.]+[x%]?$", "examples": [1.5]}),
    ] = Field(1.0, description="The number is multiplied by this")
    plus: Limit = Field(0.0, description="And this is added")

    @model_validator(mode="after")
    def _one_place(self) -> "SourceModel":
        if (self.measure is None) == (self.file is None):
            forms = "{measure: reorder_point} or {file: thresholds.csv}"
            raise ValueError(f"where the number stands is not said, or twice; write {forms} [LS220]")
        odd = ("by", "window") if self.file is not None else ("column", "otherwise")
        found = next((w for w in odd if getattr(self, w) is not None), None)
        if found is not None:
            of = "a measure" if self.file is not None else "a table"
            raise ValueError(f"only {of} has a '{found}'; remove it [LS220]")
        return self


def _is_source(value: Any) -> bool:
    return isinstance(value, dict | SourceModel)


Bound = Annotated[
    Annotated[Limit, Tag("number")] | Annotated[SourceModel, Tag("SourceModel")],
    Discriminator(lambda value: "SourceModel" if _is_source(value) else "number"),
]


class BoundsModel(_Strict):
    above: Bound | None = Field(None, description="More than this; the number itself does not count")
    below: Bound | None = Field(None, description="Less than this; the number itself does not count")
    at_least: Bound | None = Field(None, description="This or more")
    at_most: Bound | None = Field(None, description="This or less")


class LevelModel(BoundsModel):
    """One severity of a threshold."""

    clear: BoundsModel | None = Field(None, description="When it is over; default: when it does not hold any more")


class LevelsModel(_Strict):
    """Several severities in one episode."""

    info: LevelModel | None = Field(None, description="Good to know")
    warning: LevelModel | None = Field(None, description="Somebody should look at it today")
    critical: LevelModel | None = Field(None, description="Somebody should look at it now")


class _Wider(_Strict):
    by: Annotated[list[Label] | None, BeforeValidator(_one_or_many), _listed(_TEXT)] = Field(
        None, description="In a combination: fewer labels than the rule's, `[]` for the whole shop; default: the rule's"
    )


class ThresholdModel(BoundsModel, _Wider):
    """A measure against numbers."""

    measure: str = Field(description="Name of a measure")
    window: CalendarWindow | None = Field(
        None,
        description="The last whole buckets that count, `1h`, or `day` or `week`, judged once at their end; "
        "a flow needs it, a level not",
    )
    levels: LevelsModel | None = Field(None, description="Instead of one number: a number for each severity")


class BaselineModel(_Strict):
    """What the window usually is."""

    previous: Duration | None = Field(None, description="Mean per window length over this stretch just before it")
    same_time_of_day: Annotated[int, Field(ge=1, le=60)] | None = Field(None, description="Median of so many days")
    same_time_of_week: Annotated[int, Field(ge=1, le=26)] | None = Field(None, description="Median of so many weeks")
    known_at_least: Annotated[int, Field(ge=1, le=60)] | None = Field(
        None, description="So many of the days or weeks must have been seen; default 3, or all where there are fewer"
    )
    without: Annotated[list[DayKind], BeforeValidator(_one_or_many), _listed({"enum": list(KINDS)})] = Field(
        default=["campaign", "holiday", "closed"],
        description="Days of calendar.yml that are no part of what is usual; default all that are marked, [] none",
    )
    otherwise: "BaselineForm | None" = Field(
        None, description="The baseline to use as long as too little of this one is known"
    )

    @model_validator(mode="after")
    def _one_form(self) -> "BaselineModel":
        if sum(v is not None for v in (self.previous, self.same_time_of_day, self.same_time_of_week)) != 1:
            raise ValueError("a baseline has one form; write previous, same_time_of_day or same_time_of_week [LS116]")
        asked = self.same_time_of_week or self.same_time_of_day
        if asked is None:
            odd = next((w for w in ("known_at_least", "without", "otherwise") if w in self.model_fields_set), None)
            if odd is not None:
                raise ValueError(f"'{odd}' is for days and weeks; remove it, or write same_time_of_week [LS116]")
        elif self.known_at_least is not None and self.known_at_least > asked:
            raise ValueError(f"of {asked} never {self.known_at_least} are known; write at most {asked} [LS116]")
        return self


def _baseline_word(value: Any) -> Any:
    if value != "previous":
        forms = "previous, {previous: 6h}, {same_time_of_day: 7} or {same_time_of_week: 4}"
        raise ValueError(f"'{str(value)[:100]}' is no baseline; write {forms} [LS116]")
    return value


BaselineForm = Annotated[
    Annotated[Literal["previous"], BeforeValidator(_baseline_word), Tag("word")]
    | Annotated[BaselineModel, Tag("BaselineModel")],
    Discriminator(lambda value: "BaselineModel" if isinstance(value, dict | BaselineModel) else "word"),
]


BaselineModel.model_rebuild()


class SpikeModel(_Wider):
    """A measure against what it usually is."""

    measure: str = Field(description="Name of a measure")
    window: CalendarWindow = Field(
        description="The last whole buckets that are compared, `1h`, or `day` or `week`, judged once at their end"
    )
    baseline: BaselineForm = Field("previous", description="What is usual")
    above: Away | None = Field(
        None, description="A rise: more than this times the usual, `2x`, or this much more, `20 more`"
    )
    below: Away | None = Field(
        None, description="A fall: less than this times the usual, `0.5x`, or this much less, `20 less`"
    )
    deviations: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None, description="And this many deviations away from the usual; alone: in both directions"
    )
    at_least: Limit | None = Field(None, description="A rise needs this value, so that 1 to 3 is no spike")
    usual_at_least: Limit | None = Field(None, description="Any ratio needs this baseline")
    chance: Chance | None = Field(
        None, description="For counts: so rare must it be that chance alone makes such a window, `1 in 1000`"
    )
    hours: Annotated[list[Stretch], BeforeValidator(_one_or_many), _listed(_HOURS)] = Field(
        default_factory=list,
        description="When it is judged, in the shop's time zone: the window lies within `Mon-Fri 08:00-18:00`; "
        "with their end it is over",
    )

    @model_validator(mode="after")
    def _a_direction(self) -> "SpikeModel":
        if self.above is None and self.below is None and self.deviations is None:
            raise ValueError("a spike needs a direction; add above: 2x, below: 0.5x or deviations: 5 [LS117]")
        return self


def _labels_or_time(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,2}[:.h][0-9]{2}", value.strip()):
        return quantity.until(value.strip())
    if isinstance(value, int):
        return quantity.until(value)
    return _one_or_many(value)


class AbsenceModel(_Strict):
    """Nothing where something is expected."""

    measure: str = Field(description="Name of a measure")
    window: CalendarWindow | None = Field(None, description="Nothing for this long, `2h`, or a whole `day` or `week`")
    by: Annotated[
        time | list[Label] | None,
        BeforeValidator(_labels_or_time),
        WithJsonSchema(
            {"anyOf": [{"type": "string", "examples": ["21:15"]}, {"type": "array", "items": {"type": "string"}}]}
        ),
    ] = Field(
        None,
        description="In place of a window: nothing since midnight by this time of day, `21:15`. "
        "Or, in a combination, fewer labels than the rule's, `[]` for the whole shop",
    )
    hours: Annotated[list[Stretch], BeforeValidator(_one_or_many), _listed(_HOURS)] = Field(
        default_factory=list,
        description="When something is expected, in the shop's time zone: `Mon-Fri 08:00-18:00`, whole days `Mon-Sat`",
    )
    expected: Annotated[
        dict[Label, Annotated[list[str], Field(min_length=1)]],
        BeforeValidator(_texts),
        WithJsonSchema(
            {"type": "object", "additionalProperties": {"anyOf": [_VALUE, {"type": "array", "items": _VALUE}]}}
        ),
    ] = Field(
        default_factory=dict,
        description="Groups that must be there although they never had an event: `{channel: [web, app]}`",
    )

    @model_validator(mode="after")
    def _one_stretch(self) -> "AbsenceModel":
        if self.window is None and not isinstance(self.by, time):
            raise ValueError('how long nothing comes is not said; write window: 2h, or by: "21:15" [LS120]')
        if self.window is not None and isinstance(self.by, time):
            raise ValueError("it has a window and a time of day by which something comes; keep one of them [LS230]")
        return self

    @property
    def labels(self) -> list[str] | None:
        """The labels that `by` names, in a combination."""
        return None if isinstance(self.by, time) else self.by

    @property
    def stretch(self) -> int | Period:
        """What has to be empty."""
        if isinstance(self.by, time):
            return Period("day", self.by)
        assert self.window is not None
        return self.window


class ShareModel(BoundsModel, _Wider):
    """One count as a part of another, from 0 to 1: `above: 10%`."""

    measure: str = Field(description="Name of a measure: the part, `returns`")
    of: str = Field(description="Name of a measure: the whole, `orders`")
    window: CalendarWindow | None = Field(
        None, description="The last whole buckets that count, `1h`, or `day` or `week`, judged once at their end"
    )
    of_at_least: Limit | None = Field(None, description="Below this much of the whole there is nothing to tell; needed")
    confidence: Annotated[Limit | None, Field(gt=0.5, lt=1)] = Field(
        None, description="Compare what the true share is with this certainty (`95%`, Wilson), not what was seen"
    )
    levels: LevelsModel | None = Field(None, description="Instead of one number: a number for each severity")


class RatioModel(BoundsModel, _Wider):
    """One measure for each of another: `spend` of `revenue`."""

    measure: str = Field(description="Name of a measure: what is divided")
    of: str = Field(description="Name of a measure: by what")
    window: CalendarWindow | None = Field(
        None, description="The last whole buckets that count, `1h`, or `day` or `week`, judged once at their end"
    )
    of_at_least: Limit | None = Field(None, description="Below this much of it there is nothing to tell; needed")
    levels: LevelsModel | None = Field(None, description="Instead of one number: a number for each severity")


class ChangeModel(_Strict):
    """A value that is not what it was."""

    measure: str = Field(description="Name of a measure")
    by: By | None = Field(None, description="By so much or more, `5` or `20%`; none: at all")
    window: Duration | None = Field(
        None,
        description="A level against itself so long ago, a flow against the window before; "
        "none: each value of a level against the one before it",
    )
    direction: Literal["up", "down", "both"] = Field("both", description="Which way counts")


class NewValueModel(_Strict):
    """The first event of a label's value in a long time."""

    label: Label | None = Field(None, description="Whose values may be new, `campaign`; the rule is by it")
    field: Label | None = Field(None, description="The same as `label`")
    measure: str = Field(description="Name of a count: the events that are looked at")
    in_: Duration = Field(alias="in", description="New is what did not come for so long, `30d`")
    window: Duration | None = Field(None, description="How long it is told as new; default 1h, or as `in`")
    learn: Duration | None = Field(
        None, description="So long after the first event of all everything is new and nothing is told; default: as `in`"
    )

    @model_validator(mode="after")
    def _one_label(self) -> "NewValueModel":
        if (self.label is None) == (self.field is None):
            raise ValueError("whose values may be new is not said; write one like label: campaign [LS180]")
        return self


def _within(value: Any) -> Any:
    return value if value == "day" else quantity.duration_s(value)


class ProjectionModel(_Wider):
    """Where a measure gets at its present pace."""

    measure: str = Field(description="Name of a measure: a level that falls, or a flow that adds up over the day")
    reaches: Limit = Field(description="A level: this or less; a flow: this or more")
    within: Annotated[
        int | Literal["day"],
        BeforeValidator(_within),
        WithJsonSchema({"type": ["string", "integer"], "examples": ["3d", "day"]}),
    ] = Field(description="How far ahead, `3d`; `day`: to the end of the shop's day")
    pace: str | None = Field(None, description="For a level, the flow that takes from it; default: what it lost itself")
    window: Duration | None = Field(None, description="The pace is that of so long; default 7d, with `within: day` 2h")


def _day(value: Any) -> Any:
    try:
        return value if value is None else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"'{str(value)[:100]}' is no day; write one like 2026-12-31 [LS201]") from None


class AnomalyModel(_Strict):
    """A flow that differs from what was learned of it. Needs nothing but a measure."""

    measure: str = Field(description="Name of a measure: a flow")
    sensitivity: Literal["low", "medium", "high"] = Field(
        "medium", description="How easily it speaks; medium: only when it is sure"
    )
    direction: Literal["up", "down", "both"] = Field("both", description="Which way counts")
    bucket: Duration = Field(3_600, description="What is judged each time: 5m, 10m, 15m, 20m, 30m or 1h")
    without: Annotated[list[DayKind], BeforeValidator(_one_or_many), _listed({"enum": list(KINDS)})] = Field(
        default=["campaign", "holiday", "closed"],
        description="Days of calendar.yml that are learned apart from ordinary ones; default all, [] none",
    )
    learn_from: Annotated[
        date | None, BeforeValidator(_day), WithJsonSchema({"type": "string", "examples": ["2026-11-01"]})
    ] = Field(None, description="What it is from this day on is normal: forget what was learned before, `2026-11-01`")


Clear = Annotated[
    Annotated[Any, WithJsonSchema({"type": ["number", "string"]}), Tag("number")]
    | Annotated[SourceModel, Tag("SourceModel")],
    Discriminator(lambda value: "SourceModel" if _is_source(value) else "number"),
]
"""A bound, or a ratio; which of them is known where the condition is."""


class ClearModel(_Strict):
    """When it is over: bounds, for a spike ratios."""

    above: Clear | None = Field(None, description="More than this; for a spike a ratio, `0.8x`")
    below: Clear | None = Field(None, description="Less than this; for a spike a ratio, `1.5x`")
    at_least: Clear | None = Field(None, description="This or more; not for a spike")
    at_most: Clear | None = Field(None, description="This or less; not for a spike")


CONDITIONS = (
    "threshold",
    "spike",
    "absence",
    "change",
    "new_value",
    "share",
    "ratio",
    "projection",
    "anomaly",
    "all",
    "any",
    "not",
)


class PartModel(_Strict):
    """A condition. Name exactly one."""

    threshold: ThresholdModel | None = Field(None, description="A measure against numbers")
    spike: SpikeModel | None = Field(None, description="A measure against what it usually is")
    absence: AbsenceModel | None = Field(None, description="Nothing where something is expected")
    change: ChangeModel | None = Field(None, description="A value that is not what it was")
    new_value: NewValueModel | None = Field(None, description="The first of its kind in a long time")
    share: ShareModel | None = Field(None, description="One count as a part of another")
    ratio: RatioModel | None = Field(None, description="One measure for each of another")
    projection: ProjectionModel | None = Field(None, description="Where a measure gets at its present pace")
    anomaly: AnomalyModel | None = Field(None, description="Anything unusual, learned from the measure itself")
    all: list["PartModel"] | None = Field(None, description="All of these", min_length=1)
    any: list["PartModel"] | None = Field(None, description="At least one of these", min_length=1)
    not_: "PartModel | None" = Field(None, alias="not", description="This does not hold")
    clear: ClearModel | None = Field(None, description="When it is over: bounds, for a spike ratios (`below: 1.5x`)")

    @classmethod
    def unknown_key(cls, key: str, given: Any) -> tuple[str, str, str] | None:
        """What to say about a key that no rule has, when it stands where a condition should; else None."""
        known = [*keys(cls), *(c for c in CONDITIONS if c == "not")]
        if any(c in given for c in CONDITIONS) or did_you_mean(key, known).startswith("did"):
            return None
        if isinstance(given[key], dict | list):
            return f"the condition '{key}' is not known to this version", did_you_mean("", CONDITIONS), "LS118"
        return None

    @model_validator(mode="after")
    def _one_condition(self) -> "PartModel":
        found = [c for c in CONDITIONS if getattr(self, "not_" if c == "not" else c) is not None]
        if len(found) != 1:
            what = f"has {len(found)} conditions ({', '.join(found)})" if found else "has no condition"
            raise ValueError(f"it {what}; write exactly one of {', '.join(CONDITIONS)} [LS118]")
        return self


class OverrideModel(BoundsModel):
    """Other numbers for groups that match."""

    match: Annotated[
        dict[Label, Annotated[str, BeforeValidator(_text)]],
        WithJsonSchema({"type": "object", "additionalProperties": _VALUE}),
    ] = Field(description="Label and value; `*` stands for anything, anywhere", min_length=1)
    severity: SeverityWord | None = Field(None, description="Default: the rule's")
    clear: BoundsModel | None = Field(None, description="When it is over")
    levels: LevelsModel | None = Field(None, description="A number for each severity")


class FlappingModel(_Strict):
    """When an alert flaps."""

    fires: Annotated[int, Field(ge=2, le=100)] = Field(5, description="Fired so often")
    in_: Annotated[Duration, Field(ge=60)] = Field(3600, alias="in", description="within so long")


def _flapping(value: Any) -> Any:
    if value is not False:
        raise ValueError("this does not say when it flaps; write {fires: 5, in: 1h}, or false [LS114]")
    return value


class LifeModel(_Strict):
    """What a rule says beside its condition, and `defaults` may say for all of a file."""

    by: Annotated[list[Label], BeforeValidator(_one_or_many), _listed(_TEXT)] = Field(
        default_factory=list, description="One alert for each value of these labels; none: one for the whole shop"
    )
    for_: Annotated[
        int | Tolerance,
        BeforeValidator(quantity.hold),
        WithJsonSchema({"type": ["string", "integer"], "examples": ["10m", "3 of 4 buckets"]}),
    ] = Field(
        0, alias="for", description="How long it must hold before it fires, or in how many buckets: `3 of 4 buckets`"
    )
    keep_firing_for: Duration = Field(0, description="How long it must be clear before it is over")
    cool_down: Duration = Field(0, description="After an end nothing begins for so long; what still holds then begins")
    severity: SeverityWord = Field("warning", description="info, warning or critical")
    no_data: Literal["keep", "ok", "alert"] = Field(
        "keep", description="What no data does: keep the state, end it, alert"
    )
    teams: Annotated[list[str], BeforeValidator(_one_or_many), _listed(_TEXT)] = Field(
        default_factory=lambda: ["marketing", "operations"], description="Who hears of it; default both", min_length=1
    )
    runbook: str | None = Field(None, description="Where it is written what to do")
    forget_after: Duration = Field(7 * 86400, description="A group silent for this long is forgotten")
    expires: Annotated[
        date | None, BeforeValidator(_day), WithJsonSchema({"type": "string", "examples": ["2026-12-31"]})
    ] = Field(None, description="The last day on which it is judged, in the shop's time zone")
    owner: str | None = Field(None, description="Who looks after this rule")
    max_alerts: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="People are told so many of its alerts one by one, the most severe first, and the rest as one"
    )
    flapping: Annotated[
        Annotated[Literal[False], BeforeValidator(_flapping), Tag("false")]
        | Annotated[FlappingModel, Tag("FlappingModel")],
        Discriminator(lambda value: "FlappingModel" if isinstance(value, dict | FlappingModel) else "false"),
    ] = Field(
        default_factory=lambda: FlappingModel.model_validate({}),
        description="An alert that fires so often is told once, and when it has settled; `false`: always",
    )


class DefaultsModel(LifeModel):
    """What every rule of this file says that does not say it itself."""


class RuleModel(PartModel, LifeModel):
    """A rule: a condition, how long it must hold, who hears of it in which words."""

    name: Name = Field(description="Names the rule in messages and keeps its state")
    condition: str | None = Field(None, description="The name of one of this file's `conditions`")
    was: Annotated[list[Name], BeforeValidator(_one_or_many), _listed(_TEXT)] = Field(
        default_factory=list, description="Its name before it was renamed: alerts that are open carry on"
    )
    say: dict[str, str] = Field(
        default_factory=dict,
        description="Texts: `summary` for all, and one for each team, with {{ value }} and the like",
    )
    overrides: list[OverrideModel] = Field(default_factory=list, description="Other numbers for groups that match")
    enabled: bool = Field(True, description="false: the rule is checked but not judged")


def _variable(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or str(value).startswith("$"):
        raise ValueError("a variable is one value; write one like 60, 15m, 2x or 25% [LS210]")
    return value


class RuleFile(_Strict):
    """Measures and rules. Measures of all files of a folder are shared; the rest is this file's own."""

    measures: dict[Name, MeasureModel] = Field(default_factory=dict, description="Numbers kept over event time")
    variables: dict[Name, Annotated[int | float | str, BeforeValidator(_variable)]] = Field(
        default_factory=dict, description="Values with a name: `rush: 60` is used as `$rush` where a value stands"
    )
    conditions: dict[Name, PartModel] = Field(
        default_factory=dict, description="Conditions with a name, for `condition: name` and within all, any and not"
    )
    defaults: DefaultsModel | None = Field(None, description="What every rule says that does not say it itself")
    rules: list[RuleModel] = Field(default_factory=list, description="What is worth telling")


def sources_in(model: Any) -> Iterator[SourceModel]:
    """Every number in a model that stands elsewhere."""
    if isinstance(model, SourceModel):
        yield model
    elif isinstance(model, BaseModel):
        for name in type(model).model_fields:
            yield from sources_in(getattr(model, name))
    elif isinstance(model, list):
        for item in model:
            yield from sources_in(item)


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of rule files, for editors."""
    schema = without_null(RuleFile.model_json_schema(by_alias=True))
    measure = schema["$defs"]["MeasureModel"]
    percentile = measure["properties"].pop("percentile")
    measure["properties"].pop("quantile", None)
    measure["patternProperties"] = {f"^{_PERCENTILE.pattern}$": percentile}
    for short, word in SHORT.items():
        measure["properties"][short] = measure["properties"][word]
    for model in ("PartModel", "RuleModel"):
        properties = schema["$defs"][model]["properties"]
        for word in ("all", "any"):
            properties[word]["items"] = {"anyOf": [properties[word]["items"], {"type": "string"}]}
        properties["not"] = _or_a_name(properties["not"])
    for model in schema["$defs"].values():
        _with_variables(model)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/rules.schema.json",
        **schema,
        "title": "Lockstep rule file",
    }


def _or_a_name(node: dict[str, Any]) -> dict[str, Any]:
    """The schema of a condition that may also be named."""
    words = {k: v for k, v in node.items() if k in ("description", "title", "default")}
    return {**words, "anyOf": [{k: v for k, v in node.items() if k not in words}, {"type": "string"}]}


def _with_variables(node: Any) -> None:
    """Let `$name` stand where the schema asks for a number or a ratio as text."""
    if isinstance(node, dict):
        pattern = node.get("pattern", "")
        if "[0-9.]+" in pattern:
            node["pattern"] = f"{pattern}|^\\$[A-Za-z_][A-Za-z0-9_-]*$"
        for value in node.values():
            _with_variables(value)
    elif isinstance(node, list):
        for value in node:
            _with_variables(value)


def without_null(node: Any) -> Any:
    """The schema without "or null" at every optional key: editors would offer it, and say nothing clear any more."""
    if isinstance(node, list):
        return [without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {k: without_null(v) for k, v in node.items() if not (k == "default" and v is None)}
    choices = found.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [c for c in choices if c != {"type": "null"}]
        del found["anyOf"]
        found = {**rest[0], **found} if len(rest) == 1 else {**found, "anyOf": rest}
    return found
