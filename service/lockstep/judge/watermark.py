"""How far event time has come: what the source partitions promised, and the watermarks that follow from it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from lockstep.measure.bucket import ceil_div
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import Source
from lockstep.measure.sample import Frame, Progress
from lockstep.text.rfc3339 import SECOND

Place = tuple[int, int, int]
"""(chunk, first offset, last offset included) of what a meter has sent of its source partition."""


@dataclass(slots=True)
class SourceState:
    """What a source partition promised last. newest, watermark: in microseconds."""

    place: Place
    partitions: int
    newest: int | None = None
    watermark: int | None = None
    silent: bool = False
    since: dict[str, int] = field(default_factory=dict)  # series id → complete from this second
    # Series that came later and are being told of what lies before `place`: not complete before that is over.
    filling: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Topic:
    """A source topic over its partitions. first: its first event's time, mark: its watermark; microseconds.

    silent: whether nobody has to wait for it, as none of its partitions ever had an event. swept: its watermark when
    old data was last removed.
    """

    first: int | None = None
    mark: int | None = None
    silent: bool = False
    swept: int = 0


class Watermarks:
    """The source partitions and topics that one judge hears of, each under the topic's role."""

    def __init__(self) -> None:
        self.sources: dict[Source, SourceState] = {}
        self.topics: dict[str, Topic] = {}
        self._of_role: defaultdict[str, list[SourceState]] = defaultdict(list)
        self._complete: dict[str, float] = {}

    def topic(self, role: str) -> Topic:
        topic = self.topics.get(role)
        if topic is None:
            topic = self.topics[role] = Topic()
        return topic

    def begins(self, topic: Topic, time_us: int) -> bool:
        """Note an event; whether the topic is known from further back now.

        An event from behind the watermark is late; it does not make the past better known.
        """
        if topic.mark is not None and time_us < topic.mark:
            return False
        if topic.first is not None and time_us >= topic.first:
            return False
        topic.first = time_us
        self._complete.clear()
        return True

    def take(self, source: Source, place: Place, frame: Frame, progress: Progress) -> bool:
        """Note what a meter promises: all up to there has been sent. Whether it has begun a later chunk."""
        state = self.sources.get(source)
        if state is None:
            state = self.sources[source] = SourceState(place, frame.partitions)
            self._of_role[frame.role].append(state)
            self._complete.clear()
        if progress.begins is not None:
            counted = state.newest if progress.counted is None else progress.counted
            start = 0 if progress.complete or counted is None else ceil_div(counted, SECOND)
            # A meter that went back for new series and did not get to the end of it has left a hole.
            new = [s for s in progress.begins if s not in state.since or s in state.filling]
            state.filling = set(new) if place < state.place else set()
            state.since = {s: start if s in new else state.since[s] for s in progress.begins}
            self._complete.clear()
        has_risen = place[:2] > state.place[:2]
        if state.filling and place >= state.place:
            state.filling = set()
            self._complete.clear()
        state.place = max(state.place, place)
        state.partitions = max(state.partitions, frame.partitions)
        if progress.newest is not None and (state.newest is None or progress.newest > state.newest):
            state.newest = progress.newest
        if progress.watermark is not None and (state.watermark is None or progress.watermark > state.watermark):
            state.watermark = progress.watermark
        state.silent = progress.silent
        topic = self.topic(frame.role)
        if progress.oldest is not None:
            self.begins(topic, progress.oldest)
        self._mark(frame.role, topic)
        return has_risen

    def _mark(self, role: str, topic: Topic) -> None:
        """The watermark of a topic is the minimum over its partitions, and it never goes back."""
        states = self._of_role[role]
        if len(states) < max(state.partitions for state in states):
            return
        is_silent = is_known = True
        mark: int | None = None
        for state in states:
            if state.newest is None:
                is_silent, is_known = is_silent and state.silent, is_known and state.silent
                continue
            is_silent = False
            if state.watermark is None:
                is_known = False
            elif mark is None or state.watermark < mark:
                mark = state.watermark
        topic.silent = is_silent
        if is_known and mark is not None and (topic.mark is None or mark > topic.mark):
            topic.mark = mark

    def of(self, roles: Iterable[str]) -> int | None:
        """The watermark of what reads these topics; those that never had an event hold nobody up. None: unknown yet."""
        marks: list[int] = []
        for role in roles:
            topic = self.topics.get(role)
            if self.is_empty(role):
                continue
            if topic is None or topic.mark is None:
                return None
            marks.append(topic.mark)
        return min(marks, default=None)

    def as_shown(self, roles: Iterable[str]) -> int | None:
        """The same for people: in whole milliseconds, the grain of the times that brokers keep."""
        mark = self.of(roles)
        return None if mark is None else mark // 1_000 * 1_000

    def is_empty(self, role: str) -> bool:
        topic = self.topics.get(role)
        return topic is not None and topic.first is None and topic.silent

    def first(self, roles: Iterable[str]) -> int | None:
        """The time of the first event of any of these topics, in microseconds."""
        firsts = (topic.first for role in roles if (topic := self.topics.get(role)) is not None)
        return min((first for first in firsts if first is not None), default=None)

    def complete_from(self, series: SeriesDef) -> float:
        """From which second on a series has seen everything that its source said; infinity while it has not."""
        known = self._complete.get(series.id)
        if known is None:
            known = self._complete[series.id] = self._complete_from(series)
        return known

    def _complete_from(self, series: SeriesDef) -> float:
        topic = self.topics.get(series.source)
        if topic is None or topic.first is None:
            return inf
        begun = [
            None if series.id in s.filling else s.since.get(series.id)
            for (role, _), s in self.sources.items()
            if role == series.source
        ]
        if not begun or None in begun:
            return inf
        return max(topic.first / SECOND, *(b for b in begun if b is not None))

    # ---- state -----------------------------------------------------------------------------------------------------

    def state(self) -> tuple[list[Any], list[Any]]:
        """Sources and topics as plain lists."""
        sources = [
            [
                *source,
                s.place,
                s.partitions,
                s.newest,
                s.watermark,
                s.silent,
                list(s.since.items()),
                sorted(s.filling),
            ]
            for source, s in self.sources.items()
        ]
        return sources, [[role, t.first, t.mark, t.silent, t.swept] for role, t in self.topics.items()]

    def restore(self, sources: list[Any], topics: list[Any]) -> None:
        """Take back what `state` gave."""
        for role, partition, place, count, newest, watermark, silent, since, filling in sources:
            state = self.sources[role, partition] = SourceState(
                (place[0], place[1], place[2]), count, newest, watermark, silent, dict(since), set(filling)
            )
            self._of_role[role].append(state)
        self.topics = {role: Topic(*rest) for role, *rest in topics}
