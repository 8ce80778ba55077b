"""Lines such as `orders web: 10/min for 2h, then 40/min` as events, spread evenly: the same line, the same events.

    SUBJECT [LABELS] [field=value …]: STEP, STEP, then STEP

A subject is a measure of the rules or an event type. Steps follow one another from the start of the test on:

    10/min for 2h                          events at an even pace; without an end, until the test ends
    6/h on Mon-Fri 09:00-17:00 for 5 weeks only within hours of the week
    10/min to 40/min for 1h                a pace that rises or falls evenly
    nothing for 30m, nothing until 12:00   a pause
    35, 12 at 09:05                        values: a level, a total, or so many events at once
    100 to 20 every 1h for 8h              values at even steps
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count as counted
from math import floor, sqrt
from typing import Any

from lockstep.event import MODELS, TYPES, field_kind, known_paths, line_fields
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.rule.condition.hours import stretches
from lockstep.rule.condition.kinds import Hours, Plan, series_of_condition
from lockstep.rule.language import quantity
from lockstep.rule.language.form import MeasureModel
from lockstep.text.rfc3339 import SECOND, rfc3339
from lockstep.text.time_units import DAY_S, WEEK_S
from lockstep.tools.published_schemas import EXAMPLE_DATA
from lockstep.tools.ruletest.written_times import Times, length_s
from lockstep.yaml.document import did_you_mean

MOST_EVENTS = 2_000_000
"""Of one test."""
_STEP_HINT = "write 10/min for 2h, 35 at 09:05 or nothing for 30m [LS191]"
_NUMBER = r"-?[0-9][0-9_]*(?:\.[0-9]+)?"
_PER = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_PER |= {"d": DAY_S, "day": DAY_S, "w": WEEK_S, "week": WEEK_S}
_RATE = re.compile(rf"({_NUMBER}) */ *([a-z]+)", re.IGNORECASE)
_WORDS = ("for", "until", "on", "at", "every", "to")


class BadStory(ValueError):
    """What is wrong with a line; offset: where in the text of its steps, or in its subject."""

    def __init__(self, message: str, *, offset: int = 0, in_subject: bool = False) -> None:
        super().__init__(message)
        self.offset, self.in_subject = offset, in_subject


@dataclass(frozen=True)
class Subject:
    """What a line tells of. field: the path that its values go to; None: values are so many events at once.

    data: what each event carries. fresh: a field whose every value is another one (for `distinct`).
    """

    event_type: str
    field: str | None
    is_level: bool
    data: Mapping[str, Any]
    fresh: str | None = None


@dataclass(frozen=True)
class Step:
    """One step between two instants. rates: events a second at its begin and end; values: (instant, number)."""

    begin: datetime
    end: datetime
    rates: tuple[float, float] | None = None
    hours: tuple[Hours, ...] = ()
    values: tuple[tuple[datetime, float], ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of a story, read. open: its last step goes on until the test ends."""

    text: str
    subject: Subject
    steps: tuple[Step, ...]
    is_open: bool

    @property
    def last(self) -> datetime | None:
        """The last instant that it names."""
        return max((s.end for s in self.steps if s.end != FOREVER), default=None) if self.steps else None


FOREVER = datetime(8999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shop:
    """What lines may speak of: the measures by name, and the rules that look at them."""

    plan: Plan
    measures: Mapping[str, MeasureModel] = field(default_factory=dict)

    def line(self, subject: str, steps: str, times: Times) -> Line:
        """A line, read. Raises BadStory.

        subject, steps: what stands before and behind its colon. times: those of the test, which `09:05` is one of.
        """
        about = self._subject(subject)
        read = tuple(_steps(steps, about, times))
        return Line(f"{subject}: {steps}", about, read, bool(read) and read[-1].end == FOREVER)

    def _subject(self, text: str) -> Subject:
        try:
            words = shlex.split(text)
        except ValueError:
            raise BadStory(f"'{text[:60]}' has a quote that is not closed; close it [LS191]", in_subject=True) from None
        if not words:
            raise BadStory("a line names a measure first; write orders web: 10/min [LS191]", in_subject=True)
        name, *rest = words
        measure = self.measures.get(name)
        if measure is not None and measure.formula is not None:
            parts = re.findall(r"[A-Za-z_]\w*", measure.formula)
            message = f"'{name}' is worked out from {' and '.join(parts)}; write a line for each of those [LS191]"
            raise BadStory(message, in_subject=True)
        if measure is None and name not in TYPES:
            known = {*self.measures, *TYPES}
            raise BadStory(f"no measure is called '{name}'; {did_you_mean(name, known)} [LS130]", in_subject=True)
        event_type = name if measure is None else str(measure.count or measure.of)
        given: dict[str, Any] = {}
        if measure is not None:
            given = {
                k.removeprefix("lines."): v[0] for k, v in measure.where.items() if len(v) == 1 and "*" not in v[0]
            }
        bare = [w for w in rest if "=" not in w]
        for label, value in zip(self._labels(event_type, bare, text), bare, strict=True):
            given[label] = _typed(event_type, label, value)
        for word in rest:
            key, sign, value = word.partition("=")
            if sign:
                given[self._path(event_type, key)] = _typed(event_type, self._path(event_type, key), value)
        path, fresh = _value_field(measure, event_type)
        return Subject(event_type, path, self._is_level(measure, event_type), _data(event_type, given, path), fresh)

    def _is_level(self, measure: MeasureModel | None, event_type: str) -> bool:
        return measure.last is not None if measure is not None else TYPES[event_type].level is not None

    def _labels(self, event_type: str, bare: Sequence[str], text: str) -> Sequence[str]:
        """The labels that bare words are values of: those that the rules are by."""
        if not bare:
            return ()
        reading = (r for r in self.plan.rules if any(s.event_type == event_type for s in _series(r.condition)))
        by = {r.by for r in reading if r.by}
        names = next(iter(by)) if len(by) == 1 else ()
        if not by:
            first = [f for f in ("sku", "channel", "theme", "supplier", "campaign") if f in _all_fields(event_type)]
            is_of_sku = TYPES[event_type].identity[:1] == ("sku",)
            names = tuple(first[:1] if is_of_sku else [f for f in first if f != "sku"][:1])
        if len(names) != len(bare):
            label = sorted({n for b in by for n in b} or set(names) or {"channel"})[0]
            raise BadStory(
                f"it is not clear which label '{bare[0]}' is a value of; write {label}={bare[0]} [LS194]",
                offset=text.find(bare[0]),
                in_subject=True,
            )
        return names

    def _path(self, event_type: str, key: str) -> str:
        plain = key.removeprefix("lines.")
        used = {p.removeprefix("lines.") for s in self.plan.series if s.event_type == event_type for p in _paths(s)}
        if plain not in _all_fields(event_type) and plain not in used:
            known = _all_fields(event_type)
            raise BadStory(
                f"{event_type} has no '{plain}', and no rule asks for it; {did_you_mean(plain, known)} [LS194]",
                in_subject=True,
            )
        return plain


def _series(condition: Any) -> tuple[SeriesDef, ...]:
    return series_of_condition(condition)


def _paths(series: SeriesDef) -> Iterator[str]:
    yield from series.by
    yield from (label for label, _ in series.where)
    if series.field is not None:
        yield series.field


def _all_fields(event_type: str) -> set[str]:
    return {p.removeprefix("lines.") for p in known_paths(event_type)} - {"lines"}


def _value_field(measure: MeasureModel | None, event_type: str) -> tuple[str | None, str | None]:
    """(the field that values go to, the field that is another one in each event)."""
    if measure is None:
        return TYPES[event_type].level, None
    if measure.distinct is not None:
        return None, measure.distinct.removeprefix("lines.")
    numeric = (measure.sum, measure.average, measure.minimum, measure.maximum, measure.last, measure.percentile)
    name = next((f for f in numeric if f is not None), None)
    return (None if name is None else name.removeprefix("lines.")), None


def _typed(event_type: str, label: str, value: str) -> Any:
    in_lines = label in line_fields(event_type) and field_kind(event_type, label) == "unknown"
    kind = field_kind(event_type, f"lines.{label}" if in_lines else label)
    if kind == "number" or (kind == "unknown" and re.fullmatch(r"-?[1-9][0-9]*(\.[0-9]+)?|0", value)):
        try:
            return quantity.number(value)
        except ValueError as error:
            raise BadStory(str(error), in_subject=True) from None
    return value == "true" if kind == "flag" and value in ("true", "false") else value


def _data(event_type: str, given: Mapping[str, Any], path: str | None) -> dict[str, Any]:
    """The fields that the contract asks for, with what the line gives."""
    model: Any = MODELS[event_type].model_fields["data"].annotation
    data = {n: EXAMPLE_DATA[event_type][n] for n, f in model.model_fields.items() if f.is_required()}
    in_lines = {n for n in line_fields(event_type) if field_kind(event_type, n) == "unknown"}
    line = {n: v for n, v in given.items() if n in in_lines}
    if "lines" in data:
        plain = {k: v for k, v in EXAMPLE_DATA[event_type]["lines"][0].items() if k != "reason"}
        data["lines"] = [{**plain, **line}] if line or path in in_lines else []
    if "count" in given:
        given = {**given, "count": int(given["count"])}
    return {**data, **{n: v for n, v in given.items() if n not in in_lines}}


# ---- steps --------------------------------------------------------------------------------------------------------


def _steps(text: str, subject: Subject, times: Times) -> Iterator[Step]:
    now = times.start.astimezone(UTC)
    offset = 0
    for raw in text.split(","):
        said = raw.strip()
        at = offset + len(raw) - len(raw.lstrip())
        offset += len(raw) + 1
        if now == FOREVER:
            raise BadStory(
                f"the step before '{said[:40]}' has no end; add for 2h or until 12:00 to it [LS191]", offset=at
            )
        try:
            step = _step(said.removeprefix("then ").strip(), subject, times, now)
        except BadStory:
            raise
        except ValueError as error:
            raise BadStory(str(error), offset=at) from None
        yield step
        now = step.end


def _clauses(text: str) -> tuple[str, dict[str, str]]:
    """`6/h on Mon 09:00-17:00 for 2h` → (`6/h`, {on: …, for: …}). Raises ValueError."""
    parts = re.split(rf"\b({'|'.join(_WORDS)})\b", text)
    clauses: dict[str, str] = {}
    for word, rest in zip(parts[1::2], parts[2::2], strict=True):
        if word in clauses:
            raise ValueError(f"'{word}' stands twice in '{text[:60]}'; put a comma between two steps [LS191]")
        if not rest.strip():
            raise ValueError(f"nothing follows '{word}' in '{text[:60]}'; {_STEP_HINT}")
        clauses[word] = rest.strip()
    return parts[0].strip(), clauses


def _step(text: str, subject: Subject, times: Times, now: datetime) -> Step:
    head, clauses = _clauses(text)
    if not head:
        raise ValueError(f"'{text[:60]}' is no step; {_STEP_HINT}")
    if head.lower() == "nothing":
        _only(clauses, "for", "until", of="nothing")
        return Step(now, _end(clauses, times, now))
    if "/" in head:
        return _paced(head, clauses, subject, times, now)
    return _valued(head, clauses, times, now)


def _only(clauses: Mapping[str, str], *known: str, of: str) -> None:
    for word in clauses:
        if word not in known:
            raise ValueError(f"'{word}' says nothing of {of}; {_STEP_HINT}")


def _end(clauses: Mapping[str, str], times: Times, now: datetime) -> datetime:
    if "for" in clauses and "until" in clauses:
        raise ValueError("a step has one end; keep 'for' or 'until' [LS191]")
    if "for" in clauses:
        return times.after(now, length_s(clauses["for"]))
    if "until" in clauses:
        end = times.moment(clauses["until"])
        if end <= now:
            shown = times.shown(now)
            raise ValueError(f"'until {clauses['until']}' is not after {shown}, when the step begins; mend one [LS192]")
        return end
    return FOREVER


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text.strip()[:60]}' is no pace; write 10/min, 6/h or 2/s [LS191]")
    unit = match[2].lower()
    if unit not in _PER:
        raise ValueError(
            f"'{text.strip()}' has an unknown unit; write {match[1]}/min, {match[1]}/h or {match[1]}/s [LS191]"
        )
    pace = float(match[1])
    if not 0 <= pace <= 1_000_000:
        raise ValueError(f"'{text.strip()}' is no pace; write one from 0 to 1,000,000 [LS191]")
    return pace / _PER[unit]


def _paced(head: str, clauses: dict[str, str], subject: Subject, times: Times, now: datetime) -> Step:
    _only(clauses, "for", "until", "on", "to", of="a pace")
    if subject.is_level:
        raise ValueError("a level has values, not a pace; write 35, 12 at 09:05 or 100 to 20 every 1h for 8h [LS191]")
    first = _rate(head)
    last = _rate(clauses["to"]) if "to" in clauses else first
    end = _end(clauses, times, now)
    if end == FOREVER and "to" in clauses:
        raise ValueError("a pace that changes needs an end; add for 1h [LS191]")
    hours = tuple(quantity.hours(h.strip()) for h in clauses["on"].split(" and ")) if "on" in clauses else ()
    return Step(now, end, (first, last), hours)


def _valued(head: str, clauses: dict[str, str], times: Times, now: datetime) -> Step:
    _only(clauses, "at", "every", "for", "until", "to", of="a value")
    if not re.fullmatch(_NUMBER, head):
        raise ValueError(f"'{head[:60]}' is no step; {_STEP_HINT}")
    first = quantity.number(head.replace("_", ""))
    if "every" not in clauses:
        _only(clauses, "at", of="one value")
        at = times.moment(clauses["at"]) if "at" in clauses else now
        if at < now:
            raise ValueError(
                f"'at {clauses['at']}' is before {times.shown(now)}, the step before it; sort them [LS192]"
            )
        return Step(at, at, values=((at, first),))
    _only(clauses, "every", "for", "until", "to", of="values at even steps")
    end, every = _end(clauses, times, now), length_s(clauses["every"])
    if end == FOREVER:
        raise ValueError("values at even steps need an end; add for 8h [LS191]")
    last = quantity.number(clauses["to"]) if "to" in clauses else first
    number = floor((end - now).total_seconds() / every)
    if number > 100_000:
        raise ValueError(f"'every {clauses['every']}' makes {number:,} values; write a longer one [LS191]")
    values = [
        (now + timedelta(seconds=i * every), first + (last - first) * i / max(number, 1)) for i in range(number + 1)
    ]
    return Step(now, end, values=tuple((at, round(v, 6)) for at, v in values if at < end or last != first))


# ---- events -------------------------------------------------------------------------------------------------------


def events_of(
    line: Line, number: int, until: datetime, times: Times, series: Sequence[SeriesDef]
) -> list[dict[str, Any]]:
    """The events of a line. Raises BadStory for far too many.

    number: which line of its test it is, from 0; event ids begin with it. until: when the test ends. series: those of
    the rules that the test looks at: where they only count, one event stands for many.
    """
    events: list[dict[str, Any]] = []
    about = line.subject
    of_type = [s for s in series if s.event_type == about.event_type]
    # Many events of a bucket can come as one that stands for all of them where all that is asked is how many.
    only_counted = about.fresh is None and about.field is None and all(s.aggregate is Aggregate.COUNT for s in of_type)
    bucket_us = min((s.bucket_s for s in of_type), default=60) * SECOND if only_counted else 0
    names = counted()
    for step in line.steps:
        for at, value in step.values:
            if at <= until:
                events.append(_event(about, number, next(names), at, value))
        if step.rates is not None:
            for at_us, many in _spread(step, min(step.end, until), times, bucket_us):
                moment = datetime.fromtimestamp(at_us // SECOND, UTC).replace(microsecond=at_us % SECOND)
                events.append(_event(about, number, next(names), moment, None, many))
    return events


def _event(about: Subject, line: int, number: int, at: datetime, value: float | None, many: int = 1) -> dict[str, Any]:
    name = f"{line + 1}-{number + 1}"
    data = dict(about.data)
    if "order_id" in data:
        data["order_id"] = name
    if about.fresh is not None:
        data[about.fresh] = name
    if value is not None and about.field is not None:
        if data.get("lines") and about.field not in data:
            data["lines"] = [{**data["lines"][0], about.field: value}]
        else:
            data[about.field] = value
    elif value is not None:
        many = int(value)
    if many != 1:
        data["count"] = data.get("count", 1) * many
    time = rfc3339(_us(at))
    return {"specversion": "1.0", "id": name, "source": "/test", "type": about.event_type, "time": time, "data": data}


def _spread(step: Step, until: datetime, times: Times, bucket_us: int) -> Iterable[tuple[int, int]]:
    """(microsecond, how many): half a distance from the beginning, then evenly, hours that do not count left out."""
    assert step.rates is not None
    begin, end = _us(step.begin), _us(until)
    whole_s = (_us(step.end) - begin) / SECOND
    first, last = step.rates
    growth = (last - first) / whole_s if first != last else 0.0
    passed_s, made = 0.0, 0

    def by(seconds: float) -> float:
        """Events in the first so many seconds that count."""
        return first * seconds + growth * seconds * seconds / 2

    stretches = list(_stretches(step.hours, begin, end, times))
    in_buckets = bool(bucket_us) and max(first, last) * bucket_us > SECOND
    active_us = sum(closes - opens for opens, closes in stretches)
    if (active_us / bucket_us if in_buckets else by(active_us / SECOND)) > MOST_EVENTS:
        raise BadStory(f"a step makes more than {MOST_EVENTS:,} events; shorten it or write a lower pace [LS191]")
    for opens, closes in stretches:
        length_s = (closes - opens) / SECOND
        if in_buckets:
            at = opens
            while at < closes:
                after = min(at // bucket_us * bucket_us + bucket_us, closes)
                total = floor(by(passed_s + (after - opens) / SECOND) + 1e-6)
                if total > made:
                    yield at, total - made
                    made = total
                at = after
        else:
            most = by(passed_s + length_s)
            while made + 0.5 <= most - 1e-9:
                if growth:
                    active_s = (sqrt(max(first * first + 2 * growth * (made + 0.5), 0.0)) - first) / growth
                else:
                    active_s = (made + 0.5) / first
                yield opens + round((active_s - passed_s) * SECOND), 1
                made += 1
        passed_s += length_s


def _stretches(hours: tuple[Hours, ...], begin: int, end: int, times: Times) -> Iterator[tuple[int, int]]:
    if not hours:
        if begin < end:
            yield begin, end
        return
    days = (end - begin) // (DAY_S * SECOND) + 2
    for opens, closes in stretches(hours, begin // SECOND, times.zone, days):
        first, last = max(opens * SECOND, begin), min(closes * SECOND, end)
        if first < last:
            yield first, last


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * SECOND)
