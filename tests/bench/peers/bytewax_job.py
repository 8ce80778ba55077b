"""Bytewax as its guide shows it: KafkaSource, key_on, EventClock and TumblingWindower, count_window and fold_window.

One worker; state in its recovery store. The rules are our own Python on the minutes that it closes.
"""

import sys
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main
from job import ALL, LATENESS_S, SAVE_EVERY_S, TOPICS, Measure, begun, breaches, cents, the_job

ALIGN = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_MINUTE = int(ALIGN.timestamp()) // 60
MINUTE = timedelta(minutes=1)

closed: list[tuple[Measure, int, str, object]] = []
has_begun = False


def decoded(message):
    global has_begun
    if not has_begun:
        has_begun = True
        begun()
    event = orjson.loads(message.value)
    data = event["data"]
    data["time"], data["id"] = datetime.fromisoformat(event["time"]), event["id"]
    if "lines" in data:
        data["sku"] = data["lines"][0]["sku"]
    return data


class _Partition(StatelessSinkPartition):
    def write_batch(self, items):
        closed.extend(items)


class Closed(DynamicSink):
    """Keeps the minutes that were closed."""

    def build(self, step_id, worker_index, worker_count):
        return _Partition()


CLOCK = EventClock(ts_getter=lambda data: data["time"], wait_for_system_duration=timedelta(seconds=LATENESS_S))
WINDOWER = TumblingWindower(length=MINUTE, align_to=ALIGN)


def windows_of(measure: Measure, stream: Stream):
    """(group, (window, value)) of each minute that closes."""
    name = measure.name
    key = (lambda data: data[measure.by]) if measure.by else (lambda data: ALL)
    if measure.how == "count":
        return win.count_window(name, stream, CLOCK, WINDOWER, key)
    build, fold, merge = {
        "sum": (int, lambda sum_, data: sum_ + cents(data["total"]), lambda a, b: a + b),
        "average": (
            lambda: (0, 0),
            lambda so_far, data: (so_far[0] + cents(data["total"]), so_far[1] + 1),
            lambda a, b: (a[0] + b[0], a[1] + b[1]),
        ),
        "last": (
            tuple,
            lambda newest, data: max(newest, (data["time"].isoformat(), data["id"], data["available"])),
            max,
        ),
    }[measure.how]
    return win.fold_window(name, op.key_on(f"key_{name}", stream, key), CLOCK, WINDOWER, build, fold, merge)


def row_of(measure: Measure, item):
    group, (window, value) = item
    return measure, FIRST_MINUTE + window, group, value[2] if measure.how == "last" else value


def main() -> None:
    job = the_job()
    flow = Dataflow("peer")
    options = {"broker.address.family": "v4"}
    streams = {}
    for topic in TOPICS.values():
        source = KafkaSource([job.address], [topic], tail=False, add_config=options, batch_size=1_000)
        streams[topic] = op.map(f"decode_{topic}", op.input(topic, flow, source), decoded)
    for measure in job.measures:
        down = windows_of(measure, streams[measure.topic]).down
        rows = op.map(f"row_{measure.name}", down, lambda item, measure=measure: row_of(measure, item))
        op.output(f"out_{measure.name}", rows, Closed())
    recovery = job.folder / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)
    every = timedelta(seconds=SAVE_EVERY_S)
    cluster_main(flow, [], 0, epoch_interval=every, recovery_config=RecoveryConfig(recovery))
    job.finish(breaches(job.rules, closed))


if __name__ == "__main__":
    sys.exit(main())
