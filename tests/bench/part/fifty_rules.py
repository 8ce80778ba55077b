"""Fifty rules with seasons on a shop of 20,000 products: the service on both brokers, and a backtest."""

import asyncio

from tests.bench.brokers import fill, fresh_broker
from tests.bench.part.backtest import replayed
from tests.bench.part.catching_up import on_sqlite, served
from tests.bench.session import Session, folder
from tests.bench.workloads import Workload, by_time, shop_50

COUNT = 300_000


def run(session: Session) -> None:
    count = session.count(COUNT)
    with session.step(f"making {count:,} events of shop-50"):
        workload = shop_50(count)
    if "kafka" in session.brokers:
        try:
            _on_kafka(session, workload)
        except LookupError as reason:
            session.leave_out("shop.kafka", str(reason))
    if "sqlite" in session.brokers:
        on_sqlite(session, workload, "shop.sqlite", "shop-50")
    with session.step("making the file of shop-50"):
        ordered = by_time(workload)
    with session.step("backtest of shop-50"):
        found = replayed(ordered)
    session.add("shop.backtest.per_s", found["events"] / found["cpu_s"])
    session.say("shop.backtest.per_s")


def _on_kafka(session: Session, workload: Workload) -> None:
    with folder() as place, fresh_broker("kafka", place) as url:
        with session.step("filling Kafka with shop-50") as progress:
            asyncio.run(fill(url, workload.events, len(workload.events), progress=progress))
        with session.step("lockstep serve on Kafka, shop-50") as progress:
            found = asyncio.run(served(workload, url, place, progress=progress))
    session.add("shop.kafka.us", found.us)
    session.add("shop.kafka.mb", found.peak_mb)
    session.say("shop.kafka.us")
