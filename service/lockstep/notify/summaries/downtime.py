"""After downtime: what began and ended while nobody was watching comes in one summary for each destination of people.

Two things are downtime: that notify did not run, as the last tick that it stored is long ago; and that it did not get
to its input, as a transition has been on the log for long when it is read. What still fires is told as ever, and
programs hear everything: this part only takes what came and went out of messages to people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.notification import CAME_AND_WENT, Item
from lockstep.notify.oncall.schedules import seconds_of
from lockstep.notify.pipeline.hooks import Applied, Happened, Planned
from lockstep.notify.pipeline.message_heading import by_weight, retold
from lockstep.notify.summaries.storms import MOST_SHOWN, summary_of
from lockstep.ports import Destination
from lockstep.response.command import Command
from lockstep.response.decision import Reason
from lockstep.text.figures import duration_words
from lockstep.transition import Transition, TransitionName

KEY = b"\x1fdowntime\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
UNSEEN_S = 600.0
"""What is read later than this, or lies in a pause of notify that is longer, was not seen in time."""
STORED_EVERY_S = 60.0
"""How often the last tick is stored."""
SETTLED_S = 20.0
"""How long nothing unseen has come before the summary goes out."""
LONGEST_WAIT_S = 300.0
REMEMBERED_S = 3_600.0
"""How long an episode that began unseen is remembered: by then it has been told, or is in a summary."""
MOST_REMEMBERED = 20_000
MOST_KEPT = 300


@dataclass
class _Missed:
    """What one destination is to hear in its summary. more: how many were counted only. first, due: when the first
    came, and when the summary goes out; None while nothing is kept. number: of the last summary."""

    destination: Destination
    items: list[Item] = field(default_factory=list)
    teams: tuple[str, ...] = ()
    more: int = 0
    first: float | None = None
    due: float | None = None
    number: int = 0


@dataclass
class _Clock:
    """ticked_at: the last tick that was stored. from_s, until_s: the last pause of notify that was downtime. late_s:
    how late the latest unseen transition was."""

    ticked_at: float | None = None
    from_s: float = 0.0
    until_s: float = 0.0
    late_s: float = 0.0


class Downtime:
    """hooks.StormCap: takes what came and went unseen out of messages."""

    def __init__(self, *, overview: str | None = None) -> None:
        """overview: the address of what is open, for summaries."""
        self._overview = overview
        self._clock = _Clock()
        self._stored_at: float | None = None
        self._fresh: list[tuple[str, float, float]] = []  # (episode, when it began, when the log got it), of this tick
        self._unseen: dict[str, float] = {}  # episode → when it was read
        self._missed: dict[str, _Missed] = {}
        self._dirty: set[bytes] = set()

    def read(self, transition: Transition, arrived_s: float) -> None:
        """A transition is read. arrived_s: when the log got it, seconds since 1970; 0 or less where it does not say."""
        if transition.state is TransitionName.FIRING:
            self._fresh.append((transition.episode_id, seconds_of(transition.at), arrived_s))

    def tick(self, moment: float) -> Happened:
        clock = self._clock
        if clock.ticked_at is not None and moment - clock.ticked_at > UNSEEN_S:
            clock.from_s, clock.until_s = clock.ticked_at, moment
        for episode, began, arrived in self._fresh:
            late_s = moment - arrived if arrived > 0 else 0.0  # a log that does not say when
            # Within a minute of the pause's end it would have been judged in any case.
            is_within = clock.from_s - STORED_EVERY_S <= began < clock.until_s - STORED_EVERY_S
            if late_s > UNSEEN_S or is_within:
                if len(self._unseen) >= MOST_REMEMBERED:
                    self._forget(next(iter(self._unseen)))
                self._unseen[episode] = moment
                self._dirty |= {_episode_key(episode), KEY}
                clock.late_s = max(late_s, moment - began)
                self._dirty.add(KEY)  # the summary says it, also where another worker writes that
        if self._fresh and any(missed.due is not None for missed in self._missed.values()):
            self._put_off(moment)
        self._fresh.clear()
        # One that a clock which was put back leaves in the future is forgotten, too.
        for episode in [e for e, read in self._unseen.items() if not moment - REMEMBERED_S < read <= moment]:
            self._forget(episode)
        if self._stored_at is None or not self._stored_at <= moment < self._stored_at + STORED_EVERY_S:
            self._stored_at = clock.ticked_at = moment  # only what is stored, so that a restart decides the same
            self._dirty.add(KEY)
        return Happened()

    def take(self, planned: Planned, moment: float) -> Planned | None:
        """The message without what came and went unseen; None: nothing is left of it."""
        if planned.reason is Reason.HELD:
            return planned  # a mute time has its digest
        missed = [i for i in planned.body.items if i.state == CAME_AND_WENT and i.episode_id in self._unseen]
        if not missed:
            return planned
        kept = self._missed.setdefault(planned.destination.id, _Missed(planned.destination))
        kept.destination = planned.destination
        kept.teams = tuple(dict.fromkeys((*kept.teams, *planned.body.teams)))
        kept.items = by_weight([*kept.items, *missed])
        kept.more += max(0, len(kept.items) - MOST_KEPT)
        kept.items = kept.items[:MOST_KEPT]
        kept.first = moment if kept.first is None else kept.first
        kept.due = min(moment + SETTLED_S, kept.first + LONGEST_WAIT_S)
        self._dirty.add(_missed_key(planned.destination.id))
        for item in missed:
            self._forget(item.episode_id)
        left = tuple(item for item in planned.body.items if item not in missed)
        if not left:
            kept.more += planned.body.more
            return None
        return retold(planned, left)

    def summaries(self, moment: float) -> Sequence[Planned]:
        """The summaries that are due, in an order that a restart does not change."""
        planned = []
        for key in sorted(self._missed):
            missed = self._missed[key]
            if missed.due is None:
                continue
            # A clock that was put back must not hold a summary for longer than it could ever have waited.
            if missed.due > moment + LONGEST_WAIT_S:
                missed.due = moment + LONGEST_WAIT_S
                self._dirty.add(_missed_key(key))
            if missed.due <= moment:
                missed.number += 1
                planned.append(self._summary(missed))
                missed.items, missed.teams, missed.more, missed.first, missed.due = [], (), 0, None, None
                self._dirty.add(_missed_key(key))
        return planned

    def _summary(self, missed: _Missed) -> Planned:
        shown = missed.items[:MOST_SHOWN]
        late = duration_words(round(self._clock.late_s / 60) * 60)
        return summary_of(
            shown,
            number=stable_id("delivery", missed.destination.id, "caught up", missed.number),
            destination=missed.destination,
            teams=missed.teams,
            more=missed.more + len(missed.items) - len(shown),
            reason=Reason.CAUGHT_UP,
            why=f"Lockstep was away or up to {late} behind when this began and ended; it watches again",
            overview=self._overview,
            about=missed.items,
        )

    def _put_off(self, moment: float) -> None:
        """More is being read: the summaries wait for it."""
        for key, missed in self._missed.items():
            if missed.due is not None and missed.first is not None:
                missed.due = min(moment + SETTLED_S, missed.first + LONGEST_WAIT_S)
                self._dirty.add(_missed_key(key))

    def _forget(self, episode: str) -> None:
        if self._unseen.pop(episode, None) is not None:
            self._dirty.add(_episode_key(episode))

    # ---- hooks.Part -----------------------------------------------------------------------------------------------

    def hear(self, transition: Transition) -> None:
        """It is told by `read`, which knows when the log got it."""

    def apply(self, command: Command, moment: float) -> Applied | None:
        return None

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {}
        for key in self._dirty:
            kind, _, name = key.removeprefix(KEY).decode().partition("\x1f")
            row: dict[str, object] | None
            match kind:
                case "e":
                    row = {"read": self._unseen[name]} if name in self._unseen else None
                case "m":
                    row = vars(self._missed[name])
                case _:
                    row = vars(self._clock)
            entries[key] = None if row is None else msgspec.json.encode({"format": FORMAT, **row})
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for key, value in entries.items():
            if not key.startswith(KEY):
                continue
            row = msgspec.json.decode(value)
            stored = row.pop("format", None)
            if stored != FORMAT:
                raise StateError(f"lockstep.notify-state: downtime of format {stored}, this version reads {FORMAT}")
            kind, _, name = key.removeprefix(KEY).decode().partition("\x1f")
            match kind:
                case "e":
                    self._unseen[name] = row["read"]
                case "m":
                    row.update(
                        destination=Destination(**row["destination"]),
                        teams=tuple(row["teams"]),
                        items=msgspec.convert(row["items"], list[Item]),
                    )
                    self._missed[name] = _Missed(**row)
                case _:
                    self._clock = _Clock(**row)
                    self._stored_at = self._clock.ticked_at
        self._unseen = dict(sorted(self._unseen.items(), key=lambda pair: (pair[1], pair[0])))


def _episode_key(episode: str) -> bytes:
    return KEY + f"e\x1f{episode}".encode()


def _missed_key(destination: str) -> bytes:
    return KEY + f"m\x1f{destination}".encode()
