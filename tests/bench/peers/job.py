"""What the jobs of all peers share: the rules, what to read, and how they tell that they have begun and are done.

A job runs in an environment of its own and knows nothing of Lockstep: `python JOB.py ADDRESS COUNT FOLDER TOPIC`.
FOLDER holds `rules.json` and is the job's to keep its state in. TOPIC, on the same broker, is for what the job tells.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TOPICS = {"order.placed": "orders", "traffic.session": "traffic", "stock.level": "inventory"}
LATENESS_S = 60
"""No event of the workload is later."""
SAVE_EVERY_S = 2
"""How often a job makes its state durable."""
ALL = "*"
"""The one group of a measure without labels."""


@dataclass(frozen=True)
class Measure:
    """how: count, sum, average or last; of orders it is of their total. by: a label, or none for all together."""

    event: str
    how: str
    by: str

    @property
    def name(self) -> str:
        return f"{self.event.partition('.')[0]}_{self.how}_by_{self.by or 'all'}"

    @property
    def topic(self) -> str:
        return TOPICS[self.event]


@dataclass(frozen=True)
class Rule:
    """value > limit (above) or value < limit (below), of a window of minutes; limits are fractions, money is cents.

    previous: the minutes before whose mean, in the length of the window, times the limit is compared with; 0: none.
    """

    name: str
    measure: Measure
    window: int
    previous: int
    word: str
    limit: tuple[int, int]
    at_least: tuple[int, int]


@dataclass(frozen=True)
class Job:
    address: str
    count: int
    folder: Path
    topic: str
    rules: tuple[Rule, ...]

    @property
    def measures(self) -> list[Measure]:
        """Those that rules read, each once."""
        return list(dict.fromkeys(rule.measure for rule in self.rules))

    def finish(self, breaches: Iterable[tuple[str, str, int]]) -> None:
        """breaches: (rule, group, minute since the epoch)."""
        (self.folder / "breaches.json").write_text(json.dumps(sorted(set(breaches))))
        done()


def the_job() -> Job:
    address, count, folder, topic = sys.argv[1:5]
    rules = rules_of((Path(folder) / "rules.json").read_text())
    return Job(address, int(count), Path(folder), topic, tuple(rules))


def rules_of(text: str) -> list[Rule]:
    found = []
    for rule in json.loads(text):
        measure = Measure(*(rule.pop(name) for name in ("event", "how", "by")))
        limit, at_least = (tuple(rule.pop(name)) for name in ("limit", "at_least"))
        found.append(Rule(measure=measure, limit=limit, at_least=at_least, **rule))
    return found


def begun() -> None:
    """The first event has come: from now on CPU is counted."""
    print("begun", flush=True)


def done() -> None:
    """The last result is out."""
    print("done", flush=True)


def cents(total: float) -> int:
    return round(total * 100)


def breaches(rules: Iterable[Rule], closed: Iterable[tuple[Measure, int, str, object]]) -> set[tuple[str, str, int]]:
    """What rules say of closed minutes, (measure, minute, group, value), for peers that leave judging to their users.

    value: a number; of an average (sum, number), of a level its last value of that minute.
    """
    series: dict[tuple[Measure, str], dict[int, object]] = defaultdict(dict)
    last = 0
    for measure, minute, group, value in closed:
        series[measure, group][minute] = value
        last = max(last, minute)
    of_measure: dict[Measure, list[Rule]] = defaultdict(list)
    for rule in rules:
        of_measure[rule.measure].append(rule)
    found: set[tuple[str, str, int]] = set()
    for (measure, group), values in series.items():
        if measure.how == "last":
            found |= _of_level(of_measure[measure], group, values, last)
        else:
            found |= _of_flow(of_measure[measure], group, values, last)
    return found


def _of_level(rules: list[Rule], group: str, values: dict[int, object], last: int) -> set[tuple[str, str, int]]:
    found = set()
    value = None
    for minute in range(min(values), last + 1):
        value = values.get(minute, value)
        for rule in rules:
            times, over = rule.limit
            if value * over > times if rule.word == "above" else value * over < times:
                found.add((rule.name, group, minute))
    return found


def _of_flow(rules: list[Rule], group: str, values: dict[int, object], last: int) -> set[tuple[str, str, int]]:
    """With sums from the first minute on: what a window holds is the difference of two of them."""
    found = set()
    first = min(values)
    is_average = rules[0].measure.how == "average"
    totals, counts = [0], [0]
    for minute in range(first, last + 1):
        value = values.get(minute, (0, 0) if is_average else 0)
        total, count = value if is_average else (value, 1)
        totals.append(totals[-1] + total)
        counts.append(counts[-1] + count)
    for rule in rules:
        window, previous, (times, over), (least, least_over) = rule.window, rule.previous, rule.limit, rule.at_least
        for end in range(1, len(totals)):
            start, before = max(0, end - window), max(0, end - window - previous)
            value = totals[end] - totals[start]
            number = counts[end] - counts[start] if is_average else 1
            if not number or value * least_over < least * number:
                continue
            usual, per = 1, 1
            if previous:
                usual = totals[start] - totals[before]
                per = counts[start] - counts[before] if is_average else previous
                usual *= 1 if is_average else window
                if not per:
                    continue
            left, right = value * per * over, times * usual * number
            if left > right if rule.word == "above" else left < right:
                found.add((rule.name, group, first + end - 1))
    return found
