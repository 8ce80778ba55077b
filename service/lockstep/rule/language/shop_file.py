"""shop.yml: what a shop says of itself, which packs it switches on, and the values that it gives their settings.

The model is the source of the editor's schema. Everything in it may be left out.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema

from lockstep.rule.language import quantity
from lockstep.rule.language.form.json_schema import without_null
from lockstep.rule.language.form.values import TEXT, Strict, listed, one_or_many
from lockstep.rule.language.packs import Pack, Value, changes_of
from lockstep.shop.shop_settings import ReportSlot, ShopSettings
from lockstep.text.currency import decimals
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Document, Fault, did_you_mean, keys, validate

NAME = "shop"
"""The file's name, without `.yml`."""
PACKS = (
    "spikes", "stock", "promotions", "capacity", "returns", "feedback", "fulfilment", "marketplaces", "products",
    "spend", "suppliers", "expiry",
)  # fmt: skip
"""The packs that are shipped."""

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


# ---- values ----------------------------------------------------------------------------------------------------------


def _currency(value: Any) -> str:
    text = str(value)
    if not _CURRENCY.fullmatch(text):
        raise ValueError(f"'{text[:20]}' is no currency; write three letters like EUR or GBP [LS292]")
    return text


def _days(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        raise ValueError(f"'{value}' has no unit; write {value}d [LS104]")
    return quantity.duration_s(value) / DAY_S


def _whole_days(value: Any) -> int:
    days = _days(value)
    if days != int(days) or not 1 <= days <= 91:
        raise ValueError(f"'{str(value)[:20]}' are no whole days; write 1d to 91d [LS292]")
    return int(days)


def _shelf_days(value: Any) -> int:
    days = _days(value)
    if days != int(days) or not 1 <= days <= 3_650:
        raise ValueError(f"'{str(value)[:20]}' are no whole days; write 1d to 3650d [LS292]")
    return int(days)


def _exact(value: Any) -> Fraction:
    """A number as it is written: 0.79 is 79/100."""
    text = str(value).strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"'{text[:20]}' is no number of 0 or more; write one like 0.79 [LS292]")
    return Fraction(text)


def _rate(value: Any) -> Fraction:
    rate = _exact(value)
    if not rate:
        raise ValueError("'0' is no rate; write what one of it is worth, like 0.79 [LS292]")
    return rate


def _part(value: Any) -> Fraction:
    """A part of a whole: 45% and 0.45 are 9/20."""
    text = str(value).strip()
    part = _exact(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if part > 1:
        raise ValueError(f"'{text[:20]}' is more than the whole; write a part like 45% [LS292]")
    return part


def _for_all(value: Any) -> Any:
    """One part is that of every channel."""
    return value if isinstance(value, dict) else {"*": value}


def _parts(value: Any) -> Any:
    """`[A-1, B-1]` is one of each."""
    return dict.fromkeys(value, 1) if isinstance(value, list) and all(isinstance(sku, str) for sku in value) else value


def _time_of_day(value: Any) -> str:
    return f"{quantity.until(value):%H:%M}"


def _minutes(value: Any) -> int:
    minutes = Fraction(quantity.duration_s(value), 60)
    if not 5 <= minutes <= 480 or minutes.denominator != 1:
        raise ValueError(f"'{str(value)[:20]}' is no length of a meeting; write 5m to 8h, like 45m [LS292]")
    return int(minutes)


def _weekday(value: Any) -> str:
    text = str(value).strip()
    day = next((d for d in _WEEKDAYS if len(text) >= 3 and text[:3].capitalize() == d), None)
    if day is None:
        raise ValueError(f"'{text[:20]}' is no weekday; write Mon, Tue, Wed, Thu, Fri, Sat or Sun [LS292]")
    return day


def _day_or_minute(value: Any) -> str:
    text = str(value).strip()
    try:
        if len(text) == 10:
            return date.fromisoformat(text).isoformat()
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(timespec="minutes")
    except ValueError:
        raise ValueError(f"'{text[:40]}' is no day; write one like 2026-12-24, or 2026-12-24 18:00 [LS292]") from None


_LENGTH = {"type": "string", "examples": ["7d", "14d"]}
_Days = Annotated[float, BeforeValidator(_days), WithJsonSchema(_LENGTH)]
_WholeDays = Annotated[int, BeforeValidator(_whole_days), WithJsonSchema(_LENGTH)]
_WholeShelf = Annotated[int, BeforeValidator(_shelf_days), WithJsonSchema(_LENGTH)]
_Exact = Annotated[Fraction, BeforeValidator(_exact), WithJsonSchema({"type": "number", "minimum": 0})]
_Currency = Annotated[
    str, BeforeValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]})
]
_Part = Annotated[Fraction, BeforeValidator(_part), WithJsonSchema({"type": ["string", "number"], "examples": ["45%"]})]
_Bundle = Annotated[
    dict[str, Annotated[int, Field(ge=1, le=1_000)]],
    BeforeValidator(_parts),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}, "minProperties": 1},
            ]
        }
    ),
]
_Patterns = Annotated[list[str], BeforeValidator(one_or_many), listed(TEXT)]


# ---- the file --------------------------------------------------------------------------------------------------------


class CapacityModel(Strict):
    """What the shop can ship."""

    per_day: Annotated[float, Field(gt=0, le=10_000_000)] | None = Field(
        None, description="Orders that can be shipped on a day for which nothing else was declared"
    )
    work_units_per_day: Annotated[float, Field(gt=0, le=10_000_000)] | None = Field(
        None, description="Likewise in work units (`work_units` says what an order takes); counts instead of per_day"
    )
    closed: Annotated[Literal["0", "usual"], BeforeValidator(str), WithJsonSchema({"enum": [0, "usual"]})] = Field(
        "0", description="On closed days of calendar.yml nothing is shipped (0), or as much as on others (`usual`)"
    )


class ConversionModel(Strict):
    """How visits become orders."""

    over: _WholeDays = Field(28, description="So many days are looked at")
    min_visits: Annotated[int, Field(ge=1)] = Field(200, description="Fewer visits make no conversion")


class ReturnsModel(Strict):
    """How returns are counted."""

    over: _WholeDays = Field(7, description="The days in which returns are counted")
    before: _WholeDays = Field(30, description="The days before them, with which they are compared")
    min_units: Annotated[int, Field(ge=1)] = Field(25, description="Fewer units sold make no return rate")


class SpendModel(Strict):
    """What is spent on advertising."""

    minimum: _Exact = Field(Fraction(100), description="Less spend makes no ROAS, in the shop's currency")


class MarketplacesModel(Strict):
    """Marketplaces, where the pack of that name has settings, too."""

    names: _Patterns = Field(default_factory=list, description="Locations or channels that are marketplaces")


class WorkModel(Strict):
    """What an order takes, in units of work."""

    order: _Exact = Field(Fraction(1), description="Each order")
    line: _Exact = Field(Fraction(1, 4), description="Each of its lines on top")
    gift_wrap: _Exact = Field(Fraction(1, 2), description="Wrapping on top")
    special_shipping: _Exact = Field(Fraction(1, 2), description="Any but the usual shipping on top")


_TIME_OF_DAY = {"type": "string", "examples": ["06:00"]}
_Time = Annotated[str, BeforeValidator(_time_of_day), WithJsonSchema(_TIME_OF_DAY)]
_Weekday = Annotated[str, BeforeValidator(_weekday), WithJsonSchema({"enum": list(_WEEKDAYS)})]


class SlotModel(Strict):
    """Who gets a report when."""

    at: _Time = Field("", description="The time of the shop; without, that of `daily`")
    to: _Patterns = Field(default_factory=list, description="Receivers of routing.yml; without, those of all reports")


class AgendaModel(SlotModel):
    """Who gets the weekly agenda when."""

    on: _Weekday = Field("Mon", description="The day")


def _slots(key: str) -> BeforeValidator:
    """A time, or a day, by itself is a slot of that `key`; one slot is a list of one."""

    def slots(value: Any) -> Any:
        written = value if isinstance(value, list) else [value]
        return [one if isinstance(one, dict) else {key: one} for one in written]

    return BeforeValidator(slots)


def _on_one_day(agendas: list[AgendaModel]) -> list[AgendaModel]:
    if len({agenda.on for agenda in agendas}) > 1:
        raise ValueError("there is one agenda a week; write one 'on' for all who get it [LS292]")
    return agendas


_Slots = Annotated[list[SlotModel], Field(min_length=1), _slots("at")]
_Agendas = Annotated[
    list[AgendaModel],
    Field(min_length=1),
    _slots("on"),
    AfterValidator(_on_one_day),
]


class ReportModel(Strict):
    """When reports are made, and for whom."""

    daily: _Slots = Field(
        default_factory=lambda: [SlotModel(at="06:00")],
        description='The time of the daily report, in the shop\'s time zone; or who gets it when: `{at: "08:00", to: '
        "[leadership]}`, or a list of these. It is made once, at the earliest",
    )
    agenda: _Agendas = Field(
        default_factory=lambda: [AgendaModel(on="Mon")],
        description='The day of the weekly agenda; or who gets it when: `{on: Mon, at: "08:00", to: [leads]}`',
    )
    monthly: _Slots = Field(
        default_factory=list, description="The same of the summary on the first of a month; without, as the daily one"
    )
    hourly: _Patterns = Field(
        default_factory=list, description="Who gets the reports of a launch: receivers; without, those of all reports"
    )
    meeting: Annotated[int, BeforeValidator(_minutes), WithJsonSchema({"type": "string", "examples": ["60m"]})] = Field(
        60, description="How long the weekly meeting is, `60m`; its parts have their shares of it"
    )
    launch_until: Annotated[
        str, BeforeValidator(_day_or_minute), WithJsonSchema({"type": "string", "examples": ["2026-12-24"]})
    ] = Field("", description="While something is launched there is a report each hour: the last day of it")
    to: _Patterns = Field(default_factory=list, description="Receivers of routing.yml; default: those of the teams")


def _named(value: Any) -> Any:
    return {"names": value} if isinstance(value, str | list) else value


class ShopFile(Strict):
    """What a shop says of itself. Everything has a default that suits a small shop."""

    currency: _Currency | None = Field(None, description="In which totals are told: three letters, `EUR`")
    exchange: dict[
        str,
        Annotated[Fraction, BeforeValidator(_rate), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})],
    ] = Field(default_factory=dict, description="What one of another currency is worth in the shop's: `{USD: 0.79}`")
    capacity: CapacityModel = Field(default_factory=CapacityModel, description="What can be shipped")
    key_products: _Patterns = Field(
        default_factory=list, description="Products that must never run out; `*` stands for anything: `KEY-*`"
    )
    backorder: _Patterns = Field(default_factory=list, description="Products that may be sold without stock, likewise")
    marketplaces: Annotated[MarketplacesModel, BeforeValidator(_named)] = Field(
        default_factory=MarketplacesModel, description="Locations or channels that are marketplaces: `[amazon]`"
    )
    bundles: dict[str, _Bundle] = Field(
        default_factory=dict, description="Bundles and their parts: `{SET-1: {A-1: 2, B-1: 1}}`, or `[A-1, B-1]`"
    )
    shelf_life: dict[str, _WholeShelf] = Field(
        default_factory=dict, description="How long a lot must still last to be sold on a channel: `{amazon: 90d}`"
    )
    cost_of_goods: Annotated[
        dict[str, _Part],
        BeforeValidator(_for_all),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": ["string", "number"]},
                    {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                ]
            }
        ),
    ] = Field(
        default_factory=dict,
        description='Part of revenue that the goods cost: `45%`, or by channel: `{amazon: 50%, "*": 45%}`',
    )
    lead_time: _Days = Field(14, description="Of suppliers that told none, `14d`")
    safety: _Days = Field(7, description="Cover that should be left when a receipt comes, `7d`")
    velocity_over: _WholeDays = Field(28, description="So many days of sales say how fast a product sells")
    new_products: _WholeDays = Field(14, description="For so long a product is new, and its cover is not judged")
    conversion: ConversionModel = Field(default_factory=ConversionModel, description="How visits become orders")
    returns: ReturnsModel = Field(default_factory=ReturnsModel, description="How returns are counted")
    spend: SpendModel = Field(default_factory=SpendModel, description="What is spent on advertising")
    work_units: WorkModel = Field(default_factory=WorkModel, description="What an order takes")
    report: ReportModel = Field(default_factory=ReportModel, description="When reports are made, and for whom")
    packs: Annotated[list[str], BeforeValidator(one_or_many), listed(TEXT)] = Field(
        default_factory=list, description="Rule packs that are switched on: `[stock, promotions]`"
    )


@dataclass(frozen=True)
class ShopSays:
    """What stands in shop.yml. packs: those that are switched on and there; values: pack → setting → its value."""

    settings: ShopSettings
    packs: tuple[str, ...] = ()
    values: dict[str, dict[str, Value]] = field(default_factory=dict)


def is_shop_file(path: str) -> bool:
    return path.replace("\\", "/").rpartition("/")[2] in (f"{NAME}.yml", f"{NAME}.yaml")


def switched_on(document: Document) -> list[str]:
    """The packs that a shop.yml names, whatever else is wrong in it, each once."""
    data = document.data if isinstance(document.data, dict) else {}
    named = data.get("packs")
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def read_shop(
    document: Document, packs: Mapping[str, Pack], known: Collection[str] = ()
) -> tuple[ShopSays, list[Fault]]:
    """What a shop says, with every fault. A bad key costs only itself.

    packs: the packs whose texts are there, by name. known: names of packs that could be switched on, too.
    """
    data = document.data if isinstance(document.data, dict) else {}
    if document.data is not None and not isinstance(document.data, dict):
        return ShopSays(ShopSettings(reports_wait=True)), validate(document, ShopFile)[1]
    names = {*packs, *known, *PACKS}
    on = switched_on(document)
    own, given = _parted(data, {name for name in names if name in on or name not in ShopFile.model_fields})
    faults = validate(replace(document, data=own), ShopFile)[1]
    faults = [_with_packs(fault, own, names, document) for fault in faults]
    for place, name in enumerate(on):
        if name not in packs:
            pointer = ("packs", place) if isinstance(data.get("packs"), list) else ("packs",)
            remedy = did_you_mean(name, {*packs, *known} - set(on) or names)
            faults.append(document.fault(pointer, f"there is no pack '{name[:100]}'", remedy, "LS293"))
    values: dict[str, dict[str, Value]] = {}
    for name, section in given.items():
        if name in on and name in packs:
            values[name], wrong = changes_of(packs[name], section, document, of_shop=_keys_of_section(name))
            faults += wrong
        elif name not in on:
            message = f"the pack '{name}' is not switched on, so this says nothing"
            faults.append(
                document.fault((name,), message, f"write packs: [{name}]", "LS293", level="warning", key=True)
            )
    usable = _usable(own)
    settings = _settings_of(usable)
    if "report" in own and "report" not in usable.model_fields_set:
        settings = replace(settings, reports_wait=True)
    return ShopSays(settings, tuple(name for name in on if name in packs), values), faults


def _usable(own: Mapping[str, Any]) -> ShopFile:
    """The file without the keys that have a fault."""
    try:
        return ShopFile.model_validate(own)
    except ValidationError as error:
        bad = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
        return _usable({key: value for key, value in own.items() if key not in bad}) if bad else ShopFile()


def _parted(data: Mapping[str, Any], names: Collection[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What the shop says of itself, and under the names of packs what it says of their settings.

    `capacity`, `returns`, `spend` and `marketplaces` are sections of the shop and packs: what the shop does not know is
    the pack's.
    """
    own: dict[str, Any] = {}
    given: dict[str, dict[str, Any]] = {}
    for key, value in data.items():
        if key not in names or not isinstance(value, dict):
            own[key] = value
            continue
        mine = _keys_of_section(key)
        of_pack = {k: v for k, v in value.items() if k not in mine}
        if key in ShopFile.model_fields:
            own[key] = {k: v for k, v in value.items() if k in mine}
        if of_pack or key not in ShopFile.model_fields:
            given[key] = of_pack
    return own, given


def _keys_of_section(name: str) -> list[str]:
    field_of = ShopFile.model_fields.get(name)
    return [] if field_of is None else keys(field_of.annotation)


def _with_packs(fault: Fault, own: Mapping[str, Any], names: Collection[str], document: Document) -> Fault:
    """An unknown key may be meant to be a pack's name."""
    for key in own:
        at = document.place((key,), key=True)
        if fault.code == "LS110" and (fault.line, fault.column) == at and key not in ShopFile.model_fields:
            return replace(fault, remedy=did_you_mean(key, {*keys(ShopFile), *names}))
    return fault


def _settings_of(model: ShopFile) -> ShopSettings:
    currency = model.currency or ""
    return ShopSettings(
        currency=currency,
        exchange=dict(model.exchange),
        capacity_per_day=model.capacity.per_day,
        work_per_day=model.capacity.work_units_per_day,
        cost_of_goods=dict(model.cost_of_goods),
        bundles={sku: dict(parts) for sku, parts in model.bundles.items()},
        shelf_life=dict(model.shelf_life),
        closed_capacity=model.capacity.closed == "0",
        key_skus=tuple(model.key_products),
        backorder=tuple(model.backorder),
        marketplaces=tuple(model.marketplaces.names),
        lead_time_days=model.lead_time,
        safety_days=model.safety,
        velocity_days=model.velocity_over,
        conversion_days=model.conversion.over,
        return_days=model.returns.over,
        return_before_days=model.returns.before,
        min_return_units=model.returns.min_units,
        min_spend=round(model.spend.minimum * 10 ** decimals(currency)),
        min_sessions=model.conversion.min_visits,
        new_days=model.new_products,
        work={
            "order": model.work_units.order,
            "line": model.work_units.line,
            "gift_wrap": model.work_units.gift_wrap,
            "special_shipping": model.work_units.special_shipping,
        },
        report_at=min(filter(None, (slot.at for slot in model.report.daily)), default="06:00"),
        agenda_on=model.report.agenda[0].on,
        launch_until=model.report.launch_until,
        report_to=tuple(model.report.to),
        report_slots=_slots_of(model.report),
        meeting_minutes=model.report.meeting,
        packs=tuple(model.packs),
    )


def _slots_of(report: ReportModel) -> dict[str, tuple[ReportSlot, ...]]:
    """Of the kinds for which shop.yml says more than the one time of `daily`: the others go to everybody then."""
    slots = {
        kind: tuple(ReportSlot(slot.at, tuple(slot.to)) for slot in written)
        for kind, written in (("daily", report.daily), ("weekly", report.agenda), ("monthly", report.monthly))
    }
    slots["hourly"] = (ReportSlot("", tuple(report.hourly)),)
    plain = {(), (ReportSlot(),), (ReportSlot(report.daily[0].at),)}
    return {kind: each for kind, each in slots.items() if each not in plain}


def json_schema(packs: Collection[Pack] = ()) -> dict[str, Any]:
    """JSON Schema 2020-12 of shop.yml, for editors. packs: those that are shipped, with their settings."""
    schema = without_null(ShopFile.model_json_schema(by_alias=True))
    for pack in packs:
        settings = {
            s.name: {"type": _type_of(s.default), "description": s.says, "default": s.default} for s in pack.settings
        }
        section = {"type": "object", "description": f"Settings of the pack: {pack.promise}", "properties": settings}
        if pack.name == "marketplaces":
            schema["$defs"]["MarketplacesModel"]["properties"] |= settings
        elif pack.name in ShopFile.model_fields:
            model = schema["properties"][pack.name]["$ref"].rpartition("/")[2]
            schema["$defs"][model]["properties"] |= settings
        else:
            schema["properties"][pack.name] = {**section, "additionalProperties": False}
    marketplaces = schema["properties"]["marketplaces"]
    names = {"type": "array", "items": {"type": "string"}}
    schema["properties"]["marketplaces"] = {
        "description": marketplaces["description"],
        "anyOf": [{"type": "string"}, names, {"$ref": "#/$defs/MarketplacesModel"}],
    }
    report = schema["$defs"]["ReportModel"]["properties"]
    for key, alone in (("daily", _TIME_OF_DAY), ("monthly", _TIME_OF_DAY), ("agenda", {"enum": list(_WEEKDAYS)})):
        one = {"anyOf": [alone, report[key]["items"]]}
        report[key] = {
            "description": report[key]["description"],
            "anyOf": [*one["anyOf"], {"type": "array", "minItems": 1, "items": one}],
        }
    choice = [{"const": pack.name, "description": pack.promise} for pack in packs]
    items = {"anyOf": [*choice, {"type": "string"}]}
    schema["properties"]["packs"] |= {"anyOf": [items, {"type": "array", "items": items}]}
    # Packs of the shop's own have sections, too.
    schema["additionalProperties"] = {"type": "object"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/shop.schema.json",
        **schema,
        "title": "Lockstep shop",
    }


def _type_of(value: Value) -> list[str]:
    return ["string"] if isinstance(value, str) and not value.strip().endswith("%") else ["number", "string"]
