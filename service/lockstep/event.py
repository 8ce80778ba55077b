"""Events: what the shop says, as CloudEvents 1.0. The pydantic models are the contract; schemas/ is made from them.

The hot path decodes with msgspec into structs of the same shape that are derived from the models, so that there is one
definition; a property test holds both to the same answers. What a model does not name stays in the event and can be
used by rules as a label or a number.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import NoneType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lockstep.errors import EventError
from lockstep.ports import Headers
from lockstep.wanted import must, must_in_msgspec

LARGEST_NUMBER = 9_000_000_000_000
LARGEST_EVENT = 1 << 20
"""Bytes of one event."""
MOST_LINES = 10_000
YEARS = (1970, 9000)
"""Years in which an event may be: outside of them reckoning with zones and windows leaves the calendar."""

Text = Annotated[str, Field(max_length=256)]
Id = Annotated[str, Field(min_length=1, max_length=1024)]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10, examples=["2026-11-24"])]
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=LARGEST_NUMBER, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_LEAP_SECOND = re.compile(r"[Tt ]\d\d:\d\d:60")


def _moment(value: object) -> object:
    """One reader of times for contract and hot path: RFC 3339 with a zone."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.convert(value, _Moment)
    except msgspec.ValidationError as error:
        if _LEAP_SECOND.search(value):
            raise ValueError("a leap second (:60) is not taken; write the second before it, :59") from error
        raise ValueError("not an RFC 3339 time with a zone, such as 2026-11-24T09:30:00Z") from error


def _in_years(value: datetime) -> datetime:
    if not YEARS[0] <= value.year <= YEARS[1]:
        raise ValueError(f"the year {value.year} is not within {YEARS[0]} to {YEARS[1]}; check the sender's clock")
    return value


Time = Annotated[datetime, BeforeValidator(_moment)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class _Data(_Model):
    count: Count = Field(
        1, description="How many such events this one stands for; weighs counts and averages, never sums"
    )


class OrderLine(_Model):
    """One product of an order."""

    sku: Text = Field(description="What was bought")
    quantity: NonNegative = Field(description="How many; a return is an event of its own, never a negative quantity")
    unit_price: Number = Field(description="Price of one, in the order's currency; a discount line may be negative")


class ReturnLine(_Model):
    """One product that came back."""

    sku: Text = Field(description="What came back")
    quantity: NonNegative = Field(description="How many")
    reason: Text | None = Field(None, description="Why, in the shop's words")


class OrderPlaced(_Data):
    """A customer placed an order."""

    order_id: Text = Field(description="The shop's number of the order")
    total: Number = Field(description="What the customer pays, in `currency`")
    lines: Annotated[list[OrderLine], Field(max_length=MOST_LINES)] = Field(description="The products")
    customer: Text | None = Field(None, description="A pseudonym; never a name or an address")
    channel: Text | None = Field(None, description="Where it was sold: web, app, a marketplace")
    campaign: Text | None = Field(None, description="The campaign that led to it")
    country: Text | None = Field(None, description="Where it goes")
    currency: Text | None = Field(None, description="ISO 4217; sums over several are refused unless grouped by it")
    gift_wrap: bool | None = Field(None, description="Whether it is to be wrapped")
    shipping: Number | None = Field(None, description="What the customer pays for shipping")


class OrderCancelled(_Data):
    """An order was cancelled before it left."""

    order_id: Text = Field(description="The shop's number of the order")
    total: Number | None = Field(None, description="What it was worth")
    channel: Text | None = Field(None, description="Where it had been sold")
    reason: Text | None = Field(None, description="Why, in the shop's words")


class OrderShipped(_Data):
    """An order left the warehouse."""

    order_id: Text = Field(description="The shop's number of the order")
    hours_to_ship: NonNegative | None = Field(None, description="Hours from order to handing it over")
    cost: Number | None = Field(None, description="What shipping it costs the shop")
    channel: Text | None = Field(None, description="Where it was sold")
    carrier: Text | None = Field(None, description="Who carries it")
    location: Text | None = Field(None, description="Warehouse that it left")


class OrderDelivered(_Data):
    """An order reached its customer."""

    order_id: Text = Field(description="The shop's number of the order")
    days: NonNegative | None = Field(None, description="Days from order to delivery")
    late: bool | None = Field(None, description="Whether it came later than promised")
    channel: Text | None = Field(None, description="Where it was sold")
    carrier: Text | None = Field(None, description="Who carried it")


class OrderReturned(_Data):
    """Products came back."""

    order_id: Text = Field(description="The shop's number of the order or of the return")
    lines: Annotated[list[ReturnLine], Field(max_length=MOST_LINES)] = Field(description="The products")
    total: Number | None = Field(None, description="What is paid back")
    channel: Text | None = Field(None, description="Where they had been sold")
    campaign: Text | None = Field(None, description="The campaign that had led to the order")


class FeedbackReceived(_Data):
    """A customer said something."""

    theme: Text = Field(description="What it was about: sizing, delivery, quality")
    sku: Text | None = Field(None, description="Which product")
    order_id: Text | None = Field(None, description="Which order")
    channel: Text | None = Field(None, description="Where it was said")
    rating: Number | None = Field(None, description="Stars or points")


class TrafficSession(_Data):
    """A visit to the shop; with `count` many visits at once."""

    visitor: Text | None = Field(None, description="A pseudonym")
    channel: Text | None = Field(None, description="Where the visit came from")
    campaign: Text | None = Field(None, description="The campaign that led to it")
    landing: Text | None = Field(None, description="The page of arrival")
    sku: Text | None = Field(None, description="The product of that page")
    country: Text | None = Field(None, description="Where the visitor is")


class TrafficSpend(_Data):
    """Money was spent on traffic."""

    amount: NonNegative = Field(description="How much")
    channel: Text = Field(description="On which channel")
    campaign: Text | None = Field(None, description="For which campaign")


class StockLevel(_Data):
    """How much of a product can be sold now. Send it keyed by sku, so that its values stay in order."""

    sku: Text = Field(description="The product")
    available: Number = Field(description="What can be sold; negative when oversold")
    location: Text | None = Field(None, description="The warehouse; each keeps a level of its own")
    on_hand: Number | None = Field(None, description="What lies there")
    reserved: Number | None = Field(None, description="What is promised to orders")
    held: Number | None = Field(None, description="What may not be sold: in inspection, at a marketplace")


class StockReceipt(_Data):
    """A delivery to the shop is planned, late or in."""

    sku: Text = Field(description="The product")
    quantity: NonNegative = Field(description="How many")
    expected_on: Day = Field(description="The day on which it is expected")
    status: Literal["planned", "delayed", "received"] = Field(description="How it stands")
    location: Text | None = Field(None, description="The warehouse")
    purchase_order: Text | None = Field(None, description="The order at the supplier")


class StockLot(_Data):
    """A lot with an expiry date."""

    sku: Text = Field(description="The product")
    lot: Text = Field(description="The lot")
    quantity: NonNegative = Field(description="How many are left of it")
    expires_on: Day = Field(description="Its last day")
    location: Text | None = Field(None, description="The warehouse")


class SupplierUpdated(_Data):
    """A supplier's lead time changed."""

    supplier: Text = Field(description="The supplier")
    lead_time_days: NonNegative = Field(description="Days from order to delivery")
    sku: Text | None = Field(None, description="For which product; none: for all")


class CampaignPlanned(_Data):
    """Marketing plans a campaign."""

    campaign: Text = Field(description="Its name")
    starts: Time = Field(description="First moment")
    ends: Time = Field(description="Last moment")
    skus: Annotated[list[Text], Field(max_length=MOST_LINES)] = Field(description="The products it promotes")
    channels: Annotated[list[Text], Field(max_length=100)] | None = Field(None, description="Where it runs")
    expected_sessions: NonNegative | None = Field(None, description="Visits that marketing expects")
    expected_orders: NonNegative | None = Field(None, description="Orders that marketing expects")
    discount: NonNegative | None = Field(None, description="As a part of the price: 0.2 is 20 %")


class CapacityDeclared(_Data):
    """Operations says what it can ship."""

    starts: Time = Field(description="First moment")
    ends: Time = Field(description="Last moment")
    orders_per_day: NonNegative = Field(description="Orders that can be shipped in a day")


@dataclass(frozen=True)
class EventType:
    """role: which topic carries it (settings map roles to topics). level: its values are levels of a thing."""

    name: str
    role: Literal["orders", "traffic", "inventory", "plans"]
    data: type[_Data]


TYPES: Mapping[str, EventType] = {
    t.name: t
    for t in (
        EventType("order.placed", "orders", OrderPlaced),
        EventType("order.cancelled", "orders", OrderCancelled),
        EventType("order.shipped", "orders", OrderShipped),
        EventType("order.delivered", "orders", OrderDelivered),
        EventType("order.returned", "orders", OrderReturned),
        EventType("feedback.received", "orders", FeedbackReceived),
        EventType("traffic.session", "traffic", TrafficSession),
        EventType("traffic.spend", "traffic", TrafficSpend),
        EventType("stock.level", "inventory", StockLevel),
        EventType("stock.receipt", "inventory", StockReceipt),
        EventType("stock.lot", "inventory", StockLot),
        EventType("supplier.updated", "inventory", SupplierUpdated),
        EventType("campaign.planned", "plans", CampaignPlanned),
        EventType("capacity.declared", "plans", CapacityDeclared),
    )
}


def _envelope_model(kind: EventType) -> type[BaseModel]:
    class Event(_Model):
        specversion: Literal["1.0"] = Field("1.0", description="Version of CloudEvents")
        id: Id = Field(description="Unique within `source`; an event that comes twice counts once")
        source: Id = Field(description="Who says it: a URI reference such as /shop/checkout")
        type: str = Field(description="What happened", json_schema_extra={"const": kind.name})
        time: Annotated[Time, AfterValidator(_in_years)] = Field(
            description="When it happened in the shop, RFC 3339 with a zone"
        )
        subject: Id | None = Field(None, description="What it is about; our doors use it as the key")
        data: kind.data = Field(description="The facts")  # type: ignore[name-defined] # the type differs per class

    Event.__doc__ = kind.data.__doc__
    Event.__name__ = Event.__qualname__ = kind.data.__name__
    Event.model_rebuild(force=True)
    return Event


MODELS: Mapping[str, type[BaseModel]] = {name: _envelope_model(kind) for name, kind in TYPES.items()}
"""event type → the model of the whole CloudEvent."""


# ---- what rules may ask about fields --------------------------------------------------------------------------------


def _unwrapped(annotation: Any) -> Any:
    """The annotation without Optional and Annotated."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, type(int | str)):
            annotation = next(a for a in get_args(annotation) if a is not NoneType)
        else:
            return annotation


def _field(event_type: str, path: str) -> Any | None:
    kind = TYPES.get(event_type)
    if kind is None:
        return None
    model: Any = kind.data
    if path.startswith("lines."):
        lines = model.model_fields.get("lines")
        if lines is None:
            return None
        model, path = get_args(_unwrapped(lines.annotation))[0], path.removeprefix("lines.")
    return model.model_fields.get(path)


def field_kind(event_type: str, path: str) -> Literal["number", "text", "flag", "time", "list", "unknown"]:
    """What a field in an event's data is; `unknown` for one that the model does not name (an extra field)."""
    field = _field(event_type, path)
    if field is None:
        return "unknown"
    inner = _unwrapped(field.annotation)
    if inner in (int, float):
        return "number"
    if inner is bool:
        return "flag"
    if inner is datetime:
        return "time"
    return "list" if get_origin(inner) is list else "text"


def known_paths(event_type: str) -> list[str]:
    """Every path in an event's data that the model names, `lines.sku` among them."""
    kind = TYPES.get(event_type)
    if kind is None:
        return []
    paths = list(kind.data.model_fields)
    lines = kind.data.model_fields.get("lines")
    if lines is not None:
        paths += [f"lines.{name}" for name in get_args(_unwrapped(lines.annotation))[0].model_fields]
    return paths


def line_fields(event_type: str) -> tuple[str, ...]:
    """The fields of an event type's lines; empty when it has none."""
    return tuple(p.removeprefix("lines.") for p in known_paths(event_type) if p.startswith("lines."))


def _bounds(field: Any) -> dict[str, Any]:
    """ge, le, lengths and pattern of a model's field, wherever its annotation carries them."""
    found: dict[str, Any] = {}
    pending = [field.annotation, *field.metadata]
    while pending:
        item = pending.pop()
        if get_origin(item) is Annotated:
            inner, *metadata = get_args(item)
            pending += [inner, *metadata]
        elif get_origin(item) in (Union, type(int | str)):
            pending += get_args(item)
        elif type(item).__name__ == "FieldInfo":
            pending += item.metadata
        else:
            for name in ("ge", "le", "min_length", "max_length", "pattern"):
                value = getattr(item, name, None)
                if value is not None:
                    found[name] = value
    return found


@lru_cache(maxsize=1024)
def is_non_negative(event_type: str, path: str) -> bool:
    """Whether the event model declares a number never below zero, so that its sum can only grow."""
    field = _field(event_type, path)
    return field is not None and _bounds(field).get("ge", -1) >= 0


def is_known_field(event_type: str, path: str) -> bool:
    """Whether the event model has a field of this path; any other one is an extra of the shop's own."""
    return _field(event_type, path) is not None


# ---- the hot path ---------------------------------------------------------------------------------------------------


class Refused(msgspec.Struct, frozen=True):
    """An event that cannot be counted. reason: one word for metrics and dead letters; detail names the field."""

    reason: str
    detail: str


def _struct_type(field: Any, lines: Mapping[type[BaseModel], type[msgspec.Struct]]) -> Any:
    """The msgspec type that accepts what a field of a model accepts."""
    inner, bounds = _unwrapped(field.annotation), _bounds(field)
    if get_origin(inner) is list:
        item = get_args(inner)[0]
        element: Any = lines[item] if item in lines else Annotated[str, msgspec.Meta(max_length=256)]
        kind: Any = Annotated[list[element], msgspec.Meta(max_length=bounds.get("max_length"))]
    elif inner is datetime:
        kind = _Moment
    elif bounds:
        kind = Annotated[inner, msgspec.Meta(**bounds)]
    else:
        kind = inner
    return kind if field.is_required() or field.default is not None else kind | None


def _struct_of(
    model: type[BaseModel],
    extras: Iterable[tuple[str, Any, Any]],
    lines: Mapping[type[BaseModel], type[msgspec.Struct]],
) -> type[msgspec.Struct]:
    required: list[Any] = []
    optional: list[Any] = []
    for name, field in model.model_fields.items():
        kind = _struct_type(field, lines)
        if field.is_required():
            required.append((name, kind))
        else:
            optional.append((name, kind, field.default))
    optional += [extra for extra in extras if extra[0] not in model.model_fields]
    return msgspec.defstruct(model.__name__, required + optional, gc=False)


_Extra = Annotated[str, msgspec.Meta(max_length=256)] | int | float | bool | None
"""What a rule can use of a field that the contract does not name, as a label or a number."""


def _event_struct(kind: EventType, wanted: Iterable[str], raw: bool) -> type[msgspec.Struct]:
    extra_type = (msgspec.Raw, msgspec.Raw(b"null")) if raw else (_Extra, None)
    names = list(wanted)
    lines: dict[type[BaseModel], type[msgspec.Struct]] = {}
    field = kind.data.model_fields.get("lines")
    if field is not None:
        line = get_args(_unwrapped(field.annotation))[0]
        extras = [(n.removeprefix("lines."), *extra_type) for n in names if n.startswith("lines.")]
        lines[line] = _struct_of(line, extras, {})
    data = _struct_of(kind.data, [(n, *extra_type) for n in names if "." not in n], lines)
    text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    return msgspec.defstruct(
        f"{kind.data.__name__}Event",
        [
            ("id", text),
            ("source", text),
            ("time", _Moment),
            ("data", data),
            ("subject", text | None, None),
            ("specversion", Literal["1.0"], "1.0"),
        ],
        tag_field="type",
        tag=kind.name,
        gc=False,
    )


def _reader(wanted: Mapping[str, Iterable[str]], *, raw: bool = False) -> Callable[[bytes], Any]:
    """Reads one event into its struct. raw: extra fields as the bytes that they are."""
    structs = [_event_struct(kind, wanted.get(name, ()), raw) for name, kind in TYPES.items()]
    return msgspec.json.Decoder(Union[tuple(structs)]).decode  # noqa: UP007 # made of a list


def type_of(event: Any) -> str:
    """The event type of a decoded event."""
    return event.__struct_config__.tag  # type: ignore[no-any-return] # the classes are made at run time


class _Header(msgspec.Struct):
    type: str


class _Object(msgspec.Struct):
    """Any JSON object."""


class _Base64(msgspec.Struct):
    data_base64: str


_HEADER = msgspec.json.Decoder(_Header)
_OBJECT = msgspec.json.Decoder(_Object)
_BASE64 = msgspec.json.Decoder(_Base64)
_STRUCTS = _reader({})
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# msgspec skips what no struct reads and checks less of it than the contract's reader does. An event that could hold
# such a thing is shown to the contract; the tests here are cheap and only ever err towards showing one more.
_NESTED = 150
"""Brackets up to which both readers go; the contract's refuses a depth of 200."""
_LONG_NUMBER = b"0" * 4300
"""Digits at which the contract's reader refuses an integer."""
_DIGITS_AS_ZERO = bytes(48 if 48 <= byte < 58 else 0 for byte in range(256))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_odd(value: bytes) -> bool:
    size = len(value)
    return (
        (size > 2 * _NESTED and value.count(b"{") + value.count(b"[") > _NESTED)
        or (size > len(_LONG_NUMBER) and _LONG_NUMBER in value.translate(_DIGITS_AS_ZERO))
        or size > LARGEST_EVENT
        or not (value.isascii() or _is_utf8(value))
    )


class Decoder:
    """Decodes batches into structs. wanted: event type → paths that rules read; those beyond the model are kept.

    An extra field that is no text of at most 256 characters, number or flag is None: what rules read never decides
    what is refused, and no label grows without a limit.
    """

    def __init__(self, wanted: Mapping[str, Iterable[str]] | None = None) -> None:
        self._decode = _reader(wanted or {})
        self._raw = _reader(wanted or {}, raw=True)

    def decode(self, values: Sequence[bytes | None], headers: Sequence[Headers] | None = None) -> list[Any]:
        """One result a value: an event, None for a type that is not ours, or Refused."""
        given: Sequence[Any] = values
        if headers is not None:
            given = [structured(v, h) if h else v for v, h in zip(values, headers, strict=True)]
        try:
            events = list(map(self._decode, given))
        except (*_UNREADABLE, TypeError):  # TypeError: a tombstone, or one that is refused already
            return [self._one(value) for value in given]
        if not events:
            return events
        years = {event.time.year for event in events}
        if min(years) < YEARS[0] or max(years) > YEARS[1]:
            return [self._one(value) for value in given]
        if max(map(len, given)) > 2 * _NESTED or not all(map(bytes.isascii, given)):
            for i, value in enumerate(given):
                if _is_odd(value):
                    events[i] = self._one(value)
        return events

    def _one(self, value: bytes | Refused | None) -> Any:
        if isinstance(value, Refused):
            return value
        if value is not None and not _is_odd(value):
            try:
                event = self._decode(value)
                if YEARS[0] <= event.time.year <= YEARS[1]:
                    return event
            except _UNREADABLE:
                pass  # the contract says why, or that only an extra field could not be read
        if value is not None and foreign_type(value) is not None:
            return None
        try:
            parse_event(value)
            return _with_extras(self._raw(value or b""))
        except EventError as error:
            return Refused(error.reason, error.detail)


def _with_extras(event: Any) -> Any:
    """The event with its extra fields read one by one; one that cannot be read is None."""
    for part in (event.data, *(getattr(event.data, "lines", None) or ())):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if value.__class__ is msgspec.Raw:
                setattr(part, name, _any_value(value))
    return event


def _any_value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw, type=_Extra)
    except _UNREADABLE:
        return None


def foreign_type(value: bytes) -> str | None:
    """The type of an event that is not ours: such events are counted and ignored. None: ours, or no event."""
    try:
        name = _HEADER.decode(value).type
    except _UNREADABLE:
        return None
    return None if name in TYPES else name


def _holds_base64(value: bytes) -> bool:
    try:
        _BASE64.decode(value)
    except _UNREADABLE:
        return False
    return True


def _says_structured(name: str, value: bytes | None) -> bool:
    return name.lower() == "content-type" and (value or b"").strip().lower().startswith(b"application/cloudevents")


def structured(value: bytes | None, headers: Headers) -> bytes | Refused | None:
    """A record in Kafka's binary mode (`ce_` headers, data as the value) as one structured event.

    One that says that it is structured is, whatever headers stand beside it: the bindings of CloudEvents ask for the
    content type first.
    """
    fields = {
        k[3:]: v for k, v in headers if k.startswith("ce_") and v is not None
    }  # Kafka knows headers without value
    if "type" not in fields or value is None or any(_says_structured(k, v) for k, v in headers):
        return value
    try:
        envelope = {name: text.decode() for name, text in fields.items() if name != "data"}
        _OBJECT.decode(value)
    except UnicodeDecodeError as error:
        return Refused("envelope", f"headers: {error}")
    except msgspec.ValidationError as error:
        return Refused("data", f"data: {error}")
    except (msgspec.DecodeError, RecursionError) as error:
        return Refused("json", f"data: {error}")
    return msgspec.json.encode(envelope)[:-1] + b',"data":' + value + b"}"


# ---- the contract ---------------------------------------------------------------------------------------------------


def parse_event(value: bytes | None) -> BaseModel:
    """The event by the contract, slowly and with the whole reason. Raises EventError."""
    if value is None:
        raise EventError("tombstone", "a record without a value")
    if len(value) > LARGEST_EVENT:
        raise EventError("json", f"{len(value)} bytes; at most {LARGEST_EVENT} are taken")
    try:
        kind = _HEADER.decode(value).type
    except msgspec.ValidationError as error:
        what = str(error)
        is_object = "$.type" in what or "required field" in what
        raise _wrong_type(must_in_msgspec(what) if is_object else "an event is a JSON object, this is none") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError("json", f"not a JSON object: {not_json(error)}") from error
    model = MODELS.get(kind)
    if model is None:
        raise _wrong_type(f"'{kind[:100]}' is not one of {', '.join(TYPES)}")
    try:
        event = model.model_validate_json(value)
    except ValidationError as error:
        faults = [_fault(e["type"], ".".join(map(str, e["loc"])), e["msg"], e.get("ctx", {})) for e in error.errors()]
        if _holds_base64(value):
            said = "has to be JSON in `data`; `data_base64` is not taken"
            faults = [(f, reason, said if f == "data" else message) for f, reason, message in faults]
        reasons = {reason for _, reason, _ in faults}
        reason = next(reason for reason in ("number", "json", "data", "envelope") if reason in reasons)
        told = "; ".join(f"{field}: {message}" if field else message for field, _, message in faults[:5])
        raise EventError(reason, told, faults) from error
    try:
        # The hot path has the last word: a name that stands twice, first wrong and then right, is refused by both.
        _STRUCTS(value)
    except _UNREADABLE as error:
        said, _, place = str(error).partition(" - at `$.")
        message, field = must_in_msgspec(said), place.rstrip("`")
        raise EventError("data", f"{field}: {message}", [(field, "data", message)]) from error
    return event


def _wrong_type(message: str) -> EventError:
    return EventError("envelope", f"type: {message}", [("type", "envelope", message)])


def not_json(error: Exception) -> str:
    """Why bytes are no JSON, in plain words. error: one of msgspec, or of reading them as UTF-8, or RecursionError."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    said = str(error).removeprefix("JSON is malformed: ")
    return "it ends too early" if said == "Input data was truncated" else said


def _fault(kind: str, field: str, message: str, context: Mapping[str, Any]) -> tuple[str, str, str]:
    """(field, reason, message) of an error of pydantic."""
    if kind in ("greater_than_equal", "less_than_equal", "finite_number"):
        reason = "number"
    elif kind == "json_invalid":
        reason = "json"
    else:
        reason = "data" if field.startswith("data.") else "envelope"
    if kind == "value_error":
        said = message.removeprefix("Value error, ")
    elif kind == "json_invalid":
        said = message.replace("Invalid JSON:", "not JSON:")
    elif kind == "missing":
        said = "is missing"
    elif kind == "string_pattern_mismatch":
        said = "must be a day such as 2026-11-24"
    else:
        said = f"must {must(kind, context)}"
    return field, reason, said
