"""The contract of events: which types there are and what stands in each, as pydantic models of CloudEvents 1.0.

`schemas/` is made from them, and the structs of the hot path (`structs`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LARGEST_NUMBER = 9_000_000_000_000
LARGEST_EVENT = 1 << 20
"""Bytes of one event."""
MOST_LINES = 10_000
LONGEST_CAMPAIGN = timedelta(731)
"""Each day of a campaign is reckoned with whenever it is answered."""
YEARS = (1970, 9000)
"""Years in which an event may be: outside of them reckoning with zones and windows leaves the calendar."""

Text = Annotated[str, Field(max_length=256)]
Id = Annotated[str, Field(min_length=1, max_length=1024)]
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=LARGEST_NUMBER, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_LEAP_SECOND = re.compile(r"[Tt ]\d\d:\d\d:60")


def _moment(value: object) -> object:
    """One reader of times for contract and hot path: RFC 3339 with a zone."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.convert(value, Moment)
    except msgspec.ValidationError as error:
        if _LEAP_SECOND.search(value):
            raise ValueError("a leap second (:60) is not taken; write the second before it, :59") from error
        raise ValueError("not an RFC 3339 time with a zone, such as 2026-11-24T09:30:00Z") from error


def is_in_years(value: datetime) -> bool:
    """Whether a moment can be reckoned with."""
    return YEARS[0] <= value.year <= YEARS[1]


def _in_years(value: datetime) -> datetime:
    if not is_in_years(value):
        raise ValueError(f"the year {value.year} is not within {YEARS[0]} to {YEARS[1]}; check the sender's clock")
    return value


def _real_day(value: str) -> str:
    if not is_day(value):
        raise ValueError(f"'{value}' is no day of the calendar from {YEARS[0]} to {YEARS[1]}")
    return value


def is_day(text: str) -> bool:
    """Whether a text like 2026-02-30 names a day that there is, in YEARS."""
    try:
        return YEARS[0] <= date.fromisoformat(text).year <= YEARS[1]
    except ValueError:
        return False


def is_name(text: str) -> bool:
    """Whether a text can be shown as a name: on one line, nothing in it that is not seen."""
    return bool(text.strip()) and text.isprintable()


def _name(value: str) -> str:
    if not is_name(value):
        raise ValueError("must be a name on one line, without control characters")
    return value


Time = Annotated[datetime, BeforeValidator(_moment)]
When = Annotated[Time, AfterValidator(_in_years)]
Day = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10, examples=["2026-11-24"]),
    AfterValidator(_real_day),
]

CampaignName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_name)]
"""What marketing calls a campaign, by whichever door it is announced."""


Role = Literal["orders", "traffic", "inventory", "plans"]
"""What a topic is for; settings say what it is called."""


class _Model(BaseModel):
    # What validates an event of a type is built for the first one that has to be validated: nothing else needs it.
    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)


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


class CartLine(_Model):
    """One product of a cart or a checkout."""

    sku: Text = Field(description="Which product")
    quantity: NonNegative = Field(description="How many; `action` says whether they were put in or taken out")
    unit_price: Number | None = Field(None, description="Price of one, in the cart's currency")


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
    shipping_method: Text | None = Field(None, description="How it is to be sent: standard, express, same_day")
    location: Text | None = Field(None, description="Warehouse that is to ship it")


class OrderCancelled(_Data):
    """An order was cancelled before it left."""

    order_id: Text = Field(description="The shop's number of the order")
    total: Number | None = Field(None, description="What it was worth, in `currency`")
    channel: Text | None = Field(None, description="Where it had been sold")
    reason: Text | None = Field(None, description="Why, in the shop's words")
    currency: Text | None = Field(None, description="ISO 4217; sums over several are refused unless grouped by it")
    location: Text | None = Field(None, description="Warehouse that was to ship it")


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
    total: Number | None = Field(None, description="What is paid back, in `currency`")
    channel: Text | None = Field(None, description="Where they had been sold")
    campaign: Text | None = Field(None, description="The campaign that had led to the order")
    currency: Text | None = Field(None, description="ISO 4217; sums over several are refused unless grouped by it")


class OrderRefunded(_Data):
    """Money was paid back and no product came: a late parcel, a price that was wrong. What comes back is an
    `order.returned`, with what is paid for it."""

    order_id: Text = Field(description="The shop's number of the order")
    total: NonNegative = Field(description="What is paid back, in `currency`")
    channel: Text | None = Field(None, description="Where it had been sold")
    campaign: Text | None = Field(None, description="The campaign that had led to the order")
    reason: Text | None = Field(None, description="Why, in the shop's words")
    currency: Text | None = Field(None, description="ISO 4217; sums over several are refused unless grouped by it")


class PaymentFailed(_Data):
    """A customer wanted to pay and could not: refused, broken off, timed out."""

    order_id: Text | None = Field(None, description="The shop's number of the order, where there is one already")
    total: NonNegative | None = Field(None, description="What was to be paid, in `currency`")
    method: Text | None = Field(None, description="How it was to be paid: card, invoice, a wallet")
    provider: Text | None = Field(None, description="Who was to carry it out")
    reason: Text | None = Field(None, description="Why it failed, in the provider's words")
    customer: Text | None = Field(None, description="A pseudonym; never a name or an address")
    channel: Text | None = Field(None, description="Where it was to be sold: web, app, a marketplace")
    country: Text | None = Field(None, description="Where it was to go")
    currency: Text | None = Field(None, description="ISO 4217; sums over several are refused unless grouped by it")


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


class ProductViewed(_Data):
    """A visitor looked at a product; with `count` many looks at once. A visit is a `traffic.session`, whatever it looks
    at."""

    sku: Text = Field(description="The product")
    visitor: Text | None = Field(None, description="A pseudonym")
    channel: Text | None = Field(None, description="Where the visit came from")
    campaign: Text | None = Field(None, description="The campaign that led to it")
    country: Text | None = Field(None, description="Where the visitor is")


class CartUpdated(_Data):
    """Products were put into a cart or taken out of it."""

    lines: Annotated[list[CartLine], Field(max_length=MOST_LINES)] = Field(
        description="The products that were put in or taken out; without `action` all that the cart holds now"
    )
    action: Literal["added", "removed"] | None = Field(
        None, description="What was done with them, where the sender knows it"
    )
    cart_id: Text | None = Field(None, description="The shop's number of the cart")
    total: NonNegative | None = Field(None, description="What the cart is worth now, in `currency`")
    visitor: Text | None = Field(None, description="A pseudonym")
    customer: Text | None = Field(None, description="A pseudonym; never a name or an address")
    channel: Text | None = Field(None, description="Where it stands: web, app, a marketplace")
    campaign: Text | None = Field(None, description="The campaign that led to it")
    country: Text | None = Field(None, description="Where the visitor is")
    currency: Text | None = Field(None, description="ISO 4217; sums over several are refused unless grouped by it")


class CheckoutStarted(_Data):
    """A visitor went from the cart to the checkout."""

    lines: Annotated[list[CartLine], Field(max_length=MOST_LINES)] = Field(description="The products to be bought")
    checkout_id: Text | None = Field(None, description="The shop's number of the checkout")
    total: NonNegative | None = Field(None, description="What is to be paid, in `currency`")
    visitor: Text | None = Field(None, description="A pseudonym")
    customer: Text | None = Field(None, description="A pseudonym; never a name or an address")
    channel: Text | None = Field(None, description="Where it stands: web, app, a marketplace")
    campaign: Text | None = Field(None, description="The campaign that led to it")
    country: Text | None = Field(None, description="Where it is to go")
    currency: Text | None = Field(None, description="ISO 4217; sums over several are refused unless grouped by it")


class AdClicked(_Data):
    """Somebody clicked an ad; with `count` many clicks at once. What they cost is a `traffic.spend`."""

    channel: Text = Field(description="Where the ad stands")
    campaign: Text | None = Field(None, description="The campaign that it belongs to")
    sku: Text | None = Field(None, description="The product that it shows")
    visitor: Text | None = Field(None, description="A pseudonym")
    country: Text | None = Field(None, description="Where the visitor is")


class SourceHeartbeat(_Data):
    """A system that sends events is alive, though it may have none to send. Send one every minute or so: a rule with
    `absence` by `name` tells when it falls silent."""

    name: Text = Field(description="Which system: erp, web shop, warehouse")
    topic: Role | None = Field(
        None,
        description="The topic that it goes to, which has been told all up to `time`; traffic where none is named, and "
        "rules count these",
    )


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


class ProductListed(_Data):
    """A product was put on sale for the first time, or again."""

    sku: Text = Field(description="The product")
    price: NonNegative | None = Field(None, description="What it costs, in `currency`")
    category: Text | None = Field(None, description="Which kind of product it is, in the shop's words")
    supplier: Text | None = Field(None, description="Who supplies it")
    channel: Text | None = Field(None, description="Where it is sold: web, app, a marketplace")
    currency: Text | None = Field(None, description="ISO 4217, the currency of `price`")


class PriceChanged(_Data):
    """What a product costs from now on. Send it keyed by sku, so that its values stay in order; the same price again
    changes nothing."""

    sku: Text = Field(description="The product; its newest price counts, whichever channel and currency it is of")
    price: NonNegative = Field(description="What it costs, in `currency`")
    previous: NonNegative | None = Field(None, description="What it cost before")
    channel: Text | None = Field(None, description="Where it costs that; a rule by sku and channel keeps them apart")
    currency: Text | None = Field(None, description="ISO 4217, the currency of `price`")


class CampaignPlanned(_Data):
    """Marketing plans a campaign."""

    campaign: CampaignName = Field(description="Its name, on one line")
    starts: When = Field(description="First moment")
    ends: When = Field(description="Last moment")
    skus: Annotated[list[Text], Field(max_length=MOST_LINES)] = Field(description="The products it promotes")
    channels: Annotated[list[Text], Field(max_length=100)] | None = Field(None, description="Where it runs")
    expected_sessions: NonNegative | None = Field(None, description="Visits that marketing expects")
    expected_orders: NonNegative | None = Field(None, description="Orders that marketing expects")
    discount: NonNegative | None = Field(None, description="As a part of the price: 0.2 is 20 %")
    cancelled: bool | None = Field(None, description="Whether it will not take place after all")

    @model_validator(mode="after")
    def _is_short(self) -> "CampaignPlanned":
        if self.ends - self.starts > LONGEST_CAMPAIGN:
            days = LONGEST_CAMPAIGN.days
            raise ValueError(f"a campaign lasts at most {days} days; check `starts` and `ends`, or plan it in parts")
        return self


class CapacityDeclared(_Data):
    """Operations says what it can ship."""

    starts: When = Field(description="First moment")
    ends: When = Field(description="Last moment")
    orders_per_day: NonNegative = Field(description="Orders that can be shipped in a day")
    work_units_per_day: NonNegative | None = Field(
        None, description="Work units that can be done in a day; where it is there it counts, not `orders_per_day`"
    )


@dataclass(frozen=True)
class EventType:
    """One kind of event.

    role: which topic carries it (settings map roles to topics). data: what stands in it. identity: for levels, the
    fields that name the thing of which it speaks: the newest value of each thing is kept, and fewer labels see their
    sum. () where the labels of the series name it. level: the field whose newest value is what such an event says;
    our doors key it by the first field of its identity, so that its values stay in order. None where it tells of
    something that happened. adds_up: whether the levels of several things make a sum that means something, as their
    stock does and their prices do not. got_currency: its `currency` came later than its `total`, so sums of that were
    stored as numbers without one.

    A price is a level of its sku alone: those of two channels are no sum, and a rule by sku sees the newest.
    """

    name: str
    role: Role
    data: type[_Data]
    identity: tuple[str, ...] = ()
    level: str | None = None
    adds_up: bool = True
    got_currency: bool = False


TYPES: Mapping[str, EventType] = {
    t.name: t
    for t in (
        EventType("order.placed", "orders", OrderPlaced),
        EventType("order.cancelled", "orders", OrderCancelled, got_currency=True),
        EventType("order.shipped", "orders", OrderShipped),
        EventType("order.delivered", "orders", OrderDelivered),
        EventType("order.returned", "orders", OrderReturned, got_currency=True),
        EventType("order.refunded", "orders", OrderRefunded),
        EventType("payment.failed", "orders", PaymentFailed),
        EventType("feedback.received", "orders", FeedbackReceived),
        EventType("traffic.session", "traffic", TrafficSession),
        EventType("product.viewed", "traffic", ProductViewed),
        EventType("cart.updated", "traffic", CartUpdated),
        EventType("checkout.started", "traffic", CheckoutStarted),
        EventType("ad.clicked", "traffic", AdClicked),
        EventType("traffic.spend", "traffic", TrafficSpend),
        EventType("source.heartbeat", "traffic", SourceHeartbeat),
        EventType("stock.level", "inventory", StockLevel, identity=("sku", "location"), level="available"),
        EventType("stock.receipt", "inventory", StockReceipt, identity=("sku", "location")),
        EventType("stock.lot", "inventory", StockLot, identity=("sku", "lot", "location")),
        EventType("supplier.updated", "inventory", SupplierUpdated, identity=("supplier", "sku")),
        EventType("product.listed", "inventory", ProductListed),
        EventType("price.changed", "inventory", PriceChanged, identity=("sku",), level="price", adds_up=False),
        EventType("campaign.planned", "plans", CampaignPlanned),
        EventType("capacity.declared", "plans", CapacityDeclared),
    )
}


def role_of(kind: str, data: Any) -> Role:
    """The topic that an event of a type goes to. data: of the event, as a model or a struct."""
    if kind == "source.heartbeat" and data.topic is not None:
        role: Role = data.topic
        return role
    return TYPES[kind].role


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
    return Event


MODELS: Mapping[str, type[BaseModel]] = {name: _envelope_model(kind) for name, kind in TYPES.items()}
"""event type → the model of the whole CloudEvent."""
