"""`lockstep backtest --broker kafka://…` as a person runs it, on a real Kafka."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from lockstep.adapters.stream.kafka.broker import KafkaBroker
from lockstep.ports import Record, TopicSpec
from lockstep.settings import Settings

RULES = """\
measures:
  stock: {last: available, of: stock.level}
  orders: {count: order.placed}
rules:
  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 20}}
  - {name: Busy, by: [channel], threshold: {measure: orders, window: 10m, above: 5}}
"""


def _event(number: int, kind: str, time: datetime, **data: object) -> dict[str, object]:
    return {"id": str(number), "source": "/shop", "type": kind, "time": time.isoformat(), "data": data}


def _shop(now: datetime) -> list[dict[str, object]]:
    """Ten days; every hour a level, and each evening more orders than otherwise."""
    found: list[dict[str, object]] = []
    for hour in range(240):
        at = now - timedelta(hours=240 - hour, minutes=30)
        found.append(_event(len(found), "stock.level", at, sku="AB"[hour % 2], available=hour * 7 % 40))
        for i in range(8 if hour % 24 == 20 else 2):
            time = at + timedelta(seconds=20 * i)
            order = {"order_id": f"{hour}-{i}", "total": 10.0, "channel": "web"}
            found.append(_event(len(found), "order.placed", time, **order, lines=[]))
    return found


class Shop:
    """A folder with rules, and topics of its own on a broker."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.name = folder, f"t-{uuid4().hex[:8]}"
        self.url = f"kafka://{address}"
        self.patience = 10.0
        self.orders, self.stock = f"{self.name}-orders", f"{self.name}-stock"
        (folder / "rules.yml").write_text(RULES)

    async def publish(self, events: list[dict[str, object]], *topics: str) -> None:
        broker = KafkaBroker(Settings(broker=self.url), clock=lambda: datetime.now(UTC))
        await broker.start()
        await broker.declare([TopicSpec(t, 3, retention_s=86_400) for t in topics])
        records = []
        for i, event in enumerate(events):
            value, headers = json.dumps(event).encode(), ()
            if i % 4 == 0:  # binary mode
                value = json.dumps(event["data"]).encode()
                headers = tuple((f"ce_{k}", str(v).encode()) for k, v in event.items() if k != "data")
            to = self.stock if event["type"] == "stock.level" else self.orders
            records.append(Record(to, value, str(event["type"]).encode() + bytes([i % 5]), headers=headers))
        await broker.publish(records)
        await broker.stop()

    def backtest(self, *args: str) -> subprocess.CompletedProcess[str]:
        settings = {"LOCKSTEP_BROKER_PATIENCE": str(self.patience)}
        topics = {"ORDERS": self.orders, "INVENTORY": self.stock, "TRAFFIC": "t-no", "PLANS": "t-none"}
        done = subprocess.run(
            [sys.executable, "-m", "lockstep", "backtest", "rules.yml", *args],
            cwd=self.folder,
            env={**os.environ, **settings, "COLUMNS": "300", **{f"LOCKSTEP_TOPIC_{k}": v for k, v in topics.items()}},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def shop(tmp_path: Path, kafka_address: str) -> Shop:
    return Shop(tmp_path, kafka_address)


@pytest.mark.kafka
async def test_a_broker_is_replayed_like_a_file(shop: Shop) -> None:
    """All of it, and the last seven days, by the time at which things happened; nothing but the report is said."""
    now = datetime.now(UTC)
    events = _shop(now)
    since = now - timedelta(days=7)
    recent = [e for e in events if datetime.fromisoformat(str(e["time"])) > since]
    assert 100 < len(recent) < len(events) - 100
    await shop.publish(events, shop.orders, shop.stock)
    for name, options, chosen in (("all", (), events), ("recent", ("--since", "7d"), recent)):
        file = shop.folder / f"{name}.ndjson"
        file.write_text("".join(json.dumps(e) + "\n" for e in chosen))
        expected = shop.backtest("--events", file.name, "--json")
        done = shop.backtest("--broker", shop.url, *options, "--json")
        assert (done.returncode, done.stderr, done.stdout) == (0, "", expected.stdout)
        told = {json.loads(line)["rule"] for line in done.stdout.splitlines()}
        assert told == {"LowStock", "Busy"}
    report = shop.backtest("--broker", shop.url, "--since", "7d", "--html", "report.html")
    assert f"{len(recent):,} events from" in report.stdout
    assert "the topics of kafka, last 7d" in (shop.folder / "report.html").read_text()


@pytest.mark.kafka
async def test_a_baseline_reads_what_was_before(shop: Shop) -> None:
    """Of the last two days alone a usual of the same time in six days would be unknown: it is read as history."""
    (shop.folder / "rules.yml").write_text(
        RULES + "  - {name: Evening, spike: {measure: orders, window: 1h, baseline: {previous: 6d}, above: 2x,\n"
        "     at_least: 5, usual_at_least: 1}}\n"
    )
    now = datetime.now(UTC)
    await shop.publish(_shop(now), shop.orders, shop.stock)
    done = shop.backtest("--broker", shop.url, "--since", "2d", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    since = (now - timedelta(days=2)).isoformat()
    assert {t["rule"] for t in told} == {"LowStock", "Busy", "Evening"}
    assert min(t["at"] for t in told) >= since[:19]


@pytest.mark.kafka
async def test_what_a_broker_does_not_have_is_said(shop: Shop) -> None:
    """No topic, no events, some topic missing: one line, and an exit code that a script sees."""
    none = shop.backtest("--broker", shop.url, "--json")
    assert (none.returncode, none.stdout, none.stderr.count("\n")) == (2, "", 1)
    assert f"none of the topics '{shop.orders}', 't-no', '{shop.stock}', 't-none' exists on this broker" in none.stderr
    await shop.publish([], shop.stock)
    empty = shop.backtest("--broker", shop.url)
    assert (empty.returncode, empty.stdout, empty.stderr.count("\n")) == (2, "", 1)
    assert f"the topics '{shop.stock}' hold no events" in empty.stderr
    await shop.publish(_shop(datetime.now(UTC) - timedelta(days=2))[:1], shop.stock)
    old = shop.backtest("--broker", shop.url, "--since", "1d")
    assert (old.returncode, old.stdout, old.stderr.count("\n")) == (2, "", 1)
    assert "give --since more time, or leave it out" in old.stderr
    part = shop.backtest("--broker", shop.url, "--json")
    assert (part.returncode, part.stderr.count("\n")) == (0, 1)
    assert f"topic '{shop.orders}' does not exist on this broker: rules that read it see nothing" in part.stderr


def test_a_broker_that_is_away_is_said(tmp_path: Path) -> None:
    """After a short wait, in one line, and standard output stays clean for programs."""
    shop = Shop(tmp_path, "127.0.0.1:9")
    shop.patience = 0.5
    done = shop.backtest("--broker", shop.url, "--json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "kafka://127.0.0.1:9: no broker answers: 127.0.0.1:9: " in done.stderr
