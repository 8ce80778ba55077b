"""Reads an account back from the public topics, which have more than any worker keeps in memory."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from lockstep.adapters.response_board import Event, is_about
from lockstep.adapters.timeline.account import Account, Known, account
from lockstep.judge.publish import ALERTS
from lockstep.notify.message import Writer
from lockstep.ports import Broker
from lockstep.response.command import AUDIT, Answer, decode_answer
from lockstep.response.decision import DECISIONS, Decision, decode_decision
from lockstep.rule.condition.kinds import Rule
from lockstep.shop.facts import SHOP, Fact
from lockstep.shop.facts import decode as decode_fact
from lockstep.text.figures import time_text
from lockstep.text.label_words import alert_in_words
from lockstep.text.rfc3339 import moment_text, rfc3339_of
from lockstep.transition import Transition, decode

MOST_READ = 200_000
"""Records of each topic that are looked at, the newest of the stretch."""
MOST_ENTRIES = 5_000
"""Things that one account has, the newest."""

_DECODERS: Mapping[str, Callable[[bytes], Any]] = {ALERTS: decode, DECISIONS: decode_decision, AUDIT: decode_answer}


@dataclass
class _Reading:
    """What was read. since_ms: from when on a topic has everything, where it has not all that was asked for."""

    known: list[Known] = field(default_factory=list)
    since_ms: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0


class AccountReader:
    """Reads accounts. rules: those in force, by name, for their words."""

    def __init__(self, broker: Broker, rules: Callable[[], Mapping[str, Rule]], writer: Writer) -> None:
        self._broker, self._rules, self._writer = broker, rules, writer

    async def episodes(self) -> list[Transition]:
        """The last transition of each episode that the topic still has, in the order of their news.

        Raises BrokerError.
        """
        reading = _Reading()
        await _read(self._broker, ALERTS, reading)
        last: dict[str, Transition] = {}
        for known in reading.known:
            if isinstance(known.event, Transition):
                last.pop(known.event.episode_id, None)
                last[known.event.episode_id] = known.event
        return list(last.values())

    async def of_alert(self, alert_id: str, episode_id: str = "", *, every: bool = False) -> Account | None:
        """Of an alert's episode; the last one where none is named. None where nothing of it is known any more.

        every: of all its episodes. Raises BrokerError.
        """
        reading = _Reading()
        for topic in _DECODERS:
            await _read(self._broker, topic, reading, alert_id=alert_id)
        transitions = [k.event for k in reading.known if isinstance(k.event, Transition)]
        chosen = [t for t in transitions if not episode_id or t.episode_id == episode_id]
        if not chosen:
            return None
        last = chosen[-1]
        if not every:
            reading.known = [k for k in reading.known if _is_of(k.event, alert_id, last.episode_id)]
        if any(isinstance(k.event, Transition) and k.event.number == 1 for k in reading.known):
            # What a topic has lost is older than the beginning: nothing is missing of it.
            first = min(k.known_at for k in reading.known)
            reading.since_ms = {topic: ms for topic, ms in reading.since_ms.items() if ms > first}
        return self._told(reading, (), title=alert_in_words(last.rule, last.labels), is_of_one=True)

    async def between(self, starts: datetime | None, ends: datetime | None) -> Account:
        """Of all that became known from `starts` on and before `ends`; None: without that bound. Raises BrokerError."""
        reading = _Reading()
        for topic in _DECODERS:
            await _read(self._broker, topic, reading, starts=starts, ends=ends)
        return self._told(
            reading,
            await _facts(self._broker),
            title="the whole shop",
            starts="" if starts is None else rfc3339_of(starts),
            ends="" if ends is None else rfc3339_of(ends),
        )

    def _told(self, reading: _Reading, facts: tuple[Fact, ...], **given: Any) -> Account:
        known = sorted(reading.known, key=lambda k: k.known_at)
        remarks: list[str] = []
        since_ms = max(reading.since_ms.values(), default=None)
        if len(known) > MOST_ENTRIES:
            known = known[-MOST_ENTRIES:]
            since_ms = max(since_ms or 0, known[0].known_at)
        since = "" if since_ms is None else moment_text(since_ms / 1000)
        if since:
            zone = self._writer.zone
            remarks.append(f"all of it is known from {time_text(since, zone)} on; what is older is kept no more")
        if reading.unreadable:
            remarks.append(f"{reading.unreadable} records are of a newer version of Lockstep and left out")
        if facts:
            remarks.append("of campaigns, deliveries and capacity the last word is known, and not those before it")
        return account(known, facts, self._rules(), self._writer, known_since=since, remarks=remarks, **given)


def _is_of(event: Event, alert_id: str, episode_id: str) -> bool:
    """Whether something is about an alert and, where one is named, about this episode of it."""
    if isinstance(event, Answer):
        return is_about(event.command, alert_id, episode_id)
    return event.alert_id == alert_id and (not episode_id or event.episode_id == episode_id)


async def _read(
    broker: Broker,
    topic: str,
    reading: _Reading,
    *,
    starts: datetime | None = None,
    ends: datetime | None = None,
    alert_id: str = "",
) -> None:
    """Take what a topic has of a stretch, or of an alert. What was published again is taken once."""
    info = (await broker.describe([topic])).get(topic)
    if info is None:
        return
    seen: set[str] = set()
    for partition, (earliest, end) in (await broker.bounds(topic)).items():
        start, until = earliest, end
        if info.append_time and starts is not None:
            start = (await broker.positions_at(topic, starts)).get(partition, earliest)
        if info.append_time and ends is not None:
            until = (await broker.positions_at(topic, ends)).get(partition, end)
        is_cut = start == earliest > 0
        if until - start > MOST_READ:
            start, is_cut = until - MOST_READ, True
        if start >= until:
            continue
        async for batch in broker.read(topic, partition, start, until):
            for key, value, at_ms in zip(batch.keys, batch.values, batch.timestamps_ms, strict=True):
                if is_cut:
                    is_cut = False
                    if starts is None or at_ms > starts.timestamp() * 1000:
                        reading.since_ms[topic] = max(at_ms, reading.since_ms.get(topic, 0))
                # Of an audit the key is the command's; of the others the alert's.
                if value is not None and (not alert_id or topic == AUDIT or key == alert_id.encode()):
                    _take(topic, value, at_ms, reading, seen, alert_id)
            await asyncio.sleep(0)


def _take(topic: str, value: bytes, at_ms: int, reading: _Reading, seen: set[str], alert_id: str) -> None:
    try:
        event: Event = _DECODERS[topic](value)
    except msgspec.MsgspecError:
        reading.unreadable += 1
        return
    name = "" if isinstance(event, Decision) else event.id if isinstance(event, Answer) else event.transition_id
    if (name and name in seen) or (alert_id and not _is_of(event, alert_id, "")):
        return
    seen.add(name)
    reading.known.append(Known(at_ms, event))


async def _facts(broker: Broker) -> tuple[Fact, ...]:
    """What stands of the shop's facts; none where nothing was written yet."""
    if not await broker.describe([SHOP]):
        return ()
    latest: dict[bytes, Fact] = {}
    for partition, (earliest, end) in (await broker.bounds(SHOP)).items():
        async for batch in broker.read(SHOP, partition, earliest, end):
            for key, value in zip(batch.keys, batch.values, strict=True):
                latest.pop(key or b"", None)
                if value is None:
                    continue
                try:
                    latest[key or b""] = decode_fact(value)
                except msgspec.MsgspecError:
                    continue  # of a newer version
    return tuple(latest.values())
