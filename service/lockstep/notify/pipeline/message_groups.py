"""Message groups: what one destination hears of in one message, and when its next message goes out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from lockstep.errors import StateError
from lockstep.notification import Item
from lockstep.notify.max_alerts import OpenEpisodes
from lockstep.notify.routing.route_options import EACH_ALONE, RouteOptions
from lockstep.ports import Destination

FORMAT = 1
MARK = "\x1e"
"""Begins the names of groups that are not those of one rule."""
DIGEST = f"{MARK}held"
"""The group in which a destination hears of everything that a mute time has held."""
NAMES = {DIGEST: "what was held"}

COUNTER = b"\x1fgroups\x1f"
"""The key of the entry that numbers groups which are forgotten."""

GroupKey = tuple[str, str]
"""(name, destination's id)."""


@dataclass
class Group:
    """What waits for one destination under one name, and what it was told.

    rule: the name: a rule's, or one that begins with MARK. teams: who shares the destination. number: of the last
    message. due: when the next one goes out, None while nothing waits. held: too many went out, the next one is a
    summary. items, more: what a version before this one had gathered. sent: when the recent messages went out.
    open: of a rule's own group, which of its episodes the destination was told of (`max_alerts`). last_sent: when the
    last message went out. wait_s, interval_s: the shortest ones that anything in it asks for.
    is_undated: something that has come may be due before `due`, as the next tick will say. generation: which group
    of its name it is, because groups of labels are forgotten when they are over.
    waiting, firing, members: ids of the episodes that it is to hear of, of those that it was told fire, and of all that
    belong to it; not stored.
    """

    rule: str
    destination: Destination
    teams: tuple[str, ...]
    number: int = 0
    due: float | None = None
    held: bool = False
    items: list[Item] = field(default_factory=list)
    more: int = 0
    sent: list[float] = field(default_factory=list)
    open: OpenEpisodes = field(default_factory=OpenEpisodes)
    last_sent: float | None = None
    wait_s: float | None = None
    interval_s: float | None = None
    is_undated: bool = False
    generation: int = 0
    waiting: dict[str, None] = field(default_factory=dict)
    firing: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    @property
    def key(self) -> GroupKey:
        return self.rule, self.destination.id

    @property
    def is_lasting(self) -> bool:
        """Whether it is kept when nothing is in it: those of rules are few, and their numbers name deliveries."""
        return not self.rule.startswith(MARK) or self.rule == DIGEST

    @property
    def title(self) -> str:
        """What people may call it."""
        return NAMES.get(self.rule) or ", ".join(filter(None, self.rule.split(MARK)[2:])) or self.rule.strip(MARK)

    def row(self) -> bytes:
        row = {name: value for name, value in vars(self).items() if name not in ("waiting", "firing", "members")}
        return msgspec.json.encode({"format": FORMAT, **row})


def group_name(options: RouteOptions, route: str, facts: Mapping[str, str], alert_id: str) -> str:
    """The name of the group that an alert belongs to on a route. facts: its labels, rule, severity and team."""
    by = options.group_by
    if by is None or by == ("rule",):
        return facts["rule"]
    if EACH_ALONE in by:
        return MARK.join(("", "each", alert_id))
    return MARK.join(("", route, *(f"{label} {facts.get(label, 'none')}" for label in sorted(by))))


class Groups:
    """All groups; a part of notify's state, under `NAME\\x1fDESTINATION`."""

    def __init__(self) -> None:
        self._groups: dict[GroupKey, Group] = {}
        self._dirty: set[GroupKey] = set()
        self._generation = self._stored_generation = 0

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def get(self, key: GroupKey) -> Group | None:
        return self._groups.get(key)

    def made(self, name: str, destination: Destination, teams: tuple[str, ...]) -> Group:
        """The group of that name, new where there is none; with the destination and teams as they are now."""
        group = self._groups.get((name, destination.id))
        if group is None:
            group = self._groups[name, destination.id] = Group(name, destination, teams)
            if not group.is_lasting:
                self._generation += 1
                group.generation = self._generation
            self._dirty.add(group.key)
        elif (group.destination, group.teams) != (destination, teams):
            group.destination, group.teams = destination, teams
            self._dirty.add(group.key)
        return group

    def changed(self, group: Group) -> None:
        """It is to be stored anew, or forgotten where nothing of it is left."""
        self._dirty.add(group.key)
        if not (group.is_lasting or group.members or group.items):
            self._groups.pop(group.key, None)

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries: dict[bytes, bytes | None] = {}
        for key in self._dirty:
            group = self._groups.get(key)
            entries["\x1f".join(key).encode()] = None if group is None else group.row()
        self._dirty.clear()
        if self._generation != self._stored_generation:
            # Ids of deliveries hang on it: one that a forgotten group has used is never used again.
            self._stored_generation = self._generation
            entries[COUNTER] = msgspec.json.encode({"format": FORMAT, "generation": self._generation})
        return entries

    def restore(self, key: bytes, value: bytes) -> None:
        """Take back one entry."""
        row = msgspec.json.decode(value)
        stored = row.pop("format", None)
        if stored != FORMAT:
            raise StateError(f"lockstep.notify-state: a group of format {stored}, this version reads {FORMAT}")
        if key == COUNTER:
            self._generation = self._stored_generation = row["generation"]
            return
        row.update(
            destination=Destination(**row["destination"]),
            teams=tuple(row["teams"]),
            items=msgspec.convert(row["items"], list[Item]),
            open=OpenEpisodes(**row["open"]),
        )
        group = Group(**row)
        self._groups[group.key] = group
