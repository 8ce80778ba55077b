"""Suggested numbers for a rule: found by backtesting candidates with the real judge, all of them in one replay.

A first replay measures: which values the measure takes at the instants that are judged, and at which hours of the week
it has events. From these comes a small grid of candidates; a second replay judges every one. That which speaks most
often, but at most so often a week, is the suggestion. What it promises is what a backtest of it says, as it is the
same one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from math import floor, log10
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.adapters.rule_files import rule_files
from lockstep.errors import RuleError
from lockstep.judge.group import Group
from lockstep.judge.group_view import GroupView
from lockstep.judge.judge import Judge
from lockstep.judge.next import Schedule
from lockstep.judge.rule_facts import FAR
from lockstep.labels import NONE
from lockstep.measure.exact import exact
from lockstep.measure.possible_values import values_of
from lockstep.measure.sample import Frame
from lockstep.notify.message import labels_text
from lockstep.notify.message_reason import unit_of
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import (
    Level,
    Plan,
    Rule,
    Severity,
    Spike,
    Threshold,
    series_of_condition,
)
from lockstep.rule.condition.period import Period, Window
from lockstep.rule.condition.verdicts import judge
from lockstep.rule.condition.view import Instant, Kind, value_of
from lockstep.rule.language.load import load_texts
from lockstep.rule.language.measures import labels_of
from lockstep.rule.language.quantity import duration_text, window_text
from lockstep.text.figures import number_text
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S
from lockstep.tools.backtest import replay as bt
from lockstep.tools.report.page import rate
from lockstep.tools.report.report import WEEK, fired_at
from lockstep.transition import Transition
from lockstep.yaml.document import did_you_mean

KINDS = ("threshold", "spike", "absence")
MOST_VALUES = 50_000
"""Different values that are remembered; beyond, the rare ones of the newest are left out."""
OFTEN = 0.6
"""An hour of the week is expected to have events when it had some in this share of the weeks."""
NAMED = 5
"""Episodes named in the comment."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ABSENCES_S = (900, 1800, 3600, 7200, 3 * 3600, 4 * 3600, 6 * 3600, 8 * 3600, 12 * 3600, DAY_S)


@dataclass(frozen=True)
class Asked:
    """What is wanted. window: of a threshold or spike on a flow. direction: above or below; None: what is usual."""

    measure: str
    by: tuple[str, ...] = ()
    kind: str | None = None
    direction: str | None = None
    window: Window = 3600
    per_week: float = 1.0
    name: str | None = None


@dataclass(frozen=True)
class Candidate:
    """One rule that is tried: its lines without its name.

    Candidates of one row differ in one number alone: thresholds of 10, 20 and 40 with the same wait are a row.
    turn: names the row, by what its candidates have in common. number: the one that differs, as it is written,
    `above: 20`. strictness: orders a row, a higher one speaks less.
    """

    lines: tuple[str, ...]
    turn: str
    number: str
    strictness: tuple[float, ...]


@dataclass(frozen=True)
class Suggestion:
    """text: YAML to paste, with the reason in comments. episodes: what it would have told. seen: of which events."""

    text: str
    name: str
    episodes: tuple[bt.Episode, ...]
    weeks: float
    seen: bt.Replay


@dataclass
class Measured:
    """What a measure did. values: how often each was seen. hours: instants (hours since the epoch) with events."""

    values: Counter[float] = field(default_factory=Counter)
    hours: set[int] = field(default_factory=set)

    def quantile(self, part: float) -> float | None:
        """The value below which this part of the seen ones lies."""
        total = self.values.total()
        left = part * total
        for value in sorted(self.values):
            left -= self.values[value]
            if left <= 0:
                return value
        return max(self.values, default=None)


class _Ruler:
    """An observer of a judge that notes which values a measure takes."""

    def __init__(self) -> None:
        self.measured = Measured()

    def sees_every_verdict(self, rule: Rule) -> bool:
        return True

    def judging(self, group: Group, at: Instant, view: GroupView) -> None:
        value = judge(group.condition, view, at, None).value
        values = self.measured.values
        if value is not None and (value in values or len(values) < MOST_VALUES):
            values[value] += 1

    def emitted(self, group: Group, transition: Transition, view: GroupView) -> None:
        """The probe never breaches."""

    def expiring(self) -> None:
        """It has been seen."""

    def taken(self, frame: Frame) -> None:
        for sample in frame.partials:
            self.measured.hours.update(bucket // 3600 for bucket, _ in sample.buckets)

    @classmethod
    def attached(cls) -> bt.Attached:
        """A new one, for a replay."""
        ruler = cls()
        return bt.Attached(observer=ruler, taken=ruler.taken)


class CandidateShortcut:
    """Lets a judge of candidates ask once what no candidate differs in.

    A quiet rise that has not reached its `at_least` says nothing, whatever is usual. What a window and its usual are is
    the same for all candidates of one window and baseline, and so is when they change: the first that looks notes it
    for the others, which look again where they may breach. The outcome is the judge's own; that every candidate asked
    for every usual was nearly all of the time.
    """

    def __init__(self, plan: Plan) -> None:
        shapes: dict[Any, int] = {}
        self._shape_of: dict[str, int] = {}
        for rule in plan.rules:
            if isinstance(spike := rule.condition, Spike):
                shape = (spike.expression, spike.window_s, spike.baseline, rule.by, rule.forget_after_s)
                self._shape_of[rule.name] = shapes.setdefault(shape, len(shapes))
        self._seen: dict[tuple[int, tuple[str, ...], int], tuple[float, float, int]] = {}

    @classmethod
    def attached(cls, plan: Plan) -> bt.Attached:
        """A new one, for a replay of candidates."""
        shortcut = cls(plan)
        return bt.Attached(shortcut=shortcut, taken=shortcut.taken)

    def taken(self, _: Frame) -> None:
        """What comes next may change what was seen."""
        self._seen.clear()

    def quiet_until(self, group: Group, end: int, view: GroupView, schedule: Schedule) -> int | None:
        spike = group.condition
        if not isinstance(spike, Spike):
            return None
        until = self._until_more_comes(group, spike, end, view)
        return self._while_usual(group, spike, end, view, schedule) if until is None else until

    def _until_more_comes(self, group: Group, spike: Spike, end: int, view: GroupView) -> int | None:
        """Where the window has too little for a rise: when a bucket enters or leaves it."""
        window = spike.window_s
        if spike.at_least is None or spike.falls or not spike.rises or not isinstance(window, int):
            return None
        value = value_of(spike.expression, view, Instant(end, end * SECOND), end - window, end)
        if value is None or value >= exact(spike.at_least):
            return None
        width = group.facts.width
        starts = [
            start + offset
            for series in spike.flows
            for offset in (0, window)
            if (start := view.first_seen(series, end - width - offset + 1, FAR)) is not None
        ]
        return (min(starts) + width) * SECOND if starts else None

    def _while_usual(self, group: Group, spike: Spike, end: int, view: GroupView, schedule: Schedule) -> int | None:
        """Where neither value nor usual lets it breach: when they change."""
        key = self._shape_of[group.facts.rule.name], group.labels, end
        if (seen := self._seen.get(key)) is not None:
            value, baseline, until = seen
            return None if _is_far(spike, value, baseline) else until
        if not schedule.is_known(group, end):
            return None
        verdict = judge(spike, view, Instant(end, end * SECOND), None)
        if verdict.kind is not Kind.CLEAR or verdict.value is None or verdict.baseline is None:
            return None
        after = schedule.after(group, end)
        if after is not None:
            self._seen[key] = verdict.value, verdict.baseline, after
        return after


def _is_far(spike: Spike, value: float, baseline: float) -> bool:
    """Whether a spike may breach; it cannot where its ratio does not hold. What is rounded here never misses one."""
    near = 1e-9 * abs(value)
    rises = spike.rises and (spike.above is None or value + near >= spike.above * baseline)
    falls = spike.falls and (spike.below is None or value - near <= spike.below * baseline)
    return rises or falls or not (spike.rises or spike.falls)


def suggest(
    asked: Asked,
    rules: Path,
    files: Sequence[Path],
    *,
    zone: ZoneInfo,
    progress: bt.Progress | None = None,
) -> Suggestion:
    """The suggestion, from two replays of the files.

    asked: what is wanted. rules: the file or folder in which the measure is defined. files: of events, read twice.
    Raises RuleError for a measure that is not there or never has a value, EventError for a file that cannot be read.
    """
    texts = {str(f): f.read_text(encoding="utf-8", errors="replace") for f in rule_files([rules])}
    probe_window = f", window: {window_text(asked.window)}"
    probe = _plan(texts, {"Probe": _probe(asked, probe_window)}, optional=True)
    if probe is None:
        probe = _plan(texts, {"Probe": _probe(asked, "")})
    assert probe is not None
    looked_at = probe.rules[0].condition
    assert isinstance(looked_at, Threshold)
    probe = _looking_down(probe, looked_at)
    is_level = all(s.is_level for s in series_of_condition(probe.rules[0].condition))
    seen = bt.backtest(probe, files, zone=zone, progress=_half(progress, 0.0), attach=_Ruler.attached)
    ruler = seen.attached.observer
    assert isinstance(ruler, _Ruler)
    seen.require_judged()
    if seen.first is None or seen.last is None or not ruler.measured.values:
        raise RuleError(f"{asked.measure}: these events give it no value; name files that hold its events")
    assert seen.judge is not None
    _check_labels(probe.rules[0], seen.judge)
    weeks = max((seen.last - seen.first) / WEEK, 1 / 7)
    kind = asked.kind or ("threshold" if is_level or weeks < 5 else "spike")
    if is_level and kind != "threshold":
        raise RuleError(f"{asked.measure}: a level has no {kind}; ask for --kind threshold")
    lowest = values_of(looked_at.expression)[0]
    candidates = _candidates(kind, asked, ruler.measured, weeks, seen, zone, is_level=is_level, lowest=lowest)
    names = {f"Candidate{i}": c for i, c in enumerate(candidates)}
    plan = _plan(texts, {name: _rule(name, asked, c.lines) for name, c in names.items()})
    assert plan is not None
    tried = bt.backtest(
        plan, files, zone=zone, progress=_half(progress, 0.5), attach=partial(CandidateShortcut.attached, plan)
    )
    by_candidate: dict[str, list[bt.Episode]] = {name: [] for name in names}
    for episode in bt.episodes(tried.transitions):
        if episode.fired is not None:
            by_candidate[episode.rule].append(episode)
    most = asked.per_week * weeks
    best = min(names, key=lambda n: _worth(len(by_candidate[n]), most, names[n]))
    name = asked.name or _name(asked.measure, kind)
    text = _text(
        name=name,
        asked=asked,
        kind=kind,
        best=names[best],
        said=by_candidate[best],
        names=names,
        by_candidate=by_candidate,
        chosen=best,
        seen=seen,
        weeks=weeks,
        zone=zone,
    )
    return Suggestion(text, name, tuple(by_candidate[best]), weeks, seen)


def _check_labels(rule: Rule, judge: Judge) -> None:
    """A label that no event says groups by nothing: an extra field may have any name, so it is known by now only."""
    groups = judge.groups_of(rule.name)
    said = {s.event_type for s in series_of_condition(rule.condition)}
    for place, label in enumerate(rule.by):
        if groups and all(labels[place] == NONE for labels in groups):
            known = {name for event_type in said for name in labels_of(event_type)}
            raise RuleError(f"none of these events says its '{label}'; {did_you_mean(label, known)}")


def _worth(count: int, most: float, candidate: Candidate) -> tuple[float, ...]:
    """Smaller is better: at most as often as wanted, then as often as possible, then the most sensitive."""
    return (0 if count <= most else count - most, -count, *candidate.strictness)


def _half(progress: bt.Progress | None, begin: float) -> bt.Progress | None:
    if progress is None:
        return None
    return lambda count, done: progress(count, None if done is None else begin + done / 2)


def _plan(texts: Mapping[str, str], rules: Mapping[str, str], *, optional: bool = False) -> Plan | None:
    """The named rules alone, compiled with the measures of the other texts. Raises RuleError with their first fault."""
    own = "suggested.yml"
    loaded = load_texts({**texts, own: "rules:\n" + "".join(rules.values())})
    wrong = [f for f in loaded.errors if f.path == own]
    if wrong:
        if optional:
            return None
        raise RuleError(f"{wrong[0].message}; {wrong[0].remedy} [{wrong[0].code}]")
    kept = tuple(r for r in loaded.plan.rules if r.name in rules)
    return replace(
        loaded.plan, rules=kept, series=tuple(dict.fromkeys(s for r in kept for s in series_of_condition(r.condition)))
    )


def _probe(asked: Asked, window: str) -> str:
    # Never a breach; see `_looking_down`.
    return _rule("Probe", asked, (f"threshold: {{measure: {asked.measure}{window}, above: 9000000000000}}",))


def _looking_down(probe: Plan, condition: Threshold) -> Plan:
    """The probe with a bound below everything, which no author may write: a rule that only rises is not looked at when
    data leaves its window, this one whenever the value changes."""
    down = replace(condition, levels=(Level(Severity.INFO, Bounds(below=-9e12)),))
    return replace(probe, rules=(replace(probe.rules[0], condition=down),))


def _rule(name: str, asked: Asked, lines: Sequence[str]) -> str:
    by = f"    by: [{', '.join(asked.by)}]\n" if asked.by else ""
    return f"  - name: {name}\n{by}" + "".join(f"    {line}\n" for line in lines)


# ---- candidates ------------------------------------------------------------------------------------------------------


def _candidates(
    kind: str,
    asked: Asked,
    measured: Measured,
    weeks: float,
    seen: bt.Replay,
    zone: ZoneInfo,
    *,
    is_level: bool,
    lowest: float,
) -> list[Candidate]:
    if kind == "absence":
        return _absences(asked, measured, seen, zone)
    if kind == "spike":
        return _spikes(asked, measured, weeks)
    return _thresholds(asked, measured, is_level=is_level, lowest=lowest)


def round_number(value: float) -> float:
    """Two digits that count, as people write numbers: 1,234 → 1,200, 0.01234 → 0.012."""
    if value == 0:
        return 0.0
    digits = 1 - floor(log10(abs(value)))
    return round(value, digits)


def _plain(value: float) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


_UPPER = (0.5, 0.9, 0.97, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 1.0)
"""Parts of all seen values that lie below a candidate: alerts are in the tail."""


def _thresholds(asked: Asked, measured: Measured, *, is_level: bool, lowest: float) -> list[Candidate]:
    """lowest: what the measure is never less than; `below` of it could never be met."""
    down = (asked.direction or ("below" if is_level else "above")) == "below"
    parts = [1 - p for p in _UPPER] if down else list(_UPPER)
    numbers = {round_number(v) for p in parts if (v := measured.quantile(p)) is not None}
    if down and not is_level:
        numbers = {n for n in numbers if n > lowest} or {lowest + 1}
    window = "" if is_level else f", window: {window_text(asked.window)}"
    word, back = ("below", "above") if down else ("above", "below")
    if is_level:
        word = "at_most" if down else "at_least"
    # A calendar window is judged once, so nothing waits.
    waits = (0, max(60, asked.window // 4 // 60 * 60)) if isinstance(asked.window, int) and not is_level else (0,)
    candidates = []
    for number in sorted(numbers):
        clear = round_number(number * (1.25 if down else 0.8)) if number > 0 else number
        if is_level and clear == number:
            clear = number + 1 if down else number - 1
        for wait in waits:
            lines = [f"threshold: {{measure: {asked.measure}{window}, {word}: {_plain(number)}}}"]
            if clear != number:
                lines.append(f"clear: {{{back}: {_plain(clear)}}}")
            lines += [f"for: {duration_text(wait)}"] if wait else []
            order = -number if down else number
            candidates.append(Candidate(tuple(lines), f"{wait}", f"{word}: {_plain(number)}", (order, wait)))
    return candidates


def _spikes(asked: Asked, measured: Measured, weeks: float) -> list[Candidate]:
    baseline = "{previous: 6h}" if weeks < 8 / 7 else "{same_time_of_day: 7}"
    if weeks >= 5 or str(asked.window) == "week":
        baseline = "{same_time_of_week: 4}"
    elif isinstance(asked.window, Period):
        baseline = "{same_time_of_day: 7}"
    down = asked.direction == "below"
    ratios = (0.6, 0.5, 0.4, 0.3, 0.2) if down else (1.5, 2.0, 2.5, 3.0, 4.0)
    levels = sorted({round_number(v) for p in ((0.5, 0.75) if down else (0.9, 0.97)) if (v := measured.quantile(p))})
    candidates = []
    for ratio in ratios:
        for least in levels or [1.0]:
            usual = _plain(max(1.0, round_number(least if down else least / 4)))
            bound = f"below: {ratio:g}x" if down else f"above: {ratio:g}x, at_least: {_plain(least)}"
            clear = f"above: {(1 + ratio) / 2:.2g}x" if down else f"below: {(1 + ratio) / 2:.3g}x"
            lines = (
                f"spike: {{measure: {asked.measure}, window: {window_text(asked.window)}, "
                f"baseline: {baseline}, {bound}, usual_at_least: {usual}}}",
                f"clear: {{{clear}}}",
            )
            number = f"{'below' if down else 'above'}: {ratio:g}x"
            candidates.append(Candidate(lines, f"{least}", number, (-ratio if down else ratio, -least)))
    return candidates


def _absences(asked: Asked, measured: Measured, seen: bt.Replay, zone: ZoneInfo) -> list[Candidate]:
    hours = expected_hours(measured.hours, seen, zone)
    longest = max((_length_s(h) for h in hours), default=DAY_S)
    said = "" if not hours else f", hours: [{', '.join(repr_hours(h) for h in hours)}]"
    return [
        Candidate(
            (f"absence: {{measure: {asked.measure}, window: {duration_text(window)}{said}}}",),
            "",
            f"window: {duration_text(window)}",
            (window,),
        )
        for window in _ABSENCES_S
        if window <= longest
    ] or [Candidate((f"absence: {{measure: {asked.measure}, window: 15m{said}}}",), "", "window: 15m", (900,))]


Stretch = tuple[tuple[int, ...], int, int]
"""(weekdays, first hour, end hour) in which events are expected."""


def _length_s(stretch: Stretch) -> int:
    return (stretch[2] - stretch[1]) * 3600


def repr_hours(stretch: Stretch) -> str:
    days, start, end = stretch
    consecutive = len(days) > 1 and list(days) == list(range(days[0], days[0] + len(days)))
    names = f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}" if consecutive else ",".join(_DAYS[d] for d in days)
    return f"'{names} {start:02}:00-{end:02}:00'"


def expected_hours(seen_hours: set[int], seen: bt.Replay, zone: ZoneInfo) -> list[Stretch]:
    """The longest stretch of each weekday in which an hour usually has events; none when that is always.

    seen_hours: hours since the epoch in which there were events. seen: the replay, for its first and last event.
    """
    if seen.first is None or seen.last is None:
        return []
    busy: Counter[tuple[int, int]] = Counter()
    there: Counter[tuple[int, int]] = Counter()
    for hour in range(int(seen.first.timestamp()) // 3600, int(seen.last.timestamp()) // 3600 + 1):
        local = datetime.fromtimestamp(hour * 3600, zone)
        slot = (local.weekday(), local.hour)
        there[slot] += 1
        busy[slot] += hour in seen_hours
    by_stretch: dict[tuple[int, int], list[int]] = {}
    for day in range(7):
        often = [bool(there[day, h]) and busy[day, h] >= OFTEN * there[day, h] for h in range(24)]
        runs, start = [], None
        for h, is_often in enumerate([*often, False]):
            if is_often and start is None:
                start = h
            elif not is_often and start is not None:
                runs.append((start, h))
                start = None
        if runs:
            by_stretch.setdefault(max(runs, key=lambda r: r[1] - r[0]), []).append(day)
    if by_stretch == {(0, 24): list(range(7))}:
        return []
    return [(tuple(days), *stretch) for stretch, days in by_stretch.items()]


# ---- words -----------------------------------------------------------------------------------------------------------


def _name(measure: str, kind: str) -> str:
    ends = {"threshold": "Limit", "spike": "Spike", "absence": "Silence"}
    return "".join(part[:1].upper() + part[1:] for part in measure.replace("-", "_").split("_")) + ends[kind]


def times_text(count: int, weeks: float) -> str:
    """`3 times in 6 weeks`, `once in 10 days`."""
    often = {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")
    days = max(1, round(weeks * 7))
    stretch = f"{weeks:.0f} weeks" if days >= 14 else f"{days} day{'' if days == 1 else 's'}"
    return f"{often} in {stretch}"


def _text(
    name: str,
    asked: Asked,
    kind: str,
    best: Candidate,
    said: Sequence[bt.Episode],
    names: Mapping[str, Candidate],
    by_candidate: Mapping[str, Sequence[bt.Episode]],
    chosen: str,
    seen: bt.Replay,
    weeks: float,
    zone: ZoneInfo,
) -> str:
    assert seen.first is not None
    assert seen.last is not None
    first, last = seen.first.astimezone(zone), seen.last.astimezone(zone)
    within = len(said) <= asked.per_week * weeks
    lines = [
        f"From {seen.events:,} events of {first.day} {first:%b %Y} to {last.day} {last:%b %Y}, {len(names)} candidates "
        "tried with the judge itself.",
        f"This would have spoken {times_text(len(said), weeks)} ({rate(len(said) / weeks)} a week; "
        f"{'at most' if within else 'none of the candidates keeps to the'} {asked.per_week:g} "
        f"{'was asked for' if within else 'that was asked for'}).",
    ]
    for episode in said[:NAMED]:
        local, unit = fired_at(episode).astimezone(zone), unit_of(episode.announcement)
        value = f"{labels_text(episode.labels)}: {number_text(episode.value, unit)}"
        usual = "" if episode.baseline is None else f", usually {number_text(episode.baseline, unit)}"
        lines.append(f"  {local:%a} {local.day} {local:%b %Y %H:%M}, {value}{usual}")
    if len(said) > NAMED:
        lines.append(f"  and {len(said) - NAMED:,} more")
    row = sorted((n for n in names if names[n].turn == best.turn), key=lambda n: names[n].strictness)
    at = row.index(chosen)
    beside = [
        f"`{names[n].number}` {times_text(len(by_candidate[n]), weeks)}"
        for n in (row[at - 1] if at else None, row[at + 1] if at + 1 < len(row) else None)
        if n is not None
    ]
    if beside:
        lines.append(f"`{best.number}`, because otherwise the same with {' and with '.join(beside)}.")
    what = {"threshold": "{{ value }}, the limit is {{ limit }}", "spike": "{{ value }}, usually {{ baseline }}"}
    summary = what.get(kind, "nothing for {{ window }}")
    group = "".join(f"{{{{ labels.{label.removeprefix('lines.')} }}}}, " for label in asked.by)
    rule = _rule(name, asked, (*best.lines, "say:", f'  summary: "{group}{asked.measure}: {summary}"'))
    return "rules:\n" + "".join(f"  # {line}\n" for line in lines) + rule
