"""The episodes that are open, or that somebody has still to hear of, and what each destination of people knows of them.

An entry of notify's state for each, which holds the last transition as it stands on `lockstep.alerts`: a message is
written when it goes out, so that it says what is true then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lockstep.errors import StateError
from lockstep.response.decision import Reason
from lockstep.response.standing import Handling
from lockstep.transition import Transition, decode, encode

KEY = b"\x1fepisode\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1

Facts = dict[str, str]


@dataclass(slots=True)
class Listener:
    """What a destination knows of an episode.

    group: the name of the message group in which it hears of it. routes: (team, route) that lead there. told: the rank
    of the severity that it was last told, 0 before. told_at: when, seconds since the epoch. waits: why it is to be told
    something; None while it knows all. why: in words, where the reason alone does not say it. order: its place among
    what waits. digest: whether it is told among all that was held. held: why it was not told when its turn came;
    held_until: when to ask again. held_why: as it was recorded. capped: kept back by `max_alerts`. note: what is odd,
    for the message. delivery: the id of the last one that told it. is_relieved: somebody else follows the episode
    instead, as after a shift; of repeats it hears none. is_called: no route led there, an escalation or a fallback did.
    """

    group: str
    routes: tuple[tuple[str, str], ...]
    told: int = 0
    told_at: float = 0.0
    waits: Reason | None = None
    why: str = ""
    order: int = 0
    digest: bool = False
    held: Reason | None = None
    held_until: float | None = None
    held_why: str = ""
    capped: bool = False
    note: str = ""
    delivery: str = ""
    is_relieved: bool = False
    is_called: bool = False

    @property
    def is_held(self) -> bool:
        """Whether something stopped it, and nothing has called it up since."""
        return self.held is not None and self.waits is None


@dataclass(slots=True)
class Episode:
    """One episode of an alert.

    rank: of its severity now; a higher one is worse. fired_at: when it fired, RFC 3339. open, ended: its last
    transition to firing or severity, and its end, as encoded. from_before: it began when nobody kept episodes, so
    everybody counts as told. flaps: nobody hears of it by itself. programs: ids of the destinations of programs that
    heard of it. listeners: by destination id. hushed_rank: how severe it was when it was snoozed or closed. reach: to
    what the routes led when it last changed (`Routing.reach`); None: an earlier version did not write that down.
    """

    alert_id: str
    episode_id: str
    rule: str
    labels: dict[str, str]
    rank: int
    fired_at: str
    open: bytes
    ended: bytes | None = None
    from_before: bool = False
    flaps: bool = False
    programs: list[str] = field(default_factory=list)
    listeners: dict[str, Listener] = field(default_factory=dict)
    handling: Handling | None = None
    hushed_rank: int = 0
    number: int = 0
    reach: list[str] | None = None

    @property
    def is_over(self) -> bool:
        return self.ended is not None

    @property
    def last(self) -> Transition:
        """Its last transition."""
        return decode(self.open if self.ended is None else self.ended)


def raw(transition: Transition) -> bytes:
    """A transition as an episode keeps it."""
    return encode(transition)


class Episodes:
    """All of them; a part of notify's state."""

    def __init__(self) -> None:
        self._episodes: dict[str, Episode] = {}
        self._by_alert: dict[str, list[str]] = {}  # alert id → its episodes, the latest last
        self._dirty: set[str] = set()
        self._number = 0

    def __iter__(self) -> Iterator[Episode]:
        """In an order that a restart does not change."""
        return iter([self._episodes[key] for key in sorted(self._episodes)])

    def __len__(self) -> int:
        return len(self._episodes)

    def get(self, episode_id: str) -> Episode | None:
        return self._episodes.get(episode_id)

    def of(self, alert_id: str) -> list[Episode]:
        """The episodes of an alert, the latest last."""
        return [self._episodes[key] for key in self._by_alert.get(alert_id, ())]

    def open_of(self, alert_id: str) -> Episode | None:
        """The latest of the alert's that has not ended."""
        return next((e for e in reversed(self.of(alert_id)) if not e.is_over), None)

    def add(self, episode: Episode) -> None:
        self._number += 1
        episode.number = self._number
        self._episodes[episode.episode_id] = episode
        self._by_alert.setdefault(episode.alert_id, []).append(episode.episode_id)
        self._dirty.add(episode.episode_id)

    def changed(self, episode: Episode) -> None:
        """It is to be stored anew."""
        self._dirty.add(episode.episode_id)

    def drop(self, episode: Episode) -> None:
        """Nobody has to hear of it any more."""
        if self._episodes.pop(episode.episode_id, None) is None:
            return
        self._dirty.add(episode.episode_id)
        others = self._by_alert[episode.alert_id]
        others.remove(episode.episode_id)
        if not others:
            del self._by_alert[episode.alert_id]

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries: dict[bytes, bytes | None] = {}
        for key in self._dirty:
            episode = self._episodes.get(key)
            entries[KEY + key.encode()] = None if episode is None else _encoded(episode)
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""
        stored = [_decoded(value) for key, value in entries.items() if key.startswith(KEY)]
        for episode in sorted(stored, key=lambda e: (e.number, e.episode_id)):
            self._episodes[episode.episode_id] = episode
            self._by_alert.setdefault(episode.alert_id, []).append(episode.episode_id)
            self._number = max(self._number, episode.number)


def _encoded(episode: Episode) -> bytes:
    row: dict[str, Any] = {name: getattr(episode, name) for name in Episode.__slots__}
    row["open"] = msgspec.Raw(episode.open)
    row["ended"] = None if episode.ended is None else msgspec.Raw(episode.ended)
    return msgspec.json.encode({"format": FORMAT, **row})


class _Row(msgspec.Struct):
    """An entry as it is read: transitions stay encoded."""

    format: int
    alert_id: str
    episode_id: str
    rule: str
    labels: dict[str, str]
    rank: int
    fired_at: str
    open: msgspec.Raw
    ended: msgspec.Raw = msgspec.Raw(b"null")
    from_before: bool = False
    flaps: bool = False
    programs: list[str] = []
    listeners: dict[str, Listener] = {}
    handling: Handling | None = None
    hushed_rank: int = 0
    number: int = 0
    reach: list[str] | None = None


_FORMAT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ROWS = msgspec.json.Decoder(_Row)


def _decoded(value: bytes) -> Episode:
    stored = bytes(_FORMAT.decode(value).get("format", msgspec.Raw(b"null"))).decode()
    if stored != str(FORMAT):
        raise StateError(f"lockstep.notify-state: an episode of format {stored}, this version reads {FORMAT}")
    row = _ROWS.decode(value)
    fields = {name: getattr(row, name) for name in Episode.__slots__}
    ended = bytes(row.ended)
    return Episode(**{**fields, "open": bytes(row.open), "ended": None if ended == b"null" else ended})
