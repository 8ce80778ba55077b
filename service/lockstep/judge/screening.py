"""Tables: which groups of a flow could be other than clear, asked once for all rules that read it.

A rule that fires where a window has much says what that takes (`Screen`). Of a group whose window has less, no verdict
can begin anything: it is cold, has no object and is not looked at. It stays cold until one of two things moves:

- its window gets more: a partial comes, or a bucket that had data before becomes the open one;
- what is usual shrinks: a bucket with data leaves the stretch before the window.

Nothing else matters, since flows here only grow: what leaves a window, or goes over from it to the stretch before, only
takes the window further from its limit. Both are seen here: at each partial the open bucket is compared with what it
needs, and when a bucket closes, the groups with data in the next one, and those with data in the bucket that leaves.
Who reaches the limit of a rule becomes warm: it gets an object, a place in the heap and a look before its bucket has
closed, as if there were no table, until a bucket end finds it below the limit again and without an open alert.

With `sessions by sku` and 200 rules on it, of which the one with the lowest limits wants 14 in a minute, a product with
3 costs a comparison with 14 whenever it sells, not 200 looks.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.histories import Histories
from lockstep.judge.rule_facts import FAR, Labels, quiet_of
from lockstep.judge.state import SeriesKey
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import FlowHistory, LevelHistory
from lockstep.rule.condition.condition_kind import Screen, lowest
from lockstep.text.rfc3339 import SECOND


@dataclass(frozen=True, slots=True)
class _Class:
    """Rules that ask about the same stretches, and differ in limits alone. screen: of all of them, the lowest limits.

    rules: each with its own screen. span_s: how long window and the stretch before it are together.
    """

    screen: Screen
    rules: tuple[tuple[RuleRuntime, Screen], ...]
    span_s: int


def reaches(screen: Screen, history: FlowHistory, end: int) -> bool:
    """Whether a group could be other than clear at a bucket end.

    Where the window has data without a value (several currencies, a sum beyond 64 bits) nothing is known of its size.
    """
    start = end - screen.window_s
    value = history.value(start, end)
    if value is None:
        return history.aggregate(start, end) is not None
    return value >= screen.least and value >= screen.least_until(end, history.value)


class LevelTable:
    """One level over labels, for the rules that compare it alone with numbers.

    A value between the limits of all of them changes nothing of a group without an open alert: of stock, with rules
    below 20 and above 900, any from 20 to 900. quiet: that stretch, in millionths, both ends included.
    """

    def __init__(
        self, series: SeriesDef, rules: Iterable[RuleRuntime], levels: Mapping[SeriesKey, LevelHistory]
    ) -> None:
        self._series, self._levels = series, levels
        quiet = [(runtime, quiet_of(runtime.rule.condition)) for runtime in rules]
        self._rules = [(runtime, stretch) for runtime, stretch in quiet if stretch is not None]
        self.quiet = max(low for _, (low, _) in self._rules), min(high for _, (_, high) in self._rules)
        self._warm: dict[Labels, dict[Group, None]] = {}

    def moved(self, labels: Labels) -> Iterable[Group]:
        """The groups that are to be judged by the newest value."""
        warm = self._warm.get(labels, {})
        history = self._levels[self._series.id, labels]
        value = history.now()
        low, high = self.quiet
        if low <= value <= high:
            return tuple(warm)
        moved = dict(warm)
        for runtime, (low, high) in self._rules:
            if not low <= value <= high:
                group = runtime.group(labels)
                if group not in warm:
                    # It was judged last, and found clear, when its newest value was set.
                    group.alert.at = max(group.alert.at, history.newest_us())
                moved[group] = None
        return moved

    def settle(self, group: Group) -> None:
        """A group has been judged: while its alert is watched, each value is looked at."""
        if group.alert.is_watched:
            self._warm.setdefault(group.labels, {})[group] = None
            return
        warm = self._warm.get(group.labels, {})
        if group in warm:
            del warm[group]
            if not warm:
                del self._warm[group.labels]


class FlowTable:
    """One flow over labels, for the rules that are judged by it alone.

    closed: the bucket end up to which all was judged, in seconds; None before the first.
    """

    def __init__(self, series: SeriesDef, rules: Iterable[RuleRuntime], flows: Mapping[SeriesKey, FlowHistory]) -> None:
        self.series = series
        self.closed: int | None = None
        self._flows = flows
        self._classes = _classes(rules)
        self._least = min(one.screen.least for one in self._classes)
        self._window_s = max(one.screen.window_s for one in self._classes)
        self._span_s = max(one.span_s for one in self._classes)
        # A bucket that leaves changes what is usual, where something is compared with that.
        self._leaving_s = tuple({one.span_s for one in self._classes if one.screen.usual_s})
        self._kept_s = max(self._leaving_s, default=0)
        self._began: dict[int, Collection[Labels]] = {}  # bucket that is open or may yet leave → who has data in it
        self._needs: dict[Labels, int] = {}  # what the open bucket must have, in millionths
        self._warm: dict[Labels, dict[Group, None]] = {}

    # ---- in -------------------------------------------------------------------------------------------------------

    def take(self, labels: Labels, starts: Iterable[int], changed: int) -> None:
        """A group has got data. starts: of the buckets that it came for; changed: the first of which the sum is new."""
        closed = self.closed
        for start in starts:
            self._note(start, labels)
        for group in self._warm.get(labels, ()):
            end = changed + self.series.bucket_s
            group.schedule((end if closed is None or end > closed else closed + self.series.bucket_s) * SECOND)
            if closed is None or changed >= closed:
                group.runtime.fresh.add(labels)
            else:
                group.runtime.forget_need(group)
        if closed is None or changed > closed:
            return
        if changed < closed:
            self._needs.pop(labels, None)  # buckets that were judged have changed
        self._look(labels, closed + self.series.bucket_s)

    def _note(self, start: int, labels: Labels) -> None:
        began = self._began.get(start)
        if began is None:
            began = self._began[start] = set()
        if isinstance(began, set):
            began.add(labels)
        elif labels not in began:
            self._began[start] = (*began, labels)

    def _look(self, labels: Labels, end: int) -> None:
        """Compare the open bucket of a group, which ends at `end`, with what it needs."""
        need = self._needs.get(labels)
        history = self._flows[self.series.id, labels]
        start = end - self.series.bucket_s
        if need is None:
            longest = history.value(end - self._window_s, end)
            if longest is not None and longest < self._least:
                return  # even the longest window has less than the least limit
            need = self._needs[labels] = min(_need(one.screen, history, start, end) for one in self._classes)
        if need > 0:
            coming = history.value(start, end)
            if coming is None and history.aggregate(start, end) is None:
                coming = 0
            if coming is not None and coming < need:
                return
        self._warm_up(labels, history, end)

    def _warm_up(self, labels: Labels, history: FlowHistory, end: int) -> None:
        """Have those rules look at a group whose screens it reaches."""
        for one in self._classes:
            if reaches(one.screen, history, end):
                for runtime, screen in one.rules:
                    if reaches(screen, history, end):
                        group = runtime.group(labels)
                        self.keep_warm(group)
                        first = end if runtime.closed is None else max(end, runtime.closed + self.series.bucket_s)
                        group.schedule(first * SECOND)
                        runtime.fresh.add(labels)

    # ---- event time advances --------------------------------------------------------------------------------------

    def advance_to(self, closed: int) -> None:
        """Buckets that end at or before a second close; the next one is the open one now."""
        width = self.series.bucket_s
        before = self.closed
        if before is not None and closed <= before:
            return
        self.closed = closed
        self._needs.clear()
        for end in self._ends(before, closed + width):
            moved = set(self._began.get(end - width, ()))
            for leaving_s in self._leaving_s:
                moved.update(self._began.get(end - width - leaving_s, ()))
            for labels in moved:
                history = self._flows.get((self.series.id, labels))
                if history is None:
                    continue
                if end > closed:
                    self._look(labels, end)
                else:
                    self._warm_up(labels, history, end)
        for start in [s for s in self._began if s + width <= closed]:
            if start + width + self._kept_s <= closed:
                del self._began[start]
            elif isinstance(began := self._began[start], set):
                self._began[start] = tuple(began)

    def _ends(self, before: int | None, last: int) -> Iterable[int]:
        """The bucket ends after those that were looked at, up to `last`, at which data may enter or leave."""
        width = self.series.bucket_s
        if before is not None and (last - before) // width <= len(self._began):
            return range(before + 2 * width, last + 1, width)
        ends = {start + width + after for start in self._began for after in (0, *self._leaving_s)}
        return sorted(end for end in ends if (before is None or end > before + width) and end <= last)

    def begin(self) -> None:
        """After a restore, or with the first rules: look once at all groups that are remembered."""
        reached = [r.closed for one in self._classes for r, _ in one.rules if r.closed is not None]
        self.closed = min(reached, default=None)
        self._began.clear()
        self._needs.clear()
        since = -FAR if self.closed is None else self.closed - self.series.bucket_s - self._kept_s
        for (name, labels), history in self._flows.items():
            if name == self.series.id:
                for start in history.starts_since(since):
                    self._note(start, labels)
                if self.closed is not None:
                    self._look(labels, self.closed + self.series.bucket_s)

    # ---- who is warm ----------------------------------------------------------------------------------------------

    def keep_warm(self, group: Group) -> None:
        """Look at a group whatever it has, until it cools."""
        self._warm.setdefault(group.labels, {})[group] = None

    def cools(self, group: Group, screen: Screen, end: int) -> bool:
        """Whether a group without an open alert needs no look at a bucket end, nor at the open bucket.

        If so, it is not warm any more. Where several buckets close at once, it is looked at until the last of them.
        """
        history = self._flows.get((self.series.id, group.labels))
        if history is None or self.closed is None or end < self.closed or reaches(screen, history, end):
            return False
        if reaches(screen, history, self.closed + self.series.bucket_s):
            return False
        self.forget(group)
        return True

    def forget(self, group: Group) -> None:
        """A group is gone, or cold."""
        groups = self._warm.get(group.labels, {})
        if group in groups:
            del groups[group]
            if not groups:
                del self._warm[group.labels]
        group.runtime.ahead.discard(group.labels)

    def leaves_at(self, group: Group) -> int | None:
        """The bucket end from which on the newest data of a group is in no window; None: it has none."""
        history = self._flows.get((self.series.id, group.labels))
        last = None if history is None else history.last_start
        return None if last is None else last + self.series.bucket_s + self._span_s


class Tables:
    """flows, levels: series id → its table, where it has rules that are screened."""

    def __init__(
        self, rules: Mapping[str, list[RuleRuntime]], series: Mapping[str, SeriesDef], histories: Histories
    ) -> None:
        """rules: series id → those that are screened. series: by id."""
        self.flows: dict[str, FlowTable] = {}
        self.levels: dict[str, LevelTable] = {}
        for name, readers in rules.items():
            if series[name].is_level:
                self.levels[name] = LevelTable(series[name], readers, histories.levels)
            else:
                self.flows[name] = FlowTable(series[name], readers, histories.flows)

    def has(self, runtime: RuleRuntime) -> bool:
        """Whether a rule looks at those groups alone that a table finds."""
        facts = runtime.facts
        return facts.is_screened and any(
            s.id in self.levels or s.id in self.flows for s in (*facts.flows, *facts.levels)
        )

    def of_flow(self, group: Group) -> FlowTable | None:
        """The table that a group of a rule on a flow is screened by."""
        facts = group.facts
        return self.flows.get(facts.flows[0].id) if facts.is_screened and facts.flows else None

    def of_level(self, group: Group) -> LevelTable | None:
        facts = group.facts
        return self.levels.get(facts.levels[0].id) if facts.is_screened and facts.levels else None


def _need(screen: Screen, history: FlowHistory, start: int, end: int) -> int:
    """What the open bucket [start, end) must have for a group to be other than clear, in millionths."""
    window = end - screen.window_s
    before = history.value(window, start)
    if before is None:
        if history.aggregate(window, start) is not None:
            return 0
        before = 0
    return int(screen.least_until(end, history.value) - before)


def _classes(rules: Iterable[RuleRuntime]) -> tuple[_Class, ...]:
    by_stretches: dict[tuple[int, int], list[tuple[RuleRuntime, Screen]]] = {}
    for runtime in rules:
        screen = runtime.facts.screen
        assert screen is not None
        by_stretches.setdefault((screen.window_s, screen.usual_s), []).append((runtime, screen))
    return tuple(_class(alike) for alike in by_stretches.values())


def _class(rules: list[tuple[RuleRuntime, Screen]]) -> _Class:
    screens = [screen for _, screen in rules]
    return _Class(lowest(screens), tuple(rules), screens[0].window_s + screens[0].usual_s)
