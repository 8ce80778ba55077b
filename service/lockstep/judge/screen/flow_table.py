"""Tables: which groups of a flow could be other than clear, asked once for all rules that read it.

A rule that fires where a window has much says what that takes (`Rise`). Of a group whose window has less, no verdict
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

from collections.abc import Iterable, Sequence
from functools import lru_cache

from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.histories import Histories
from lockstep.judge.rule_facts import FAR, NEVER, Labels
from lockstep.judge.screen.table_memory import Entries, WarmGroups
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import FlowHistory, LevelHistory
from lockstep.rule.condition.condition_kind import Rise, Screen, lowest

OWN_LIMITS = 16_384
"""Groups of which it is remembered which numbers an override or a table gives them."""

Limits = tuple[Rise | None, tuple[tuple[RuleRuntime, Rise], ...]]
"""Of some rules that ask about the same stretches the lowest limits, and those of each; None: a group has none."""


class _Class:
    """Rules that ask about the same stretches, and differ in limits alone.

    screen: of all of them, the lowest limits that any group has. span_s: how long window and the stretch before it are.
    """

    def __init__(self, rules: Sequence[RuleRuntime]) -> None:
        self.rules = rules
        self._limits = _limits((r, r.facts.screen) for r in rules)
        lowest_of_all, _ = self._limits
        assert lowest_of_all is not None
        self.screen = lowest_of_all
        self.span_s = self.screen.window_s + self.screen.usual_s
        self._are_alike = all(r.facts.is_alike for r in rules)
        self._own = lru_cache(OWN_LIMITS)(self._limits_of)

    def limits(self, labels: Labels) -> Limits:
        """Those that hold for a group."""
        return self._limits if self._are_alike else self._own(labels)

    def _limits_of(self, labels: Labels) -> Limits:
        return _limits((r, r.screen_of(labels)) for r in self.rules)


def _limits(screens: Iterable[tuple[RuleRuntime, Screen | None]]) -> Limits:
    rises = tuple((runtime, screen) for runtime, screen in screens if isinstance(screen, Rise))
    return (lowest([screen for _, screen in rises]) if rises else None), rises


def reaches(screen: Rise, history: FlowHistory, end: int) -> bool:
    """Whether a group could be other than clear at a bucket end.

    Where the window has data without a value (several currencies, a sum beyond 64 bits) nothing is known of its size.
    """
    start = end - screen.window_s
    value = history.value(start, end)
    if value is None:
        return history.aggregate(start, end) is not None
    return value >= screen.least and value >= screen.least_until(end, history.value)


def need_of(screen: Rise, history: FlowHistory, start: int, end: int) -> int:
    """What the open bucket [start, end) must have for a group to be other than clear, in millionths."""
    window = end - screen.window_s
    before = history.value(window, start)
    if before is None:
        if history.aggregate(window, start) is not None:
            return 0
        before = 0
    return int(screen.least_until(end, history.value) - before)


def has_needed(need: int, history: FlowHistory, start: int, end: int) -> bool:
    """Whether the open bucket [start, end) has what it needs; of data without a value nobody knows."""
    if need <= 0:
        return True
    coming = history.value(start, end)
    return coming >= need if coming is not None else history.aggregate(start, end) is not None


class FlowTable:
    """One flow over labels, for the rules that are clear where it has little.

    closed: the bucket end up to which all was judged, in seconds; None before the first.
    """

    def __init__(self, series: SeriesDef, rules: Iterable[RuleRuntime], histories: Histories) -> None:
        """rules: screened by a `Rise` of that flow, all closed by the same topics."""
        rules = tuple(rules)
        self.series, self.roles, self.bucket_s = series, rules[0].facts.roles, series.bucket_s
        self.closed: int | None = None
        self._histories, self._flows = histories, histories.flows
        self._classes = _classes(rules)
        self._least = min(one.screen.least for one in self._classes)
        self._window_s = max(one.screen.window_s for one in self._classes)
        self._span_s = max(one.span_s for one in self._classes)
        # A bucket that leaves changes what is usual, where something is compared with that.
        self._leaving_s = tuple({one.span_s for one in self._classes if one.screen.usual_s})
        self._kept_s = max(self._leaving_s, default=0)
        self._entries, self._warm = Entries(), WarmGroups()
        self._needs: dict[Labels, int] = {}  # what the open bucket must have, in millionths

    # ---- in -------------------------------------------------------------------------------------------------------

    def take(self, labels: Labels, starts: Iterable[int], changed: int) -> None:
        """A group has got data. starts: of the buckets that it came for; changed: the first of which the sum is new."""
        closed = self.closed
        for start in starts:
            self._entries.add(start, labels)
        for group in self._warm.schedule(labels, changed + self.bucket_s):
            if not group.early:
                continue
            if closed is None or changed >= closed:
                group.runtime.fresh.add(labels)
            else:
                group.runtime.forget_need(group)
        if closed is None or changed > closed:
            return
        if changed < closed:
            self._needs.pop(labels, None)  # buckets that were judged have changed
        self._look(labels, closed + self.series.bucket_s)

    def take_level(self, labels: Labels, level: SeriesDef, history: LevelHistory, time_us: int) -> None:
        """A level of a group has been set that some of the rules read as well."""
        self._warm.wake(labels, level, history, time_us)

    def _look(self, labels: Labels, end: int) -> None:
        """Compare the open bucket of a group, which ends at `end`, with what it needs."""
        need = self._needs.get(labels)
        history = self._flows[self.series.id, labels]
        start = end - self.series.bucket_s
        if need is None:
            if self._is_far_below(history, end):
                return
            screens = (screen for screen, _ in (one.limits(labels) for one in self._classes) if screen is not None)
            need = self._needs[labels] = min((need_of(s, history, start, end) for s in screens), default=NEVER)
        if has_needed(need, history, start, end):
            self._warm_up(labels, history, end)

    def _is_far_below(self, history: FlowHistory, end: int) -> bool:
        """Whether even the longest window that ends there has nothing, or less than the least limit of all."""
        start, last = end - self._window_s, history.last_start
        if last is None or last < start:
            return True
        longest = history.value(start, end)
        return longest is not None and longest < self._least

    def _warm_up(self, labels: Labels, history: FlowHistory, end: int) -> None:
        """Have those rules look at a group whose screens it reaches."""
        for one in self._classes:
            least, rules = one.limits(labels)
            if least is not None and reaches(least, history, end):
                for runtime, screen in rules:
                    if reaches(screen, history, end):
                        group = runtime.group(labels)
                        self._warm.begin(group, end)
                        if group.early:
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
            moved = set(self._entries.at(end - width))
            for leaving_s in self._leaving_s:
                moved.update(self._entries.at(end - width - leaving_s))
            for labels in moved:
                history = self._flows.get((self.series.id, labels))
                if history is None:
                    continue
                if end > closed:
                    self._look(labels, end)
                elif not self._is_far_below(history, end):
                    self._warm_up(labels, history, end)
        self._entries.close(closed)
        self._entries.drop(closed - width - self._kept_s + 1)

    def _ends(self, before: int | None, last: int) -> Iterable[int]:
        """The bucket ends after those that were looked at, up to `last`, at which data may enter or leave."""
        width = self.series.bucket_s
        if before is not None and (last - before) // width <= len(self._entries):
            return range(before + 2 * width, last + 1, width)
        ends = {start + width + after for start in self._entries.starts() for after in (0, *self._leaving_s)}
        return sorted(end for end in ends if (before is None or end > before + width) and end <= last)

    def begin(self) -> None:
        """After a restore, or with the first rules: look once at all groups that are remembered."""
        reached = [r.closed for one in self._classes for r in one.rules if r.closed is not None]
        self.closed = min(reached, default=None)
        self._entries.clear()
        self._needs.clear()
        width = self.series.bucket_s
        since = -FAR if self.closed is None else self.closed - width - self._kept_s
        for labels, history in self._histories.flows_of(self.series.id):
            last = history.last_start
            if last is None:
                continue
            if last >= since:
                for start in history.starts_since(since):
                    self._entries.add(start, labels)
            # Most groups had nothing for a while, and the window of nothing reaches no limit.
            if self.closed is not None and last >= self.closed + width - self._window_s:
                longest = history.value(self.closed + width - self._window_s, self.closed + width)
                if longest is None or longest >= self._least:
                    self._warm_up(labels, history, self.closed + width)

    # ---- who is warm ----------------------------------------------------------------------------------------------

    def keep_warm(self, group: Group) -> None:
        """Look at a group whatever it has, until it cools."""
        self._warm.add(group)

    def cools(self, group: Group, end: int) -> bool:
        """Whether a group without an open alert needs no look at a bucket end, nor at the open bucket.

        If so, it is not warm any more. Where several buckets close at once, it is looked at until the last of them.
        """
        history, screen = self._flows.get((self.series.id, group.labels)), group.screen
        if history is None or not isinstance(screen, Rise) or self.closed is None or end < self.closed:
            return False
        if reaches(screen, history, end) or reaches(screen, history, self.closed + self.series.bucket_s):
            return False
        self.forget(group)
        return True

    def forget(self, group: Group) -> None:
        """A group is gone, or cold."""
        self._warm.discard(group)
        group.runtime.ahead.discard(group.labels)

    def leaves_at(self, group: Group) -> int | None:
        """The bucket end from which on the newest data of a group is in no window; None: it has none."""
        history = self._flows.get((self.series.id, group.labels))
        last = None if history is None else history.last_start
        return None if last is None else last + self.series.bucket_s + self._span_s


def _classes(rules: Iterable[RuleRuntime]) -> tuple[_Class, ...]:
    by_stretches: dict[tuple[int, int], list[RuleRuntime]] = {}
    for runtime in rules:
        screen = runtime.facts.screen
        assert isinstance(screen, Rise)
        by_stretches.setdefault((screen.window_s, screen.usual_s), []).append(runtime)
    return tuple(_Class(alike) for alike in by_stretches.values())
