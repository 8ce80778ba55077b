"""What a condition compares with, as its author writes it: a number, another measure, a row of a table."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from lockstep.rule.language import quantity
from lockstep.rule.language.form.values import TEXT, Duration, Label, Limit, MeasureName, Strict, listed, one_or_many


def _times(value: Any) -> Any:
    factor = quantity.ratio(value) if isinstance(value, str) and value.strip()[-1:] in ("x", "%") else value
    number = quantity.number(factor)
    if number <= 0:
        raise ValueError(f"'{str(value)[:100]}' is no factor of a number; write one like 1.5 [LS220]")
    return number


class SourceModel(Strict):
    """A number that stands elsewhere: what another measure is at the time, or a row of a table."""

    measure: MeasureName | None = Field(None, description="Name of a measure; its value at the time is the number")
    by: Annotated[list[Label] | None, BeforeValidator(one_or_many), listed(TEXT)] = Field(
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
        misplaced = next((w for w in odd if getattr(self, w) is not None), None)
        if misplaced is not None:
            of = "a measure" if self.file is not None else "a table"
            raise ValueError(f"only {of} has a '{misplaced}'; remove it [LS220]")
        return self


def is_source(value: Any) -> bool:
    return isinstance(value, dict | SourceModel)


Bound = Annotated[
    Annotated[Limit, Tag("number")] | Annotated[SourceModel, Tag("SourceModel")],
    Discriminator(lambda value: "SourceModel" if is_source(value) else "number"),
]


class BoundsModel(Strict):
    above: Bound | None = Field(None, description="More than this; the number itself does not count")
    below: Bound | None = Field(None, description="Less than this; the number itself does not count")
    at_least: Bound | None = Field(None, description="This or more")
    at_most: Bound | None = Field(None, description="This or less")


class LevelModel(BoundsModel):
    """One severity of a threshold."""

    clear: BoundsModel | None = Field(None, description="When it is over; default: when it does not hold any more")


class LevelsModel(Strict):
    """Several severities in one episode."""

    info: LevelModel | None = Field(None, description="Good to know")
    warning: LevelModel | None = Field(None, description="Somebody should look at it today")
    critical: LevelModel | None = Field(None, description="Somebody should look at it now")


Clear = Annotated[
    Annotated[Any, WithJsonSchema({"type": ["number", "string"]}), Tag("number")]
    | Annotated[SourceModel, Tag("SourceModel")],
    Discriminator(lambda value: "SourceModel" if is_source(value) else "number"),
]
"""A bound, or a ratio; which of them is known where the condition is."""


class ClearModel(Strict):
    """When it is over: bounds, for a spike ratios."""

    above: Clear | None = Field(None, description="More than this; for a spike a ratio, `0.8x`")
    below: Clear | None = Field(None, description="Less than this; for a spike a ratio, `1.5x`")
    at_least: Clear | None = Field(None, description="This or more; not for a spike")
    at_most: Clear | None = Field(None, description="This or less; not for a spike")


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
