"""Alerts of Lockstep about itself, among the others: refused rule files, event time behind, imports broken off."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.rulebook import RuleBook, since_text
from lockstep.errors import BrokerError
from lockstep.judge.publish import ALERT_STATE, ALERTS
from lockstep.notify.self_alerts import (
    BEHIND,
    REFUSED,
    UNFINISHED,
    OwnAlerts,
    behind_due,
    behind_text,
    refusal_of,
    unfinished_due,
)
from lockstep.ports import Broker, Record
from lockstep.transition import Refusal, Transition, encode
from lockstep.worker.event_time import EventTime
from lockstep.worker.open_imports import OpenImports

log = structlog.get_logger("lockstep")

EVENT_TIME_POLL_S = 2.0
IMPORTS_POLL_S = 5.0


class OwnAlertPublisher:
    """Publishes what `notify.self_alerts` decides is due, by what the board says was published before."""

    def __init__(
        self,
        broker: Broker,
        board: AlertBoard,
        book: RuleBook,
        event_time: EventTime,
        imports: OpenImports,
        *,
        alone: bool,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
    ) -> None:
        """alone: whether there is no other worker on this broker. zone: of the times that people read."""
        self._zone = zone
        self._broker, self._board, self._book = broker, board, book
        self._event_time, self._imports, self._clock = event_time, imports, clock
        self._own = OwnAlerts(alone=alone)

    async def publish_refusals(self) -> None:
        """An alert for each file that is refused, over when it is taken: whoever edits rules may not read logs."""
        await self._board.refresh()
        new, again = self._own.due(
            self._refusals(),
            self._board.alerts(rule=REFUSED, every=True),
            self._board.heard,
            looked=self._book.has_looked,
            now=self._clock(),
        )
        await self._publish(new, again)

    def _refusals(self) -> dict[str, Refusal]:
        current, refused = self._book.current, self._book.refused
        if current is None or not refused:
            return {}
        rules, part = self._book.rules_in_force(), self._book.faulty()
        since = since_text(current.since_s)
        return {
            name: refusal_of(
                name, [*map(str, faults)], rules, is_new=name not in current.files, is_part=name in part, since=since
            )
            for name, faults in refused.items()
        }

    async def watch_event_time(self) -> None:
        """An alert for each source partition whose event time stays behind though it was read to its end."""
        while True:
            await asyncio.sleep(EVENT_TIME_POLL_S)
            behind, caught_up, now = self._event_time.behind_s(), self._event_time.caught_up(), self._clock()
            said = {place: behind_text(place, seconds, now) for place, seconds in behind.items()}
            try:
                await self._board.refresh()
                await self._publish(behind_due(said, caught_up, self._board.alerts(rule=BEHIND, every=True), now=now))
            except BrokerError as error:
                log.warning("nothing was said of event time", reason=str(error))

    async def watch_imports(self) -> None:
        """An alert for each import that was broken off while live events wait for its end."""
        while True:
            try:
                await self.publish_unfinished()
            except BrokerError as error:
                log.warning("nothing was said of imports", reason=str(error))
            await asyncio.sleep(IMPORTS_POLL_S)

    async def publish_unfinished(self) -> None:
        """The same, as they stand now."""
        await self._imports.look()
        await self._board.refresh()
        latest = self._board.alerts(rule=UNFINISHED, every=True)
        await self._publish(unfinished_due(self._imports.now, latest, now=self._clock(), zone=self._zone))

    async def _publish(self, new: Sequence[Transition], again: Sequence[Transition] = ()) -> None:
        """again: what was published before and still holds; only the readers of the state hear of it."""
        records = [Record(ALERTS, encode(t), t.alert_id.encode(), 0) for t in new]
        records += [Record(ALERT_STATE, encode(t), t.alert_id.encode()) for t in (*new, *again)]
        if records:
            await self._broker.publish(records)
