"""How far event time is behind the clock on the source partitions of a worker."""

from collections.abc import Callable, Mapping
from datetime import datetime

from lockstep.measure.meter import Meter
from lockstep.notify.self_alerts import Place
from lockstep.text.rfc3339 import SECOND


class EventTime:
    """Of the partitions that have a meter here. meters: by (topic, partition); read whenever something is asked."""

    def __init__(self, meters: Mapping[Place, Meter], *, clock: Callable[[], datetime]) -> None:
        self._meters, self._clock = meters, clock

    def read_to_end(self) -> set[Place]:
        """The partitions that have been read to their end: only of these it can be said."""
        return {place for place, m in self._meters.items() if m.clock.has_read_to_end}

    def behind_s(self) -> dict[Place, float]:
        """How many seconds event time is behind, of the partitions on which it stays too far behind."""
        now_us = round(self._clock().timestamp() * SECOND)
        return {
            place: (now_us - m.clock.watermark) / SECOND
            for place, m in self._meters.items()
            if m.clock.has_read_to_end and m.clock.watermark is not None and m.clock.is_behind(now_us)
        }

    def caught_up(self) -> set[Place]:
        """The partitions on which event time is where it should be again."""
        return {place for place, m in self._meters.items() if m.clock.is_caught_up}
