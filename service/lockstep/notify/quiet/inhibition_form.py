"""Inhibitions as rules/routing.yml writes them, and what they become."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from lockstep.errors import MatcherError
from lockstep.notify.quiet.inhibitions import Inhibition
from lockstep.notify.quiet.matchers import MOST_MATCHERS, Matcher, parse_matcher

MOST_INHIBITIONS = 100
MOST_EQUAL = 20


def _matcher(value: Any) -> Any:
    if isinstance(value, Matcher):
        return value
    if not isinstance(value, str):
        raise ValueError('this is no matcher; write one like rule=LowStock or sku=~"KEY-.*" [LS260]')
    try:
        return parse_matcher(value)
    except MatcherError as fault:
        raise ValueError(f"{fault.message}; {fault.remedy} [LS260]") from None


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_TEXT = {"type": "string", "examples": ["rule=LowStock", "severity!=critical", 'sku=~"KEY-.*"']}
MatcherList = Annotated[
    list[Annotated[Matcher, BeforeValidator(_matcher)]],
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": MOST_MATCHERS}]}),
]
"""Matchers, each of which has to be met; one alone may stand without a list."""


class InhibitionModel(BaseModel):
    """While an alert fires that meets `source`, people do not hear of those that meet `target`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    source: MatcherList = Field(min_length=1, max_length=MOST_MATCHERS, description="What inhibits")
    target: MatcherList = Field(min_length=1, max_length=MOST_MATCHERS, description="What is inhibited")
    equal: Annotated[list[str], BeforeValidator(_one_or_many)] = Field(
        max_length=MOST_EQUAL,
        description="Labels that both have, with the same value; [] where one source is to inhibit every target",
        json_schema_extra={"examples": [["channel"], []]},
    )

    @classmethod
    def unknown_key(cls, key: str, data: Any) -> tuple[str, str, str] | None:
        """What Alertmanager calls otherwise."""
        for side in ("source", "target"):
            if key in (f"{side}_matchers", f"{side}_match", f"{side}_match_re"):
                return f"'{key}' is called '{side}' here", f"write {side}: [rule=LowStock]", "LS110"
        return None


def inhibitions_of(models: Sequence[InhibitionModel]) -> tuple[Inhibition, ...]:
    """The inhibitions, in their order."""
    return tuple(Inhibition(tuple(m.source), tuple(m.target), tuple(dict.fromkeys(m.equal))) for m in models)
