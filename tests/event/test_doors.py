"""Our own doors: HTTP bodies and files of events become records of the right topic and key, or nothing is published."""

import gzip
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from shop_events import TIME, event, raw

from lockstep.adapters.http.access import Access
from lockstep.adapters.http.operations.event_operations import EventOperations
from lockstep.adapters.http.server import HttpServer
from lockstep.adapters.http.token_book import TokenBook
from lockstep.adapters.ingest.receipts import Outcome, Receipt, Receipts
from lockstep.adapters.ingest.records import BadEvents, to_records
from lockstep.adapters.stream import open_broker
from lockstep.errors import BrokerError, EventError
from lockstep.event import LARGEST_EVENT
from lockstep.ports import Record, TopicSpec
from lockstep.settings import Settings
from lockstep.tools.published_schemas import EXAMPLE_DATA
from lockstep.tools.send import send_files

TOPICS = {"orders": "shop.orders", "traffic": "shop.traffic", "inventory": "shop.stock", "plans": "shop.plans"}
BINARY = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "/shop",
    "ce-type": "stock.level",
    "ce-time": TIME,
}
LEVEL = json.dumps(EXAMPLE_DATA["stock.level"]).encode()
BATCH = {"content-type": "application/cloudevents-batch+json"}


def _record(event: Record | Receipt) -> Record:
    assert isinstance(event, Record)
    return event


def _array(*events: dict[str, Any]) -> bytes:
    return json.dumps(events).encode()


@pytest.mark.parametrize(
    ("kind", "subject", "topic", "key"),
    [
        pytest.param("order.placed", None, "shop.orders", b"e-1", id="by id, so that a repeat meets the first"),
        pytest.param("feedback.received", "A-1", "shop.orders", b"A-1", id="by subject where there is one"),
        pytest.param("traffic.session", None, "shop.traffic", b"e-1", id="traffic"),
        pytest.param("stock.level", None, "shop.stock", b"A-1", id="a level by its sku, so that its values keep order"),
        pytest.param("stock.level", "café", "shop.stock", "café".encode(), id="a level by its subject"),
        pytest.param("price.changed", None, "shop.stock", b"A-1", id="a price, too, is a level of its sku"),
        pytest.param("stock.receipt", None, "shop.stock", b"e-1", id="no level, by id"),
        pytest.param("capacity.declared", None, "shop.plans", b"e-1", id="plans"),
    ],
)
def test_topic_and_key(kind: str, subject: str | None, topic: str, key: bytes) -> None:
    """The type gives the topic; the key keeps together what must keep its order."""
    value = raw(kind, subject=subject)
    assert to_records(value, {}, TOPICS) == [Record(topic, value, key)]


@pytest.mark.parametrize(
    ("named", "topic"), [(None, "shop.traffic"), ("plans", "shop.plans"), ("orders", "shop.orders")]
)
def test_a_heartbeat_goes_to_the_topic_that_it_speaks_of(named: str | None, topic: str) -> None:
    """To traffic where it names none."""
    data = {"name": "erp"} if named is None else {"name": "erp", "topic": named}
    (record,) = to_records(raw("source.heartbeat", data=data), {}, TOPICS)
    assert _record(record).topic == topic


def test_a_heartbeat_of_no_topic_is_refused() -> None:
    """A typing error must not end up in another topic."""
    with pytest.raises(BadEvents, match="topic"):
        to_records(raw("source.heartbeat", data={"name": "erp", "topic": "plan"}), {}, TOPICS)


def test_batch_and_binary_mode_make_the_same_records() -> None:
    """However an event comes in, it is the same record."""
    single = to_records(raw("stock.level"), {"content-type": "application/cloudevents+json; charset=utf-8"}, TOPICS)
    batch = to_records(_array(event("stock.level"), event("order.placed")), BATCH, TOPICS)
    assert batch[0] == single[0]
    assert [r.topic for r in batch if isinstance(r, Record)] == ["shop.stock", "shop.orders"]
    binary = _record(to_records(LEVEL, BINARY, TOPICS)[0])
    assert json.loads(binary.value or b"") == event("stock.level")
    assert binary.key == b"A-1"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(_array(event(), event("stock.lot")), {}, id="an array, whatever the content type says"),
        pytest.param(raw() + b"\r\n\r\n" + raw("stock.lot") + b"\n", {}, id="one a line"),
        pytest.param(raw() + b"\n" + raw("stock.lot"), {"content-type": "application/x-ndjson"}, id="and called so"),
        pytest.param(b"\xef\xbb\xbf" + raw() + b"\n" + raw("stock.lot"), {}, id="after a byte order mark"),
    ],
)
def test_a_file_of_events_is_a_body_too(body: bytes, headers: dict[str, str]) -> None:
    """What `lockstep send` reads can be posted as it is."""
    assert [r.topic for r in to_records(body, headers, TOPICS) if isinstance(r, Record)] == [
        "shop.orders",
        "shop.stock",
    ]


def test_an_event_over_several_lines_is_one() -> None:
    """Its first line is no object."""
    assert len(to_records(json.dumps(event(), indent=2).encode(), {}, TOPICS)) == 1


@pytest.mark.parametrize("headers", [{}, {**BINARY, "ce-type": "cart.filled"}])
def test_a_type_that_is_not_ours_is_ignored(headers: dict[str, str]) -> None:
    """As on a topic: it goes nowhere and refuses nothing beside it; a typo is named."""
    value = LEVEL if headers else raw("cart.filled")
    (receipt,) = to_records(value, headers, TOPICS)
    assert isinstance(receipt, Receipt)
    assert receipt.outcome is Outcome.UNKNOWN
    _, typo = to_records(_array(event(), event(type="order.paced")), BATCH, TOPICS)
    assert isinstance(typo, Receipt)
    assert "did you mean 'order.placed'?" in typo.detail


def test_binary_headers_are_percent_decoded() -> None:
    """HTTP headers are ASCII; a subject may be more."""
    found = _record(to_records(LEVEL, {**BINARY, "ce-subject": "caf%C3%A9"}, TOPICS)[0])
    assert found.key == "café".encode()


@pytest.mark.parametrize(
    ("body", "headers", "faults"),
    [
        pytest.param(b"", {}, [(0, "", "json")], id="nothing"),
        pytest.param(b"x", {}, [(0, "", "json")], id="no JSON"),
        pytest.param(b"[" * 5000 + b"]" * 5000, {}, [(0, "", "json")], id="nested beyond any stack"),
        pytest.param(b"[{]", BATCH, [(0, "", "json")], id="a broken array"),
        pytest.param(
            raw("stock.level", time="yesterday", data={"sku": "A", "available": 1e14}),
            {},
            [(0, "time", "envelope"), (0, "data.available", "number")],
            id="two fields of one event",
        ),
        pytest.param(
            _array(event(), event("traffic.spend", data={"amount": -1, "channel": "x"}), {"type": "stock.lot"}),
            BATCH,
            [(1, "data.amount", "number")] + [(2, name, "envelope") for name in ("id", "source", "time", "data")],
            id="two elements of three",
        ),
        pytest.param(b"[]", BINARY, [(0, "", "data")], id="binary data that is no object"),
        pytest.param(LEVEL + b',"id":"x"', BINARY, [(0, "", "json")], id="binary data that reaches further"),
        pytest.param(LEVEL, {**BINARY, "ce-time": "12:00"}, [(0, "time", "envelope")], id="a bad header"),
        pytest.param(LEVEL, {**BINARY, "ce-source": "\udcff"}, [(0, "", "envelope")], id="a header that is no text"),
    ],
)
def test_faults_name_element_and_field(
    body: bytes, headers: dict[str, str], faults: list[tuple[int, str, str]]
) -> None:
    """The sender is told everything that is wrong at once."""
    with pytest.raises(BadEvents) as caught:
        to_records(body, headers, TOPICS)
    assert [(f["element"], f["field"], f["reason"]) for f in caught.value.faults] == faults
    assert all(f["message"] for f in caught.value.faults)


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {**BINARY, "content-type": "text/plain"}])
def test_other_content_types_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadEvents) as caught:
        to_records(raw(), headers, TOPICS)
    assert caught.value.wrong_type


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Any]:
    """The embedded broker with the shop's topics."""
    settings = Settings(broker=f"sqlite:///{tmp_path}/log.db")
    opened = open_broker(settings, clock=lambda: datetime(2026, 11, 24, 9, 31, tzinfo=UTC))
    await opened.start()
    await opened.declare([TopicSpec(name, 1) for name in TOPICS.values()])
    yield opened
    await opened.stop()


@pytest.fixture
def receipts(broker: Any) -> Receipts:
    return Receipts(broker, clock=lambda: NOW, chunk_size=8_192, future_limit_s=300)


async def _ids(broker: Any) -> list[str]:
    found = []
    for topic in TOPICS.values():
        for partition, (start, end) in (await broker.bounds(topic)).items():
            async for batch in broker.read(topic, partition, start, end):
                found += [json.loads(value)["id"] for value in batch.values]
    return found


def _events(count: int) -> list[dict[str, Any]]:
    return [event("traffic.session", id=f"e-{i}") for i in range(count)]


def _lines(events: Sequence[dict[str, Any]], end: str = "\n") -> bytes:
    return "".join(json.dumps(e) + end for e in events).encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_lines(_events(3)), id="one a line"),
        pytest.param(b"\xef\xbb\xbf" + _lines(_events(3), "\r\n\r\n"), id="as Windows writes it, with empty lines"),
        pytest.param(_lines(_events(3)).rstrip(), id="no end of line at the end"),
        pytest.param(json.dumps(_events(3), indent=2).encode(), id="an array over several lines"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
async def test_files_are_published(
    content: bytes, packed: bool, broker: Any, receipts: Receipts, tmp_path: Path
) -> None:
    """Lines, arrays and packed files come out as the same events in the same order."""
    path = tmp_path / ("events.json.gz" if packed else "events.json")
    path.write_bytes(gzip.compress(content) if packed else content)
    told: list[int] = []
    report = await send_files([path, path], receipts, TOPICS, progress=told.append)
    assert (report.sent, sum(told), report.faults) == (6, 6, [])
    assert await _ids(broker) == ["e-0", "e-1", "e-2"] * 2


async def test_many_events_go_in_batches(broker: Any, receipts: Receipts, tmp_path: Path) -> None:
    """Progress is told as it is made."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(_lines(_events(4_500)))
    told: list[int] = []
    report = await send_files([path], receipts, TOPICS, progress=told.append)
    assert (report.sent, told) == (4_500, [2_000, 2_000, 500])
    assert await _ids(broker) == [f"e-{i}" for i in range(4_500)]


@pytest.mark.parametrize(("skip_bad", "sent"), [(False, ["e-0"]), (True, ["e-0", "e-2"])])
async def test_a_bad_line_stops_or_is_left_out(
    skip_bad: bool, sent: list[str], broker: Any, receipts: Receipts, tmp_path: Path
) -> None:
    """What comes before it is published; its place and field are named."""
    path = tmp_path / "events.ndjson"
    good = _events(3)
    good[1]["data"] = {"count": 0}
    path.write_bytes(_lines(good))
    report = await send_files([path], receipts, TOPICS, skip_bad=skip_bad)
    assert report.faults == [f"{path}:2: number: data.count: must be at least 1"]
    assert await _ids(broker) == sent


async def test_a_bad_element_of_an_array_is_named(receipts: Receipts, tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(b"[" + raw() + b",\n5]")
    report = await send_files([path], receipts, TOPICS)
    assert report.faults == [f"{path}: element 2: envelope: type: an event is a JSON object, this is none"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("missing.ndjson", None, "file", id="no such file"),
        pytest.param("cut.json.gz", gzip.compress(_lines(_events(50)))[:-20], "file", id="packed and cut off"),
        pytest.param("not.json.gz", b"hello", "json", id="not packed at all"),
        pytest.param("broken.json", b'[{"id": "1"},', "json", id="an array that does not end"),
    ],
)
async def test_a_file_that_cannot_be_read_says_so(
    name: str, content: bytes | None, reason: str, receipts: Receipts, tmp_path: Path
) -> None:
    """One line with the file's name, no traceback."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EventError) as caught:
        await send_files([path], receipts, TOPICS)
    assert caught.value.reason == reason
    assert name in str(caught.value)


# ---- POST /v1/events -------------------------------------------------------------------------------------------------


NOW = datetime(2026, 11, 24, 9, 31, tzinfo=UTC)


@dataclass
class _Ready:
    ready: bool = True
    ready_reason: str = ""
    live: bool = True
    live_reason: str = ""


@dataclass
class _Broker:
    """A broker whose disk is full, or the one it stands for."""

    behind: Any
    full: bool = False

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        if self.full:
            raise BrokerError("the disk is full")
        return list(await self.behind.publish(records))

    def read(self, *args: Any) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] = self.behind.read(*args)
        return found


@pytest.fixture
async def shop(broker: Any) -> AsyncIterator[tuple[_Broker, str]]:
    """The API on a free port, and the broker behind it."""
    names = {f"topic_{role}": name for role, name in TOPICS.items()}
    settings = Settings(http_port=0, **names)  # type: ignore[arg-type] # names of topics only
    door = _Broker(broker)
    receipts = Receipts(door, clock=lambda: NOW, chunk_size=settings.chunk_size, future_limit_s=300)  # type: ignore[arg-type] # publishes and reads only
    tokens = TokenBook(broker, topic="nobody-has-one")
    await tokens.refresh()
    server = HttpServer(settings, Access(settings, tokens), [EventOperations(TOPICS, receipts, lambda outcomes: None)])
    await server.start()
    yield door, f"http://127.0.0.1:{server.port}/v1/events"
    await server.stop()


@pytest.mark.parametrize(
    ("body", "headers", "status", "accepted"),
    [
        pytest.param(raw(), {"content-type": "application/cloudevents+json"}, 202, 1, id="one event"),
        pytest.param(_array(event(), event("stock.lot")), BATCH, 202, 2, id="a batch"),
        pytest.param(b"[]", BATCH, 202, 0, id="an empty batch"),
        pytest.param(LEVEL, BINARY, 202, 1, id="binary mode"),
        pytest.param(_array(event(), {}), BATCH, 400, 0, id="one bad element: none is published"),
        pytest.param(raw(), {"content-type": "text/csv"}, 415, 0, id="another content type"),
        pytest.param(b'{"x":"' + b"a" * LARGEST_EVENT + b'"}', {}, 413, 0, id="more than a mebibyte"),
    ],
)
async def test_post_events(
    body: bytes, headers: dict[str, str], status: int, accepted: int, shop: tuple[_Broker, str], broker: Any
) -> None:
    """202 says that the broker has them; anything else, that it has none of them."""
    _, url = shop
    headers = {"content-type": "application/json", **headers}
    async with aiohttp.ClientSession() as session, session.post(url, data=BytesIO(body), headers=headers) as answer:
        said = await answer.json()
        assert (answer.status, said.get("accepted", 0)) == (status, accepted)
    assert len(await _ids(broker)) == accepted
    if status == 400:
        assert said["errors"][0] == {
            "element": 1,
            "field": "type",
            "reason": "envelope",
            "message": "is missing",
        }


async def test_post_events_while_the_broker_cannot(shop: tuple[_Broker, str], broker: Any) -> None:
    """503: the sender may try again with the same ids."""
    door, url = shop
    door.full = True
    async with aiohttp.ClientSession() as session:
        async with session.post(url, data=raw(), headers={"content-type": "application/json"}) as answer:
            assert answer.status == 503
        assert await _ids(broker) == []
        door.full = False
        async with session.post(url, data=raw(), headers={"content-type": "application/json"}) as answer:
            assert answer.status == 202
    assert await _ids(broker) == ["e-1"]
