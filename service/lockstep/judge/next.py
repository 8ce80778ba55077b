"""When the verdict on a group can change: between these instants it is the same at every bucket end.

That is when a bucket with data enters or leaves one of its windows, when its history becomes long enough, when a level
changes or grows stale, when hours, a calendar window or a day end, or when a timer of its alert runs out.
"""

from collections.abc import Sequence
from math import inf

from lockstep.alert import counts_buckets, due
from lockstep.judge.group import Group, RuleRuntime, Shared
from lockstep.judge.histories import Past
from lockstep.judge.rule_facts import FAR, NEVER, Labels, RuleFacts
from lockstep.measure.bucket import bucket_end
from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.when import next_day
from lockstep.text.rfc3339 import SECOND


class Schedule:
    """Says when a group is to be looked at next, and whether it is known. It asks the past and changes nothing.

    Bucket ends are in seconds, instants in microseconds.
    """

    def __init__(self, past: Past) -> None:
        self._flows, self._levels = past.histories.flows, past.histories.levels
        self._watermarks, self._zone = past.watermarks, past.zone

    # ---- the next instant -----------------------------------------------------------------------------------------

    def after(self, group: Group, last: int) -> int | None:
        """The next instant after the bucket end `last` at which anything may change; None: not before an event."""
        facts = group.facts
        end = self.next_change(group, last)
        if counts_buckets(group.alert, facts.rule):
            end = last + facts.width
        soonest = None if end is None else end * SECOND
        timer = due(group.alert, facts.rule)
        if timer is not None and (soonest is None or timer < soonest):
            soonest = timer
        if soonest is None or soonest >= facts.expires:
            return facts.expires if group.alert.is_watched and facts.expires != NEVER else None
        return soonest

    def after_value(self, group: Group) -> int | None:
        """The next instant of a group that is judged at each value of its levels, if no value comes."""
        instants = [due(group.alert, group.facts.rule), self.stale_at(group)]
        if group.alert.is_watched and group.facts.expires != NEVER:
            instants.append(group.facts.expires)
        return min((i for i in instants if i is not None), default=None)

    def next_change(self, group: Group, last: int) -> int | None:
        """The next bucket end after `last` at which the verdict may be another one."""
        facts = group.facts
        width = facts.width
        if not self.is_known(group, last + width):
            return self._next_event(group, last)
        soonest: int | None = None
        # What leaves a window cannot begin a breach of a rule that only rises: then only new data matters.
        borders = (0,) if group.rises and not group.alert.is_watched else facts.offsets
        beginnings = facts.beginnings
        if facts.borders is not None and not group.asleep:
            borders, soonest = facts.borders.at(last, self._zone)
            beginnings = (*borders, *beginnings)
        # Series over fewer labels are looked at once for all groups (see `after_shared`); a group with an open alert
        # is visited at their changes as well.
        alone = group.deaf or (bool(facts.shared_parts) and not group.alert.is_watched)
        ends = [self._next_of_levels(group, facts.own_levels if alone else facts.levels, last)]
        if not group.asleep:
            flows = facts.own_flows if alone else facts.flows
            ends.append(self._next_of_flows(group, flows, borders, beginnings, last))
        if facts.changes_by_time:
            ends.append(self._next_by_time(group, last))
        return min((end for end in (soonest, *ends) if end is not None), default=None)

    def after_shared(self, shared: Shared, end: int) -> int | None:
        """The next bucket end after `end` at which what groups have in common may say something else."""
        facts = shared.facts
        borders, beginnings, soonest = facts.offsets, facts.beginnings, None
        if facts.borders is not None:
            borders, soonest = facts.borders.at(end, self._zone)
            beginnings = (*borders, *beginnings)
        ends = (
            soonest,
            self._next_of_flows(shared, facts.wide_flows, borders, beginnings, end),
            self._next_of_levels(shared, facts.wide_levels, end),
        )
        return min((after for after in ends if after is not None), default=None)

    def _next_by_time(self, group: Group, last: int) -> int | None:
        """The next bucket end at which time alone may change the verdict, also where nothing comes."""
        facts = group.facts
        width = facts.width
        ends: list[int] = []
        if facts.is_restless:
            awake = facts.is_always_restless or group.alert.is_watched
            ends.append(last + width if awake else bucket_end(next_day(last, self._zone), width) + width)
        for anomaly in facts.anomalies:
            watch = group.watches.get(anomaly.key)
            bucket_s = anomaly.bucket_s if watch is None else watch.bucket_s
            end = last // bucket_s * bucket_s + bucket_s
            if self.is_heard(group, last, end):
                ends.append(end)
        if facts.periods and (group.alert.is_watched or not group.rises):
            # What only rises has been told before, in the bucket that made it so.
            ends.append(group.runtime.period_end(last, self._zone))
        change = group.runtime.hours_change(last, self._zone) if facts.hours else FAR
        if change < FAR:
            ends.append(bucket_end(change, width))
        return min(ends, default=None)

    def _next_of_flows(
        self,
        group: Group | Shared,
        flows: Sequence[SeriesDef],
        borders: Sequence[int],
        beginnings: Sequence[int],
        last: int,
    ) -> int | None:
        """The next bucket end at which a bucket of these enters or leaves a window, or enough of one is known."""
        soonest: int | None = None
        width = group.facts.width
        for series in flows:
            history = self._flows.get((series.id, group.labels_of(series)))
            if history is not None and history.starts:
                for offset in borders:
                    start = history.next_start(last - width - offset)
                    if start is not None:
                        end = start + width + offset
                        if end <= last + width:
                            return end  # no bucket ends before
                        if soonest is None or end < soonest:
                            soonest = end
            complete = self._watermarks.complete_from(series)
            if complete != inf:
                for offset in beginnings:
                    end = -int(-(complete + offset) // width) * width
                    if last < end and (soonest is None or end < soonest):
                        soonest = end
        return soonest

    def _next_of_levels(self, group: Group | Shared, levels: Sequence[SeriesDef], last: int) -> int | None:
        """The next bucket end that sees a new value of these, or that one of them has become stale."""
        soonest: int | None = None
        width = group.facts.width
        for series in levels:
            level = self._levels.get((series.id, group.labels_of(series)))
            if level is None:
                continue
            for offset in group.facts.level_offsets:
                instant = (last - offset) * SECOND
                times = [level.next_time(instant)]
                newest = level.newest_before(instant)
                if series.stale_after_s is not None and newest is not None:
                    # Stale from this instant on, so the bucket end at or after it sees it.
                    times.append(newest + series.stale_after_s * SECOND - 1)
                for time_us in times:
                    if time_us is not None:
                        end = time_us // SECOND // width * width + width + offset
                        if last < end and (soonest is None or end < soonest):
                            soonest = end
        return soonest

    def _next_event(self, group: Group, last: int) -> int | None:
        """The end of the first bucket from `last` on in which a group has an event, as far as is known."""
        facts = group.facts
        if group.labels in facts.expected:
            return self.first_end(facts)
        starts = self._event_starts(group, last)
        return min(starts) + facts.width if starts else None

    def first_event(self, group: Group) -> int | None:
        """The end of the bucket of a group's first event that is kept."""
        starts = self._event_starts(group, -FAR)
        return min(starts) + group.facts.width if starts else None

    def _event_starts(self, group: Group, since: int) -> list[int]:
        """For each of a group's own series the start of its first bucket from a second on that has an event."""
        facts = group.facts
        starts: list[int] = []
        for series in facts.own_flows:
            history = self._flows.get((series.id, group.labels))
            start = None if history is None else history.next_start(since - 1)
            if start is not None:
                starts.append(start)
        for series in facts.own_levels:
            level = self._levels.get((series.id, group.labels))
            set_at = None if level is None else level.next_time(since * SECOND)
            if set_at is not None:
                starts.append(set_at // SECOND // facts.width * facts.width)
        return starts

    def stale_at(self, group: Group) -> int | None:
        """The instant at which the first of the group's levels becomes stale, unless it was judged then."""
        soonest: int | None = None
        for series in group.facts.levels:
            level = self._levels.get((series.id, group.labels))
            if level is not None and series.stale_after_s is not None:
                instant = level.newest_us() + series.stale_after_s * SECOND
                if instant > group.alert.at and (soonest is None or instant < soonest):
                    soonest = instant
        return soonest

    # ---- who is known ---------------------------------------------------------------------------------------------

    def first_end(self, facts: RuleFacts) -> int | None:
        """The end of the bucket of the first event of any topic that a rule reads."""
        first = self._watermarks.first(facts.roles)
        return None if first is None else first // SECOND // facts.width * facts.width + facts.width

    def is_known(self, group: Group, end: int) -> bool:
        """Whether a group is judged at a bucket end: what fires, cools or had an event within `forget_after`."""
        if group.alert.is_watched:
            return True
        if group.labels in group.facts.expected:
            first = self.first_end(group.facts)
            return first is not None and first <= end
        active = self._active(group.facts, group.labels, end)
        return active is not None and end <= active + group.facts.rule.forget_after_s

    def is_remembered(self, group: Group, judged_to: int | None) -> bool:
        """Whether a group without an alert is known where its rule has got to, or has an event that is to be judged."""
        if judged_to is None or group.facts.is_level_only:
            return self.first_event(group) is not None
        return self.is_known(group, judged_to) or bool(self._event_starts(group, judged_to))

    def is_heard(self, group: Group, before: int, end: int) -> bool:
        """Whether a group had an event before a second, and not longer than `forget_after` before another one."""
        active = self._active(group.facts, group.labels, before)
        return active is not None and end <= active + group.facts.rule.forget_after_s

    def is_forgotten(self, runtime: RuleRuntime, labels: Labels) -> bool:
        """Whether a group has been silent for so long that it is judged no more, where its rule has got to."""
        facts = runtime.facts
        if labels in facts.expected or facts.is_level_only or runtime.closed is None:
            return False
        active = self._active(facts, labels, FAR)
        return active is None or active + facts.rule.forget_after_s <= runtime.closed

    def forgotten_at(self, group: Group, last: int) -> int | None:
        """The bucket end from which on a group that is known after `last` is known no more, if nothing comes."""
        facts = group.facts
        if not self.is_known(group, last + facts.width):
            return None
        active = self._active(facts, group.labels, last + facts.width)
        return None if active is None else bucket_end(active + facts.rule.forget_after_s + 1, facts.width)

    def _active(self, facts: RuleFacts, labels: Labels, before: int) -> int | None:
        """The second of a group's newest event before a second; of a flow's, its bucket's start."""
        newest: int | None = None
        for series in facts.own_flows:
            history = self._flows.get((series.id, labels))
            start = None if history is None else history.last_seen(before)
            if start is not None and (newest is None or start > newest):
                newest = start
        for series in facts.own_levels:
            level = self._levels.get((series.id, labels))
            set_at = None if level is None else level.newest_before(before * SECOND)
            if set_at is not None and (newest is None or set_at // SECOND > newest):
                newest = set_at // SECOND
        return newest
