"""What a judge has decided since its last cut: transitions, late events that it refused, entries to be stored."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from lockstep.alert import Change
from lockstep.judge.group import Group
from lockstep.judge.histories import Histories
from lockstep.judge.rule_facts import Labels
from lockstep.judge.state import META, Meta, StoredAlert, StoredWatches, alert_key, watches_key
from lockstep.labels import stable_id
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import Late
from lockstep.ports import Cut, Record
from lockstep.rule.judged_verdict import Judged
from lockstep.shop.whole_shop import MadeOf
from lockstep.text.rfc3339 import SECOND, rfc3339
from lockstep.transition import Transition, TransitionName, encode, in_order

ALERTS = "lockstep.alerts"
ALERT_STATE = "lockstep.alert-state"
MOST_NEWS = 200
"""Transitions of closed cuts that are kept for who asks; of more the last ones are."""


Reads = Sequence[tuple[SeriesDef, Labels]]
"""Business measures that a group reads, each with the labels under which it does."""


def _nothing(_: Mapping[str, str]) -> dict[str, float | str]:
    return {}


def _made_of_nothing(_reads: Reads, _at_us: int) -> tuple[MadeOf, ...]:
    return ()


class OpenCut:
    """The next cut, as far as it is known: rooms of the judge say here what they decide and what they change.

    transitions: in the order of their decision. news: those of the last cuts, until somebody takes them. names_of: what
    texts may say of the shop beside an alert with these labels. made_of: what business measures were made of at an
    instant, in microseconds.
    """

    def __init__(self) -> None:
        self.transitions: list[Transition] = []
        self.news: deque[Transition] = deque(maxlen=MOST_NEWS)
        self.names_of: Callable[[Mapping[str, str]], dict[str, float | str]] = _nothing
        self.made_of: Callable[[Reads, int], tuple[MadeOf, ...]] = _made_of_nothing
        self._dead: list[Record] = []
        self._alerts: dict[Group, None] = {}
        self._watches: dict[Group, None] = {}
        self._removed: dict[bytes, None] = {}
        self._has_new_meta = False

    def sort_since(self, begun: int) -> None:
        """Put the transitions from a place on into the order in which they happened."""
        new = self.transitions[begun:]
        if len(new) > 1:
            new.sort(key=in_order)
            self.transitions[begun:] = new

    @property
    def publishes(self) -> bool:
        """Whether anybody but the judge itself will see something of it."""
        return bool(self.transitions or self._dead)

    def drain(self) -> list[Transition]:
        """The transitions since the last cut or drain, for one who stores nothing and publishes otherwise."""
        transitions, self.transitions = self.transitions, []
        return transitions

    def refuse(self, late: Late, topic: str, partition: int, series: SeriesDef, labels: Labels) -> None:
        """Record what came for a bucket that had closed. topic, partition: where it came from."""
        named = dict(zip(series.by, labels, strict=True))
        note = {
            "series": series.id,
            "measure": f"{series.aggregate.value} of {series.field or series.event_type}",
            "labels": named,
            "bucket": rfc3339(late.bucket * SECOND),
            "first_offset": late.first_offset,
            "last_offset": late.last_offset,
        }
        detail = f"came after {rfc3339(late.bucket * SECOND)} had been judged for {named or 'the whole shop'}"
        dead = DeadEvent(topic, partition, late.last_offset, "late", detail, json.dumps(note).encode())
        self._dead.append(dead_record(dead))

    # ---- what is to be stored -------------------------------------------------------------------------------------

    def meta_changed(self) -> None:
        self._has_new_meta = True

    def alert_changed(self, group: Group) -> None:
        self._alerts[group] = None

    def watches_changed(self, group: Group) -> None:
        """The detectors of a group have learned."""
        self._watches[group] = None

    def forget_alert(self, group: Group) -> None:
        self._alerts.pop(group, None)
        self._removed[alert_key(group.facts.rule, group.labels)] = None

    def forget_watches(self, group: Group) -> None:
        if group.facts.anomalies:
            self._watches.pop(group, None)
            self._removed[watches_key(group.facts.rule, group.labels)] = None

    def remove(self, key: bytes) -> None:
        """An entry of which nothing came that is stored under its key."""
        self._removed[key] = None

    def close(self, histories: Histories, meta: Callable[[], Meta]) -> Cut:
        """The cut; the next one begins with nothing. meta: asked for where it changed."""
        cut = Cut(records=self._dead)
        self._dead = []
        for transition in self.drain():
            self.news.append(transition)
            value = encode(transition)
            key = transition.alert_id.encode()
            cut.records.append(Record(topic=ALERTS, value=value, key=key, partition=0))
            cut.records.append(Record(topic=ALERT_STATE, value=value, key=key))
        cut.entries.update(self._removed)
        self._removed = {}
        histories.store(cut.entries)
        for group in self._alerts:
            cut.entries[alert_key(group.facts.rule, group.labels)] = _stored_alert(group).encode()
        self._alerts.clear()
        for group in self._watches:
            cut.entries[watches_key(group.facts.rule, group.labels)] = _stored_watches(group).encode()
        self._watches.clear()
        if self._has_new_meta:
            cut.entries[META] = meta().encode()
            self._has_new_meta = False
        return cut


def _stored_alert(group: Group) -> StoredAlert:
    rule = group.facts.rule
    return StoredAlert(
        rule=rule.name,
        edition=rule.edition,
        labels=group.labels,
        names=rule.by,
        key=group.facts.key,
        level_only=group.facts.is_level_only,
        begun=group.begun,
        alert=group.alert,
    )


def _stored_watches(group: Group) -> StoredWatches:
    rule = group.facts.rule
    return StoredWatches(
        rule=rule.name,
        edition=rule.edition,
        labels=group.labels,
        names=rule.by,
        states={key: watch.state() for key, watch in group.watches.items()},
    )


def dressed(
    change: Change,
    *,
    rule: str,
    version: str,
    labels: Mapping[str, str],
    alert: str,
    watermark: int | None,
    explanation: Judged,
    past_to: int | None = None,
    shop: dict[str, float | str] | None = None,
    made_of: tuple[MadeOf, ...] = (),
) -> Transition:
    """A change of an alert as it is published. alert: its id. version: of the rule, "" for one that is gone.

    watermark: microseconds of what the rule reads. past_to: before which of these it is imported time, None: never.
    shop: what texts may say of the shop. made_of: what business measures were made of.
    """
    v = change.verdict
    return Transition(
        transition_id=stable_id("transition", change.episode_id, change.number),
        alert_id=alert,
        episode_id=change.episode_id,
        number=change.number,
        rule=rule,
        labels=dict(labels),
        state=TransitionName(change.name),
        at=rfc3339(change.at),
        started_at=rfc3339(change.started_at),
        severity=change.severity.word,
        previous_severity=None if change.previous_severity is None else change.previous_severity.word,
        value=v.value,
        baseline=v.baseline,
        ratio=v.ratio,
        limit=v.limit,
        window_start=None if v.window_start is None else rfc3339(v.window_start * SECOND),
        window_end=None if v.window_end is None else rfc3339(v.window_end * SECOND),
        so_far=change.so_far,
        watermark=None if watermark is None else rfc3339(watermark),
        rule_version=version,
        counts=v.counts,
        baseline_of=v.baseline_of,
        limit_of=v.limit_of,
        reason=change.reason,
        explanation=explanation,
        past=past_to is not None and change.at < past_to,
        shop=shop or {},
        made_of=made_of,
    )
