"""Inhibitions: while one alert fires, people do not hear of others that follow from it.

`{source: [rule=ShopDown], target: [severity!=critical], equal: [channel]}`: an alert that meets `target` is not told
while another one fires that meets `source` and has the same value of each label in `equal`. A label that one of them
does not have is equal to nothing. An alert never inhibits itself; of those that meet both sides none inhibits another;
and of alerts that inhibit each other in a circle, where nothing outside of it is their cause, all are told.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge

import msgspec

from lockstep.errors import StateError
from lockstep.notify.pipeline.hooks import Applied, Ended, Facts, Happened, Hush
from lockstep.notify.quiet.matchers import Matcher, all_match
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.response.command import Command
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Severity
from lockstep.transition import Transition, TransitionName

KEY = b"\x1finhibition\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
_SOURCE = KEY + b"source\x1f"
_OVER = KEY + b"over"
_KNOWN = KEY + b"known"
FORMAT = 1

MOST_SAID = 3
"""Sources that are named when several are over at a time."""
_NO_LABELS = ("severity", "team")
"""Facts that are none of an alert's identity."""

AlertKey = tuple[str, ...]
"""The rule, and the names and values of the labels: sorts sources, so that the same one is named after a restart."""


@dataclass(frozen=True)
class Inhibition:
    """One of them. equal: labels whose values both have to have; (): a source inhibits every target."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def __str__(self) -> str:
        """`rule=ShopDown inhibits severity!=critical with the same channel`"""
        source, target = (" and ".join(map(str, side)) for side in (self.source, self.target))
        equal = f" with the same {' and '.join(self.equal)}" if self.equal else ""
        return f"{source} inhibits {target}{equal}"


_Place = tuple[int, bool, tuple[str, ...]]
"""Where sources are found, in order: by inhibition, whether they meet its target, too, and the values of `equal`."""


@dataclass
class _Source:
    """An alert that fires and meets the source of some inhibition. facts: what matchers see, for each of its teams."""

    key: AlertKey
    facts: list[dict[str, str]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """`ShopDown, channel web`"""
        rule, *labels = self.key
        said = ", ".join(f"{name} {value}" for name, value in zip(labels[::2], labels[1::2], strict=True))
        return f"{rule}, {said}" if said else rule


class Inhibitions:
    """All inhibitions of a routing and the alerts that are sources of one; a part of notify's state."""

    def __init__(
        self,
        inhibitions: Sequence[Inhibition],
        teams_of: Callable[[Transition], Sequence[str]],
        open_facts: Callable[[], Iterable[Facts]] = tuple,
    ) -> None:
        """teams_of: whom a transition concerns. open_facts: what fires now, for each of its teams: asked where an
        inhibition is new, so that alerts that fired before it are known as sources."""
        self._inhibitions = tuple(inhibitions)
        self._teams_of, self._open_facts = teams_of, open_facts
        self._sources: dict[AlertKey, _Source] = {}
        self._index: dict[_Place, list[AlertKey]] = {}
        self._over: list[str] = []  # in words, what is a source no more since the last tick
        self._known: list[str] = []  # the inhibitions by which the stored sources were chosen
        self._dirty: set[AlertKey] = set()
        self._over_changed = False

    # ---- what fires -------------------------------------------------------------------------------------------------

    def hear(self, transition: Transition) -> None:
        """Which alerts are sources follows every firing, change of severity and end."""
        if not self._inhibitions or transition.past:
            return
        facts: dict[str, str] = {**transition.labels, "rule": transition.rule, "severity": transition.severity}
        if transition.state is TransitionName.RESOLVED:
            self._follow(_key(facts), [])
        else:
            self._follow(_key(facts), [{**facts, "team": team} for team in self._teams_of(transition)] or [facts])

    def _follow(self, key: AlertKey, facts: list[dict[str, str]]) -> None:
        """What is known of an alert as a source. facts: for each of its teams; none: it fires no more."""
        # As what its other teams see it may be inhibited, too, and two that inhibit each other inhibit nobody.
        facts = facts if any(all_match(i.source, one) for one in facts for i in self._inhibitions) else []
        before = self._sources.get(key)
        if facts == (before.facts if before is not None else []):
            return
        self._dirty.add(key)
        places = {} if before is None else dict.fromkeys(self._places(before))
        if facts:
            self._sources[key] = _Source(key, facts)
            now = dict.fromkeys(self._places(self._sources[key]))
        else:
            del self._sources[key]
            now = {}
        for place in places:
            if place not in now:
                self._index[place].remove(key)
                if not self._index[place]:
                    del self._index[place]
        for place in now:
            if place not in places:
                insort(self._index.setdefault(place, []), key)
        if before is not None and any(place not in now for place in places):
            self._over.append(before.words)
            self._over_changed = True

    def _places(self, source: _Source) -> Iterator[_Place]:
        for n, inhibition in enumerate(self._inhibitions):
            is_both = any(all_match(inhibition.target, facts) for facts in source.facts)
            for facts in source.facts:
                values = _values(inhibition.equal, facts)
                if values is not None and all_match(inhibition.source, facts):
                    yield n, is_both, values

    # ---- what is not told -------------------------------------------------------------------------------------------

    def hushed(self, facts: Facts, severity: Severity, moment: float, options: RouteOptions) -> Hush | None:
        """Why an alert is not told: what inhibits it."""
        if not self._sources:
            return None
        key = _key(facts)
        for source in self._inhibiting(key, facts):
            if self._has_a_cause(source, key):
                return Hush(Reason.INHIBITED, f"inhibited: {self._sources[source].words} fires")
        return None

    def _inhibiting(self, key: AlertKey, facts: Facts) -> Iterator[AlertKey]:
        """The sources that inhibit an alert, whether or not they themselves are inhibited."""
        for n, inhibition in enumerate(self._inhibitions):
            if not all_match(inhibition.target, facts):
                continue
            values = _values(inhibition.equal, facts)
            if values is None:
                continue
            # Of those that meet both sides none inhibits another.
            kinds = (False,) if all_match(inhibition.source, facts) else (False, True)
            for source in merge(*(self._index.get((n, is_both, values), ()) for is_both in kinds)):
                if source != key:
                    yield source

    def _has_a_cause(self, source: AlertKey, target: AlertKey) -> bool:
        """Whether going up from a source leads to one that nothing inhibits; in a circle alone it does not."""
        seen = {source, target}
        pending = [(self._causes(source), [False])]
        while pending:
            causes, has_one = pending[-1]
            cause = next(causes, None)
            if cause is None:
                if not has_one[0]:
                    return True
                pending.pop()
                continue
            has_one[0] = True
            if cause not in seen:
                seen.add(cause)
                pending.append((self._causes(cause), [False]))
        return False

    def _causes(self, source: AlertKey) -> Iterator[AlertKey]:
        """What inhibits a source."""
        return (cause for facts in self._sources[source].facts for cause in self._inhibiting(source, facts))

    # ---- time and commands ------------------------------------------------------------------------------------------

    def tick(self, moment: float) -> Happened:
        """What was a source and is none any more: what it inhibited and still fires is told."""
        self._learn()
        if not self._over:
            return Happened()
        names = sorted(set(self._over))
        more = f" and {len(names) - MOST_SAID} more" if len(names) > MOST_SAID else ""
        self._over.clear()
        self._over_changed = True
        verb = "inhibits" if len(names) == 1 else "inhibit"
        return Happened(ended=[Ended(f"{'; '.join(names[:MOST_SAID])}{more} no longer {verb} it")])

    def _learn(self) -> None:
        """Where inhibitions are others than before, sources are chosen anew among all that fires."""
        wanted = [str(inhibition) for inhibition in self._inhibitions]
        if wanted == self._known:
            return
        by_key: dict[AlertKey, list[dict[str, str]]] = {}
        for facts in self._open_facts():
            by_key.setdefault(_key(facts), []).append(dict(facts))
        for key in sorted({*self._sources, *by_key}):
            self._follow(key, by_key.get(key, []))
        self._known = wanted
        self._over_changed = True

    def apply(self, command: Command, moment: float) -> Applied | None:
        """None changes an inhibition: they stand in routing.yml."""
        return None

    # ---- state ------------------------------------------------------------------------------------------------------

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries: dict[bytes, bytes | None] = {}
        for key in self._dirty:
            source = self._sources.get(key)
            value = None if source is None else msgspec.json.encode({"format": FORMAT, **vars(source)})
            entries[_SOURCE + "\x1f".join(key).encode("utf-8", "surrogatepass")] = value
        if self._over_changed:
            for key_of_all, texts in ((_OVER, self._over), (_KNOWN, self._known)):
                row = {"format": FORMAT, "texts": texts}
                entries[key_of_all] = msgspec.json.encode(row) if texts else None
        self._dirty.clear()
        self._over_changed = False
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""
        for key, value in entries.items():
            if not key.startswith(KEY):
                continue
            row = msgspec.json.decode(value)
            stored = row.pop("format", None)
            if stored != FORMAT:
                raise StateError(f"lockstep.notify-state: an inhibitor of format {stored}, this version reads {FORMAT}")
            if key == _OVER:
                self._over = row["texts"]
            elif key == _KNOWN:
                self._known = row["texts"]
            else:
                source = _Source(tuple(row["key"]), row["facts"])
                self._sources[source.key] = source
        for name in sorted(self._sources):
            for place in dict.fromkeys(self._places(self._sources[name])):
                insort(self._index.setdefault(place, []), name)


def _key(facts: Facts) -> AlertKey:
    names = sorted(name for name in facts if name not in _NO_LABELS and name != "rule")
    return facts.get("rule", ""), *(part for name in names for part in (name, facts[name]))


def _values(equal: Sequence[str], facts: Facts) -> tuple[str, ...] | None:
    """The values of these labels; None where one of them is missing."""
    values = tuple(facts[label] for label in equal if label in facts)
    return values if len(values) == len(equal) else None
