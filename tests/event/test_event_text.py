"""One file of events reads the same through every door, however it is written; what holds none is named."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_events import event

from lockstep.adapters.ingest.event_text import LARGEST_ARRAY, EventText, events_in
from lockstep.adapters.ingest.receipts import Receipts
from lockstep.adapters.ingest.records import BadEvents, to_records
from lockstep.adapters.stream import open_broker
from lockstep.errors import EventError
from lockstep.event import LARGEST_EVENT
from lockstep.ports import TopicSpec
from lockstep.rule.language.load import load_texts
from lockstep.settings import Settings
from lockstep.tools.backtest.replay import Limits, backtest
from lockstep.tools.send import send_files
from lockstep.tools.suggest import Asked, suggest

TOPICS = {"orders": "shop.orders", "traffic": "shop.traffic", "inventory": "shop.stock", "plans": "shop.plans"}
ZONE = ZoneInfo("UTC")
RULES = (
    "measures: {stock: {last: available, of: stock.level}}\nrules: [{name: A, threshold: {measure: stock, below: 0}}]\n"
)
EVENTS = [
    event("stock.level", id=f"e-{i}", time=f"2026-11-24T09:0{i}:00Z", data={"sku": "Mütze", "available": i})
    for i in range(3)
]
LINES = "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in EVENTS)
ARRAY = json.dumps(EVENTS, ensure_ascii=False)
WRITTEN = [
    pytest.param(LINES.encode(), id="one a line"),
    pytest.param(LINES.rstrip().encode(), id="no end of line at the end"),
    pytest.param(LINES.encode("utf-8-sig"), id="a byte order mark"),
    pytest.param(b"\r\n  \n" + LINES.replace("\n", "\r\n\r\n").encode(), id="as Windows writes it, with empty lines"),
    pytest.param(LINES.encode("utf-16"), id="UTF-16 with a mark"),
    pytest.param(LINES.encode("utf-16-le"), id="UTF-16 without a mark"),
    pytest.param(LINES.encode("utf-16-be"), id="UTF-16, the other way round"),
    pytest.param(LINES.encode("utf-32"), id="UTF-32"),
    pytest.param(ARRAY.encode(), id="an array"),
    pytest.param(json.dumps(EVENTS, indent=2).encode("utf-8-sig"), id="an array over several lines with a mark"),
    pytest.param(ARRAY.encode("utf-16"), id="an array as UTF-16"),
    pytest.param(gzip.compress(LINES.encode("utf-16")), id="UTF-16 in gzip"),
    pytest.param(gzip.compress(ARRAY.encode()), id="an array in gzip"),
]


async def _sent(path: Path) -> list[str]:
    def clock() -> datetime:
        return datetime(2026, 11, 24, 9, 31, tzinfo=UTC)

    broker = open_broker(Settings(broker=f"sqlite:///{path.parent}/log.db"), clock=clock)
    await broker.start()
    try:
        await broker.declare([TopicSpec(name, 1) for name in TOPICS.values()])
        report = await send_files([path], Receipts(broker, clock=clock, chunk_size=8_192, future_limit_s=300), TOPICS)
        assert report.faults == []
        return [
            json.loads(value)["id"]
            async for batch in broker.read(TOPICS["inventory"], 0, 0, report.sent)
            for value in batch.values
        ]
    finally:
        await broker.stop()


@pytest.mark.parametrize("content", WRITTEN)
async def test_every_door_reads_the_same(content: bytes, tmp_path: Path) -> None:
    """`send`, `backtest` (in order or not, here or beside), `suggest` and POST; whatever the name says."""
    path = tmp_path / "events.txt"
    path.write_bytes(content)
    ids = [e["id"] for e in EVENTS]
    assert await _sent(path) == ids
    assert [json.loads(r.value or b"")["id"] for r in to_records(content, {}, TOPICS)] == ids
    plan = load_texts({"r.yml": RULES}).plan
    for limits in (Limits(), Limits(at_once=1, in_memory=1), Limits(beside=0)):
        for files in ([path], [path, path]):
            replay = backtest(plan, files, zone=ZONE, limits=limits)
            assert (replay.events, replay.duplicates, replay.bad) == (3, 3 * (len(files) - 1), 0)
    (tmp_path / "r.yml").write_text(RULES)
    assert suggest(Asked("stock"), tmp_path / "r.yml", [path], zone=ZONE).seen.events == 3


def test_one_event_over_several_lines_is_one() -> None:
    """As an editor or `jq` lays it out."""
    (value,) = events_in(json.dumps(EVENTS[0], indent=2).encode(), largest=LARGEST_EVENT)
    assert json.loads(value) == EVENTS[0]
    assert b"\n" not in value


def test_places_are_those_of_the_file() -> None:
    """Empty lines count; elements of an array are counted from one."""
    lines = EventText(BytesIO(b"\xef\xbb\xbf\n\n{}\n\n{}\n"), "e.ndjson")
    assert [lines.place(n) for numbers, _ in lines.portions(1) for n in numbers] == ["e.ndjson:3", "e.ndjson:5"]
    array = EventText(BytesIO(b"\n[{},\n{}]"), "e.json")
    assert [array.place(n) for numbers, _ in array.portions(1) for n in numbers] == [
        "e.json: element 1",
        "e.json: element 2",
    ]


CSV = "event_time,event_type,price\n2019-10-01 00:00:00 UTC,view,35.79\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(CSV.encode(), "it is a CSV table; turn its rows into events: `lockstep convert FILE`", id="CSV"),
        pytest.param(CSV.replace(",", ";").encode("utf-16"), "it is a CSV table; turn its rows", id="CSV of Excel"),
        pytest.param(CSV.replace(",", "\t").encode(), "it is a table with tabs; turn its rows", id="tabs"),
        pytest.param(b"\n<html><body>502", "it is XML or HTML; export the data as JSON", id="an error page"),
        pytest.param(b"PK\x03\x04 and more", "it is a zip archive or an Excel workbook; unpack it", id="Excel"),
        pytest.param(b"BZh9", "it is packed with bzip2; unpack it, or pack it with gzip", id="bzip2"),
        pytest.param(b"hello", "it is no JSON; write CloudEvents as JSON, one a line", id="prose"),
        pytest.param(b'[{"id": "1"},\n{"id": ', "not a JSON array: it ends too early", id="an array that does not end"),
        pytest.param(b'[{"id": "1"},\nx]', "not a JSON array: invalid character (line 2)", id="an array with a fault"),
        pytest.param(b"\xff\xfe{\x00\x00\xd8", "it begins as UTF-16 or UTF-32, but", id="UTF-16 that is cut off"),
        pytest.param(gzip.compress(LINES.encode())[:-20], "cannot be read to its end", id="gzip that is cut off"),
        pytest.param(b"\x1f\x8bgarbage", "cannot be read to its end", id="gzip that is none"),
    ],
)
def test_what_holds_no_events_is_named(content: bytes, expected: str, tmp_path: Path) -> None:
    """With its name and the way out, in a backtest and at the door alike."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(content)
    plan = load_texts({"r.yml": RULES}).plan
    with pytest.raises(EventError) as caught:
        backtest(plan, [path], zone=ZONE)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)
    with pytest.raises(BadEvents) as refused:
        to_records(content, {}, TOPICS)
    assert expected in refused.value.faults[0]["message"]


def test_a_line_that_is_no_event_hides_none_behind_it() -> None:
    """A heading, an array or half an event in the first line: it is refused, the others are read."""
    for odd in (b"exported 2026-11-24", b"[1]", b'{"id": ', b"{"):
        values = events_in(odd + b"\n" + LINES.encode(), largest=LARGEST_EVENT)
        assert values == [odd.strip(), *LINES.encode().splitlines()]


def test_what_unpacks_to_too_much_is_refused() -> None:
    """A small body may be a very large one, packed."""
    with pytest.raises(EventError, match="too large when it is unpacked"):
        events_in(gzip.compress(b" " * (4 << 20) + b"{}"), largest=LARGEST_EVENT)


def test_an_array_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held whole, so it cannot be any size; lines can."""
    assert LARGEST_ARRAY >= 100 << 20
    monkeypatch.setattr("lockstep.adapters.ingest.event_text.LARGEST_ARRAY", 100)
    with pytest.raises(EventError, match="an array of more than 100 bytes; write CloudEvents as JSON, one a line"):
        events_in(ARRAY.encode(), largest=LARGEST_EVENT)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=60)
    | st.text(max_size=40).map(str.encode)
    | st.text(max_size=30).map(lambda t: t.encode("utf-16"))
)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Never a traceback."""
    try:
        values = events_in(content, largest=LARGEST_EVENT)
    except EventError:
        return
    assert all(values)


@settings(max_examples=200, deadline=None)
@given(
    before=st.sampled_from([b"", b" ", b"\r\n", b"\n\n", b"\x0b"]),
    begin=st.sampled_from([b"{", b"{}", b'{"id": "1"}', b'{"id": ', b"{\0", b"{\r"]),
    rest=st.binary(max_size=20) | st.sampled_from([b"", b"\n", b"\r\n", b" {}", b"\n{}", b"\x85\n"]),
)
def test_a_body_of_one_line_is_read_as_a_file_of_one(before: bytes, begin: bytes, rest: bytes) -> None:
    """It is taken as it is where nothing has to be unpacked, recoded or joined; a file of it would say the same."""

    def read(read_all: Callable[[], list[bytes]]) -> list[bytes] | str:
        try:
            return read_all()
        except EventError as error:
            return str(error)

    body = before + begin + rest

    def from_file() -> list[bytes]:
        text = EventText(BytesIO(body), "the body", largest=LARGEST_EVENT)
        return [value for _, values in text.portions(2) for value in values]

    assert read(lambda: events_in(body, largest=LARGEST_EVENT)) == read(from_file)


REFUSED = [
    event(
        "order.placed", id=f"o-{i}", data={"order_id": f"o-{i}", "total": 5.0, "lines": [{"sku": "A", "quantity": 1}]}
    )
    for i in range(2_400)
]


def test_equal_refusals_are_one_line(tmp_path: Path) -> None:
    """2,400 times the same fault is one thing to mend; the first place says where to look."""
    path = tmp_path / "e.ndjson"
    odd = [{**EVENTS[0], "id": "x", "time": "today"}, {**EVENTS[0], "id": "y", "data": {"sku": "A"}}]
    path.write_text("".join(json.dumps(e) + "\n" for e in [*REFUSED, *odd]))
    replay = backtest(load_texts({"r.yml": RULES}).plan, [path], zone=ZONE)
    assert replay.bad == 2_402
    assert [str(r) for r in replay.refused] == [
        f"2,400 × refused: data: data.lines.0.unit_price: is missing, first in {path}:1",
        f"{path}:2401: refused: envelope: time: not an RFC 3339 time with a zone, such as 2026-11-24T09:30:00Z",
        f"{path}:2402: refused: data: data.available: is missing",
    ]
    assert replay.shortfall == "2,402 of 2,402 events were refused: nothing was judged"


@pytest.mark.parametrize(
    ("events", "judged", "shortfall"),
    [
        pytest.param(EVENTS, True, "", id="all are judged"),
        pytest.param([*EVENTS, *REFUSED[:2]], True, "", id="a few are refused"),
        pytest.param(
            [*EVENTS, *REFUSED[:4]],
            True,
            "4 of 7 events were refused: only the others were judged",
            id="most are refused",
        ),
        pytest.param(REFUSED[:4], False, "4 of 4 events were refused: nothing was judged", id="all are refused"),
        pytest.param(
            [{**EVENTS[0], "type": "cart.filled"}],
            False,
            "none of 1 events is of a type that lockstep knows: nothing was judged",
            id="of others' types",
        ),
        pytest.param([], False, "there are no events: nothing was judged", id="none at all"),
    ],
)
def test_a_judgement_that_did_not_take_place_is_said(
    events: list[object], judged: bool, shortfall: str, tmp_path: Path
) -> None:
    """A report without episodes must not pass for one of events that were never read."""
    path = tmp_path / "e.ndjson"
    path.write_text("".join(json.dumps(e) + "\n" for e in events))
    for limits in (Limits(), Limits(beside=0)):
        replay = backtest(load_texts({"r.yml": RULES}).plan, [path], zone=ZONE, limits=limits)
        assert (replay.is_judged, replay.shortfall) == (judged, shortfall)
    if shortfall:
        (tmp_path / "r.yml").write_text(RULES)
        with pytest.raises(EventError, match=shortfall):
            suggest(Asked("stock"), tmp_path / "r.yml", [path], zone=ZONE)
