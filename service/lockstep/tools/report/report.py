"""The report of a backtest: how often, how long, at what hours each rule would have spoken, and how rightly.

Also what would change between two versions of the rules. Computed from episodes; `page` and `terminal_tables` show it.
"""

import csv
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.adapters.rule_files import read_document
from lockstep.errors import EventError
from lockstep.notify.message import labels_text
from lockstep.rule.condition.hours import stretches
from lockstep.rule.condition.kinds import Hours, Plan
from lockstep.text.figures import duration_words
from lockstep.tools.backtest.replay import Episode, Replay
from lockstep.transition import TransitionName

WEEK = timedelta(days=7)
NOISIEST = 3


@dataclass(frozen=True)
class Window:
    """A stretch [start, end] in which something really was wrong. rule: only that rule should tell; None: any may."""

    start: datetime
    end: datetime
    rule: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def is_met_by(self, episode: Episode) -> bool:
        """Whether an episode speaks of it: the same time, the rule and labels that are named."""
        begins, ends = fired_at(episode), ended_at(episode)
        return (
            (self.rule is None or self.rule == episode.rule)
            and all(episode.labels.get(name) == value for name, value in self.labels.items())
            and begins <= self.end
            and (ends is None or ends >= self.start)
        )


@dataclass(frozen=True)
class Score:
    """right: episodes inside a window, of `episodes`. detected: windows that an episode spoke of, of `windows`."""

    right: int
    episodes: int
    detected: int
    windows: int

    @property
    def precision(self) -> float | None:
        return self.right / self.episodes if self.episodes else None

    @property
    def recall(self) -> float | None:
        return self.detected / self.windows if self.windows else None


@dataclass(frozen=True)
class RuleReport:
    """One rule. episodes: those that fired, in order. weekly: their number in each week of the report.

    per_week: None where the events are of less than a day, which says nothing of a week.
    woken: outside working hours, by severity. noisiest: (group, how many). score: None without labels.
    """

    rule: str
    episodes: tuple[Episode, ...]
    unfired: int
    per_week: float | None
    weekly: tuple[int, ...]
    typical: timedelta | None
    longest: timedelta | None
    going_on: int
    woken: Mapping[str, int]
    noisiest: tuple[tuple[str, int], ...]
    groups: int
    score: Score | None


@dataclass(frozen=True)
class Report:
    """All rules, the noisiest first. first, last: of the events. mondays: the weeks, local midnights."""

    rules: tuple[RuleReport, ...]
    first: datetime | None
    last: datetime | None
    weeks: float
    mondays: tuple[datetime, ...]
    events: int
    bad: int
    duplicates: int
    windows: tuple[Window, ...]
    score: Score | None

    @property
    def episodes(self) -> tuple[Episode, ...]:
        return tuple(sorted((e for r in self.rules for e in r.episodes), key=fired_at))

    @property
    def woken(self) -> Counter[str]:
        return sum((Counter(r.woken) for r in self.rules), Counter())

    @property
    def typical(self) -> timedelta | None:
        return _typical(self.episodes)


def fired_at(episode: Episode) -> datetime:
    return datetime.fromisoformat(episode.fired or episode.started)


def ended_at(episode: Episode) -> datetime | None:
    return None if episode.ended is None else datetime.fromisoformat(episode.ended)


def lasted(episode: Episode) -> timedelta | None:
    """How long it fired; None when it goes on."""
    ended = ended_at(episode)
    return None if ended is None else ended - fired_at(episode)


def make_report(
    plan: Plan,
    replay: Replay,
    episodes: Iterable[Episode],
    *,
    zone: ZoneInfo,
    working: Sequence[Hours],
    windows: Sequence[Window] | None = None,
) -> Report:
    """What a backtest of these rules said.

    episodes: those of the replay. zone: the shop's, in which weeks begin. working: outside of these hours an alert
    would have woken somebody. windows: what really was wrong, for precision and recall; None: nobody knows.
    """
    by_rule: dict[str, list[Episode]] = {rule.name: [] for rule in plan.rules}
    for episode in episodes:
        by_rule.setdefault(episode.rule, []).append(episode)
    mondays = _mondays(replay.first, replay.last, zone)
    weeks = 0.0
    if replay.first is not None and replay.last is not None:
        weeks = (replay.last - replay.first) / WEEK
    rules = [
        _rule_report(name, of_rule, mondays=mondays, weeks=weeks, zone=zone, working=working, windows=windows)
        for name, of_rule in by_rule.items()
    ]
    rules.sort(key=lambda r: (-len(r.episodes), r.rule))
    every = [e for r in rules for e in r.episodes]
    return Report(
        rules=tuple(rules),
        first=replay.first,
        last=replay.last,
        weeks=weeks,
        mondays=mondays,
        events=replay.events,
        bad=replay.bad,
        duplicates=replay.duplicates,
        windows=tuple(windows or ()),
        score=None if windows is None else _score(every, windows),
    )


def per_week(count: int, weeks: float) -> float | None:
    """How many a week; None for less than a day."""
    return count / weeks if weeks >= 1 / 7 else None


def _rule_report(
    name: str,
    episodes: Sequence[Episode],
    *,
    mondays: tuple[datetime, ...],
    weeks: float,
    zone: ZoneInfo,
    working: Sequence[Hours],
    windows: Sequence[Window] | None,
) -> RuleReport:
    fired = [e for e in episodes if e.fired is not None]
    weekly = [0] * len(mondays)
    for episode in fired:
        weekly[max(0, bisect_right(mondays, fired_at(episode)) - 1)] += 1
    lengths = [length for e in fired if (length := lasted(e)) is not None]
    groups = Counter(labels_text(e.labels) for e in fired)
    return RuleReport(
        rule=name,
        episodes=tuple(fired),
        unfired=len(episodes) - len(fired),
        per_week=per_week(len(fired), weeks),
        weekly=tuple(weekly),
        typical=_typical(fired),
        longest=max(lengths, default=None),
        going_on=sum(e.ended is None for e in fired),
        woken=_woken(fired, zone=zone, working=working),
        noisiest=tuple(groups.most_common(NOISIEST)),
        groups=len(groups),
        score=None if windows is None else _score(fired, windows, rule=name),
    )


def _typical(episodes: Iterable[Episode]) -> timedelta | None:
    lengths = [length.total_seconds() for e in episodes if (length := lasted(e)) is not None]
    return timedelta(seconds=median(lengths)) if lengths else None


def _mondays(first: datetime | None, last: datetime | None, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The local Monday midnights from the week of the first event to that of the last."""
    if first is None or last is None:
        return ()
    day = first.astimezone(zone).date()
    day -= timedelta(days=day.weekday())
    end = last.astimezone(zone).date()
    mondays: list[datetime] = []
    while day <= end:
        mondays.append(datetime.combine(day, time(), zone))
        day += WEEK
    return tuple(mondays)


def _woken(episodes: Iterable[Episode], *, zone: ZoneInfo, working: Sequence[Hours]) -> dict[str, int]:
    """How often somebody would have been called out of bed: each time an episode first reaches that severity."""
    woken: Counter[str] = Counter()
    for episode in episodes:
        reached: set[str] = set()
        for transition in episode.transitions:
            if transition.state not in (TransitionName.FIRING, TransitionName.SEVERITY):
                continue
            severity = transition.severity
            if severity in ("warning", "critical") and severity not in reached:
                at = int(datetime.fromisoformat(transition.at).timestamp())
                if not any(opens <= at < closes for opens, closes in stretches(tuple(working), at, zone, 1)):
                    woken[severity] += 1
            reached |= {severity} if severity != "critical" else {"warning", "critical"}
    return dict(woken)


def _score(episodes: Sequence[Episode], windows: Sequence[Window], *, rule: str | None = None) -> Score:
    """rule: only its own windows are to be found by it; one that names no rule is anybody's, and counts for all."""
    right = sum(any(w.is_met_by(e) for w in windows) for e in episodes)
    own = windows if rule is None else [w for w in windows if w.rule == rule]
    detected = sum(any(w.is_met_by(e) for e in episodes) for w in own)
    return Score(right, len(episodes), detected, len(own))


# ---- what really was wrong -----------------------------------------------------------------------------------------


def read_windows(path: Path, zone: ZoneInfo) -> list[Window]:
    """Windows from a CSV (columns start, end, rule, and one for each label) or a YAML list of the same keys.

    Times without a zone are the shop's. Raises EventError naming the row.
    """
    rows = _yaml_rows(path) if path.suffix in (".yml", ".yaml", ".json") else _csv_rows(path)
    return [_window(path, number, row, zone) for number, row in rows]


def _csv_rows(path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(i, row) for i, row in enumerate(csv.DictReader(stream), 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EventError("file", f"{path}: cannot be read: {error}; name a CSV with the columns start,end") from error
    return [
        (i, {"labels": {k: v for k, v in row.items() if k and k not in ("start", "end", "rule") and v}, **row})
        for i, row in rows
    ]


def _yaml_rows(path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    document, faults = read_document(path)
    data = None if document is None else document.data
    if document is not None and document.twice:
        raise EventError("file", str(document.twice[0][1]))
    if document is None or not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        why = f": {faults[0].message}" if faults else ""
        raise EventError("file", f"{path}{why}: no list of windows; write - {{start: 2026-11-24T09:30, end: …}}")
    return [(document.place((i,))[0], row) for i, row in enumerate(data)]


def _window(path: Path, number: int, row: Mapping[str, Any], zone: ZoneInfo) -> Window:
    moments = []
    for name in ("start", "end"):
        given = row.get(name)
        try:
            moment = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
        except ValueError:
            raise EventError(
                "file", f"{path}:{number}: '{name}' is '{given}', no time; write one like 2026-11-24T09:30"
            ) from None
        moments.append(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    start, end = moments
    if end < start:
        raise EventError("file", f"{path}:{number}: it ends before it starts; exchange 'start' and 'end'")
    labels = row.get("labels") or {}
    if not isinstance(labels, dict):
        raise EventError("file", f"{path}:{number}: 'labels' are names and values; write {{channel: web}}")
    rule = row.get("rule") or None
    return Window(
        start.astimezone(UTC),
        end.astimezone(UTC),
        None if rule is None else str(rule),
        {str(k): str(v) for k, v in labels.items()},
    )


# ---- two versions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Changed:
    """What another version of a rule would have told: pairs of (before, after) moved, the rest came or went."""

    rule: str
    gained: tuple[Episode, ...]
    lost: tuple[Episode, ...]
    moved: tuple[tuple[Episode, Episode], ...]
    same: int

    @property
    def is_any(self) -> bool:
        return bool(self.gained or self.lost or self.moved)


def compare(before: Iterable[Episode], after: Iterable[Episode]) -> list[Changed]:
    """What differs between the episodes of two versions of the rules: one entry a rule, the most changed first.

    Two episodes of the same rule and labels that overlap in time are the same one. before, after: of the version that
    is compared with, and of the one that is looked at.
    """
    old, new = _by_alert(before), _by_alert(after)
    parts: dict[str, tuple[list[Episode], list[Episode], list[tuple[Episode, Episode]], list[Episode]]] = {}
    for key in {**old, **new}:
        gained, lost, moved, same = parts.setdefault(key[0], ([], [], [], []))
        left = deque(old.get(key, ()))
        for episode in new.get(key, ()):
            while left and (ended_at(left[0]) or _NEVER) < fired_at(episode):
                lost.append(left.popleft())
            if not left or fired_at(left[0]) > (ended_at(episode) or _NEVER):
                gained.append(episode)
                continue
            match = left.popleft()
            if _shape(match) == _shape(episode):
                same.append(episode)
            else:
                moved.append((match, episode))
        lost += left
    changes = [
        Changed(
            rule,
            tuple(sorted(gained, key=fired_at)),
            tuple(sorted(lost, key=fired_at)),
            tuple(sorted(moved, key=lambda pair: fired_at(pair[1]))),
            len(same),
        )
        for rule, (gained, lost, moved, same) in parts.items()
    ]
    return sorted(changes, key=lambda c: (-len(c.gained) - len(c.lost) - len(c.moved), c.rule))


def _by_alert(episodes: Iterable[Episode]) -> dict[tuple[str, tuple[tuple[str, str], ...]], list[Episode]]:
    by_alert: dict[tuple[str, tuple[tuple[str, str], ...]], list[Episode]] = {}
    for episode in episodes:
        if episode.fired is not None:
            by_alert.setdefault((episode.rule, tuple(sorted(episode.labels.items()))), []).append(episode)
    return by_alert


_NEVER = datetime.max.replace(tzinfo=UTC)


def _shape(episode: Episode) -> tuple[str | None, str | None, str]:
    return episode.fired, episode.ended, episode.severity


def moved_words(before: Episode, after: Episode) -> str:
    """How an episode changed, in words: `15 minutes later, ends 1 hour earlier, warning → critical`."""
    said = []
    shift = (fired_at(after) - fired_at(before)).total_seconds()
    if shift:
        said.append(f"begins {duration_words(abs(shift))} {'later' if shift > 0 else 'earlier'}")
    old, new = ended_at(before), ended_at(after)
    if old is not None and new is not None and old != new:
        shift = (new - old).total_seconds()
        said.append(f"ends {duration_words(abs(shift))} {'later' if shift > 0 else 'earlier'}")
    elif (old is None) != (new is None):
        said.append("goes on" if new is None else "ends now")
    if before.severity != after.severity:
        said.append(f"{before.severity} → {after.severity}")
    return ", ".join(said)
