"""A condition as its author writes it: one model a kind, and the combination of them."""

import re
from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from lockstep.calendar import KINDS
from lockstep.rule.condition.period import Period
from lockstep.rule.language import quantity
from lockstep.rule.language.form.bound import BoundsModel, ClearModel, LevelsModel
from lockstep.rule.language.form.values import (
    HOURS,
    TEXT,
    VALUE,
    Away,
    By,
    CalendarWindow,
    Chance,
    DayKind,
    Duration,
    Label,
    Limit,
    MeasureName,
    Stretch,
    Strict,
    day,
    label_values,
    listed,
    one_or_many,
)
from lockstep.yaml.document import did_you_mean, keys


class _Wider(Strict):
    by: Annotated[list[Label] | None, BeforeValidator(one_or_many), listed(TEXT)] = Field(
        None, description="In a combination: fewer labels than the rule's, `[]` for the whole shop; default: the rule's"
    )


class ThresholdModel(BoundsModel, _Wider):
    """A measure against numbers."""

    measure: MeasureName = Field(description="Name of a measure")
    window: CalendarWindow | None = Field(
        None,
        description="The last whole buckets that count, `1h`, or `day` or `week`, judged once at their end; "
        "a flow needs it, a level not",
    )
    levels: LevelsModel | None = Field(None, description="Instead of one number: a number for each severity")


class BaselineModel(Strict):
    """What the window usually is."""

    previous: Duration | None = Field(None, description="Mean per window length over this stretch just before it")
    same_time_of_day: Annotated[int, Field(ge=1, le=60)] | None = Field(None, description="Median of so many days")
    same_time_of_week: Annotated[int, Field(ge=1, le=26)] | None = Field(None, description="Median of so many weeks")
    known_at_least: Annotated[int, Field(ge=1, le=60)] | None = Field(
        None, description="So many of the days or weeks must have been seen; default 3, or all where there are fewer"
    )
    without: Annotated[list[DayKind], BeforeValidator(one_or_many), listed({"enum": list(KINDS)})] = Field(
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

    measure: MeasureName = Field(description="Name of a measure")
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
    hours: Annotated[list[Stretch], BeforeValidator(one_or_many), listed(HOURS)] = Field(
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
    return one_or_many(value)


class AbsenceModel(Strict):
    """Nothing where something is expected."""

    measure: MeasureName = Field(description="Name of a measure")
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
    hours: Annotated[list[Stretch], BeforeValidator(one_or_many), listed(HOURS)] = Field(
        default_factory=list,
        description="When something is expected, in the shop's time zone: `Mon-Fri 08:00-18:00`, whole days `Mon-Sat`",
    )
    expected: Annotated[
        dict[Label, Annotated[list[str], Field(min_length=1)]],
        BeforeValidator(label_values),
        WithJsonSchema(
            {"type": "object", "additionalProperties": {"anyOf": [VALUE, {"type": "array", "items": VALUE}]}}
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

    measure: MeasureName = Field(description="Name of a measure: the part, `returns`")
    of: MeasureName = Field(description="Name of a measure: the whole, `orders`")
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

    measure: MeasureName = Field(description="Name of a measure: what is divided")
    of: MeasureName = Field(description="Name of a measure: by what")
    window: CalendarWindow | None = Field(
        None, description="The last whole buckets that count, `1h`, or `day` or `week`, judged once at their end"
    )
    of_at_least: Limit | None = Field(None, description="Below this much of it there is nothing to tell; needed")
    levels: LevelsModel | None = Field(None, description="Instead of one number: a number for each severity")


class ChangeModel(Strict):
    """A value that is not what it was."""

    measure: MeasureName = Field(description="Name of a measure")
    by: By | None = Field(None, description="By so much or more, `5` or `20%`; none: at all")
    window: Duration | None = Field(
        None,
        description="A level against itself so long ago, a flow against the window before; "
        "none: each value of a level against the one before it",
    )
    direction: Literal["up", "down", "both"] = Field("both", description="Which way counts")


class NewValueModel(Strict):
    """The first event of a label's value in a long time."""

    label: Label | None = Field(None, description="Whose values may be new, `campaign`; the rule is by it")
    field: Label | None = Field(None, description="The same as `label`")
    measure: MeasureName = Field(description="Name of a count: the events that are looked at")
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

    measure: MeasureName = Field(
        description="Name of a measure: a level that falls, or a flow that adds up over the day"
    )
    reaches: Limit = Field(description="A level: this or less; a flow: this or more")
    within: Annotated[
        int | Literal["day"],
        BeforeValidator(_within),
        WithJsonSchema({"type": ["string", "integer"], "examples": ["3d", "day"]}),
    ] = Field(description="How far ahead, `3d`; `day`: to the end of the shop's day")
    pace: MeasureName | None = Field(
        None, description="For a level, the flow that takes from it; default: what it lost itself"
    )
    window: Duration | None = Field(None, description="The pace is that of so long; default 7d, with `within: day` 2h")


class AnomalyModel(Strict):
    """A flow that differs from what was learned of it. Needs nothing but a measure."""

    measure: MeasureName = Field(description="Name of a measure: a flow")
    sensitivity: Literal["low", "medium", "high"] = Field(
        "medium", description="How easily it speaks; medium: only when it is sure"
    )
    direction: Literal["up", "down", "both"] = Field("both", description="Which way counts")
    bucket: Duration | None = Field(
        None,
        description="What is judged each time: 5m, 10m, 15m, 20m, 30m or 1h; by default what suits each group, "
        "chosen of 5m, 15m, 30m and 1h when 36 hours are known",
    )
    without: Annotated[list[DayKind], BeforeValidator(one_or_many), listed({"enum": list(KINDS)})] = Field(
        default=["campaign", "holiday", "closed"],
        description="Days of calendar.yml that are learned apart from ordinary ones; default all, [] none",
    )
    learn_from: Annotated[
        date | None, BeforeValidator(day), WithJsonSchema({"type": "string", "examples": ["2026-11-01"]})
    ] = Field(None, description="What it is from this day on is normal: forget what was learned before, `2026-11-01`")


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


class PartModel(Strict):
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
        conditions = [c for c in CONDITIONS if getattr(self, "not_" if c == "not" else c) is not None]
        if len(conditions) != 1:
            what = f"has {len(conditions)} conditions ({', '.join(conditions)})" if conditions else "has no condition"
            raise ValueError(f"it {what}; write exactly one of {', '.join(CONDITIONS)} [LS118]")
        return self
