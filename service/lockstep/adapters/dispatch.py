"""Runs the attempts that deliver has decided: a task per lane, so that one that hangs delays no other destination."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import structlog

from lockstep.adapters.channel_table import attempt_s
from lockstep.adapters.channels import host_of
from lockstep.deliver import Deliver, Delivery
from lockstep.errors import DeliveryError, SettingsError
from lockstep.labels import stable_id
from lockstep.notification import Body
from lockstep.notify.message import sample_message
from lockstep.notify.receivers import CHANNELS
from lockstep.notify.route import Routing
from lockstep.ports import Channel, Sent
from lockstep.response.attempt import Attempt
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.yaml.document import did_you_mean

log = structlog.get_logger("lockstep.deliver")

TEST_S = 20.0
"""How long somebody who sends a test waits for one destination."""


class DispatchObserver(Protocol):
    """Told of every attempt, for metrics. reason: "" for a success."""

    def attempted(self, channel: str, severity: str, reason: str, seconds: float, since_created_s: float) -> None: ...

    def given_up(self, channel: str, reason: str) -> None: ...


class Dispatcher:
    """Owns the tasks of all lanes that this worker owns.

    channels: by name. jitter: a draw from [0, 1). wake: (partition) look at the deliver stage again.
    dry_run: attempts succeed without being made.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel[Any]],
        *,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        wake: Callable[[int], None],
        observer: DispatchObserver,
        note: Callable[[Attempt], None] = lambda attempt: None,
        dry_run: bool = False,
    ) -> None:
        """note: hears of each attempt that has ended."""
        self._channels = channels
        self._clock, self._jitter, self._wake = clock, jitter, wake
        self._observer, self._note = observer, note
        self._dry_run = dry_run
        self._draining = False
        self._tasks: dict[int, set[asyncio.Task[None]]] = {}

    def resume(self) -> None:
        """Attempt again what is due, after a `drain` that was no end: new rules make the stages anew."""
        self._draining = False

    def dispatch(self, partition: int, stage: Deliver) -> None:
        """Attempt everything that is due; called after each cut, when it is durable."""
        stage.confirm()
        for dead in stage.take_given_up():
            self._observer.given_up(dead.destination.channel, dead.reason)
            where = dead.destination.channel
            said = "a delivery was given up; see `lockstep dead deliveries`"
            log.error(said, channel=where, **_named(dead), reason=dead.last_error)
        if self._draining:
            return
        for delivery in stage.due(self._clock()):
            task = asyncio.create_task(self._lane(partition, stage, delivery), name=f"lane-{delivery.destination.id}")
            tasks = self._tasks.setdefault(partition, set())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _lane(self, partition: int, stage: Deliver, delivery: Delivery) -> None:
        """Attempts of one destination, one after the other, as long as there is one to make."""
        following: Delivery | None = delivery
        while following is not None:
            await self._attempt(stage, following)
            self._wake(partition)
            following = None if self._draining else stage.take(delivery.destination.id, self._clock())

    async def _attempt(self, stage: Deliver, delivery: Delivery) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        channel = delivery.destination.channel
        outcome = await self._send(delivery)
        now = self._clock()
        if isinstance(outcome, Sent):
            number = delivery.attempts + 1
            stage.sent(delivery, outcome, now=now)
            self._note(Attempt(delivery_id=delivery.id, number=number, at=rfc3339_of(now), outcome="sent"))
            if not self._dry_run:
                log.info("delivered", channel=channel, **{**_named(delivery), "attempts": delivery.attempts + 1})
        else:
            stage.failed(delivery, outcome, now=now, jitter=self._jitter())
            number, error = delivery.attempts, delivery.last_error
            self._note(
                Attempt(delivery_id=delivery.id, number=number, at=rfc3339_of(now), outcome="failed", error=error)
            )
            log.warning("a delivery failed", channel=channel, **_named(delivery), reason=delivery.last_error)
        reason = "" if isinstance(outcome, Sent) else outcome.reason
        since_created_s = now.timestamp() - delivery.created
        self._observer.attempted(channel, delivery.severity, reason, loop.time() - began, since_created_s)

    async def _send(self, delivery: Delivery) -> Sent | DeliveryError:
        name, destination = delivery.destination.channel, delivery.destination
        if self._dry_run:
            log.info(
                "would send", channel=name, receiver=destination.receiver, rule=delivery.rule, state=delivery.state
            )
            return Sent(detail="dry run")
        channel = self._channels.get(name)
        if channel is None:
            return DeliveryError("configuration", f"{name}: this worker has no such channel", retryable=True)
        limit = attempt_s(name)
        try:
            async with asyncio.timeout(limit):
                return await channel.send(destination, delivery, now=self._clock())
        except DeliveryError as error:
            return error
        except TimeoutError:
            return DeliveryError("timeout", f"{name}/{destination.receiver}: no end in {limit:g} s", retryable=True)
        except Exception as error:
            # What a library raises and its channel did not expect costs this attempt, not the lane.
            log.exception("a channel broke", channel=name)
            return DeliveryError("other", f"{name}/{destination.receiver}: {type(error).__name__}", retryable=True)

    async def drain(self, timeout_s: float) -> None:
        """Begin nothing more and let what is under way end, at most so long; before the last cut of a clean stop.

        Nothing is attempted from here on, until `resume`.
        """
        self._draining = True
        tasks = [task for tasks in self._tasks.values() for task in tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def release(self, partition: int, stage: Deliver) -> None:
        """The partition is another worker's now: what was under way is attempted again there."""
        tasks = self._tasks.pop(partition, set())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End every lane of this worker."""
        tasks = [task for tasks in self._tasks.values() for task in tasks]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _named(delivery: Delivery) -> dict[str, Any]:
    """What a line of the log says of a delivery."""
    return {
        "delivery": delivery.id,
        "receiver": delivery.destination.receiver,
        "rule": delivery.rule,
        "state": delivery.state,
        "attempts": delivery.attempts,
    }


@dataclass(frozen=True)
class _Sample:
    """A delivery that no alert stands behind."""

    id: str
    body: Body
    created: float
    attempts: int = 0
    thread: str | None = None


async def send_test(
    receiver: str,
    routing: Routing,
    channels: Mapping[str, Channel[Any]],
    *,
    clock: Callable[[], datetime],
    zone: ZoneInfo,
) -> list[tuple[str, str]]:
    """Send a marked test message to every destination of a receiver, at once and without retries.

    receiver: its name in `routing`. channels: by name. clock: for the attempts. zone: the shop's, for times in texts.
    Returns (destination in words, "" or what went wrong) for each. Raises SettingsError for an unknown receiver.
    """
    destinations = routing.destinations.get(receiver)
    if destinations is None:
        raise SettingsError(f"no receiver '{receiver}' in routing.yml; {did_you_mean(receiver, routing.destinations)}")
    teams = tuple(team for team, names in routing.teams.items() if receiver in names) or ("nobody",)
    results: list[tuple[str, str]] = []
    for destination in destinations:
        now = clock()
        body = sample_message(now, teams, zone, CHANNELS[destination.channel].audience)
        sample = _Sample(stable_id("test", destination.id, now.isoformat()), body, now.timestamp())
        # Of an address the host alone: its path is a token in many services.
        target = host_of(destination.target) if "://" in destination.target else destination.target
        try:
            async with asyncio.timeout(TEST_S):
                await channels[destination.channel].send(destination, sample, now=now)
            results.append((f"{destination.channel} {target}", ""))
        except DeliveryError as error:
            results.append((f"{destination.channel} {target}", str(error)))
        except TimeoutError:
            results.append((f"{destination.channel} {target}", "no answer"))
    return results
