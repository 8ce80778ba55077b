"""Backtest: the same meter and judge, fed from files as fast as they go, with time taken from the events."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.adapters.charts.curve import Curve
from lockstep.errors import EventError
from lockstep.event import Decoder
from lockstep.judge.judge import Judge
from lockstep.judge.visit import Observer, Shortcut
from lockstep.measure.definition import SeriesDef
from lockstep.measure.meter import wanted_fields
from lockstep.measure.sample import Frame
from lockstep.rule.condition.kinds import Plan, Severity
from lockstep.tools.backtest.campaign_events import lines_of, plan_over_time
from lockstep.tools.backtest.curves import MOST, CurveRecorder, Most
from lockstep.tools.backtest.event_files import LIMITS, READ_AT_ONCE, Limits, Unsorted, sliced, time_of
from lockstep.tools.backtest.metering import Portion, Refusal, Tally, measured, measured_files, rare_collections
from lockstep.transition import Transition, TransitionName, in_order

Progress = Callable[[int, float | None], None]
"""Told how many events have been judged since the last call, and which part of all is done (None: nobody knows)."""


def _leave(_: Frame) -> None:
    """Nothing is made of a frame."""


@dataclass(frozen=True)
class Attached:
    """What a replay gives its judge, see there. taken: called with every frame after the judge has taken it."""

    observer: Observer | None = None
    shortcut: Shortcut | None = None
    taken: Callable[[Frame], None] = _leave
    keep_longer_s: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Replay:
    """What a replay read and said. refused: why events could not be read, equal reasons as one. history: events that
    were read for what they tell of later ones alone, and are none of `events`.

    judge: as it was at the end, to be asked why; attached: what was attached to it. curves: episode id → the numbers
    around it, where they were asked for.
    """

    transitions: list[Transition] = field(default_factory=list)
    events: int = 0
    duplicates: int = 0
    unknown: int = 0
    bad: int = 0
    refused: list[Refusal] = field(default_factory=list)
    history: int = 0
    curves: dict[str, Curve] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    judge: Judge | None = None
    attached: Attached = field(default_factory=Attached, compare=False)

    @property
    def is_judged(self) -> bool:
        """Whether there was anything to judge: a report of nothing would pass for one that all is well."""
        return self.events + self.history > 0

    @property
    def shortfall(self) -> str:
        """In one sentence why what was judged says nothing of what was read, or little; "" where it says enough."""
        used = self.events + self.history + self.duplicates
        if self.bad > used:
            rest = "only the others were judged" if self.is_judged else "nothing was judged"
            return f"{self.bad:,} of {self.bad + used:,} events were refused: {rest}"
        if self.unknown and not self.is_judged:
            return f"none of {self.unknown:,} events is of a type that lockstep knows: nothing was judged"
        if not used:
            return "there are no events: nothing was judged"
        return ""

    def require_judged(self) -> None:
        """Raises EventError with the first reasons where there is a shortfall: for answers that would rest on it."""
        if self.shortfall:
            raise EventError("refused", "; ".join([self.shortfall, *map(str, self.refused[:3])]))


@dataclass(frozen=True)
class Episode:
    """One episode as people look at it. fired, ended: None when it did not (yet)."""

    rule: str
    labels: Mapping[str, str]
    started: str
    fired: str | None
    ended: str | None
    severity: str
    value: float | None
    baseline: float | None
    cancelled: bool
    id: str
    transitions: tuple[Transition, ...]

    @property
    def announcement(self) -> Transition:
        """The transition that people hear of: the first firing, else how it began."""
        return next((t for t in self.transitions if t.state is TransitionName.FIRING), self.transitions[0])


def backtest(
    plan: Plan,
    files: Sequence[Path],
    *,
    zone: ZoneInfo,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress | None = None,
    watch: bool = False,
    attach: Callable[[], Attached] | None = None,
    limits: Limits = LIMITS,
) -> Replay:
    """Replay files of CloudEvents (one a line, `.gz` too, `-` is standard input) through meter and judge.

    Files in the order of time are streamed; others are sorted first, on disk where they are large. Large files are read
    and measured in a process beside, where the machine has a second core.
    since: what happened before is history: judged, neither counted nor reported, see `first_heard_since`.
    until: judge everything up to this event time; default: the last event's. progress: told how far it is. watch: keep
    the numbers around episodes. limits: how much is held at a time.
    attach: makes what is attached to the judge, anew where the files have to be read again; not together with watch.
    Raises EventError for a file that cannot be read at all; single bad events are counted and named in the result.
    """
    plan = plan_over_time(plan, lines_of(files), zone=zone)
    portions = partial(measured_files, plan.series, files, since=since, until=until, limits=limits)
    replay = partial(_replay, plan, zone=zone, since=since, progress=progress, watch=watch, attach=attach)
    if not any(str(f) == "-" for f in files):
        with suppress(Unsorted):
            return replay(portions(in_order=True))
    return replay(portions(in_order=False))


def replay_events(
    plan: Plan, events: Iterable[Mapping[str, Any]], *, zone: ZoneInfo, until: datetime | None = None
) -> list[Transition]:
    """The transitions that these events (CloudEvents as dicts, any order) lead to."""
    return replayed(plan, events, zone=zone, until=until).transitions


def replayed(
    plan: Plan,
    events: Iterable[Mapping[str, Any]],
    *,
    zone: ZoneInfo,
    until: datetime | None = None,
    watch: bool = False,
    most: Most = MOST,
    attach: Callable[[], Attached] | None = None,
    at_once: int = LIMITS.at_once,
) -> Replay:
    """What these events (CloudEvents as dicts, any order) lead to; see `backtest` for what is not said here.

    most: episodes that are watched. at_once: events that are judged together.
    """
    values = [msgspec.json.encode(e) for e in events]
    plan = plan_over_time(plan, values, zone=zone)
    decoder = _decoder(tuple(plan.series))
    items = [(f"event {i}", event) for i, event in enumerate(decoder.decode(values))]
    items.sort(key=time_of)
    portions = measured(plan.series, sliced(items, min(at_once, READ_AT_ONCE)), at_once=at_once, until=until)
    return _replay(plan, portions, zone=zone, watch=watch, most=most, attach=attach)


@lru_cache(maxsize=64)
def _decoder(series: tuple[SeriesDef, ...]) -> Decoder:
    """Making one costs as much as a small replay; tests of rules make hundreds of those."""
    return Decoder(wanted_fields(series))


@rare_collections()
def _replay(
    plan: Plan,
    measured: Iterable[Portion],
    *,
    zone: ZoneInfo,
    since: datetime | None = None,
    progress: Progress | None = None,
    watch: bool = False,
    most: Most = MOST,
    attach: Callable[[], Attached] | None = None,
) -> Replay:
    recorder = CurveRecorder(plan, most=most, since=since) if watch else None
    attached = Attached() if attach is None else attach()
    if recorder is not None:
        attached = Attached(observer=recorder, taken=recorder.taken, keep_longer_s=recorder.keep_longer_s)
    judging = Judge(
        plan,
        zone=zone,
        early=False,
        stores=False,
        observer=attached.observer,
        shortcut=attached.shortcut,
        keep_longer_s=attached.keep_longer_s,
    )
    transitions: list[Transition] = []
    tally = Tally()
    for portion in measured:
        for frame in portion.frames:
            judging.take(frame)
            attached.taken(frame)
        transitions.extend(judging.drain())
        tally = portion.tally
        if progress is not None:
            progress(portion.count, portion.done)
    judging.judge_open()
    if recorder is not None:
        recorder.finish()
    transitions.extend(judging.drain())
    transitions.sort(key=in_order)
    if since is not None:
        transitions = first_heard_since(since, transitions)
    curves = {} if recorder is None else recorder.curves
    counted = msgspec.structs.asdict(tally)
    return Replay(transitions, judge=judging, attached=attached, curves=curves, **counted)


def first_heard_since(since: datetime, transitions: Sequence[Transition]) -> list[Transition]:
    """The transitions, in order, of the episodes that fired at or after an instant (or began, where they never fired).

    Of an episode that people had heard of before, they hear its end only: that is no news of these days.
    """
    fired: dict[str, str] = {}
    begun: dict[str, str] = {}
    for t in transitions:
        begun.setdefault(t.episode_id, t.at)
        if t.state is TransitionName.FIRING:
            fired.setdefault(t.episode_id, t.at)
    heard = {episode: datetime.fromisoformat(fired.get(episode, at)) >= since for episode, at in begun.items()}
    return [t for t in transitions if heard[t.episode_id]]


JSON_FIELDS = (
    "rule",
    "labels",
    "alert_id",
    "episode_id",
    "state",
    "at",
    "value",
    "baseline",
    "window_start",
    "window_end",
    "severity",
)


def json_line(transition: Transition) -> str:
    """A transition as `backtest --json` prints it."""
    fields = msgspec.to_builtins(transition)
    shown = {name: fields[name] for name in JSON_FIELDS}
    if transition.baseline_of:
        shown["baseline_of"] = transition.baseline_of
    return msgspec.json.encode(shown).decode()


def episodes(transitions: Iterable[Transition]) -> list[Episode]:
    """Transitions gathered by episode, in the order in which the episodes began."""
    by_id: dict[str, list[Transition]] = {}
    for transition in transitions:
        by_id.setdefault(transition.episode_id, []).append(transition)
    gathered = []
    for parts in by_id.values():
        fired = next((t for t in parts if t.state is TransitionName.FIRING), None)
        last = parts[-1]
        shown = fired or parts[0]
        ended = last.at if last.state in (TransitionName.RESOLVED, TransitionName.CANCELLED) else None
        severities = [t.severity for t in parts if t.state in (TransitionName.FIRING, TransitionName.SEVERITY)]
        worst = max(severities or [shown.severity], key=Severity.of)
        gathered.append(
            Episode(
                rule=shown.rule,
                labels=shown.labels,
                started=shown.started_at,
                fired=None if fired is None else fired.at,
                ended=ended,
                severity=worst,
                value=shown.value,
                baseline=shown.baseline,
                cancelled=last.state is TransitionName.CANCELLED,
                id=shown.episode_id,
                transitions=tuple(parts),
            )
        )
    return gathered
