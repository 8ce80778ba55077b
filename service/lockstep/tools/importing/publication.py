"""Events onto `lockstep.imports`: what is new of them, in the order of time, between two marks.

An import can be broken off at any place and begun again with the same files: the records that are there say where it
goes on. What it has passed it cannot go back to, because event time does not; nor can it once the service is live.
Of two at once for the same role one stops: their events would not be in the order of time.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from lockstep.adapters.import_log import ImportLog
from lockstep.errors import LockstepError
from lockstep.event import Decoder, Refused
from lockstep.event.imports import ROLES, TOPIC, Mark, MarkKind, Standing, mark_of, mark_record
from lockstep.ports import Broker, Record
from lockstep.text.rfc3339 import SECOND
from lockstep.tools.importing.gathered import Gathered, Order, Stretch, microseconds

AT_ONCE = 2_000
"""Events in one request, at most; a slow import makes them smaller, so that every second shows that it goes on."""
FIRST_RECORDS = 1_000
"""Records of each partition of a live topic that are looked at to see from when on it has events itself."""
ALIVE_S = 2.0
"""An open import whose last record is younger may be going on: it is watched for so long before another one goes on."""
WATCH_EVERY_S = 0.1

ANEW_ON_A_FILE = "stop it, import into a new one (LOCKSTEP_BROKER=sqlite:///new.db), and serve that"
ANEW_ON_KAFKA = (
    "stop all workers, delete the topics that begin with 'lockstep.' (kafka-topics.sh --delete --topic "
    "'lockstep\\..*'), import with another LOCKSTEP_APP_ID, and serve with that"
)
_AGAIN = "let one of them end, then give this command again: it goes on from there"


class ImportConflict(LockstepError):
    """Another import of the same role goes on, or this one was ended by another hand: whoever gave both can act."""


@dataclass
class RolePlan:
    """What is to become of the events of one role.

    there: were imported before. new: are to be published. live: happened when the topic has events of its own.
    refused: cannot count any more, and why, "" where there are none. after, before_us: between which places the new
    ones stand. end: offset up to which what is there has been read, standing: how the imports of the role stand there.
    stretches: of the new ones.
    """

    role: str
    there: int = 0
    new: int = 0
    live: int = 0
    refused: int = 0
    why: str = ""
    after: Order | None = None
    before_us: int | None = None
    end: int = 0
    standing: Standing = field(default_factory=Standing)
    stretches: list[Stretch] = field(default_factory=list)

    def refuse(self, count: int, why: str) -> None:
        """So many cannot count any more, and nothing is new."""
        self.refused, self.why, self.new, self.stretches = count, why, 0, []

    @property
    def share(self) -> tuple[str, Order | None, int | None]:
        return self.role, self.after, self.before_us


class Publication:
    """One run of `lockstep import` on a broker.

    topics: role → topic. anew: how a service that is live is given a past all the same, as a way out of a refusal.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Mapping[str, str],
        samples: str,
        *,
        clock: Callable[[], datetime],
        anew: str = ANEW_ON_A_FILE,
    ) -> None:
        self._broker, self._topics, self._clock, self._anew = broker, topics, clock, anew
        self._log = ImportLog(broker, samples, clock=clock)

    # ---- what is to become of the events ---------------------------------------------------------------------------

    async def plan(self, gathered: Gathered) -> list[RolePlan]:
        """What is to become of the events, by role."""
        return [await self._plan(gathered, role) for role in gathered.roles()]

    async def _plan(self, gathered: Gathered, role: str) -> RolePlan:
        plan = RolePlan(role)
        await self._read_on(gathered, plan)
        await self._count(gathered, plan)
        if (plan.new or plan.refused) and (past := await self._past(plan)):
            plan.refuse(plan.refused + plan.new, past)
        return plan

    async def _count(self, gathered: Gathered, plan: RolePlan) -> None:
        """How many events of a role are new, and how many are not and why, by what has been read of it."""
        role = plan.role
        plan.there = gathered.there(role)
        plan.before_us = await self._live_since(role)
        plan.refused = gathered.older(role, plan.after)
        plan.live = gathered.younger(role, plan.after, plan.before_us)
        plan.new = gathered.between(role, *plan.share[1:])
        plan.stretches = gathered.stretches(role, plan.after, plan.before_us) if plan.new else []
        if plan.refused and plan.after is not None:
            reached = f"the import of {role} has come to {_time(plan.after.time_us)}, and goes on from there"
            plan.why = f"{reached}; import all files of a kind with one command"

    async def _past(self, plan: RolePlan) -> str:
        """Why event time has passed what is to be imported, and the way out; "" where it has not."""
        role, standing = plan.role, plan.standing
        has_ended = plan.after is not None and not standing.is_open
        if await self._log.is_live(role) or (standing.is_served and not standing.is_open and not has_ended):
            return (
                f"the service has judged live events of {role} already, and event time does not go back; {self._anew}"
            )
        if has_ended and (standing.is_served or await self._log.told_to(role) >= 0):
            return f"the import of {role} has ended and was judged, and event time does not go back; {self._anew}"
        return ""

    async def _read_on(self, gathered: Gathered, plan: RolePlan) -> None:
        """Note what is there of a role and was not read yet."""
        partition = ROLES.index(plan.role)
        if not await self._broker.describe([TOPIC]):
            return
        earliest, end = (await self._broker.bounds(TOPIC))[partition]
        async for batch in self._broker.read(TOPIC, partition, max(earliest, plan.end), end):
            for value in batch.values:
                plan.standing = plan.standing.after(mark_of(value))
            plan.after = gathered.mark_there(batch.values) or plan.after
        plan.end = end

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

    # ---- out -------------------------------------------------------------------------------------------------------

    async def publish(
        self,
        gathered: Gathered,
        plans: Sequence[RolePlan],
        *,
        rate: float,
        ends: bool,
        progress: Callable[[int], None],
    ) -> None:
        """Publish what is new, and the marks. rate: events a second at most; 0: as fast as it goes.

        ends: whether the imports are over then; else more of the same roles is to come, and live events wait for it.
        Changes the plans of roles that went live meanwhile. Raises BrokerError, ImportConflict.
        """
        for plan in plans:
            await self._watch(plan)
        chosen = await self._begin(gathered, [plan for plan in plans if plan.new])
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        at_once = min(AT_ONCE, max(1, round(rate))) if rate else AT_ONCE
        of_role = {plan.role: plan for plan in chosen}
        for rows in gathered.in_order([plan.share for plan in chosen], at_once):
            records = [Record(TOPIC, value, partition=ROLES.index(role)) for role, value in rows]
            places = await self._broker.publish(records)
            await self._check_alone(of_role, places)
            sent += len(records)
            progress(len(records))
            if rate:
                await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))
        if ends:
            over = [plan.role for plan in plans if plan.standing.is_open or plan.new]
            await self._mark(over, MarkKind.ENDED)

    async def _begin(self, gathered: Gathered, chosen: Sequence[RolePlan]) -> list[RolePlan]:
        """Ask for the roles, and see whether a service went live before; returns those of which to publish."""
        await self._mark([plan.role for plan in chosen if not plan.standing.is_open], MarkKind.ASKED)
        for plan in chosen:
            await self._read_on(gathered, plan)
            if not plan.standing.is_open:
                # A service said that it goes live after the plan was made and before we asked: it was first.
                why = await self._past(plan)
                if not why:
                    raise _ended_elsewhere(plan.role)
                plan.refuse(plan.refused + plan.new, why)
                continue
            # Only now it is certain: what comes live from here on waits for the end.
            await self._count(gathered, plan)
        accepted = [plan for plan in chosen if plan.standing.is_open]
        begins = {plan.role: plan for plan in accepted if not plan.standing.has_begun}
        await self._check_alone(begins, await self._mark([*begins], MarkKind.BEGUN))
        return accepted

    async def _watch(self, plan: RolePlan) -> None:
        """Raises ImportConflict where an open import of the role goes on."""
        if not plan.standing.is_open:
            return
        state = await self._log.state(plan.role)
        now, loop = self._clock(), asyncio.get_running_loop()
        if state is None or abs((now - state.written_at).total_seconds()) > ALIVE_S:
            return
        until = loop.time() + ALIVE_S
        while loop.time() < until:
            await asyncio.sleep(WATCH_EVERY_S)
            if (await self._log.end_of(plan.role) or 0) > state.end:
                raise _conflict(plan.role)

    async def _check_alone(self, plans: Mapping[str, RolePlan], places: Sequence[tuple[int, int]]) -> None:
        """Raises ImportConflict where somebody else has written of a role since we wrote last."""
        for role, plan in plans.items():
            offsets = [offset for partition, offset in places if partition == ROLES.index(role)]
            if not offsets:
                continue
            for start, upto in _holes([plan.end - 1, *offsets]):
                async for batch in self._broker.read(TOPIC, ROLES.index(role), start, upto):
                    for mark in map(mark_of, batch.values):
                        if mark is not None and mark.kind is MarkKind.ENDED:
                            # What was published since would count as an import that goes on.
                            await self._mark([role], MarkKind.ENDED)
                            raise _ended_elsewhere(role)
                        if mark is None:
                            raise _conflict(role)
            plan.end = max(offsets) + 1

    async def end(self) -> list[str]:
        """End what was begun and not ended; returns the roles."""
        states = {role: await self._log.state(role) for role in ROLES}
        open_roles = [role for role, state in states.items() if state is not None and state.standing.is_open]
        await self._mark(open_roles, MarkKind.ENDED)
        return open_roles

    async def _mark(self, roles: Sequence[str], kind: MarkKind) -> list[tuple[int, int]]:
        """Returns the places of the marks."""
        if not roles:
            return []
        mark = Mark(kind, microseconds(self._clock()))
        return await self._broker.publish([mark_record(role, mark) for role in roles])


def _holes(offsets: Sequence[int]) -> list[tuple[int, int]]:
    """[start, end) of what lies between offsets that do not follow each other."""
    return [(before + 1, after) for before, after in pairwise(offsets) if after > before + 1]


def _conflict(role: str) -> ImportConflict:
    return ImportConflict(f"another import of {role} goes on beside this one, and their order would be lost; {_AGAIN}")


def _ended_elsewhere(role: str) -> ImportConflict:
    return ImportConflict(f"the import of {role} was ended by another command; {_AGAIN}")


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
