"""What a mapping file may say: the form is the source of its JSON Schema and of the faults of form."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from lockstep.event import TYPES
from lockstep.rule.language.form import without_null
from lockstep.yaml.document import did_you_mean

Scalar = str | int | float | bool
MOST_NESTED = 8
"""Values within values, as `first_of` and `sum` have them."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _value(value: Any) -> Any:
    """A text is a column's name."""
    return {"column": value} if isinstance(value, str) else value


def _condition(value: Any) -> Any:
    return value if isinstance(value, dict) else {"is": value}


def _pattern(value: Any) -> Any:
    try:
        re.compile(value)
    except (re.error, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(
            f"'{str(value)[:100]}' is no pattern ({error}); write a regular expression, '[0-9]+' [LS112]"
        ) from None
    return value


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


def _name(value: Any) -> Any:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            f"'{str(value)[:100]}' is no name; write letters, digits, _ and -, with a letter first [LS114]"
        )
    return value


def _event_type(value: Any) -> Any:
    if value not in TYPES:
        raise ValueError(f"'{str(value)[:100]}' is unknown; {did_you_mean(str(value)[:100], TYPES)} [LS132]")
    return value


Pattern = Annotated[str, BeforeValidator(_pattern), Field(max_length=500)]
Column = Annotated[str, Field(min_length=1, max_length=300)]
Texts = Annotated[list[Scalar], BeforeValidator(_one_or_many)]


class Condition(_Strict):
    """What a cell must be. A single value or a list of them says what it is equal to, whatever its case."""

    is_: Texts | None = Field(None, alias="is", description="It is one of these, whatever its case")
    not_: Texts | None = Field(None, alias="not", description="It is none of these, whatever its case")
    blank: bool | None = Field(None, description="true: nothing stands there; false: something does")
    matches: Pattern | None = Field(None, description="A regular expression that is found in it, whatever its case")
    above: float | None = Field(None, description="It is a number above this one")
    below: float | None = Field(None, description="It is a number below this one")


Conditions = dict[Column, Annotated[Condition, BeforeValidator(_condition)]]


class Packed(_Strict):
    """How several fields stand in one cell, each with its name: `sku:A-1|quantity:2|total:20.00`."""

    separator: Annotated[str, Field(min_length=1, max_length=5)] = Field("|", description="Between two fields")
    colon: Annotated[str, Field(min_length=1, max_length=5)] = Field(
        ":", description="Between a field's name and its value"
    )


class Value(_Strict):
    """Where a field's value comes from, and what is done to it. A text alone is the name of a column."""

    column: Column | None = Field(
        None,
        description="The column's name; * stands for anything; in JSON a path: `geo.country`, `params[key=id].value`",
    )
    const: Scalar | list[Scalar] | None = Field(
        None, description="Always the same value; a list for a field that is one, and [] for an order without lines"
    )
    first_of: list["OneValue"] | None = Field(None, min_length=1, description="The first of these that is not blank")
    sum: Annotated[list["OneValue"], BeforeValidator(_one_or_many)] | None = Field(
        None, min_length=1, description="These added up, over all rows of the event; blank ones count nothing"
    )
    product: list["OneValue"] | None = Field(None, min_length=2, description="These multiplied, as price and quantity")
    quotient: Annotated[list["OneValue"], Field(min_length=2, max_length=2)] | None = Field(
        None, description="The first divided by the second, as the price of a line by its pieces"
    )
    between: Annotated[list["OneValue"], Field(min_length=2, max_length=2)] | None = Field(
        None, description="The time from the first to the second, in hours or days as the field has it"
    )
    star: Column | None = Field(
        None, description="What stands for the * in the name of a column: `Amount spent (*)` gives EUR"
    )
    rows: dict[str, "OneValue"] | None = Field(None, description="For `lines`: each row of the event is one of them")
    each: Column | None = Field(
        None,
        description="With `rows`: in JSON the list whose elements are the rows; with `packed` the columns, `item_*`, "
        "whose cells are",
    )
    packed: Packed | None = Field(
        None,
        description="With `each`: its cells hold fields with their names, `sku:A-1|quantity:2`; {} for these signs",
    )
    when: Conditions | None = Field(None, description="With `rows` or `sum`: only rows of which this holds")

    map: dict[str, Scalar | None] | None = Field(None, description="Text in the file → value; empty: leave it out")
    otherwise: Scalar | None = Field(
        None, description="For what `map` does not name: keep, leave_out, or a value; without it the row is refused"
    )
    pattern: Pattern | None = Field(
        None, description="A regular expression for the whole text; its first group is the value"
    )
    unit: Literal["cents", "micros", "percent", "seconds", "minutes", "hours", "days"] | None = Field(
        None, description="What the number in the file is in: cents and micros become money, percent a part of one"
    )
    absolute: bool = Field(False, description="Without its sign")
    as_: Literal["text", "number", "flag", "time", "day"] | None = Field(
        None, alias="as", description="What it is, for a field of `more`: a text where nothing is said"
    )
    split: Annotated[str, Field(min_length=1, max_length=10)] | None = Field(
        None, description="What stands between the elements, for a field that is a list"
    )
    pseudonym: bool = Field(False, description="A keyed hash in place of the text: for names and addresses")
    optional: bool = Field(False, description="The column may be missing in the file")

    @model_validator(mode="after")
    def _has_one_source(self) -> "Value":
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            what = (
                f"{' and '.join(map(repr, given))} stand side by side" if given else "nothing says where it comes from"
            )
            raise ValueError(f"{what}; write exactly one of {', '.join(SOURCES)} [LS240]")
        if self.when is not None and given[0] not in ("rows", "sum"):
            raise ValueError("'when' goes with 'rows' or 'sum'; put it to the event, or remove it [LS240]")
        if self.each is not None and given[0] != "rows":
            raise ValueError("'each' goes with 'rows'; write {each: items, rows: {sku: item_id}} [LS240]")
        if self.packed is not None and self.each is None:
            raise ValueError("'packed' goes with 'each'; write {each: item_*, packed: {}, rows: {sku: sku}} [LS240]")
        made = {"const": _OF_TEXT + _OF_NUMBER, "first_of": _OF_TEXT + _OF_NUMBER, "rows": _OF_TEXT + _OF_NUMBER}
        for key in made.get(given[0], () if given[0] in ("column", "star") else _OF_TEXT):
            if getattr(self, key):
                raise ValueError(f"'{key}' is about a column; put it to a column within '{given[0]}' [LS240]")
        if self.otherwise is not None and self.map is None:
            raise ValueError("'otherwise' goes with 'map'; write map: {text in the file: value} [LS240]")
        return self

    @classmethod
    def unknown_key(cls, key: str, beside: Any) -> tuple[str, str, str] | None:
        """A fault's message, remedy and code for what people write in place of our words."""
        words = {"format": "time: {formats: [...]}", "default": "first_of: [column, {const: …}]", "field": "column"}
        return (f"unknown key '{key}'", f"write {words[key]}", "LS110") if key in words else None


OneValue = Annotated[Value, BeforeValidator(_value)]
SOURCES = ("column", "const", "first_of", "sum", "product", "quotient", "between", "star", "rows")
"""The keys of which a value has exactly one."""
_OF_TEXT = ("map", "pattern", "split", "pseudonym")
_OF_NUMBER = ("unit", "absolute")


class PerColumn(_Strict):
    """Every column of a row is an event of its own, as where each location has one."""

    but: list[Column] = Field(description="The columns that are none of them; * stands for anything")


class Event(_Strict):
    """One kind of event that rows give."""

    type: Annotated[str, BeforeValidator(_event_type), WithJsonSchema({"type": "string", "enum": list(TYPES)})] = Field(
        description="Its type: order.placed, traffic.session, …"
    )
    when: Conditions = Field(default_factory=dict, description="Only rows of which all of this holds")
    one_per: Annotated[list[Column], BeforeValidator(_one_or_many)] | None = Field(
        None,
        min_length=1,
        description="The column, or columns, whose value is the same in all rows of one event. Where it is blank a row "
        "belongs to the one above",
    )
    scattered: bool = Field(
        False, description="The rows of one event may stand anywhere in the file: they are gathered on disk first"
    )
    per_column: PerColumn | None = Field(
        None, description="Each column is an event: `@cell` is what stands in it, `@header` its name"
    )
    needs: Annotated[list[str], BeforeValidator(_one_or_many)] = Field(
        default_factory=list, description="Fields without which there is no event, and nothing is wrong"
    )
    optional: bool = Field(False, description="Left out where the file lacks one of its columns")
    id: Annotated[list[OneValue], BeforeValidator(_one_or_many)] | None = Field(
        None,
        min_length=1,
        description="What names the fact for ever, in columns; default: a hash of what the event says",
    )
    repeats: bool = Field(
        False,
        description="Rows that say the same are facts of their own, as two ads of a campaign that cost the same; else "
        "they count once",
    )
    source: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Who says it: a URI reference such as /shopify/orders; default: / and the mapping's name"
    )
    subject: OneValue | None = Field(None, description="What it is about: events of one subject stay in order")
    time: OneValue = Field(
        description="When it happened; `@exported`: when the file was made (--exported, else its last change)"
    )
    data: dict[str, OneValue] = Field(description="Field of the event type → where its value comes from")
    more: dict[str, OneValue] = Field(
        default_factory=dict, description="Further fields, which the event type does not name: rules can use them"
    )


class Refusal(_Strict):
    """Rows that must not become events."""

    when: Conditions = Field(default_factory=dict, description="Rows of which all of this holds")
    differ: Annotated[list[Column], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Two columns that say different things, as the first and the last day of a report"
    )
    say: Annotated[str, Field(min_length=1, max_length=300)] = Field(description="What is wrong, and what to do")


class FileForm(_Strict):
    """How the file is written, where that cannot be seen."""

    separator: Literal["auto", "comma", "semicolon", "tab", "bar"] = Field("auto", description="Between two cells")
    comments: Annotated[str, Field(min_length=1, max_length=5)] | None = Field(
        None,
        description="How lines begin that are no rows. Those above the header, `# Start date: 20261101`, can be used "
        "as columns, `# Start date`; one below the rows ends the table",
    )
    encoding: Annotated[str, Field(max_length=30)] | None = Field(
        None, description="Where it is neither UTF-8 nor UTF-16: windows-1252, iso-8859-15"
    )
    sheet: Annotated[int, Field(ge=1)] | str = Field(1, description="Of a workbook: its number, or its name")


class TimeForm(_Strict):
    """How times are written."""

    zone: str = Field(
        "shop", description="Of times that name none: shop (LOCKSTEP_TIMEZONE), or one like Europe/London"
    )
    formats: list[str] = Field(
        default_factory=list,
        description="As strptime has them, '%d/%m/%Y %H:%M'; epoch_s, epoch_ms, epoch_us; or usual, as without any: "
        "RFC 3339 and its relatives, 20261124, 24.11.2026",
    )


class NumberForm(_Strict):
    """How numbers are written."""

    decimal: Literal["auto", ".", ","] = Field(
        "auto", description="Before the decimals; auto refuses what can be read in two ways, such as 1.234"
    )
    thousands: Literal["auto", ",", ".", "'", " ", "none"] = Field("auto", description="Between the thousands")


class MappingFile(_Strict):
    """How the rows of a file become events."""

    mapping: Annotated[
        str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
    ] = Field(description="Its name: `lockstep convert --mapping NAME`")
    about: str = Field("", max_length=500, description="Where such a file comes from, for people")
    recognise: list[Annotated[list[Column], BeforeValidator(_one_or_many)]] = Field(
        default_factory=list,
        description="The columns by which such a file is known: all of them; a list within the list: any of these",
    )
    columns: dict[Column, Annotated[list[Column], BeforeValidator(_one_or_many)]] = Field(
        default_factory=dict,
        description="Names of your own for columns that editions of the file call differently: the first that is there "
        "is meant",
    )
    file: FileForm = Field(default_factory=lambda: FileForm.model_construct(), description="How the file is written")
    time: TimeForm = Field(default_factory=lambda: TimeForm.model_construct(), description="How times are written")
    numbers: NumberForm = Field(
        default_factory=lambda: NumberForm.model_construct(), description="How numbers are written"
    )
    refuse: list[Refusal] = Field(default_factory=list, description="Rows that must not become events, and why")
    events: list[Event] = Field(min_length=1, description="The events that a row, or rows together, give")


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of mapping files, for editors."""
    schema = without_null(MappingFile.model_json_schema(by_alias=True))
    text = {"type": "string", "description": "The name of a column"}
    for definition in schema["$defs"].values():
        _widen(definition, "Value", [text])
        scalar = [{"type": kind} for kind in ("string", "number", "boolean")]
        _widen(definition, "Condition", [*scalar, {"type": "array", "items": {"anyOf": scalar}}])
    lists = {"Value": ("sum",), "Event": ("one_per", "id", "needs"), "Condition": ("is", "not")}
    for name, keys in lists.items():
        for key in keys:
            _or_one(schema["$defs"][name]["properties"], key)
    _or_one(schema["properties"]["recognise"], "items")
    schema["$defs"]["Value"]["properties"]["map"]["additionalProperties"]["anyOf"].append({"type": "null"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/mapping.schema.json",
        **schema,
        "title": "Lockstep mapping",
    }


def _widen(node: Any, name: str, others: list[dict[str, Any]]) -> None:
    """Let other forms stand wherever the schema asks for a model by name."""
    parts = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    for part in parts:
        if isinstance(part, dict) and part.get("$ref") == f"#/$defs/{name}":
            reference = {"$ref": part.pop("$ref")}
            part["anyOf"] = [*others, reference]
        else:
            _widen(part, name, others)


def _or_one(properties: dict[str, Any], key: str) -> None:
    """Let a single element stand where the schema asks for a list."""
    node = properties[key]
    words = {k: v for k, v in node.items() if k in ("description", "title", "default")}
    asked = {k: v for k, v in node.items() if k not in words}
    properties[key] = {**words, "anyOf": [asked["items"], asked]}
