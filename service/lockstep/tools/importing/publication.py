"""Events onto `lockstep.imports`: what is new of them, in the order of time, between two marks.

An import can be broken off at any place and begun again with the same files: the records that are there say where it
goes on. What it has passed it cannot go back to, because event time does not; nor can it once the service is live.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lockstep.adapters.import_log import ImportLog
from lockstep.event import Decoder, Refused
from lockstep.event.imports import ROLES, TOPIC, Mark, mark_record
from lockstep.ports import Broker, Record
from lockstep.text.rfc3339 import SECOND
from lockstep.tools.importing.gathered import Gathered, Order, Stretch, microseconds

AT_ONCE = 2_000
"""Events in one request."""
FIRST_RECORDS = 1_000
"""Records of each partition of a live topic that are looked at to see from when on it has events itself."""


@dataclass
class RolePlan:
    """What is to become of the events of one role.

    there: were imported before. new: are to be published. live: happened when the topic has events of its own.
    refused: cannot count any more, and why, "" where there are none. after, before_us: between which places the new
    ones stand. is_open: an import of the role was begun and did not end. stretches: of the new ones.
    """

    role: str
    there: int = 0
    new: int = 0
    live: int = 0
    refused: int = 0
    why: str = ""
    after: Order | None = None
    before_us: int | None = None
    is_open: bool = False
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def share(self) -> tuple[str, Order | None, int | None]:
        return self.role, self.after, self.before_us


class Publication:
    """One run of `lockstep import` on a broker. topics: role → topic."""

    def __init__(self, broker: Broker, topics: Mapping[str, str], samples: str) -> None:
        self._broker, self._topics = broker, topics
        self._log = ImportLog(broker, samples)

    async def plan(self, gathered: Gathered) -> list[RolePlan]:
        """What is to become of the events, by role."""
        return [await self._plan(gathered, role) for role in gathered.roles()]

    async def _plan(self, gathered: Gathered, role: str) -> RolePlan:
        plan = RolePlan(role)
        end = await self._log.end_of(role)
        mark = None
        if end is not None:
            plan.after = await self._read(gathered, role)
            mark = await self._log.last_mark(role)
            plan.is_open = mark is None or not mark.has_ended
        plan.there = gathered.there(role)
        plan.before_us = await self._live_since(role)
        plan.refused = gathered.older(role, plan.after)
        plan.live = gathered.younger(role, plan.after, plan.before_us)
        plan.new = gathered.between(role, *plan.share[1:])
        if (plan.new or plan.refused) and (past := await self._past(role, plan)):
            plan.refused, plan.why, plan.new = plan.refused + plan.new, past, 0
        elif plan.refused and plan.after is not None:
            reached = f"the import of {role} has come to {_time(plan.after.time_us)}, and goes on from there"
            plan.why = f"{reached}; import all files of a kind with one command"
        if plan.new:
            plan.stretches = gathered.stretches(role, plan.after, plan.before_us)
        return plan

    async def _past(self, role: str, plan: RolePlan) -> str:
        """Why event time has passed what is to be imported, and the way out; "" where it has not."""
        way_out = "stop it, import into a new one (LOCKSTEP_BROKER=sqlite:///new.db), and serve that"
        if await self._log.is_live(role):
            return f"the service has judged live events of {role} already, and event time does not go back; {way_out}"
        if not plan.is_open and await self._log.told_to(role) >= 0:
            return f"the import of {role} has ended and was judged, and event time does not go back; {way_out}"
        return ""

    async def _read(self, gathered: Gathered, role: str) -> Order | None:
        """Note what was imported before; returns where the last event stands."""
        partition, last = ROLES.index(role), None
        start, end = (await self._broker.bounds(TOPIC))[partition]
        async for batch in self._broker.read(TOPIC, partition, start, end):
            last = gathered.mark_there(batch.values) or last
        return last

    async def _live_since(self, role: str) -> int | None:
        """The earliest of the first events of a role's own topic, in microseconds; None where it has none."""
        topic, decoder = self._topics[role], Decoder()
        times = []
        if await self._broker.describe([topic]):
            for partition, (start, end) in (await self._broker.bounds(topic)).items():
                async for batch in self._broker.read(topic, partition, start, min(end, start + FIRST_RECORDS)):
                    events = decoder.decode(batch.values, batch.headers)
                    times += [microseconds(e.time) for e in events if e is not None and e.__class__ is not Refused]
        return min(times, default=None)

    async def publish(
        self,
        gathered: Gathered,
        plans: Sequence[RolePlan],
        *,
        clock: Callable[[], datetime],
        rate: float,
        ends: bool,
        progress: Callable[[int], None],
    ) -> None:
        """Publish what is new, and the marks. rate: events a second at most; 0: as fast as it goes.

        ends: whether the imports are over then; else more of the same roles is to come, and live events wait for it.
        Changes the plans of roles that went live meanwhile. Raises BrokerError.
        """
        chosen = [plan for plan in plans if plan.new]
        await self._mark([plan.role for plan in chosen if not plan.is_open], has_ended=False, now=clock())
        for plan in chosen:
            # Only now it is certain: what comes live from here on waits for the mark.
            plan.before_us = await self._live_since(plan.role)
            plan.new = gathered.between(plan.role, *plan.share[1:])
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        for rows in gathered.in_order([plan.share for plan in chosen], AT_ONCE):
            records = [Record(TOPIC, value, partition=ROLES.index(role)) for role, value in rows]
            await self._broker.publish(records)
            sent += len(records)
            progress(len(records))
            if rate:
                await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))
        if ends:
            over = [plan.role for plan in plans if plan.is_open or plan.new]
            await self._mark(over, has_ended=True, now=clock())

    async def end(self, now: datetime) -> list[str]:
        """End what was begun and not ended; returns the roles."""
        marks = {role: await self._log.last_mark(role) for role in ROLES if await self._log.end_of(role) is not None}
        open_roles = [role for role, mark in marks.items() if mark is None or not mark.has_ended]
        await self._mark(open_roles, has_ended=True, now=now)
        return open_roles

    async def _mark(self, roles: Sequence[str], *, has_ended: bool, now: datetime) -> None:
        if roles:
            await self._broker.publish([mark_record(role, Mark(has_ended, microseconds(now))) for role in roles])


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
