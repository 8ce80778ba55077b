"""Composes the reports that are due, and gives each as a command: notify writes the first one and sends it.

The worker that has the alerts does it; should two believe that they have them, both give a report of one id, and one of
the two is refused. Whoever dies in between leaves it due, for whoever has the alerts then.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.report_views.report_board import ReportBoard
from lockstep.adapters.report_views.report_maker import ReportMaker
from lockstep.errors import CommandError, CommandUnanswered, LockstepError
from lockstep.labels import stable_id
from lockstep.reports.report_body import report_document, short_text
from lockstep.response.command import WriteReport
from lockstep.response.report_due import ReportDue
from lockstep.text.rfc3339 import rfc3339_of

log = structlog.get_logger("lockstep.reports")

LOOK_S = 1.0
AGAIN_S = 30.0
"""After one that could not be made or given."""
FACTS_S = 180.0
"""How long the shop's facts are waited for, where they do not reach the time yet as of which the report is."""
NO_FACTS_S = 10.0
"""The same where there are none at all, which may only not have been read yet."""
LATE_MINUTES = 10
"""A report that comes so much later than it was due says so."""


class ReportWriter:
    """is_owner: whether this worker has the alerts."""

    def __init__(
        self,
        board: ReportBoard,
        maker: ReportMaker,
        door: CommandDoor,
        *,
        is_owner: Callable[[], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._board, self._maker, self._door = board, maker, door
        self._is_owner, self._clock = is_owner, clock
        self._again: dict[str, datetime] = {}

    async def keep(self) -> None:
        """Write what is due, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            for due in self._board.due() if self._is_owner() else ():
                now = self._clock()
                if self._again.get(due.id, now) > now or not self._is_known(due, now):
                    continue
                try:
                    await self._write(due, now)
                except LockstepError as error:
                    log.warning("a report could not be given; it is tried again", report=due.id, reason=str(error))
                except Exception:
                    # A report that breaks must not take alerts with it.
                    log.exception("a report broke; it is tried again", report=due.id)
                self._again[due.id] = now + timedelta(seconds=AGAIN_S)

    def _is_known(self, due: ReportDue, now: datetime) -> bool:
        """Whether the shop's facts reach the time of the report, or were waited for long enough."""
        upto, decided = self._maker.known_to, datetime.fromisoformat(due.decided_at)
        if upto is None:
            return now >= decided + timedelta(seconds=NO_FACTS_S)
        return upto >= datetime.fromisoformat(due.due_at) or now >= decided + timedelta(seconds=FACTS_S)

    async def _write(self, due: ReportDue, now: datetime) -> None:
        due_at = datetime.fromisoformat(due.due_at)
        minutes = int((now - due_at).total_seconds() // 60)
        # One that comes in time is as of the time that it says, so that whoever makes it says the same.
        at = now if minutes >= LATE_MINUTES else due_at
        report = await self._maker.composed(
            due.kind,
            at,
            late=minutes if minutes >= LATE_MINUTES else 0,
            id=due.id,
        )
        command = WriteReport(
            id=stable_id("report", due.id),
            by="Lockstep",
            way="lockstep",
            at=rfc3339_of(now),
            report_id=due.id,
            title=report.title,
            text=short_text(report),
            document=report_document(report),
        )
        try:
            answer = await self._door.give(command)
        except (CommandUnanswered, CommandError) as error:
            log.info("a report waits to be written", report=due.id, reason=str(error))
            return
        log.info("a report is written" if answer.applied else "a report was refused", report=due.id, why=answer.why)
