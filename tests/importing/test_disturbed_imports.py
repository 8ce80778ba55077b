"""What may happen while an import goes on beside a service: the past is judged as if it had been live, all the same."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from shop_with_a_past import BROKERS, RULES, ServedApart, Shop, level, past, shop_of

from lockstep.app import utc_now

SLOW = ("--rate", "500")
"""So that an import of the past takes about five seconds."""
EDITED = (
    RULES
    + """\
  - name: Scarce
    by: [sku]
    threshold: {measure: stock, at_most: 26}
    clear: {above: 30}
"""
)


ON_A_FILE = pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
"""What has little to do with the broker."""


@pytest.fixture(params=BROKERS)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop_of(request, tmp_path) as made:
        yield made


@pytest.fixture
async def service(shop: Shop) -> AsyncIterator[ServedApart]:
    """One that runs before anything is imported."""
    started = ServedApart(shop)
    await started.start()
    try:
        yield started
    finally:
        await started.end()


async def reached(shop: Shop, records: int) -> None:
    """Wait until so much has been imported of the orders."""
    async with asyncio.timeout(60):
        while await shop.imported("orders") < records:
            await asyncio.sleep(0.05)


async def check_past(shop: Shop, file: str, now: datetime, *, rules: tuple[str, ...] = ()) -> None:
    """What was published of the past is what a backtest of it says, each once. rules: that are not compared.

    What came live before the import had ended is of its time, too, but of no file.
    """
    expected = await shop.as_live(file, now)
    published = [t for t in await shop.published() if t.past and datetime.fromisoformat(t.at) <= now]
    said = {(t.rule, str(t.state), *t.labels.values(), t.at) for t in published if t.rule not in rules}
    assert {t[:3] for t in said} >= {("Busy", "firing", "web"), ("LowStock", "resolved", "B")}
    assert said == {t for t in expected if t[0] not in rules}
    assert len({t.transition_id for t in published}) == len(published)
    assert await shop.dead_events() == 0


async def test_the_service_is_killed_twice(shop: Shop, service: ServedApart) -> None:
    """With kill -9, and started again, while the import goes on."""
    now = datetime.now(UTC)
    file = shop.file("past.ndjson", past(now))
    importing = asyncio.create_task(shop.run(file, *SLOW))
    for records in (700, 1_500):
        await reached(shop, records)
        await service.end(signal.SIGKILL)
        await service.start()
    code, said = await importing
    assert code == 0, said
    await service.post(level("C", 5, utc_now()))
    await shop.heard(("LowStock", "firing", "A"), ("LowStock", "firing", "C"))
    await check_past(shop, file, now)


async def test_the_import_is_killed_and_goes_on(shop: Shop, service: ServedApart) -> None:
    """Live events wait meanwhile, and are judged after it; for how many, /readyz says."""
    now = datetime.now(UTC)
    file = shop.file("past.ndjson", past(now))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lockstep", "import", file, *SLOW), env={**os.environ, **shop.environ}
    )
    await reached(shop, 700)
    process.kill()
    await process.wait()
    await service.post(level("A", 28, utc_now()), level("C", 5, utc_now()))
    async with asyncio.timeout(60):
        while True:
            status, body = await service.readiness()
            assert status == 200
            waiting = {each["import"]: each["events_waiting"] for each in body.get("imports", [])}
            if waiting == {"orders": 0, "inventory": 2}:
                break
            await asyncio.sleep(0.1)
    assert shop.told == []
    code, said = await shop.run(file)
    assert code == 0, said
    await shop.heard(("LowStock", "firing", "A"), ("LowStock", "firing", "C"))
    await check_past(shop, file, now)
    code, said = await shop.run("--status")
    assert code == 0
    assert said.count("ended and judged") == 2, said


async def test_a_rule_is_written_meanwhile(shop: Shop, service: ServedApart) -> None:
    """The others go on as if nothing had happened; what the new one says of the past is history as well."""
    now = datetime.now(UTC)
    file = shop.file("past.ndjson", past(now))
    importing = asyncio.create_task(shop.run(file, *SLOW))
    await reached(shop, 700)
    (shop.settings.rules / "ours.yml").write_text(EDITED)
    code, said = await importing
    assert code == 0, said
    await service.post(level("C", 5, utc_now()))
    expected = [(rule, "firing", sku) for rule in ("LowStock", "Scarce") for sku in ("A", "C")]
    await shop.heard(*expected)
    await check_past(shop, file, now, rules=("Scarce",))


@ON_A_FILE
async def test_two_kinds_at_once(shop: Shop, service: ServedApart) -> None:
    """By two commands, of which one is much longer under way."""
    now = datetime.now(UTC)
    events = past(now)
    orders = shop.file("orders.ndjson", [e for e in events if e["type"] == "order.placed"])
    stock = shop.file("stock.ndjson", [e for e in events if e["type"] != "order.placed"])
    both = await asyncio.gather(shop.run(orders, *SLOW), shop.run(stock))
    assert [code for code, _ in both] == [0, 0], both
    await service.post(level("C", 5, utc_now()))
    await shop.heard(("LowStock", "firing", "A"), ("LowStock", "firing", "C"))
    await check_past(shop, shop.file("past.ndjson", events), now)


@ON_A_FILE
async def test_one_file_by_two_commands_at_once(shop: Shop, service: ServedApart) -> None:
    """At most one of them goes on, nothing counts twice, and the command given again ends it."""
    now = datetime.now(UTC)
    file = shop.file("past.ndjson", past(now))
    both = await asyncio.gather(shop.run(file, *SLOW), shop.run(file, *SLOW))
    for code, said in both:
        assert code == 0 or "goes on beside this one" in said, said
    code, said = await shop.run(file)
    assert code == 0, said
    await service.post(level("C", 5, utc_now()))
    await shop.heard(("LowStock", "firing", "A"), ("LowStock", "firing", "C"))
    await check_past(shop, file, now)
