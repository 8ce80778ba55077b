"""What is measured, and the targets it is held to."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One line of the table. key: names it in results.json. digits: after the point, as it is shown.

    at_most, at_least: its target; most lines have one of them or none.
    """

    key: str
    what: str
    unit: str = ""
    digits: int = 0
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:,.{self._target_digits(self.at_most)}f}"
        return "" if self.at_least is None else f"≥ {self.at_least:,.{self._target_digits(self.at_least)}f}"

    def _target_digits(self, number: float) -> int:
        return 0 if number == int(number) else max(1, self.digits)

    def is_met(self, value: float) -> bool | None:
        """None where there is no target."""
        if self.at_most is not None:
            return value <= self.at_most
        return None if self.at_least is None else value >= self.at_least

    def shown(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


PEERS = ("bytewax", "quix", "pathway", "flink", "flink-warm")
PEER_NAMES = {
    "bytewax": "Bytewax",
    "quix": "Quix Streams",
    "pathway": "Pathway",
    "flink": "Flink SQL, cold",
    "flink-warm": "Flink SQL, warm",
}

TARGETS = (
    Line("kafka.us", "serve on Kafka, catching up, 20 rules: CPU per event", "µs", 1, at_most=9),
    Line("ratio.bytewax", "Bytewax's CPU over it", "×", 1, at_least=3.5),
    Line("ratio.quix", "Quix Streams' CPU over it", "×", 1, at_least=9),
    Line("ratio.pathway", "Pathway's CPU over it", "×", 1, at_least=5),
    Line("ratio.flink-warm", "Flink SQL's CPU, warm, over it", "×", 1, at_least=2.5),
    Line("limit.share", "fetch and decode alone over the full service", "", 2, at_least=0.28),
    Line("flush.ratio", "20 events a flush over 8,000, CPU per event", "×", 1, at_most=4),
    Line("rules.ratio", "200 rules over 20, CPU per event", "×", 2, at_most=1.4),
    Line("groups.ratio", "100,000 groups over 500, CPU per event", "×", 2, at_most=3),
    Line("latency.kafka.500.cpu", "500 events/s on Kafka, 20 rules: CPU", "cores", 2, at_most=0.3),
    Line("latency.kafka.500.p50", "  event to webhook, p50", "ms", 0, at_most=70),
    Line("latency.kafka.500.p99", "  event to webhook, p99", "ms", 0, at_most=200),
    Line("restart.kafka.s", "restart on 100,000 groups, to ready", "s", 1, at_most=3),
    Line("backtest.per_s", "backtest, events per second of CPU", "/s", 0, at_least=200_000),
    Line("convert.per_s", "convert, rows of a simple CSV per second of CPU", "/s", 0, at_least=200_000),
    Line("post.kafka.per_s", "single POSTs on one connection, Kafka", "/s", 0, at_least=600),
    Line("post.sqlite.per_s", "single POSTs on one connection, SQLite", "/s", 0, at_least=2_000),
)


def _latency(broker: str, rate: int, name: str) -> Iterator[Line]:
    key = f"latency.{broker}.{rate}"
    yield Line(f"{key}.cpu", f"{rate} events/s on {name}, 20 rules: CPU", "cores", 2)
    for part in ("p50", "p99", "max"):
        yield Line(f"{key}.{part}", f"  event to webhook, {part}", "ms")


FURTHER = (
    Line("kafka.per_s", "serve on Kafka, 20 rules, by the clock", "/s"),
    Line("kafka.mb", "  peak memory", "MB"),
    Line("sqlite.us", "serve on SQLite, catching up, 20 rules: CPU per event", "µs", 1),
    Line("sqlite.per_s", "  by the clock", "/s"),
    Line("sqlite.mb", "  peak memory", "MB"),
    Line("limit.us", "fetch and decode alone, CPU per event", "µs", 2),
    *(
        Line(f"{peer}.{part}", what.format(PEER_NAMES[peer]), unit, digits)
        for peer in PEERS
        for part, what, unit, digits in (
            ("us", "{}, CPU per event", "µs", 1),
            ("per_s", "  by the clock", "/s", 0),
            ("mb", "  peak memory", "MB", 0),
        )
    ),
    Line("ratio.flink", "Flink SQL's CPU, cold, over ours", "×", 1),
    Line("shop.kafka.us", "shop-50 on Kafka, CPU per event", "µs", 1),
    Line("shop.kafka.mb", "  peak memory", "MB"),
    Line("shop.sqlite.us", "shop-50 on SQLite, CPU per event", "µs", 1),
    Line("shop.backtest.per_s", "shop-50, backtest, events per second of CPU", "/s"),
    Line("flush.8000.us", "meter and judge, 8,000 events a flush, CPU per event", "µs", 1),
    Line("flush.20.us", "  20 events a flush", "µs", 1),
    Line("rules.20.us", "serve on Kafka, 20 rules, CPU per event", "µs", 1),
    Line("rules.200.us", "  200 rules", "µs", 1),
    Line("groups.500.us", "serve on Kafka, 500 products alike, CPU per event", "µs", 1),
    Line("groups.100000.us", "  100,000 products alike", "µs", 1),
    Line("groups.100000.mb", "  peak memory", "MB"),
    Line("workers.1.per_s", "1 worker on 4 partitions, by the clock", "/s"),
    Line("workers.2.per_s", "  2 workers", "/s"),
    Line("workers.2.us", "  2 workers, CPU per event", "µs", 1),
    *_latency("kafka", 20, "Kafka"),
    Line("latency.kafka.500.max", "500 events/s on Kafka: event to webhook, max", "ms"),
    *_latency("sqlite", 20, "SQLite"),
    *_latency("sqlite", 500, "SQLite"),
    Line("restart.sqlite.s", "restart on 100,000 groups on SQLite, to ready", "s", 1),
    Line("restart.kafka.cpu", "restart on 100,000 groups on Kafka, CPU to ready", "s", 1),
    Line("restart.kafka.mb", "  memory when ready", "MB"),
    Line("backtest.share", "backtest's time over decoding alone", "", 2),
    Line("backtest.mb", "  peak memory, judging and measuring", "MB"),
    Line("convert.json.per_s", "convert, the same as JSON, per second of CPU", "/s"),
    Line("convert.orders.per_s", "convert, lines of orders as CSV, per second of CPU", "/s"),
    Line("series.plain.kb", "memory of a series, two hours of history", "KB", 1),
    Line("series.seasonal.kb", "memory of a series, six weeks of a value an hour", "KB", 1),
    Line("post.kafka.p50", "single POSTs on Kafka, p50 of an answer", "ms", 1),
    Line("post.sqlite.p50", "single POSTs on SQLite, p50 of an answer", "ms", 1),
)
LINES = {line.key: line for line in (*TARGETS, *FURTHER)}


@dataclass
class Figures:
    """Key → what each round measured. missing: key, or the part before its last point → why there is none.

    notes: key → what is to be known of a figure.
    """

    rounds: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, value: float) -> None:
        if key not in LINES:
            raise KeyError(key)
        self.rounds.setdefault(key, []).append(value)

    def value(self, key: str) -> float | None:
        """The median of the rounds."""
        return statistics.median(self.rounds[key]) if key in self.rounds else None

    def spread(self, key: str) -> tuple[float, float]:
        return min(self.rounds[key]), max(self.rounds[key])

    def why_missing(self, key: str) -> str:
        """Of a part that was asked for and gave nothing; empty for one that was not asked for."""
        names = (key, key.rpartition(".")[0], key.partition(".")[2], key.partition(".")[0])
        return next((self.missing[name] for name in names if name in self.missing), "")

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "about": self.about,
            "figures": {
                key: {"value": self.value(key), "unit": LINES[key].unit, "rounds": values}
                for key, values in self.rounds.items()
            },
            "missing": self.missing,
            "notes": self.notes,
        }
        file.write_text(json.dumps(found, indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> "Figures":
        found = json.loads(file.read_text())
        rounds = {key: figure["rounds"] for key, figure in found["figures"].items()}
        return cls(rounds, found["missing"], found["notes"], found["about"])
