"""Events, rules and expectations as people would write them on paper."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.measure.definition import Aggregate, Expression, Measured, Operation, SeriesDef
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import (
    Condition,
    Level,
    NoData,
    Plan,
    Rule,
    Severity,
    Threshold,
    series_of_condition,
)
from lockstep.rule.condition.when import is_level_only

LONDON = ZoneInfo("Europe/London")
DAY = "2026-01-14"
"""A Wednesday in winter, when London is at UTC."""

Event = dict[str, Any]


def clock(text: str, day: str = DAY) -> datetime:
    """`12:00`, `12:00:30.5` or `2026-03-29 12:00` as a moment in UTC."""
    return datetime.fromisoformat(text if "-" in text else f"{day} {text}").replace(tzinfo=UTC)


def event(kind: str, at: datetime, number: object, **data: Any) -> Event:
    time = at.isoformat().replace("+00:00", "Z")
    return {"specversion": "1.0", "id": str(number), "source": "/t", "type": kind, "time": time, "data": data}


def _told(text: str) -> Iterable[tuple[str, str, list[str]]]:
    """`web: 12:00 x5, 12:01 x2; app: 12:03` → (label, time, words)."""
    for line in text.replace("\n", ";").split(";"):
        label, _, rest = line.strip().partition(": ")
        for item in filter(None, (i.strip() for i in rest.split(","))):
            words = item.split()
            if "-" in words[0]:
                words = [" ".join(words[:2]), *words[2:]]
            yield label, words[0], words[1:]


def many(kind: str, text: str, *, day: str = DAY, label: str = "channel", **data: Any) -> list[Event]:
    """`web: 12:00 x5, 12:01 *20`: five events at noon, one that stands for twenty a minute later."""
    found: list[Event] = []
    for name, time, words in _told(text):
        times = next((int(w[1:]) for w in words if w[0] == "x"), 1)
        extra: dict[str, Any] = {"count": int(words[0][1:])} if words and words[0][0] == "*" else {}
        extra |= {k: float(v) for k, _, v in (w.partition("=") for w in words if "=" in w)}
        if name not in ("", "-"):
            extra[label] = name
        for i in range(times):
            number = f"{kind}/{name}/{day} {time}/{' '.join(words)}/{i}"
            found.append(event(kind, clock(time, day), number, **{**data, **extra}))
    return found


def orders(text: str, **more: Any) -> list[Event]:
    return many("order.placed", text, **{"order_id": "o", "total": 10.0, "lines": [], **more})


def sessions(text: str, **more: Any) -> list[Event]:
    return many("traffic.session", text, **more)


def stock(text: str, *, day: str = DAY) -> list[Event]:
    """`A: 12:00 35, 12:01 30 WH1`: sku A, its level, perhaps its warehouse."""
    found = []
    for n, (sku, time, words) in enumerate(_told(text)):
        data: dict[str, Any] = {"sku": sku, "available": float(words[0])}
        if len(words) > 1:
            data["location"] = words[1]
        found.append(event("stock.level", clock(time, day), f"{sku}/{day} {time}/{n}", **data))
    return found


def flow(
    aggregate: str, of: str = "order.placed", field: str | None = None, by: tuple[str, ...] = ("channel",), **more: Any
) -> SeriesDef:
    role = {"order": "orders", "feedback": "orders", "traffic": "traffic", "stock": "inventory"}[of.split(".")[0]]
    return SeriesDef(Aggregate(aggregate), of, role, field, by=by, **more)


def level(by: tuple[str, ...] = ("sku",), **more: Any) -> SeriesDef:
    return SeriesDef(Aggregate.LAST, "stock.level", "inventory", "available", by=by, bucket_s=0, **more)


ORDERS = flow("count")
ORDERS_ALL = flow("count", by=())
SESSIONS = flow("count", "traffic.session")
SESSIONS_ALL = flow("count", "traffic.session", by=())
STOCK = level()


def of(series: SeriesDef | Expression) -> Expression:
    return Measured(series) if isinstance(series, SeriesDef) else series


def ratio(left: SeriesDef, right: SeriesDef) -> Operation:
    return Operation("/", Measured(left), Measured(right))


def bounds(text: str) -> Bounds:
    """`above 5`, `at_most 20`."""
    name, number = text.split()
    return Bounds(**{name: float(number)})


def when(expression: SeriesDef | Expression, *levels: str, window: int | None = 60, **more: Any) -> Threshold:
    """`when(ORDERS, "warning above 5 clear below 3", "critical above 10")`."""
    made = []
    for text in levels:
        breach, _, clear = text.partition(" clear ")
        severity = Severity.WARNING
        words = breach.split()
        if len(words) == 3:
            severity, breach = Severity[words[0].upper()], " ".join(words[1:])
        made.append(Level(severity, bounds(breach), bounds(clear) if clear else None))
    looked_at = Measured(expression) if isinstance(expression, SeriesDef) else expression
    return Threshold(looked_at, window, tuple(made), **more)


def rule(
    condition: Condition, hold: int = 0, keep: int = 0, no_data: str = "keep", name: str = "R", **more: Any
) -> Rule:
    series = series_of_condition(condition)
    bucket = min((s.bucket_s for s in series if not s.is_level), default=0 if is_level_only(condition) else 60)
    by = max((s.by for s in series), key=len)
    return Rule(name, by, condition, hold, keep, NoData(no_data), ("marketing",), bucket_s=bucket, **more)


def plan(*rules: Rule) -> Plan:
    series = dict.fromkeys(s for r in rules for s in series_of_condition(r.condition))
    return Plan(tuple(rules), tuple(series), "test")


def lines(transitions: Iterable[Mapping[str, Any]]) -> list[str]:
    """Transitions as `12:05 web firing warning`, seconds where there are any."""
    found = []
    for t in transitions:
        at = datetime.fromtimestamp(t["at"] / 1e6, UTC)
        shown = at.strftime("%H:%M:%S.%f" if at.microsecond else "%H:%M:%S" if at.second else "%H:%M")
        if at.date().isoformat() != DAY:
            shown = f"{at.date()} {shown}"
        found.append(" ".join([shown, *t["labels"].values(), t["state"], t["severity"]]))
    return found
