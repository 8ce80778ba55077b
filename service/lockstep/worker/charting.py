"""Publishes the charts of what the judges of this worker have told, when it is durable.

It is not part of a cut: whoever crashes in between leaves a message without a chart, and nothing else.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

import structlog

from lockstep.adapters.charts.board import record_of
from lockstep.adapters.charts.history import chart_of
from lockstep.errors import LockstepError
from lockstep.judge.judge import Judge
from lockstep.ports import Broker
from lockstep.rule.condition.kinds import Plan
from lockstep.transition import Transition, TransitionName

log = structlog.get_logger("lockstep.charts")

MOST_WAITING = 200
"""Changes that wait for their chart; in a storm the newest ones get one."""
PAUSE_S = 0.005
"""Between two charts, which take a few milliseconds each, so that judging goes on."""
MOST_REMEMBERED = 5_000
"""Episodes of which it is remembered when they fired."""
_TOLD = (TransitionName.FIRING, TransitionName.SEVERITY, TransitionName.RESOLVED)


class Charting:
    """plan: the rules in force. currency: see `notify.units`."""

    def __init__(self, broker: Broker, *, plan: Callable[[], Plan], currency: str) -> None:
        self._broker, self._plan, self._currency = broker, plan, currency
        self._waiting: deque[tuple[Judge, Transition]] = deque(maxlen=MOST_WAITING)
        self._fired: OrderedDict[str, str] = OrderedDict()
        self._news = asyncio.Event()

    def note(self, _: int, judge: Judge) -> None:
        """Note what a judge has told. For `after_cut` of the judge stage: (partition, stage)."""
        for transition in judge.take_news():
            if transition.state in _TOLD:
                self._waiting.append((judge, transition))
                self._news.set()
            if transition.state is TransitionName.FIRING:
                self._fired[transition.episode_id] = transition.at
                if len(self._fired) > MOST_REMEMBERED:
                    self._fired.popitem(last=False)

    async def keep(self) -> None:
        """Publish charts for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                judge, transition = self._waiting.popleft()
                try:
                    await self._publish(judge, transition)
                except LockstepError as error:
                    log.warning("a chart could not be published", reason=str(error))
                except Exception:
                    # A message is worth more than its picture, and a worker more than both.
                    log.exception("a chart broke", rule=transition.rule)
                await asyncio.sleep(PAUSE_S)

    async def _publish(self, judge: Judge, transition: Transition) -> None:
        fired_at = self._fired.get(transition.episode_id)
        chart = chart_of(judge, transition, self._plan(), fired_at=fired_at, currency=self._currency)
        await self._broker.publish([record_of(transition.transition_id, chart)])

    def forget(self) -> None:
        """The assignments are over."""
        self._waiting.clear()
