"""Pathway: windowby and joins on its Rust engine, results kept up to date, breaches written to a topic.

One thread; state in its persistence folder. Minutes are tumbling windows, longer windows slide over the minutes, and
what is usual is joined to the few minutes that could be a rise. Each row of the topic is a breach, or takes one back.
"""

import os
import threading
import time
from datetime import timedelta

import pathway as pw
from job import ALL, SAVE_EVERY_S, TOPICS, Measure, Rule, begun, done, the_job

COLUMNS = {
    "traffic": {"sku": "/data/sku", "channel": "/data/channel", "campaign": "/data/campaign"},
    "orders": {
        "sku": "/data/lines/0/sku",
        "channel": "/data/channel",
        "campaign": "/data/campaign",
        "total": "/data/total",
    },
    "inventory": {"id": "/id", "sku": "/data/sku", "available": "/data/available"},
}
TYPES = {"total": float, "available": int}
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
QUIET_S = 20.0


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


class Tables:
    """The tables of a job by what they hold, each made once. A flow has the columns g, m, v and, of averages, n."""

    def __init__(self, address: str) -> None:
        self._options = {
            "bootstrap.servers": address,
            "group.id": "pathway",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": "6000",
            "broker.address.family": "v4",
        }
        self.sources = {topic: self._source(topic) for topic in TOPICS.values()}
        self._minutes: dict[Measure, pw.Table] = {}
        self._windows: dict[tuple[Measure, int], pw.Table] = {}

    def _source(self, topic: str) -> pw.Table:
        columns = COLUMNS[topic]
        schema = pw.schema_from_types(time=str, **{name: TYPES.get(name, str) for name in columns})
        paths = {name: path for name, path in columns.items() if name != "id"}
        if "id" in columns:
            schema = pw.schema_from_types(
                time=str, event=str, **{name: TYPES.get(name, str) for name in columns if name != "id"}
            )
            paths["event"] = "/id"
        table = pw.io.kafka.read(
            self._options,
            topic,
            schema=schema,
            json_field_paths=paths,
            format="json",
            autocommit_duration_ms=1_500,
            name=topic,
        )
        return table.with_columns(time=table.time.dt.strptime(TIME_FORMAT))

    def minute(self, measure: Measure) -> pw.Table:
        if measure not in self._minutes:
            self._minutes[measure] = self._minute(measure)
        return self._minutes[measure]

    def _minute(self, measure: Measure) -> pw.Table:
        source = self.sources[measure.topic]
        if measure.how in ("sum", "average"):
            source = source.with_columns(cents=pw.cast(int, (source.total * 100).num.round(0)))
        instance = source[measure.by] if measure.by else None
        window = source.windowby(source.time, window=pw.temporal.tumbling(duration=minutes(1)), instance=instance)
        values = {"v": pw.reducers.count()} if measure.how == "count" else {"v": pw.reducers.sum(pw.this.cents)}
        if measure.how == "average":
            values["n"] = pw.reducers.count()
        group = {"g": pw.this._pw_instance} if measure.by else {}
        table = window.reduce(m=pw.this._pw_window_start, **values, **group)
        return table if measure.by else table.with_columns(g=ALL)

    def window(self, measure: Measure, length: int) -> pw.Table:
        """Sums of so many minutes; m is the last of them."""
        if length == 1:
            return self.minute(measure)
        if (measure, length) not in self._windows:
            table = self.minute(measure)
            sliding = pw.temporal.sliding(hop=minutes(1), duration=minutes(length))
            window = table.windowby(table.m, window=sliding, instance=table.g)
            names = ("v", "n") if measure.how == "average" else ("v",)
            sums = {name: pw.reducers.sum(pw.this[name]) for name in names}
            last = pw.this._pw_window_end - minutes(1)
            self._windows[measure, length] = window.reduce(g=pw.this._pw_instance, m=last, **sums)
        return self._windows[measure, length]


def breaches_of(rule: Rule, tables: Tables) -> pw.Table:
    """g and m of what breaches."""
    if rule.measure.how == "last":
        return levels_of(rule, tables)
    times, over = rule.limit
    least, least_over = rule.at_least
    table = tables.window(rule.measure, rule.window)
    number = table.n if rule.measure.how == "average" else 1
    table = table.filter(table.v * least_over >= least * number)
    number = table.n if rule.measure.how == "average" else 1
    if not rule.previous:
        left, right = table.v * over, times * number
        return table.filter(left > right if rule.word == "above" else left < right)
    if rule.measure.how == "average":
        whole = tables.window(rule.measure, rule.window + rule.previous)
        both = table.join(whole, table.g == whole.g, table.m == whole.m)
        row = both.select(table.g, table.m, v=table.v, n=table.n, usual=whole.v - table.v, per=whole.n - table.n)
        row = row.filter(row.per > 0)
        return row.filter(row.v * row.per * over > times * row.usual * row.n)
    minute = tables.minute(rule.measure)
    between = pw.temporal.interval(minutes(1 - rule.window - rule.previous), minutes(-rule.window))
    joined = table.interval_join_left(minute, table.m, minute.m, between, table.g == minute.g)
    parts = joined.select(row=table.id, usual=pw.coalesce(minute.v, 0))
    usual = parts.groupby(parts.row).reduce(parts.row, usual=pw.reducers.sum(parts.usual)).with_id(pw.this.row)
    row = table.with_columns(usual=usual.ix(table.id).usual)
    return row.filter(row.v * rule.previous * over > times * row.usual * rule.window)


def levels_of(rule: Rule, tables: Tables) -> pw.Table:
    """The newest value of each minute that has one; the minutes between are not told."""
    source = tables.sources[rule.measure.topic]
    window = source.windowby(source.time, window=pw.temporal.tumbling(duration=minutes(1)), instance=source.sku)
    newest = pw.reducers.max(pw.make_tuple(pw.this.time, pw.this.event, pw.this.available))
    table = window.reduce(g=pw.this._pw_instance, m=pw.this._pw_window_start, newest=newest)
    times, over = rule.limit
    value = pw.cast(int, pw.unwrap(table.newest.get(2)))
    beyond = value * over > times if rule.word == "above" else value * over < times
    return table.select(table.g, table.m, v=beyond)


class Watch:
    """Ends the process when the batch with the last event has passed the last operator: a stream never ends."""

    def __init__(self, count: int) -> None:
        self._left, self._read_at, self._over = count, None, None
        self._lock = threading.Lock()

    def read(self, key, row, time, is_addition) -> None:
        with self._lock:
            if self._read_at is None and not hasattr(self, "_begun"):
                self._begun = True
                begun()
            self._left -= 1
            if not self._left:
                self._read_at = time

    def ended(self, time) -> None:
        self._over = time

    def wait(self) -> None:
        while self._read_at is None or self._over is None or self._over < self._read_at:
            time.sleep(0.02)
        done()
        time.sleep(2)  # the sink has its own thread
        os._exit(0)


def main() -> None:
    job = the_job()
    tables = Tables(job.address)
    found = []
    for rule in job.rules:
        table = breaches_of(rule, tables)
        holds = table.v if rule.measure.how == "last" else True
        found.append(table.select(rule=rule.name, g=table.g, m=table.m, holds=holds))
    alerts = pw.Table.concat_reindex(*found)
    pw.io.kafka.write(
        alerts,
        {"bootstrap.servers": job.address, "broker.address.family": "v4"},
        topic_name=job.topic,
        format="json",
    )
    watch = Watch(job.count)
    for source in tables.sources.values():
        pw.io.subscribe(source, on_change=watch.read)
    pw.io.subscribe(alerts, on_change=lambda key, row, time, is_addition: None, on_time_end=watch.ended)
    threading.Thread(target=watch.wait, daemon=True).start()
    backend = pw.persistence.Backend.filesystem(str(job.folder / "state"))
    config = pw.persistence.Config(backend, snapshot_interval_ms=SAVE_EVERY_S * 1_000)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE, persistence_config=config)


if __name__ == "__main__":
    main()
