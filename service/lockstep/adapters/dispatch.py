"""Runs the attempts that deliver has decided: a task each, so that one that hangs delays no other destination."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from lockstep.deliver import Deliver, Delivery
from lockstep.errors import DeliveryError
from lockstep.ports import Channel, Sent

log = structlog.get_logger("lockstep.deliver")


class DispatchObserver(Protocol):
    """Told of every attempt, for metrics. reason: "" for a success."""

    def attempted(self, channel: str, reason: str, seconds: float, since_created_s: float) -> None: ...


class Dispatcher:
    """channels: by name. jitter: a draw from [0, 1). wake: (partition) look at the deliver stage again.

    dry_run: attempts succeed without being made.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        *,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        wake: Callable[[int], None],
        observer: DispatchObserver,
        dry_run: bool = False,
    ) -> None:
        self._channels = channels
        self._clock, self._jitter, self._wake = clock, jitter, wake
        self._observer = observer
        self._dry_run = dry_run
        self._tasks: dict[int, set[asyncio.Task[None]]] = {}

    def dispatch(self, partition: int, stage: Deliver) -> None:
        """Attempt everything that is due; called after each cut, when it is durable."""
        for delivery in stage.due():
            task = asyncio.create_task(self._attempt(partition, stage, delivery), name=f"deliver-{delivery.id}")
            tasks = self._tasks.setdefault(partition, set())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _attempt(self, partition: int, stage: Deliver, delivery: Delivery) -> None:
        now = self._clock()
        began = asyncio.get_running_loop().time()
        channel = delivery.destination.channel
        reason = ""
        try:
            if self._dry_run:
                sent = Sent(detail="dry run")
                log.info("would send", channel=channel, receiver=delivery.destination.receiver, rule=delivery.rule)
            else:
                sent = await self._channels[channel].send(delivery.destination, delivery, now=now)
            stage.sent(delivery, sent)
        except DeliveryError as error:
            reason = error.reason
            stage.failed(delivery, error, jitter=self._jitter())
            log.warning("a delivery failed", attempt=delivery.attempts, reason=str(error))
        except Exception as error:
            # Whatever a library raises that its channel did not expect costs this attempt, not the lane.
            reason = "other"
            log.exception("a channel broke", channel=channel)
            stage.failed(delivery, DeliveryError("other", repr(error), retryable=True), jitter=self._jitter())
        seconds = asyncio.get_running_loop().time() - began
        self._observer.attempted(channel, reason, seconds, self._clock().timestamp() - delivery.created)
        self._wake(partition)

    async def release(self, partition: int, stage: Deliver) -> None:
        """The partition is another worker's now: what was under way is attempted again there."""
        tasks = self._tasks.pop(partition, set())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
