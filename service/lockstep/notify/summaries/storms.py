"""The storm cap: of very many messages to one destination the first few go out, and one summary a minute of the rest.

It stands behind grouping and counts messages, whatever their rules. A message with a critical alert that fires always
goes out at once. What is kept comes in the summary, most severe first and each episode once; what finds no place there
is counted. Summaries are due times in the state: a restart loses none and repeats none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from pydantic import Field

from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.notification import Item, Message
from lockstep.notify.message import came_and_went
from lockstep.notify.pipeline.hooks import Applied, Happened, Planned, StormCap
from lockstep.notify.pipeline.message_heading import by_weight, retold, subject_of
from lockstep.ports import Destination
from lockstep.response.command import Command
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Severity
from lockstep.rule.language.form.values import Duration, Strict
from lockstep.text.figures import duration_words
from lockstep.transition import Transition

KEY = b"\x1fstorm\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
MOST_KEPT = 300
"""Items that are kept for a summary; of more the least severe are counted."""
MOST_SHOWN = 30


class StormsModel(Strict):
    """At how many messages a destination of people gets a summary instead."""

    above: int = Field(ge=1, le=1_000, description="How many messages go out one by one")
    per: Duration = Field(60, ge=10, le=3_600, description="Within which time they are counted")


@dataclass(frozen=True)
class StormLimit:
    """above: how many messages to one destination go out in per_s seconds."""

    above: int
    per_s: int


@dataclass
class _Storm:
    """What one destination was sent lately, and what is kept for its next summary.

    sent: when messages went out, seconds since 1970. items: kept, in the order of their coming. teams: whose they are.
    more: how many were counted only. due: when the summary goes out; None while nothing is kept. number: of the last
    summary.
    """

    destination: Destination
    sent: list[float] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    teams: tuple[str, ...] = ()
    more: int = 0
    due: float | None = None
    number: int = 0


class Storms:
    """hooks.StormCap: counts for every destination of people."""

    def __init__(self, limit: StormLimit | None, *, overview: str | None = None) -> None:
        """limit: None: nothing is kept, and what an earlier routing kept goes out. overview: the address of what is
        open, for summaries."""
        self._limit, self._overview = limit, overview
        self._storms: dict[str, _Storm] = {}
        self._dirty: set[str] = set()

    def take(self, planned: Planned, moment: float) -> Planned | None:
        """The message as it goes out; None: it is kept for the summary."""
        key = planned.destination.id
        storm = self._storms.get(key)
        if self._limit is None:
            return planned
        if storm is None:
            storm = self._storms[key] = _Storm(planned.destination)
        storm.destination = planned.destination
        storm.sent = [t for t in storm.sent if moment - self._limit.per_s < t <= moment]
        self._dirty.add(key)
        is_critical = any(_is_critical(item) for item in planned.body.items)
        if is_critical or (storm.due is None and len(storm.sent) < self._limit.above):
            storm.sent = [*storm.sent, moment][-self._above :]
            return _with_kept(storm, planned) if is_critical else planned
        storm.teams = tuple(dict.fromkeys((*storm.teams, *planned.body.teams)))
        storm.more += planned.body.more
        for item in _ends_first(planned.body.items):
            _keep(storm, item)
        storm.due = moment + self._limit.per_s if storm.due is None else storm.due
        return None

    def summaries(self, moment: float) -> Sequence[Planned]:
        """The summaries that are due, in an order that a restart does not change."""
        planned = []
        for key in sorted(self._storms):
            storm = self._storms[key]
            per_s = 0.0 if self._limit is None else self._limit.per_s
            if storm.due is None:
                if storm.sent and storm.sent[-1] <= moment - per_s:
                    storm.sent = []
                    self._dirty.add(key)
                continue
            # A clock that was put back must not hold a summary for longer than it could ever have waited.
            if storm.due > moment + per_s:
                storm.due = moment + per_s
                self._dirty.add(key)
            if storm.due <= moment:
                summary = self._summary(storm)
                storm.items, storm.more, storm.due, storm.teams = [], 0, None, ()
                self._dirty.add(key)
                if summary is not None:
                    storm.sent = [*storm.sent, moment][-self._above :]
                    planned.append(summary)
        return planned

    @property
    def _above(self) -> int:
        return MOST_SHOWN if self._limit is None else self._limit.above

    def _summary(self, storm: _Storm) -> Planned | None:
        if not storm.items:
            return None  # all of it was said as critical meanwhile
        storm.number += 1
        items = by_weight(storm.items)
        shown = items[: min(self._above, MOST_SHOWN)]
        reason = "there was too much for one message each: this is all the rest"
        if self._limit is not None:
            per = duration_words(self._limit.per_s)
            reason = f"more than {self._above:,} messages were to go to you within {per}: this is all the rest"
        return summary_of(
            shown,
            number=stable_id("delivery", storm.destination.id, "storm", storm.number),
            destination=storm.destination,
            teams=storm.teams,
            more=storm.more + len(items) - len(shown),
            reason=Reason.STORM,
            why=reason,
            overview=self._overview,
            about=items,
        )

    # ---- hooks.Part -----------------------------------------------------------------------------------------------

    def hear(self, transition: Transition) -> None:
        """It counts messages, not alerts."""

    def apply(self, command: Command, moment: float) -> Applied | None:
        return None

    def tick(self, moment: float) -> Happened:
        return Happened()

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {}
        for key in self._dirty:
            storm = self._storms[key]
            if not storm.sent and storm.due is None and not storm.number:
                del self._storms[key]
                entries[KEY + key.encode()] = None
            else:
                entries[KEY + key.encode()] = msgspec.json.encode({"format": FORMAT, **vars(storm)})
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for key, value in entries.items():
            if key.startswith(KEY):
                row = msgspec.json.decode(value)
                stored = row.pop("format", None)
                if stored != FORMAT:
                    raise StateError(f"lockstep.notify-state: a storm of format {stored}, this version reads {FORMAT}")
                row.update(
                    destination=Destination(**row["destination"]),
                    teams=tuple(row["teams"]),
                    items=msgspec.convert(row["items"], list[Item]),
                )
                storm = _Storm(**row)
                self._storms[storm.destination.id] = storm


class Caps:
    """hooks.StormCap: several caps as one; what the first lets through the next is asked about."""

    def __init__(self, *caps: StormCap) -> None:
        self._caps = caps

    def take(self, planned: Planned, moment: float) -> Planned | None:
        passed: Planned | None = planned
        for cap in self._caps:
            passed = None if passed is None else cap.take(passed, moment)
        return passed

    def summaries(self, moment: float) -> Sequence[Planned]:
        return [planned for cap in self._caps for planned in cap.summaries(moment)]

    def hear(self, transition: Transition) -> None:
        for cap in self._caps:
            cap.hear(transition)

    def apply(self, command: Command, moment: float) -> Applied | None:
        return None

    def tick(self, moment: float) -> Happened:
        for cap in self._caps:
            cap.tick(moment)
        return Happened()

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for cap in self._caps:
            cap.restore(entries)

    def cut(self) -> dict[bytes, bytes | None]:
        return {key: value for cap in self._caps for key, value in cap.cut().items()}


def summary_of(
    shown: Sequence[Item],
    *,
    number: str,
    destination: Destination,
    teams: tuple[str, ...],
    more: int,
    reason: Reason,
    why: str,
    overview: str | None,
    about: Sequence[Item],
) -> Planned:
    """A summary as a message. shown: most severe first, one at least. more: how many there are besides. about: all of
    them. why: why it was sent, in words. overview: the address of what is open."""
    first = shown[0]
    state = "firing" if any(not item.is_over for item in shown) else "resolved"
    return Planned(
        number=number,
        destination=destination,
        rule=first.rule,
        state=state,
        about=tuple(dict.fromkeys((item.alert_id, item.episode_id) for item in about)),
        body=Message(
            subject=subject_of(shown, more),
            state=state,
            rule=first.rule,
            severity=max(Severity.of(item.severity) for item in shown).word,
            teams=teams,
            items=tuple(shown),
            more=more,
            reason=why,
            overview=overview or msgspec.UNSET,
        ),
        reason=reason,
        tells=tuple(about),
    )


def _is_critical(item: Item) -> bool:
    return item.severity == Severity.CRITICAL.word and not item.is_over


def _keep(storm: _Storm, item: Item) -> None:
    """An item waits for the summary, in the place of an earlier one of its episode."""
    for place, earlier in enumerate(storm.items):
        if _goes_on_in(earlier, item):
            storm.items[place] = _joined(earlier, item)
            return
    storm.items.append(item)
    if len(storm.items) > MOST_KEPT:
        storm.items.remove(by_weight(storm.items)[-1])
        storm.more += 1


def _with_kept(storm: _Storm, planned: Planned) -> Planned:
    """A message that goes out at once, with what was kept of its episodes: that is not said again in the summary."""
    joined: dict[str, Item] = {}
    for item in _ends_first(planned.body.items):
        kept = next((earlier for earlier in storm.items if _goes_on_in(earlier, item)), None)
        storm.items = [earlier for earlier in storm.items if earlier is not kept]
        joined[item.episode_id] = item if kept is None else _joined(kept, item)
    items = [joined[item.episode_id] for item in planned.body.items]
    return planned if items == [*planned.body.items] else retold(planned, items)


def _ends_first(items: Iterable[Item]) -> list[Item]:
    """So that an alert which ended and began again is not taken for one that goes on."""
    return sorted(items, key=lambda item: not item.is_over)


def _goes_on_in(earlier: Item, later: Item) -> bool:
    """Whether two items are about one thing: an episode, or an alert that flaps, of which a later one goes on."""
    is_one_alert = earlier.alert_id == later.alert_id and not (earlier.is_over or later.is_over)
    return earlier.episode_id == later.episode_id or is_one_alert


def _joined(earlier: Item, later: Item) -> Item:
    """Two items of one episode, neither of which was said, as one."""
    if earlier.state != "firing":
        return later
    if later.state != "resolved":
        return msgspec.structs.replace(later, state="firing")
    # Nobody was told that it began: one note, with the numbers of its beginning, says that it came and went.
    return came_and_went(earlier, later)
