"""What rules must say of a workload, worked out slowly and plainly, to check every run of the benchmark by.

Every minute of every group is judged, from arrays of whole numbers (events, cents) by group and minute: no screen, no
early verdict, nothing remembered but whether the alert was open the minute before. It reads the rule file itself and
shares no code with the service. Weakness: it knows the words that the benchmark's rules use and refuses all others;
windows are whole minutes, no event is later than the lateness, and clocks do not change within the workload.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

MINUTE_US = 60_000_000
CENTS = 100
DAY = 24 * 60
"""Minutes."""
MINUTES_OF = {"m": 1, "h": 60}
LAST_MINUTES = 5
"""Minutes at the end of a workload that are not compared: their events are there to close those before."""
ROWS_AT_A_TIME = 2_000

Group = tuple[str, ...]
Move = tuple[str, Group, int, str]
"""A change of an alert: rule, values of its labels, when (microseconds since the epoch), `firing` or `resolved`."""
Breach = tuple[str, Group, int]
"""Rule, values of its labels, minute since the epoch at whose end the condition holds."""
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Expected:
    """moves: those before `until` (microseconds). breaches: of flows by minute, of levels as they are at its end.

    begins: the first minute that was seen whole. refused: events that are none.
    """

    moves: frozenset[Move]
    breaches: frozenset[Breach]
    until: int
    refused: int = 0
    begins: int = 0


def micros(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time."""
    moment = datetime.fromisoformat(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def expected(rules: str, events: Iterable[tuple[str, bytes]], *, breaches_too: bool = False) -> Expected:
    """What a rule file says of (topic, event) in the order of their log.

    breaches_too: each minute of each breach as well, which are many. Raises ValueError for words unknown here.
    """
    asked = asked_of(rules)
    shop = _Shop(events, reach=max(a.reach for a in asked), backs={back for a in asked for back in a.backs})
    moves: set[Move] = set()
    breaches: set[Breach] = set()
    tables: dict[tuple[str, Group], _Table] = {}
    for rule in asked:
        if rule.kind == "stock.level":
            moves |= set(_moves_of_levels(rule, shop))
            breaches |= set(_breaches_of_levels(rule, shop)) if breaches_too else set()
            continue
        key = (rule.kind, rule.by)
        if key not in tables:
            tables[key] = shop.table(*key)
        table = tables[key].of_at_least(rule.fewest)
        for first in range(0, len(table.groups), ROWS_AT_A_TIME):
            part = table.rows(first, first + ROWS_AT_A_TIME)
            breach, clear, judged = _verdicts(rule, part, shop)
            for row in np.flatnonzero((breach & judged).any(axis=1)):
                columns = np.flatnonzero(judged[row])
                minutes = [int(m) for m in shop.minutes[columns]]
                moves |= set(_moves(rule.name, part.groups[row], minutes, breach[row, columns], clear[row, columns]))
                if breaches_too:
                    held = zip(minutes, breach[row, columns], strict=True)
                    breaches |= {(rule.name, part.groups[row], minute) for minute, is_breach in held if is_breach}
    before_end = (move for move in moves if move[2] <= shop.until)
    begins = -(-max(shop.first.values()) // MINUTE_US)
    return Expected(frozenset(before_end), frozenset(breaches), shop.until, shop.refused, begins)


def asked_of(rules: str) -> list["Asked"]:
    """What each rule of a file asks. Raises ValueError for words unknown here."""
    read = YAML(typ="safe").load(rules)
    return [Asked.of(rule, read["measures"]) for rule in read["rules"]]


def _moves(name: str, group: Group, minutes: list[int], breach: Flags, clear: Flags) -> Iterator[Move]:
    """Open from a breach on until it is clear."""
    is_open = False
    for minute, breaches, clears in zip(minutes, breach, clear, strict=True):
        if (clears if is_open else breaches) and not (is_open and breaches):
            is_open = not is_open
            yield name, group, (minute + 1) * MINUTE_US, "firing" if is_open else "resolved"


# ---- the rules, as they are written ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One rule. kind: the event type. how: count, sum, average or last. backs: days back of the usual windows.

    previous: length of the stretch before that is usual; lengths are minutes. bounds: word → number or ratio.
    """

    name: str
    by: Group
    kind: str
    how: str
    window: int
    is_spike: bool
    previous: int
    backs: tuple[int, ...]
    bounds: Mapping[str, Fraction]
    clear: Mapping[str, Fraction]
    at_least: Fraction
    usual_at_least: Fraction | None

    @classmethod
    def of(cls, rule: Mapping[str, Any], measures: Mapping[str, Mapping[str, str]]) -> "Asked":
        word = "spike" if "spike" in rule else "threshold"
        _refuse_others(rule, {"name", "by", "severity", "clear", word})
        condition = dict(rule[word])
        measure = measures[condition.pop("measure")]
        how = next(iter(measure))
        kind = measure[how] if how == "count" else measure["of"]
        fields = {"count": None, "sum": "total", "average": "total", "last": "available"}
        if how not in fields or (how != "count" and measure[how] != fields[how]):
            raise ValueError(f"rule '{rule['name']}': the reference knows no measure {measure}")
        baseline = condition.pop("baseline", {})
        window = _minutes(condition.pop("window", "1m"))
        days, weeks = baseline.get("same_time_of_day", 0), baseline.get("same_time_of_week", 0)
        _refuse_others(baseline, {"previous", "same_time_of_day", "same_time_of_week"})
        _refuse_others(condition, {"above", "below", "at_least", "at_most", "usual_at_least"})
        is_spike = word == "spike"
        ratios = ("above", "below") if is_spike else ("above", "below", "at_least", "at_most")
        unit = CENTS if how in ("sum", "average") else 1
        number = {w: _number(n) * (1 if is_spike and w in ratios else unit) for w, n in condition.items()}
        return cls(
            name=rule["name"],
            by=tuple(rule.get("by", ())),
            kind=kind,
            how=how,
            window=window,
            is_spike=is_spike,
            previous=_minutes(baseline["previous"]) if "previous" in baseline else 0,
            backs=tuple(range(1, days + 1)) or tuple(7 * n for n in range(1, weeks + 1)),
            bounds={w: number[w] for w in ratios if w in number},
            clear={w: _number(n) * (1 if is_spike else unit) for w, n in rule.get("clear", {}).items()},
            at_least=number.get("at_least", Fraction(0)) if is_spike else Fraction(0),
            usual_at_least=number.get("usual_at_least"),
        )

    @property
    def reach(self) -> int:
        return self.window + self.previous

    @property
    def fewest(self) -> int:
        """A group with fewer events in all never breaches."""
        limit = self.at_least if self.is_spike else self.bounds.get("above", self.bounds.get("at_least", Fraction(0)))
        return max(1, int(limit)) if self.how == "count" and not self.bounds.keys() & {"below", "at_most"} else 1


def _refuse_others(said: Mapping[str, Any], known: set[str]) -> None:
    if set(said) - known:
        raise ValueError(f"the reference does not know {', '.join(sorted(set(said) - known))} in {dict(said)}")


def _minutes(text: str) -> int:
    return int(text[:-1]) * MINUTES_OF[text[-1]]


def _number(text: object) -> Fraction:
    return Fraction(str(text).removesuffix("x"))


# ---- flows: counts, sums and averages by group and minute -----------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """What each minute got, [group, column]; sums are cents. begins: the column of each group's first event."""

    groups: list[Group]
    counts: Numbers
    sums: Numbers
    begins: NDArray[np.intp]

    def of_at_least(self, events: int) -> "_Table":
        """Without the groups that have fewer events in all."""
        kept = np.flatnonzero(self.counts.sum(axis=1) >= events)
        groups = [self.groups[row] for row in kept]
        return _Table(groups, self.counts[kept], self.sums[kept], self.begins[kept])

    def rows(self, first: int, end: int) -> "_Table":
        return _Table(self.groups[first:end], self.counts[first:end], self.sums[first:end], self.begins[first:end])


class _Shop:
    """All events, read once.

    minutes: those that have a column, ascending. Between two that are no neighbours there is nothing in any window, so
    a sum over columns is a sum over time. first: topic → its first event; until: see Expected.
    """

    def __init__(self, events: Iterable[tuple[str, bytes]], *, reach: int, backs: set[int]) -> None:
        """reach: how many minutes a rule looks back in one stretch. backs: how many days back it looks besides."""
        self.flows: dict[str, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
        self.levels: list[tuple[int, str, Mapping[str, Any]]] = []
        self.first: dict[str, int] = {}
        self.refused = 0
        last: dict[str, int] = {}
        for topic, value in events:
            try:
                event = json.loads(value)
                at, data = micros(event["time"]), event["data"]
                if event["type"] == "order.placed":
                    data = {**data, "cents": round(data["total"] * CENTS), "sku": data["lines"][0]["sku"]}
            except (ValueError, KeyError, TypeError):
                self.refused += 1
                continue
            self.first[event["type"]] = min(at, self.first.get(event["type"], at))
            last[topic] = max(at, last.get(topic, 0))
            if event["type"] == "stock.level":
                self.levels.append((at, event["id"], data))
            else:
                self.flows[event["type"]].append((at // MINUTE_US, data))
        self.until = (min(last.values()) // MINUTE_US - LAST_MINUTES) * MINUTE_US
        busy = {minute for rows in self.flows.values() for minute, _ in rows}
        looked_at = busy | {minute + back * DAY for minute in busy for back in backs}
        columns = {minute + n for minute in looked_at for n in range(reach + 1)}
        self.minutes = np.array(sorted(m for m in columns if m <= max(busy)), dtype=np.int64)

    def table(self, kind: str, by: Group) -> _Table:
        numbered: dict[Group, int] = {}
        rows = [numbered.setdefault(tuple(data[name] for name in by), len(numbered)) for _, data in self.flows[kind]]
        columns = np.searchsorted(self.minutes, [minute for minute, _ in self.flows[kind]])
        counts = np.zeros((len(numbered), len(self.minutes)), dtype=np.int64)
        np.add.at(counts, (rows, columns), 1)
        sums = counts
        if kind == "order.placed":
            sums = np.zeros_like(counts)
            np.add.at(sums, (rows, columns), [data["cents"] for _, data in self.flows[kind]])
        return _Table(list(numbered), counts, sums, (counts > 0).argmax(axis=1))

    def earlier(self, days: int) -> tuple[NDArray[np.intp], Flags]:
        """For each column that of so many days earlier, and whether there is one; where there is none, nothing was."""
        wanted = self.minutes - days * DAY
        found = np.minimum(np.searchsorted(self.minutes, wanted), len(self.minutes) - 1)
        return found, self.minutes[found] == wanted


def _last(values: Numbers, length: int) -> Numbers:
    """The sum of the last so many columns at each of them."""
    sums = np.cumsum(values, axis=1)
    sums[:, length:] -= sums[:, :-length].copy()
    return sums


def _verdicts(rule: Asked, table: _Table, shop: _Shop) -> tuple[Flags, Flags, Flags]:
    """(breach, clear, judged) of each group and column. An average of nothing and what is not yet known: not judged."""
    known = np.arange(len(shop.minutes)) >= table.begins[:, None]
    first = -(-shop.first[rule.kind] // MINUTE_US)  # the first minute that was seen whole
    whole = shop.minutes - rule.window + 1 >= first
    source = table.counts if rule.how == "count" else table.sums
    value = _last(source, rule.window)
    over = _last(table.counts, rule.window) if rule.how == "average" else np.ones_like(value)
    judged = known & (over > 0)
    if not rule.is_spike:
        breach = np.logical_and.reduce([_holds(word, value, over, n) for word, n in rule.bounds.items()])
        clears = [_holds(word, value, over, n) for word, n in rule.clear.items()]
        # What was not seen can only add to a count or a sum.
        only_adds = rule.how != "average" and set(rule.bounds) <= {"above", "at_least"}
        judged &= whole | (breach if only_adds else False)
        return breach, np.logical_and.reduce(clears) if clears else ~breach, judged
    usual, per, is_known = _usual(rule, table, shop, source, first)
    judged &= whole & is_known & (per > 0)
    comparable = usual > 0 if rule.usual_at_least is None else _holds("at_least", usual, per, rule.usual_at_least)
    enough = _holds("at_least", value, over, rule.at_least)
    breach = np.zeros_like(judged)
    if "above" in rule.bounds:
        breach |= enough & _holds("above", value * per, over * usual, rule.bounds["above"])
    if "below" in rule.bounds:
        breach |= _holds("below", value * per, over * usual, rule.bounds["below"])
    breach &= comparable
    clears = [_holds(word, value * per, over * usual, n) for word, n in rule.clear.items()]
    band = ~np.logical_and.reduce(clears) & comparable & ((value > 0) | (usual > 0)) if clears else np.False_
    return breach, ~breach & ~band, judged


def _usual(rule: Asked, table: _Table, shop: _Shop, source: Numbers, first: int) -> tuple[Numbers, Numbers, Flags]:
    """(numerator, denominator, whether enough is known) of what the window usually is."""
    window = rule.window
    if rule.previous:
        usual, over = (_shifted(_last(values, rule.previous), window) for values in (source, table.counts))
        is_known = shop.minutes - window - rule.previous + 1 >= first
        if rule.how == "average":
            return usual, over, is_known
        return usual * window, np.full_like(usual, rule.previous), is_known
    if rule.how == "average":
        raise ValueError(f"rule '{rule.name}': the reference knows no season of an average")
    sums = _last(source, window)
    found = []
    for back in rule.backs:
        column, is_there = shop.earlier(back)
        found.append((np.where(is_there, sums[:, column], 0), shop.minutes - back * DAY - window + 1 >= first))
    # The earliest windows are known last: so many of the nearest are.
    many = np.sum([is_known for _, is_known in found], axis=0)
    doubled = np.zeros_like(sums)
    for count in range(min(3, len(found)), len(found) + 1):
        ranked = np.sort([values for values, _ in found[:count]], axis=0)
        middle = ranked[(count - 1) // 2] + ranked[count // 2]
        doubled = np.where(many == count, middle, doubled)
    return doubled, np.full_like(doubled, 2), many >= min(3, len(found))


def _shifted(values: Numbers, columns: int) -> Numbers:
    moved = np.zeros_like(values)
    moved[:, columns:] = values[:, :-columns]
    return moved


def _holds(word: str, value: Numbers, over: Numbers, limit: Fraction) -> Flags:
    """Whether value / over is beyond the limit, multiplied out."""
    left, right = value * limit.denominator, over * limit.numerator
    result: Flags = {"above": left > right, "at_least": left >= right, "below": left < right, "at_most": left <= right}[
        word
    ]
    return result


# ---- levels: stock, value by value ----------------------------------------------------------------------------------


def _is_beyond(bounds: Mapping[str, Fraction], value: float) -> bool:
    number = np.array([value], dtype=np.int64)
    return all(bool(_holds(word, number, np.ones_like(number), limit)[0]) for word, limit in bounds.items())


def _moves_of_levels(rule: Asked, shop: _Shop) -> Iterator[Move]:
    """In the order of the log; a value older than the newest changes nothing."""
    newest: dict[Group, int] = {}
    is_open: dict[Group, bool] = {}
    for at, _, data in shop.levels:
        group = tuple(data[name] for name in rule.by)
        if at < newest.get(group, 0):
            continue
        newest[group] = at
        breach = _is_beyond(rule.bounds, data["available"])
        clear = _is_beyond(rule.clear, data["available"]) if rule.clear else not breach
        was = is_open.get(group, False)
        is_open[group] = breach or (was and not clear)
        if is_open[group] != was:
            yield rule.name, group, at, "firing" if is_open[group] else "resolved"


def _breaches_of_levels(rule: Asked, shop: _Shop) -> Iterator[Breach]:
    newest: dict[Group, dict[int, tuple[int, str, bool]]] = defaultdict(dict)
    for at, event_id, data in shop.levels:
        minutes = newest[tuple(data[name] for name in rule.by)]
        value = (at, event_id, _is_beyond(rule.bounds, data["available"]))
        minutes[at // MINUTE_US] = max(value, minutes.get(at // MINUTE_US, value))
    for group, minutes in newest.items():
        is_breach = False
        for minute in range(min(minutes), shop.until // MINUTE_US):
            is_breach = minutes[minute][2] if minute in minutes else is_breach
            if is_breach:
                yield rule.name, group, minute


def differences(told: Iterable[Move], right: Expected, *, most: int = 3) -> Sequence[str]:
    """What is missing and what should not be there, of both some examples; nothing: the run was right."""
    found = frozenset(move for move in told if move[2] <= right.until)
    said = []
    for what, moves in (("missing", right.moves - found), ("too many", found - right.moves)):
        if moves:
            examples = "; ".join(" ".join(map(str, move)) for move in sorted(moves)[:most])
            said.append(f"{len(moves)} {what}, such as {examples}")
    return said


def moves_of(transitions: Iterable[bytes]) -> Iterator[Move]:
    """Transitions as they stand in lockstep.alerts, or as `lockstep backtest --json` prints them."""
    for value in transitions:
        read = json.loads(value)
        data = read.get("data", read)
        if data["state"] in ("firing", "resolved"):
            yield data["rule"], tuple(data["labels"].values()), micros(data["at"]), data["state"]
