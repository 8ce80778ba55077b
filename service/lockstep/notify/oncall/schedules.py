"""Who is on call: schedules of rotations or of a calendar file, with the people who stand in.

Moments are seconds since 1970. Hand-overs are times on the wall of the schedule's zone: "Mondays at 09:00" is 09:00 in
summer and in winter, and the week in which the clocks change has an hour more or less. A hand-over at a time that the
clocks leave out happens when they are put forward; at a time that they show twice, the first time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from lockstep.response.standing import Override
from lockstep.rule.condition.hours import stretches
from lockstep.rule.condition.kinds import Hours
from lockstep.text.feed_address import FeedAddress
from lockstep.text.time_units import DAY_S, WEEK_S

PREFIX = "oncall:"
"""`oncall:NAME` stands for whoever is on call in the schedule NAME, wherever a receiver may be named."""
HORIZON_S = 53 * WEEK_S
"""How far ahead a next change is looked for."""
LEAST_EVERY_S = 3600


class Layer(Protocol):
    """What says who is on call at some times; a schedule asks its layers one after the other."""

    def at(self, moment: float) -> str | None:
        """The receiver whose turn it is then; None: this layer says nothing of that moment."""

    def next_edge(self, moment: float) -> float | None:
        """The first instant after `moment` from which on `at` may say something else; None: there is none."""

    def receivers(self) -> frozenset[str]:
        """Everybody whose turn it may ever be."""


@dataclass(frozen=True)
class Rotation:
    """Receivers who take turns.

    who: in their order. every_s: how long a turn is, on the wall: of whole days it begins always at one time of day.
    start: when the first turn begins, local time of `zone`; before it the rotation says nothing. until: when it ends.
    hours: on which days and at which times it counts; none: always.
    """

    who: tuple[str, ...]
    every_s: int
    start: datetime
    zone: ZoneInfo
    until: datetime | None = None
    hours: tuple[Hours, ...] = ()

    def at(self, moment: float) -> str | None:
        if moment < self._begin(0) or (self.until is not None and moment >= instant(self.until, self.zone)):
            return None
        if self.hours and not any(opens <= moment < closes for opens, closes in self._stretches(moment)):
            return None
        return self.who[self._turn(moment) % len(self.who)]

    def next_edge(self, moment: float) -> float | None:
        begins = self._begin(0)
        ends = None if self.until is None else instant(self.until, self.zone)
        if moment < begins:
            return begins
        if ends is not None and moment >= ends:
            return None
        edges = [] if ends is None else [ends]
        if len({*self.who}) > 1:
            edges.append(self._begin(self._turn(moment) + 1))
        if self.hours:
            edges += [edge for pair in self._stretches(moment) for edge in pair if edge > moment]
        return min(edges, default=None)

    def receivers(self) -> frozenset[str]:
        return frozenset(self.who)

    def _begin(self, turn: int) -> float:
        return instant(self.start + timedelta(seconds=turn * self.every_s), self.zone)

    def _turn(self, moment: float) -> int:
        """The number of the turn that a moment lies in."""
        local = datetime.fromtimestamp(moment, self.zone).replace(tzinfo=None)
        turn = (local - self.start) // timedelta(seconds=self.every_s)
        # An hour that is there twice, or not at all, moves an estimate by the time on the wall.
        while self._begin(turn) > moment:
            turn -= 1
        while self._begin(turn + 1) <= moment:
            turn += 1
        return turn

    def _stretches(self, moment: float) -> tuple[tuple[int, int], ...]:
        return stretches(self.hours, int(moment // DAY_S) * DAY_S, self.zone, 9)


@dataclass(frozen=True)
class Shift:
    """A stretch [start, end) in which one is on call. who: a receiver; None: nobody, it is a gap."""

    who: str | None
    start: float
    end: float


@dataclass(frozen=True)
class Schedule:
    """layers: the first that says somebody counts. feed: where one of them is fetched from; None: nowhere.

    is_whole: False while nothing has come from there yet, so that nobody knows all that it says.
    """

    name: str
    zone: ZoneInfo
    layers: tuple[Layer, ...]
    feed: FeedAddress | None = None
    is_whole: bool = True

    def on_call(self, moment: float, overrides: Iterable[Override] = ()) -> str | None:
        """The receiver that is on call then; None: nobody.

        overrides: of this or other schedules, in any order; of two at one time the one that was made later counts.
        """
        return self._on_call(moment, _stand_ins(self.name, overrides))

    def next_change(self, moment: float, overrides: Iterable[Override] = ()) -> float | None:
        """When somebody else, or nobody, is on call; None: not within a year."""
        return self._next_change(moment, _stand_ins(self.name, overrides))

    def shifts(self, begin: float, end: float, overrides: Iterable[Override] = ()) -> Iterator[Shift]:
        """Who is on call from `begin` to `end`, gaps among them; the first began, and the last goes on, beyond that."""
        stand_ins = _stand_ins(self.name, overrides)
        at = begin
        while at < end:
            change = self._next_change(at, stand_ins)
            until = end if change is None else min(change, end)
            yield Shift(self._on_call(at, stand_ins), at, until)
            at = until

    def gaps(self, begin: float, end: float, overrides: Iterable[Override] = ()) -> list[Shift]:
        """When nobody is on call."""
        return [shift for shift in self.shifts(begin, end, overrides) if shift.who is None]

    def receivers(self) -> frozenset[str]:
        """Everybody who may be on call without an override."""
        return frozenset().union(*(layer.receivers() for layer in self.layers))

    def _on_call(self, moment: float, stand_ins: "Sequence[_StandIn]") -> str | None:
        for layer in (*stand_ins, *self.layers):
            who = layer.at(moment)
            if who is not None:
                return who
        return None

    def _next_change(self, moment: float, stand_ins: "Sequence[_StandIn]") -> float | None:
        who, at = self._on_call(moment, stand_ins), moment
        while at < moment + HORIZON_S:
            edges = [edge for layer in (*stand_ins, *self.layers) if (edge := layer.next_edge(at)) is not None]
            if not edges:
                return None
            at = min(edges)
            if self._on_call(at, stand_ins) != who:
                return at
        return None


@dataclass(frozen=True)
class _StandIn:
    """An override as the layer above all others."""

    who: str
    start: float
    end: float

    def at(self, moment: float) -> str | None:
        return self.who if self.start <= moment < self.end else None

    def next_edge(self, moment: float) -> float | None:
        return min((edge for edge in (self.start, self.end) if edge > moment), default=None)

    def receivers(self) -> frozenset[str]:
        return frozenset((self.who,))


def _stand_ins(schedule: str, overrides: Iterable[Override]) -> list[_StandIn]:
    """The latest made first. One that was ended counts until then."""
    stand_ins = []
    for override in sorted(overrides, key=lambda o: (o.created_at, o.id)):
        if override.schedule == schedule:
            end = seconds_of(override.ends)
            end = end if override.ended_at is None else min(end, seconds_of(override.ended_at))
            stand_ins.append(_StandIn(override.who, seconds_of(override.starts), end))
    return stand_ins[::-1]


def seconds_of(moment: str) -> float:
    """Seconds since 1970 of an RFC 3339 text. Raises ValueError, also for one without a zone."""
    at = datetime.fromisoformat(moment)
    if at.tzinfo is None:
        raise ValueError(f"'{moment}' has no zone")
    return at.timestamp()


def instant(local: datetime, zone: ZoneInfo) -> float:
    """When the clocks of a zone show a time first; of one that they leave out, when they are put forward.

    local: without a zone. So later times on the wall are never earlier instants.
    """
    early = local.replace(tzinfo=zone)
    moment = early.timestamp()
    if datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == local:
        return moment
    # Left out: the change lies after the instant by the later offset, and not after the one by the earlier offset.
    low, high = int(early.replace(fold=1).timestamp()), int(moment)
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return float(high)


def local_text(moment: float, zone: ZoneInfo) -> str:
    """`Mon 2 Nov 2026 09:00 GMT`."""
    at = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    return f"{at:%a} {at.day} {at:%b %Y %H:%M %Z}"
