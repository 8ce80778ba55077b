"""A measure as its author writes it."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from lockstep.rule.language.form.values import VALUE, Duration, Label, Strict, label_values

AGGREGATES = ("count", "sum", "average", "minimum", "maximum", "last", "distinct", "formula")
PERCENTILE = re.compile(r"p([1-9][0-9]?(?:\.[0-9]{1,2})?)")
SHORT = {"avg": "average", "min": "minimum", "max": "maximum"}


class MeasureModel(Strict):
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
        BeforeValidator(label_values),
        WithJsonSchema(
            {"type": "object", "additionalProperties": {"anyOf": [VALUE, {"type": "array", "items": VALUE}]}}
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
            percent = PERCENTILE.fullmatch(key)
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
            count = f"{len(kinds)} kinds ({', '.join(kinds)})" if kinds else "no kind"
            raise ValueError(f"a measure has one kind, this has {count}; write one like count: order.placed [LS115]")
        if kinds[0] not in ("count", "formula") and self.of is None:
            raise ValueError(f"'{kinds[0]}' needs the event type of its field; add 'of: order.placed' [LS115]")
        if self.stale_after is not None and kinds[0] != "last":
            raise ValueError("only a level (last) can be stale; remove 'stale_after' [LS115]")
        return self
