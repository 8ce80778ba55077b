"""A file of rule tests as its author writes it: the source of the editor's schema. Descriptions are the hover texts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from lockstep.rule.language.form import without_null


def _text(value: Any) -> Any:
    """Times and steps may look like numbers to YAML."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _texts(value: Any) -> Any:
    return [_text(v) for v in value] if isinstance(value, list) else [_text(value)]


def _named(value: Any) -> Any:
    """Labels by name, or their values alone."""
    if isinstance(value, dict):
        return {str(k): _flag(v) for k, v in value.items()}
    return [_flag(v) for v in value] if isinstance(value, list) else [_flag(value)]


def _flag(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else _text(value)


def _parts(value: Any) -> Any:
    by_team = value if isinstance(value, dict) else {"summary": value}
    return {k: v if isinstance(v, list) else [_text(v)] for k, v in by_team.items()}


_STRING = {"type": "string"}
_MOMENTS = ["10:00", "Mon 10:00", "week 6 Mon 10:00", "day 3 10:00", "2026-04-06 10:00", "+90m"]
Moment = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string", "examples": _MOMENTS})]
Labels = Annotated[
    dict[str, str] | list[str],
    BeforeValidator(_named),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": _STRING}, {"type": "object"}]}),
]
Words = Annotated[
    list[str],
    BeforeValidator(_texts),
    WithJsonSchema({"anyOf": [_STRING, {"type": "array", "items": _STRING}]}),
]
Said = Annotated[
    dict[str, list[str]],
    BeforeValidator(_parts),
    WithJsonSchema({"anyOf": [_STRING, {"type": "array", "items": _STRING}, {"type": "object"}]}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(_Strict):
    """One alert that must come, or a rule that must stay silent. What is not written is not compared."""

    alert: str | None = Field(None, description="Name of the rule that must fire")
    never: str | None = Field(None, description="Name of a rule that must not fire")
    of: Labels | None = Field(None, description="Which group: `web`, or `{channel: web}`; none: any one")
    fires: Moment | None = Field(None, description="When, `10:05`; or from and to, `10:05 - 10:15`")
    over: Moment | None = Field(None, description="When it ends; `never`: not before the test does")
    pending: Moment | None = Field(None, description="Since when it holds, for a rule with `for`")
    cancelled: Moment | None = Field(None, description="It was pending and ended then, without firing")
    severity: Literal["info", "warning", "critical"] | None = Field(None, description="With which it fires")
    becomes: Annotated[list[str], BeforeValidator(_texts), WithJsonSchema({"type": ["string", "array"]})] | None = (
        Field(None, description="Later severities of the same episode, `critical at 10:30`")
    )
    value: float | None = Field(None, description="The value with which it fires, as precise as it is written")
    usual: float | None = Field(None, description="The baseline with which it fires")
    hears: Words | None = Field(
        None, description="The receivers that hear that it fires, by routing.yml: these and no others"
    )
    says: Said | None = Field(None, description="Parts of the text for a team: {marketing: budget, summary: 40 orders}")

    @model_validator(mode="after")
    def _one_kind(self) -> "Expectation":
        if (self.alert is None) == (self.never is None):
            raise ValueError("what is expected is not said; write alert: NAME or never: NAME [LS190]")
        if self.never is not None and self.model_fields_set - {"never", "of"}:
            raise ValueError("a rule that stays silent has no times or texts; keep only never and of [LS190]")
        if self.cancelled is not None and (self.fires is not None or self.over is not None):
            raise ValueError("what was cancelled never fired; keep cancelled, or fires and over [LS190]")
        return self


def _expected(value: Any) -> Any:
    if value is None or value == []:
        raise ValueError("nothing is said of what is expected; write expect: nothing, or what must fire [LS190]")
    if isinstance(value, str):
        if value != "nothing":
            raise ValueError(f"'{value[:100]}' cannot be expected; write nothing, or a list of alerts [LS190]")
        return []
    return [value] if isinstance(value, dict) else value


class TestModel(_Strict):
    """A story and what the rules say of it."""

    __test__ = False

    name: str = Field(min_length=1, max_length=200, description="A sentence: what is true when the test passes")
    start: Moment | None = Field(None, description="When the story begins, in the shop's zone: `2026-03-02 00:00`")
    until: Moment | None = Field(None, description="When it ends; default: an hour after the last of its times")
    rules: Words | None = Field(None, description="The rules that are looked at; default: those of the file, or all")
    events: list[dict[str, Any]] = Field(
        default_factory=list,
        description="`- orders web: 10/min for 2h, then 40/min`, `- stock A-1: 35, 12 at 09:05`, or whole events",
    )
    expect: Annotated[list[Expectation], BeforeValidator(_expected)] = Field(
        description="`nothing`, or every alert that fires: one more or one less fails the test"
    )


class RuleTestFile(_Strict):
    """Tests of the rules in the folder above."""

    rule_files: Words | None = Field(None, description="The rule files, from here; default: the folder above `tests`")
    timezone: str | None = Field(None, description="The shop's time zone; default: LOCKSTEP_TIMEZONE")
    start: Moment | None = Field(None, description="When stories begin that do not say it themselves")
    rules: Words | None = Field(None, description="The rules that are looked at; default: all")
    tests: list[TestModel] = Field(min_length=1, description="Each a story")


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of files of rule tests, for editors."""
    schema = RuleTestFile.model_json_schema()
    expect = schema["$defs"]["TestModel"]["properties"]["expect"]
    several = {"type": expect.pop("type"), "items": expect.pop("items"), "minItems": 1}
    expect["anyOf"] = [{"const": "nothing"}, several, {"$ref": "#/$defs/Expectation"}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/ruletest.schema.json",
        **without_null(schema),
        "title": "Lockstep rule tests",
    }
