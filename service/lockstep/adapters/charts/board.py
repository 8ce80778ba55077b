"""The read model of charts: what the judges of all workers have told of each change, by its transition's id.

A worker reads on when a message asks, and keeps the newest ones as they were published.
"""

import asyncio
from collections import OrderedDict

import msgspec
import structlog

from lockstep.adapters.charts.curve import Chart, NoChart
from lockstep.errors import LockstepError
from lockstep.ports import Broker, Record

log = structlog.get_logger("lockstep.charts")

CHARTS = "lockstep.charts"
FORMAT = 1
MOST_KEPT = 2_000
"""Charts that a worker keeps, each of 2 to 4 KB."""
ASK_AGAIN_S = 0.1


class ChartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """As published on CHARTS. chart: None where there is nothing to show, so that nobody waits for it; then why: in
    words."""

    format: int
    transition_id: str
    chart: Chart | None
    why: str = ""


_DECODER = msgspec.json.Decoder(ChartRecord)


class _Head(msgspec.Struct):
    format: int
    transition_id: str


_HEAD = msgspec.json.Decoder(_Head)


def record_of(transition_id: str, chart: Chart | NoChart) -> Record:
    """A chart as it is published, or why there is none."""
    shown, why = (None, str(chart)) if isinstance(chart, NoChart) else (chart, "")
    value = msgspec.json.encode(ChartRecord(format=FORMAT, transition_id=transition_id, chart=shown, why=why))
    return Record(CHARTS, value, transition_id.encode(), 0)


class ChartBoard:
    """The newest charts by transition."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._next: int | None = None
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._turn = asyncio.Lock()

    async def find(self, transition_id: str, *, wait_s: float) -> Chart | None:
        """The chart of a transition, which may still be on its way for so long; None where there is none to show.

        Raises BrokerError.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while (value := self._known.get(transition_id)) is None:
            await self.refresh()
            if transition_id not in self._known:
                if loop.time() >= until:
                    return None
                await asyncio.sleep(ASK_AGAIN_S)
        return _DECODER.decode(value).chart

    def why_none(self, transition_id: str) -> str:
        """Why a transition that was looked for has no chart, in words; "" where it has one, or nobody knows."""
        value = self._known.get(transition_id)
        return "" if value is None else _DECODER.decode(value).why

    async def refresh(self) -> None:
        """Read on to the end of the topic. Raises BrokerError."""
        async with self._turn:
            if not await self._broker.describe([CHARTS]):
                return
            earliest, end = (await self._broker.bounds(CHARTS)).get(0, (0, 0))
            start = max(earliest, end - MOST_KEPT if self._next is None else self._next)
            if start < end:
                async for batch in self._broker.read(CHARTS, 0, start, end):
                    for value in batch.values:
                        self._take(value)
            self._next = end

    def _take(self, value: bytes | None) -> None:
        try:
            head = _HEAD.decode(value or b"")
        except msgspec.MsgspecError:
            return
        if head.format != FORMAT:
            return  # of a newer version, which draws it itself
        self._known[head.transition_id] = value or b""
        self._known.move_to_end(head.transition_id)
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)


async def found_in_time(board: ChartBoard, transition_id: str, *, wait_s: float) -> Chart | None:
    """As `find`, and None where the broker does not answer or the chart cannot be read."""
    try:
        return await board.find(transition_id, wait_s=wait_s)
    except (LockstepError, msgspec.MsgspecError) as error:
        log.warning("a chart could not be read; the message goes without", reason=str(error))
        return None
