"""How far event time has come: what the source partitions promised, and the watermarks that follow from it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from lockstep.event.imports import IMPORTED
from lockstep.measure.bucket import ceil_div
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import Source
from lockstep.measure.sample import Frame, Progress
from lockstep.text.rfc3339 import SECOND

Place = tuple[int, int, int]
"""(chunk, first offset, last offset included) of what a meter has sent of its source partition."""

ALWAYS = 1 << 62
"""Microseconds that event time does not come to."""


@dataclass(slots=True)
class SourceState:
    """What a source partition promised last. newest, watermark: in microseconds.

    ended: of imported events, when their import ended, likewise; None while it goes on.
    """

    place: Place
    partitions: int
    newest: int | None = None
    watermark: int | None = None
    silent: bool = False
    since: dict[str, int] = field(default_factory=dict)  # series id → complete from this second
    # Series that came later and are being told of what lies before `place`: not complete before that is over.
    filling: set[str] = field(default_factory=set)
    ended: int | None = None


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
        self._of_role: defaultdict[str, list[SourceState]] = defaultdict(list)  # without what was imported
        self._imports: dict[str, SourceState] = {}
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

    def begin_import(self, source: Source, place: Place) -> bool:
        """Note that a role has imported events, before the first of them is judged; whether that is new."""
        if source in self.sources:
            return False
        chunk, first, _ = place
        self._add(source, SourceState((chunk, first, first - 1), partitions=1))
        self._complete.clear()
        return True

    def take(self, source: Source, place: Place, frame: Frame, progress: Progress) -> bool:
        """Note what a meter promises: all up to there has been sent. Whether it has begun a later chunk."""
        state = self.sources.get(source)
        follows_import = state is None and frame.role in self._imports
        if state is None:
            state = SourceState(place, frame.partitions)
            self._add(source, state)
            self._complete.clear()
        if progress.begins is not None:
            counted = state.newest if progress.counted is None else progress.counted
            # What was imported says all of the time before a topic was first read, whose retention may be short.
            is_complete = progress.complete or follows_import or counted is None
            start = 0 if is_complete or counted is None else ceil_div(counted, SECOND)
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
        if progress.ended is not None:
            state.ended = progress.ended
        topic = self.topic(frame.role)
        if progress.oldest is not None:
            self.begins(topic, progress.oldest)
        self._mark(frame.role, topic)
        return has_risen

    def _add(self, source: Source, state: SourceState) -> None:
        self.sources[source] = state
        role, partition = source
        if partition == IMPORTED:
            self._imports[role] = state
        else:
            self._of_role[role].append(state)

    def _mark(self, role: str, topic: Topic) -> None:
        """The watermark of a topic is the minimum over its partitions, and it never goes back.

        It is that of an import of the role while this goes on, and after it until the topic has an event of its own.
        """
        imported = self._imports.get(role)
        if imported is not None and imported.ended is None:
            _advance(topic, imported.watermark)
            return
        states = self._of_role[role]
        if not states or len(states) < max(state.partitions for state in states):
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
        if is_silent and imported is not None:
            is_silent, mark = False, imported.watermark
        topic.silent = is_silent
        if is_known:
            _advance(topic, mark)

    def past_to(self, roles: Iterable[str]) -> int | None:
        """Before which instant transitions of what reads these topics are of imported time, in microseconds.

        None where nothing was imported; ALWAYS while an import goes on.
        """
        if not self._imports:
            return None
        imports = [self._imports[role] for role in roles if role in self._imports]
        return max((ALWAYS if state.ended is None else state.ended for state in imports), default=None)

    @property
    def import_ends(self) -> list[int]:
        """When the imports that are over ended, in microseconds."""
        return [state.ended for state in self._imports.values() if state.ended is not None]

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
        begun = [_begun(s, series) for (role, _), s in self.sources.items() if role == series.source]
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
                *([] if source[1] != IMPORTED else [s.ended]),
            ]
            for source, s in self.sources.items()
        ]
        return sources, [[role, t.first, t.mark, t.silent, t.swept] for role, t in self.topics.items()]

    def restore(self, sources: list[Any], topics: list[Any]) -> None:
        """Take back what `state` gave."""
        for role, partition, place, count, newest, watermark, silent, since, filling, *ended in sources:
            state = SourceState(
                (place[0], place[1], place[2]), count, newest, watermark, silent, dict(since), set(filling), *ended
            )
            self._add((role, partition), state)
        self.topics = {role: Topic(*rest) for role, *rest in topics}


def _begun(state: SourceState, series: SeriesDef) -> int | None:
    """From which second on a source has told all of a series; None while it has not."""
    if series.id in state.filling:
        return None
    since = state.since.get(series.id)
    if since is None and state.ended is not None:
        # What was imported may have been removed before the series was there: then nothing is known of its time.
        return ceil_div(state.ended, SECOND)
    return since


def _advance(topic: Topic, mark: int | None) -> None:
    if mark is not None and (topic.mark is None or mark > topic.mark):
        topic.mark = mark
