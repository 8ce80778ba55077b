"""Order lines of a CSV file become events that the contract accepts."""

import gzip
import io
import json

import pytest

from lockstep.errors import EventError, LockstepError
from lockstep.event import MODELS
from lockstep.tools.retail import convert, write_events

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
GOODS = "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"


def _converted(tmp_path, text):
    path = tmp_path / "shop.csv"
    path.write_text(text, encoding="utf-8")
    return list(convert(path))


def test_an_invoice_becomes_an_order(tmp_path):
    """Its lines are the order's lines, postage is money, and the event is valid."""
    [event] = _converted(
        tmp_path, HEADER + GOODS + "536365,POST,POSTAGE,1,2010-12-01 08:26:00,18.00,17850.0,United Kingdom\n"
    )
    MODELS["order.placed"].model_validate_json(json.dumps(event))
    assert event == {
        "specversion": "1.0",
        "id": "536365",
        "source": "/online-retail",
        "type": "order.placed",
        "time": "2010-12-01T08:26:00Z",
        "subject": "536365",
        "data": {
            "order_id": "536365",
            "channel": "web",
            "total": 33.3,
            "lines": [{"sku": "85123A", "quantity": 6, "unit_price": 2.55}],
            "currency": "GBP",
            "country": "United Kingdom",
            "customer": "17850",
            "shipping": 18.0,
        },
    }


def test_a_cancellation_becomes_a_return(tmp_path):
    """Quantities and the money paid back are positive."""
    [event] = _converted(tmp_path, HEADER + "C536379,22556,TIN,-12,2010-12-01 09:41:00,1.65,,France\n")
    MODELS["order.returned"].model_validate_json(json.dumps(event))
    assert (event["type"], event["data"]) == (
        "order.returned",
        {
            "order_id": "C536379",
            "channel": "web",
            "total": 19.8,
            "currency": "GBP",
            "lines": [{"sku": "22556", "quantity": 12}],
        },
    )


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("536589,21777,lost,-10,2010-12-01 16:50:00,0.0,,United Kingdom\n", id="a correction of the stock"),
        pytest.param(
            "536600,21777,found,10,2010-12-01 16:50:00,0.0,,United Kingdom\n", id="found goods without a price"
        ),
        pytest.param("537000,BANK CHARGES,Bank,1,2010-12-01 16:50:00,15.0,,United Kingdom\n", id="a bank charge alone"),
        pytest.param("C537001,D,Discount,-1,2010-12-01 16:50:00,27.5,,United Kingdom\n", id="a discount alone"),
        pytest.param("537002,m,Manual,1,2010-12-01 16:50:00,2.55,,United Kingdom\n", id="a manual entry alone"),
    ],
)
def test_what_is_no_order_gives_no_event(tmp_path, line):
    """Corrections and charges are left out; the order beside them stays as it is."""
    assert [e["id"] for e in _converted(tmp_path, HEADER + GOODS + line)] == ["536365"]


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        pytest.param("2010-12-01 08:26:00", "2010-12-01T08:26:00Z", id="winter"),
        pytest.param("2011-05-03 10:00:00", "2011-05-03T09:00:00Z", id="summer time"),
        pytest.param("12/1/2010 8:26", "2010-12-01T08:26:00Z", id="as the spreadsheet writes it, month first"),
        pytest.param("2010-12-01T08:26:00+02:00", "2010-12-01T06:26:00Z", id="with a zone of its own"),
    ],
)
def test_times_are_londons(tmp_path, local, utc):
    """Local times become UTC, summer time included."""
    [event] = _converted(tmp_path, HEADER + GOODS.replace("2010-12-01 08:26:00", local))
    assert event["time"] == utc


def test_lines_that_stand_apart_are_one_order(tmp_path):
    """An invoice whose lines are not together in the file is one event, not two with one id."""
    other = GOODS.replace("536365", "536366")
    events = _converted(tmp_path, HEADER + GOODS + other + GOODS.replace("85123A", "22720"))
    assert [(e["id"], [line["sku"] for line in e["data"]["lines"]]) for e in events] == [
        ("536365", ["85123A", "22720"]),
        ("536366", ["85123A"]),
    ]


def test_the_second_edition_and_gzip_are_read(tmp_path):
    """Other column names, compressed, with a byte order mark."""
    path = tmp_path / "shop.csv.gz"
    header = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
    path.write_bytes(gzip.compress(("\ufeff" + header + GOODS).encode()))
    out = io.StringIO()
    assert write_events(path, out) == 1
    assert json.loads(out.getvalue())["data"]["customer"] == "17850"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a,b\n1,2\n", "the file has no column 'invoice'", id="other columns"),
        pytest.param(HEADER + GOODS + GOODS.replace(",6,", ",six,"), "'six' is no number", id="a quantity in words"),
        pytest.param(HEADER + GOODS.replace("2.55", "free"), "'free' is no number", id="no price"),
        pytest.param(
            HEADER + GOODS.replace("2010-12-01 08:26:00", "yesterday"), "'yesterday' is no time", id="no time"
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text, said):
    """The column, what stands there and the line."""
    with pytest.raises(LockstepError) as caught:
        _converted(tmp_path, text)
    assert said in str(caught.value)
    assert "shop.csv:" in str(caught.value) or "online-retail.yml:" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    """The way out stands in the error."""
    with pytest.raises(EventError, match=r"nowhere\.csv: No such file or directory; name a file"):
        list(convert(tmp_path / "nowhere.csv"))
