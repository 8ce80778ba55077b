"""Named tokens on both brokers: made, followed by every worker, hashed where they lie, taken back."""

import asyncio
from datetime import UTC, datetime

import pytest

from lockstep.adapters.http.caller import Caller, Role
from lockstep.adapters.http.token_book import TokenBook
from lockstep.errors import SettingsError
from lockstep.ports import Record, TopicSpec
from lockstep.response.command import decode_answer

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def topic(broker, unique):
    name = unique("tokens")
    await broker.declare([TopicSpec(name, 1, compacted=True), TopicSpec(f"{name}-audit", 1, retention_s=3600)])
    return name


def _book(broker, topic):
    return TokenBook(broker, topic=topic, audit=f"{topic}-audit")


async def test_a_token_is_known_to_every_worker_until_it_is_removed(broker, topic):
    """Also to one that has followed since before, and to one that begins later."""
    early, maker = _book(broker, topic), _book(broker, topic)
    following = asyncio.create_task(early.follow())
    token = await maker.add("Anna", "responder", by="ops", at=AT)
    other = await maker.add("grafana", "viewer", by="ops", at=AT)
    later = _book(broker, topic)
    await later.refresh()
    async with asyncio.timeout(30):
        while early.caller(other) is None:
            await asyncio.sleep(0.01)
    for book in (early, later):
        assert book.caller(token) == Caller("Anna", Role.RESPONDER)
        assert book.caller(other) == Caller("grafana", Role.VIEWER)
        assert [book.caller(wrong) for wrong in ("", "lst_", token[:-1], token + "x", "\udcff")] == [None] * 5
        assert [(t.name, t.role, t.made_by) for t in book.tokens()] == [
            ("Anna", "responder", "ops"),
            ("grafana", "viewer", "ops"),
        ]
    await maker.remove("Anna", by="ops", at=AT)
    async with asyncio.timeout(30):
        while early.caller(token) is not None:
            await asyncio.sleep(0.01)
    assert early.caller(other) is not None
    following.cancel()
    start, end = (await broker.bounds(f"{topic}-audit"))[0]
    batches = [batch async for batch in broker.read(f"{topic}-audit", 0, start, end)]
    said = [decode_answer(value) for batch in batches for value in batch.values]
    assert [(answer.command.by, answer.command.at, answer.why) for answer in said] == [
        ("ops", "2026-03-02T09:00:00Z", "ops made a token for Anna, responder"),
        ("ops", "2026-03-02T09:00:00Z", "ops made a token for grafana, viewer"),
        ("ops", "2026-03-02T09:00:00Z", "ops took the token of Anna back"),
    ]


async def test_a_token_lies_nowhere(broker, topic):
    """Whoever reads the topic cannot ask with what it finds."""
    token = await _book(broker, topic).add("Anna", "admin", by="ops", at=AT)
    start, end = (await broker.bounds(topic))[0]
    stored = b"".join([value async for batch in broker.read(topic, 0, start, end) for value in batch.values])
    assert token.encode() not in stored
    assert token.removeprefix("lst_").encode() not in stored
    assert len(token) > 40


@pytest.mark.parametrize("name", ["", " Anna", "a\nb", "a" * 101, "<b>", "a/b"])
async def test_a_name_that_would_be_no_name_is_refused(broker, topic, name):
    with pytest.raises(SettingsError, match="is no name of a token"):
        await _book(broker, topic).add(name, "viewer", by="ops", at=AT)


async def test_a_name_is_given_once(broker, topic):
    """Another token under it would be somebody else in the audit; and what is not there cannot be taken back."""
    book = _book(broker, topic)
    await book.add("Anna", "viewer", by="ops", at=AT)
    with pytest.raises(SettingsError, match="there is a token 'Anna' already"):
        await _book(broker, topic).add("Anna", "admin", by="ops", at=AT)
    with pytest.raises(SettingsError, match="there is no token 'Ben'; there are: Anna"):
        await book.remove("Ben", by="ops", at=AT)
    await book.remove("Anna", by="ops", at=AT)
    assert (await book.add("Anna", "admin", by="ops", at=AT)).startswith("lst_")


async def test_what_a_later_version_wrote_lets_nobody_in(broker, topic):
    await broker.publish([Record(topic, b'{"role": "owner"}', b"Anna", 0)])
    book = _book(broker, topic)
    await book.refresh()
    assert book.tokens() == []
    assert book.is_known
