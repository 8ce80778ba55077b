"""`lockstep import` beside `lockstep serve`, on both brokers: baselines know the past, and nobody is told of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from shop_with_a_past import BROKERS, DAY, Shop, level, order, past, serving, shop_of

from lockstep.app import utc_now


@pytest.fixture(params=BROKERS)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop_of(request, tmp_path) as made:
        yield made


async def test_a_new_service_has_a_past(shop: Shop) -> None:
    """What still holds is told once; what came and went is history; live events are compared with what was imported."""
    now = datetime.now(UTC)
    file = shop.file("past.ndjson", past(now))
    code, said = await shop.run(file)
    assert code == 0, said
    assert "2,369 events imported" in said
    async with serving(shop) as live:
        await shop.heard(("LowStock", "firing", "A"))
        await live.post(*(order(f"live{n}", utc_now()) for n in range(30)))
        await shop.heard(("LowStock", "firing", "A"), ("Busy", "firing", "web"), ("Surge", "firing", "web"))
    published = await shop.published()
    silent = {(t.rule, str(t.state), *t.labels.values()) for t in published if t.past}
    episodes = [("Busy", "web"), ("Surge", "web"), ("LowStock", "B")]
    assert silent >= {(rule, state, label) for rule, label in episodes for state in ("firing", "resolved")}
    code, said = await shop.run(file)
    assert (code, "0 events imported, 2,369 there already" in said) == (0, True), said
    code, said = await shop.run(shop.file("older.ndjson", [order("older", now - 4 * DAY)]))
    assert code == 1
    assert "1 event of orders refused: " in said
    way_out = "LOCKSTEP_BROKER=sqlite:///new.db" if shop.settings.is_sqlite else r"--delete --topic 'lockstep\..*'"
    assert way_out in said


async def test_live_events_wait_for_an_import_beside_the_service(shop: Shop) -> None:
    """One that was broken off goes on with the same files; what came live meanwhile is judged after it."""
    now = datetime.now(UTC)
    events = past(now)
    async with serving(shop) as live:
        half = shop.file("half.ndjson", [e for e in events if e["time"] < (now - 4 * DAY).isoformat()])
        code, said = await shop.run(half, "--more")
        assert code == 0, said
        await live.post(level("A", 28, utc_now()), level("C", 5, utc_now()))
        code, said = await shop.run(shop.file("past.ndjson", events))
        assert code == 0, said
        assert "there already" in said
        # Of A nobody would have heard if its live level, which is not above 30, had been judged first.
        await shop.heard(("LowStock", "firing", "A"), ("LowStock", "firing", "C"))


async def test_a_past_for_a_live_service_after_all(shop: Shop) -> None:
    """What the refusal says to do, done: on a file a new one, on Kafka without Lockstep's own topics."""
    now = datetime.now(UTC)
    file = shop.file("past.ndjson", past(now))
    async with serving(shop) as live:
        await live.post(level("C", 5, utc_now()))
        await shop.heard(("LowStock", "firing", "C"))
    code, said = await shop.run(file)
    assert code == 1
    assert "5 events of inventory refused: the service has judged live events of inventory already" in said
    if shop.settings.is_sqlite:
        assert "LOCKSTEP_BROKER=sqlite:///new.db" in said
        shop.change(broker=f"sqlite:///{shop.folder}/new.db")
    else:
        assert "delete the topics that begin with 'lockstep.'" in said
        admin = AIOKafkaAdminClient(bootstrap_servers=shop.settings.broker.removeprefix("kafka://"))
        await admin.start()
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith("lockstep.")])
        await admin.close()
        shop.change(app_id="lockstep-anew")
    shop.told.clear()
    code, said = await shop.run(file)
    assert (code, "2,369 events imported" in said) == (0, True), said
    # The input topics of Kafka still hold what came live before.
    again = [] if shop.settings.is_sqlite else [("LowStock", "firing", "C")]
    async with serving(shop):
        await shop.heard(("LowStock", "firing", "A"), *again)
