"""Band tables: which groups leave the band in which the rules on the same flows are clear, asked when a bucket closes.

Only data that enters or leaves a window moves a number. So when a bucket closes the groups are looked at that have data
in it, and those whose data leaves: of "fewer than 5 orders in 10 minutes" those with orders in this minute, and those
with orders in the minute that is now older than 10. Rules that read the same numbers are one class: these are read once
and compared with the widest band. Who is outside becomes warm: it gets an object and is visited as if there were no
table, until a bucket end finds it within the band again and without an open alert.
"""

from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache

from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.group_view import GroupView
from lockstep.judge.histories import Past
from lockstep.judge.rule_facts import FAR, Labels
from lockstep.judge.screen.table_memory import Entries, WarmGroups
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import LevelHistory
from lockstep.rule.condition.condition_kind import Band, widest
from lockstep.text.rfc3339 import SECOND

OWN_BANDS = 16_384
"""Groups of which it is remembered which numbers an override or a table gives them."""


class _Class:
    """Rules that read the same numbers. borders: how long after its end a bucket enters or leaves a window."""

    def __init__(self, rules: Sequence[RuleRuntime]) -> None:
        self.rules = rules
        self._alike = all(runtime.facts.is_alike for runtime in rules)
        self._own = lru_cache(OWN_BANDS)(self._bands_of)
        self._flows = rules[0].facts.flows
        self.borders = rules[0].facts.offsets
        self._all = self._bands_of(None)
        self._widest = widest([band for _, band in self._all])

    def _bands_of(self, labels: Labels | None) -> tuple[tuple[RuleRuntime, Band], ...]:
        """Each rule with its band for a group; labels: None: with the widest that any group has."""
        bands = ((r, r.facts.screen if labels is None else r.screen_of(labels)) for r in self.rules)
        return tuple((runtime, band) for runtime, band in bands if isinstance(band, Band))

    def outside(self, view: GroupView, labels: Labels, end: int) -> Iterable[RuleRuntime]:
        """The rules that could be other than clear on a group at a bucket end."""
        figures = self._widest.read(view, end)
        if figures is None:
            return () if _have_begun(self._flows, view, end) else self.rules
        if not self._widest.is_met(figures):
            return ()
        bands = self._all if self._alike else self._own(labels)
        return [runtime for runtime, band in bands if band.is_met(figures)]


def _have_begun(flows: Sequence[SeriesDef], view: GroupView, end: int) -> bool:
    """Whether the sources of all flows had an event: the first one makes nothing a zero, for all groups at once."""
    return all(view.has_events(flow, end) for flow in flows)


class BandTable:
    """Flows over the same labels, for the rules that are clear by what these say.

    closed: the bucket end up to which all was looked at, in seconds; None before the first.
    """

    def __init__(self, rules: Iterable[RuleRuntime], past: Past) -> None:
        """rules: screened by a `Band`, all on the same flows."""
        rules = tuple(rules)
        self.closed: int | None = None
        self.roles, self.series = rules[0].facts.roles, rules[0].facts.flows
        self.bucket_s = rules[0].facts.width
        self._histories, self._flows = past.histories, past.histories.flows
        self._view = GroupView(past)
        by_figures: dict[Hashable, list[RuleRuntime]] = {}
        for runtime in rules:
            assert isinstance(runtime.facts.screen, Band)
            by_figures.setdefault((runtime.facts.screen.asks, runtime.facts.offsets), []).append(runtime)
        self._classes = tuple(_Class(alike) for alike in by_figures.values())
        self._borders = tuple(sorted({border for one in self._classes for border in one.borders}))
        self._entries, self._warm = Entries(), WarmGroups()

    # ---- in -------------------------------------------------------------------------------------------------------

    def take(self, labels: Labels, starts: Iterable[int], changed: int) -> None:
        """A group has got data. starts: of the buckets that it came for; changed: the first of which the sum is new."""
        closed = self.closed
        for start in starts:
            if closed is None or start >= closed:
                self._entries.add(start, labels)
        if closed is not None and changed < closed:
            self._entries.add(closed, labels)  # buckets that were judged have changed: look when the next one closes
        self._warm.schedule(labels, changed + self.bucket_s)

    def take_level(self, labels: Labels, level: SeriesDef, history: LevelHistory, time_us: int) -> None:
        """A level of a group has been set that some of the rules read as well: it is known from then on."""
        start = time_us // SECOND // self.bucket_s * self.bucket_s
        self._entries.add(start if self.closed is None else max(start, self.closed), labels)
        self._warm.wake(labels, level, history, time_us)

    # ---- event time advances --------------------------------------------------------------------------------------

    def advance_to(self, closed: int) -> None:
        """Buckets that end at or before a second close."""
        before, width = self.closed, self.bucket_s
        if before is not None and closed <= before:
            return
        self.closed = closed
        for end in self._ends(before, closed):
            moved: dict[tuple[int, ...], set[Labels]] = {}
            for one in self._classes:
                groups = moved.get(one.borders)
                if groups is None:
                    groups = moved[one.borders] = set()
                    groups.update(*(self._entries.at(end - width - border) for border in one.borders))
                for labels in groups:
                    self._look(one, labels, end)
        self._entries.close(closed)
        self._entries.drop(closed - self._borders[-1])

    def _ends(self, before: int | None, last: int) -> Iterable[int]:
        """The bucket ends after one, up to another, at which data may enter or leave a window."""
        width = self.bucket_s
        if before is not None and (last - before) // width <= len(self._entries):
            return range(before + width, last + 1, width)
        ends = {start + width + border for start in self._entries.starts() for border in self._borders}
        return sorted(end for end in ends if (before is None or end > before) and end <= last)

    def _look(self, one: _Class, labels: Labels, end: int) -> None:
        self._view.look_at_labels(labels)
        for runtime in one.outside(self._view, labels, end):
            self._warm.begin(runtime.group(labels), end)

    def begin(self) -> None:
        """After a restore, or with the first rules: look once at all groups that are remembered."""
        reached = [runtime.closed for one in self._classes for runtime in one.rules if runtime.closed is not None]
        self.closed = min(reached, default=None)
        self._entries.clear()
        since = -FAR if self.closed is None else self.closed - self.bucket_s - self._borders[-1]
        remembered: dict[Labels, None] = {}
        for series in self.series:
            for labels, history in self._histories.flows_of(series.id):
                remembered[labels] = None
                for start in history.starts_since(since):
                    self._entries.add(start, labels)
        if self.closed is not None:
            for labels in remembered:
                for one in self._classes:
                    self._look(one, labels, self.closed)

    # ---- who is warm ----------------------------------------------------------------------------------------------

    def keep_warm(self, group: Group) -> None:
        """Look at a group whatever it has, until it cools."""
        self._warm.add(group)

    def cools(self, group: Group, end: int) -> bool:
        """Whether a group without an open alert is within its band again; if so, it is not warm any more.

        Where several buckets close at once, it is looked at until the last of them.
        """
        band = group.screen
        if not isinstance(band, Band) or self.closed is None or end < self.closed:
            return False
        self._view.look_at_labels(group.labels)
        figures = band.read(self._view, end)
        if band.is_met(figures) if figures is not None else not _have_begun(self.series, self._view, end):
            return False
        self._warm.discard(group)
        return True

    def forget(self, group: Group) -> None:
        """A group is gone."""
        self._warm.discard(group)

    def leaves_at(self, group: Group) -> int | None:
        """The bucket end from which on the newest data of a group is in no window; None: it has none."""
        histories = (self._flows.get((series.id, group.labels)) for series in self.series)
        starts = [h.last_start for h in histories if h is not None and h.last_start is not None]
        return max(starts) + self.bucket_s + self._borders[-1] if starts else None
