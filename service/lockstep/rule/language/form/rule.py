"""A rule as its author writes it, the lines that all rules of a file share, and the file."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from lockstep.rule.condition.kinds import Tolerance
from lockstep.rule.language import quantity
from lockstep.rule.language.form.bound import BoundsModel, LevelsModel
from lockstep.rule.language.form.condition import PartModel
from lockstep.rule.language.form.measure import MeasureModel
from lockstep.rule.language.form.values import (
    TEXT,
    VALUE,
    Duration,
    Label,
    Name,
    SeverityWord,
    Strict,
    day,
    label_value,
    listed,
    one_or_many,
)
from lockstep.text.time_units import DAY_S


class OverrideModel(BoundsModel):
    """Other numbers for groups that match."""

    match: Annotated[
        dict[Label, Annotated[str, BeforeValidator(label_value)]],
        WithJsonSchema({"type": "object", "additionalProperties": VALUE}),
    ] = Field(description="Label and value; `*` stands for anything, anywhere", min_length=1)
    severity: SeverityWord | None = Field(None, description="Default: the rule's")
    clear: BoundsModel | None = Field(None, description="When it is over")
    levels: LevelsModel | None = Field(None, description="A number for each severity")


class FlappingModel(Strict):
    """When an alert flaps."""

    fires: Annotated[int, Field(ge=2, le=100)] = Field(5, description="Fired so often")
    in_: Annotated[Duration, Field(ge=60)] = Field(3600, alias="in", description="within so long")


def _flapping(value: Any) -> Any:
    if value is not False:
        raise ValueError("this does not say when it flaps; write {fires: 5, in: 1h}, or false [LS114]")
    return value


class LifeModel(Strict):
    """What a rule says beside its condition, and `defaults` may say for all of a file."""

    by: Annotated[list[Label], BeforeValidator(one_or_many), listed(TEXT)] = Field(
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
    teams: Annotated[list[str], BeforeValidator(one_or_many), listed(TEXT)] = Field(
        default_factory=lambda: ["marketing", "operations"], description="Who hears of it; default both", min_length=1
    )
    runbook: str | None = Field(None, description="Where it is written what to do")
    forget_after: Duration = Field(7 * DAY_S, description="A group silent for this long is forgotten")
    expires: Annotated[
        date | None, BeforeValidator(day), WithJsonSchema({"type": "string", "examples": ["2026-12-31"]})
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
    was: Annotated[list[Name], BeforeValidator(one_or_many), listed(TEXT)] = Field(
        default_factory=list, description="Its name before it was renamed: alerts that are open carry on"
    )
    say: dict[str, str] = Field(
        default_factory=dict,
        description="Texts: `summary` for all, and one for each team, with {{ value }}, {{ room_left }} and the like",
    )
    overrides: list[OverrideModel] = Field(default_factory=list, description="Other numbers for groups that match")
    enabled: bool = Field(True, description="false: the rule is checked but not judged")


def _variable(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or str(value).startswith("$"):
        raise ValueError("a variable is one value; write one like 60, 15m, 2x or 25% [LS210]")
    return value


class RuleFile(Strict):
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


class SettingModel(Strict):
    """A number of a pack that shop.yml may change."""

    default: Annotated[int | float | str, BeforeValidator(_variable)] = Field(
        description="What it is where shop.yml says nothing: `7`, `25%`, `15m`, `2x`"
    )
    says: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="What it is for, a sentence")


class PackFile(RuleFile):
    """A rule pack: what a shop switches on in shop.yml. Its measures and settings are its own."""

    promise: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="What it does for a shop, one sentence"
    )
    settings: dict[Name, SettingModel] = Field(
        default_factory=dict, description="Values that shop.yml may change: `at_most: {setting: low_cover}` uses one"
    )
