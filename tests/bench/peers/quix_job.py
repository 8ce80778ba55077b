"""Quix Streams as its guide shows it: StreamingDataFrame, group_by for another key, tumbling windows, final results.

State in its changelog topics. The rules are our own Python on the minutes that it closes.
"""

import os
from datetime import datetime, timedelta

import quixstreams.dataframe.windows.aggregations as agg
from job import ALL, LATENESS_S, SAVE_EVERY_S, TOPICS, Measure, begun, breaches, cents, the_job
from quixstreams import Application
from quixstreams.models import TopicConfig

closed: list[tuple[Measure, int, str, object]] = []


class Watch:
    """Stops the application when every measure has taken all events of its topic."""

    def __init__(self, app: Application, wanted: int) -> None:
        self._app, self._left, self._has_begun = app, wanted, False

    def __call__(self, _value) -> None:
        if not self._has_begun:
            self._has_begun = True
            begun()
        self._left -= 1
        if not self._left:
            self._app.stop()


def time_of(value, _headers, _timestamp, _kind) -> int:
    return int(datetime.fromisoformat(value["time"]).timestamp() * 1000)


def newest(so_far, value):
    found = [value["time"], value["id"], value["data"]["available"]]
    return found if found[:2] >= so_far[:2] else so_far


def windows_of(measure: Measure, stream):
    window = stream.tumbling_window(timedelta(minutes=1), grace_ms=timedelta(seconds=LATENESS_S))
    if measure.how == "count":
        return window.count()
    if measure.how == "last":
        return window.reduce(newest, lambda value: [value["time"], value["id"], value["data"]["available"]])
    return window.agg(sum=agg.Sum("cents"), number=agg.Count())


def main() -> None:
    job = the_job()
    app = Application(
        broker_address=job.address,
        consumer_group=job.topic,
        auto_offset_reset="earliest",
        state_dir=str(job.folder / "state"),
        commit_interval=SAVE_EVERY_S,
        loglevel="ERROR",
        consumer_extra_config={"broker.address.family": "v4"},
        producer_extra_config={"linger.ms": 5},
    )
    one = TopicConfig(num_partitions=1, replication_factor=1)
    kinds = {"value_deserializer": "json", "key_deserializer": "str", "timestamp_extractor": time_of, "config": one}
    frames = {topic: app.dataframe(app.topic(topic, **kinds)) for topic in TOPICS.values()}
    counts = read_counts(job)
    watch = Watch(app, sum(counts[measure.topic] for measure in job.measures))
    for measure in job.measures:
        stream = frames[measure.topic]
        if measure.by != "sku":  # the shop keys its events by product
            as_text = {"key_deserializer": "str", "key_serializer": "str"}
            name = measure.by or "all"
            key = (lambda value, by=measure.by: value["data"][by]) if measure.by else (lambda value: ALL)
            # Two measures by one label share its repartitioned topic only where it is the same dataframe.
            stream = stream.group_by(key, name=f"{name}-{measure.how}", **as_text)
        stream.update(watch)
        if measure.how in ("sum", "average"):
            stream = stream.apply(lambda value: {"cents": cents(value["data"]["total"])})

        def keep(value, key, timestamp, headers, measure=measure):
            minute = value["start"] // 60_000
            found = {
                "count": lambda: value["value"],
                "sum": lambda: value["sum"],
                "average": lambda: (value["sum"], value["number"]),
                "last": lambda: value["value"][2],
            }[measure.how]()
            closed.append((measure, minute, key, found))

        windows_of(measure, stream).final(closing_strategy="partition").update(keep, metadata=True)
    app.run()
    job.finish(breaches(job.rules, closed))
    os._exit(0)  # its threads outlast it


def read_counts(job) -> dict[str, int]:
    """How many events each topic holds."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": job.address, "group.id": "counts", "broker.address.family": "v4"})
    bounds = {topic: consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) for topic in TOPICS.values()}
    consumer.close()
    return {topic: high - low for topic, (low, high) in bounds.items()}


if __name__ == "__main__":
    main()
