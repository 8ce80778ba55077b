"""Moments, days and campaigns that an event names: what cannot be reckoned with or shown is refused at the door."""

import msgspec
import pytest

from lockstep.errors import EventError
from lockstep.event import Decoder
from lockstep.event.structs import Refused
from lockstep.event.validation import parse_event


def event(kind, **data):
    return msgspec.json.encode(
        {"id": "1", "source": "/shop", "type": kind, "time": "2026-11-30T12:00:00Z", "data": data}
    )


def campaign(starts, ends, name="SUMMER"):
    return event("campaign.planned", campaign=name, starts=starts, ends=ends, skus=[])


def capacity(starts, ends):
    return event("capacity.declared", starts=starts, ends=ends, orders_per_day=100)


def receipt(day):
    return event("stock.receipt", sku="A-1", quantity=5, expected_on=day, status="planned")


def lot(day):
    return event("stock.lot", sku="A-1", lot="L-1", quantity=5, expires_on=day)


@pytest.mark.parametrize(
    "value",
    [
        receipt("2026-02-30"),
        receipt("2026-13-01"),
        receipt("0000-01-01"),
        lot("2027-02-29"),
        campaign("0001-01-01T00:00:00+14:00", "2026-12-01T00:00:00Z"),
        campaign("2026-12-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        campaign("9999-12-30T00:00:00Z", "9999-12-31T23:59:59-14:00"),
        campaign("2026-12-01T00:00:00Z", "2046-12-01T00:00:00Z"),
        capacity("2026-12-01T00:00:00Z", "9999-12-31T23:59:59-12:00"),
        capacity("0001-01-01T00:00:00+12:00", "2026-12-01T00:00:00Z"),
        *(
            campaign("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", name)
            for name in ("", " ", "SUMMER\nSALE", "SUMMER\x1b[31m", "\u202eREMMUS", "S" * 257)
        ),
    ],
)
def test_what_cannot_be_reckoned_with_is_refused(value):
    """By the hot path and by the contract alike, alone and between others that are counted."""
    with pytest.raises(EventError):
        parse_event(value)
    good = receipt("2028-02-29")
    before, refused, after = Decoder().decode([good, value, good])
    assert isinstance(refused, Refused)
    assert before.data.expected_on == after.data.expected_on == "2028-02-29"
    assert isinstance(Decoder().decode([value, None])[0], Refused)


@pytest.mark.parametrize(
    "value",
    [
        receipt("2028-02-29"),
        lot("2026-12-31"),
        campaign("2026-12-05T00:00:00Z", "2026-12-02T00:00:00Z"),
        campaign("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", "Été / Sommer 2026 <b>, “-20 %”"),
        campaign("2026-12-01T00:00:00Z", "2028-12-01T00:00:00Z"),
        capacity("2026-12-01T00:00:00Z", "2046-12-01T00:00:00Z"),
    ],
)
def test_what_is_only_unusual_is_taken(value):
    parse_event(value)
    assert not isinstance(Decoder().decode([value])[0], Refused)
