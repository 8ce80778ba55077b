"""The notify stage: every transition to firing or resolved becomes deliveries, and people are not flooded.

Webhooks get each transition at once. People get the transitions of one rule within GROUP_WAIT_S as one message, at most
MOST_MESSAGES of them per rule and destination in MESSAGES_PER_S, and then one summary of the rest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.dead import DeadEvent, dead_record
from lockstep.labels import partition_of, stable_id
from lockstep.notify.message import people_item, webhook_body
from lockstep.notify.route import Routing
from lockstep.ports import Batch, Cut, Destination, Record
from lockstep.rule.condition import Plan
from lockstep.transition import Transition, TransitionName, decode

ALERTS = "lockstep.alerts"
DELIVERIES = "lockstep.deliveries"
FORMAT = 1
GROUP_WAIT_S = 10.0
MOST_MESSAGES = 20
MESSAGES_PER_S = 600.0
MOST_ITEMS = 50
"""Items shown in one message; more are counted."""

_RANK = {"info": 1, "warning": 2, "critical": 3}


@dataclass
class _Group:
    """What waits for one rule and destination. number: of the last message. sent: times of recent messages."""

    destination: Destination
    teams: tuple[str, ...]
    number: int = 0
    due: float | None = None
    items: list[dict[str, Any]] = field(default_factory=list)
    dropped: int = 0
    sent: list[float] = field(default_factory=list)


class Notify:
    """ports.Stage over lockstep.alerts and lockstep.commands."""

    def __init__(
        self,
        plan: Plan,
        routing: Routing,
        *,
        zone: ZoneInfo,
        delivery_partitions: int = 1,
        group_wait_s: float = GROUP_WAIT_S,
    ) -> None:
        self._rules = {r.name: r for r in plan.rules}
        self._routing = routing
        self._zone = zone
        self._partitions = delivery_partitions
        self._wait_s = group_wait_s
        self._groups: dict[tuple[str, str], _Group] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._cut = Cut()
        self._now = 0.0

    # ---- ports.Stage ----------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for value in entries.values():
            row = msgspec.json.decode(value)
            rule, destination = row["rule"], Destination(**row["destination"])
            self._groups[rule, destination.id] = _Group(
                destination,
                tuple(row["teams"]),
                row["number"],
                row["due"],
                row["items"],
                row["dropped"],
                row["sent"],
            )

    def feed(self, batch: Batch) -> None:
        for offset, value in zip(batch.offsets, batch.values, strict=True):
            if value is None:
                continue
            if batch.topic != ALERTS:
                self._refuse(batch, offset, value, "no command is known to this version")
                continue
            try:
                transition = decode(value)
            except msgspec.MsgspecError as error:
                self._refuse(batch, offset, value, f"no transition: {error}")
                continue
            self._decide(transition)

    def _refuse(self, batch: Batch, offset: int, value: bytes, detail: str) -> None:
        dead = DeadEvent(batch.topic, batch.partition, offset, "data", detail, value)
        self._cut.records.append(dead_record(dead))

    def tick(self, now: datetime) -> None:
        self._now = now.timestamp()
        for key, group in list(self._groups.items()):
            if group.due is None and (group.items or group.dropped):
                group.due = self._now + self._wait_s
                self._dirty.add(key)
            elif group.due is not None and group.due <= self._now:
                self._send(key, group)
            elif group.due is None and (not group.sent or group.sent[-1] + MESSAGES_PER_S < self._now) and group.sent:
                group.sent = []
                self._dirty.add(key)

    def cut(self) -> Cut:
        cut, self._cut = self._cut, Cut()
        for key in self._dirty:
            group = self._groups[key]
            row = {
                "rule": key[0],
                "destination": msgspec.to_builtins(group.destination),
                "teams": group.teams,
                "number": group.number,
                "due": group.due,
                "items": group.items,
                "dropped": group.dropped,
                "sent": group.sent,
            }
            cut.entries["\x1f".join(key).encode()] = msgspec.json.encode(row)
        self._dirty.clear()
        return cut

    # ---- deciding -------------------------------------------------------------------------------------------------

    def _decide(self, transition: Transition) -> None:
        state = transition.state
        if state in (TransitionName.PENDING, TransitionName.CANCELLED):
            return
        if state is TransitionName.SEVERITY:
            rises = _RANK[transition.severity] > _RANK.get(transition.previous_severity or "info", 0)
            if not rises:
                return
        rule = self._rules.get(transition.rule)
        teams = tuple(self._routing.teams) if rule is None else rule.teams
        for destination, sharing in self._routing.for_teams(teams):
            if destination.channel == "webhook":
                body = webhook_body(transition, rule, sharing, self._zone)
                number = stable_id("delivery", destination.id, transition.transition_id, state.value)
                self._deliver(number, destination, transition.rule, transition.episode_id, state.value, body)
            else:
                item = people_item(transition, rule, sharing, self._zone)
                self._gather(transition.rule, destination, sharing, item)

    def _gather(self, rule: str, destination: Destination, teams: tuple[str, ...], item: dict[str, Any]) -> None:
        key = (rule, destination.id)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(destination, teams)
        group.destination, group.teams = destination, teams
        for earlier in group.items:
            if earlier["episode_id"] == item["episode_id"]:
                # Nobody was told that it began: one note says that it came and went.
                was = earlier["state"]
                earlier.update(item, state="fired and resolved" if item["state"] == "resolved" else was)
                break
        else:
            if len(group.items) < MOST_ITEMS:
                group.items.append(item)
            else:
                group.dropped += 1
        self._dirty.add(key)

    def _send(self, key: tuple[str, str], group: _Group) -> None:
        recent = [t for t in group.sent if t > self._now - MESSAGES_PER_S]
        self._dirty.add(key)
        if len(recent) >= MOST_MESSAGES and group.due is not None and group.due < recent[0] + MESSAGES_PER_S:
            group.due = recent[0] + MESSAGES_PER_S
            group.sent = recent
            return
        summary = len(recent) >= MOST_MESSAGES - 1 and len(group.items) + group.dropped > 1
        group.number += 1
        group.sent = [*recent, self._now][-MOST_MESSAGES:]
        rule = key[0]
        states = {item["state"] for item in group.items}
        state = "resolved" if states <= {"resolved", "fired and resolved"} else "firing"
        episodes = {item["episode_id"] for item in group.items}
        body = {
            "subject": f"{rule}: {_about(group.items)}",
            "state": state,
            "rule": rule,
            "severity": max((i["severity"] for i in group.items), key=_RANK.__getitem__),
            "teams": list(group.teams),
            "items": group.items,
            "more": group.dropped,
            "summary": summary,
        }
        number = stable_id("delivery", rule, group.destination.id, "group", group.number)
        episode = next(iter(episodes)) if len(episodes) == 1 else stable_id("group", *sorted(episodes))
        self._deliver(number, group.destination, rule, episode, state, body)
        group.items, group.dropped, group.due = [], 0, None

    def _deliver(
        self, number: str, destination: Destination, rule: str, episode: str, state: str, body: dict[str, Any]
    ) -> None:
        value = {
            "format": FORMAT,
            "id": number,
            "destination": msgspec.to_builtins(destination),
            "rule": rule,
            "episode": episode,
            "episodes": sorted({i["episode_id"] for i in body.get("items", ())}) or [episode],
            "state": state,
            "body": body,
        }
        partition = partition_of((destination.id,), self._partitions)
        record = Record(DELIVERIES, json.dumps(value).encode(), destination.id.encode(), partition)
        self._cut.records.append(record)


def _about(items: list[dict[str, Any]]) -> str:
    """The groups that a message is about; the same for the same groups, so that mails of an episode stay together."""
    names = list(dict.fromkeys(", ".join(i["labels"].values()) or "the whole shop" for i in items))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
