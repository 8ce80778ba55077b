"""The event clock of a source partition: how far event time has come, also while nothing arrives that advances it.

An event that advances event time sets the clock to its time; from the moment at which the broker got it, the clock goes
on as wall time does. The watermark is the newest event's time minus lateness. Once the log's end has been this
partition's position for `idle_after`, in fetches that succeeded, the watermark follows the clock, a further
`idle_after` behind. A record that does not advance event time (a duplicate, a refused or a late one) makes that wait
begin anew, and leaves the clock as it is: the watermark stands meanwhile, and is then where it would have been.
"""

from lockstep.measure.sample import Promise

BEHIND = 3
"""A watermark further behind than lateness and so many times `idle_after`, at the log's end, is not as it should be."""


class EventClock:
    """One source partition in one assignment; all times in microseconds.

    newest: its newest event time. watermark: event time up to which everything is believed to be in. silent: it never
    had an event and was read to its end for `idle_after`. behind_since: since when the log has been read to its end
    again and again and the watermark is too far behind nevertheless; None when it is not.
    """

    def __init__(self, *, lateness_us: int, idle_after_us: int, before: Promise | None) -> None:
        self._lateness_us, self._idle_after_us = lateness_us, idle_after_us
        self._before = before
        self.newest: int | None = None
        self.watermark: int | None = None
        self.silent = False
        self.behind_since: int | None = None
        self.idle = False
        self._event: int | None = None
        self._wall: int | None = None
        if before is not None:
            self._event, self._wall = before.event, before.wall
        self._at_end_since: int | None = None
        self._read_to_end = False

    def promise(self, now_us: int) -> Promise | None:
        """For the meter of the next assignment; None before the first event."""
        if self._event is None:
            return None
        wall = now_us if self._wall is None else self._wall
        return Promise(max(self._promised(), default=self._event - self._lateness_us), self._event, wall)

    def _promised(self) -> list[int]:
        """Watermarks that were published, here or before."""
        before = [] if self._before is None else [self._before.watermark]
        return before if self.watermark is None else [*before, self.watermark]

    def advance(self, event_us: int, arrived_us: int | None) -> None:
        """An event was read. arrived_us: when the broker got it; None where only its producer says so.

        Then the moment at which the log's end is seen stands for it.
        """
        self.silent = False
        if self.newest is not None and event_us <= self.newest:
            return
        self.newest = event_us
        # What was promised before this assignment holds: while its records are read again, they set no clock.
        if self._event is None or all(event_us - self._lateness_us > p for p in self._promised()):
            self._event, self._wall = event_us, arrived_us

    def interrupt(self) -> None:
        """Records were read: the wait for idleness begins anew."""
        self._at_end_since = None
        self.idle = False

    def observe(self, *, at_end: bool, now_us: int) -> None:
        """Whether a fetch that succeeded found the log's end; False also when a fetch failed."""
        if not at_end:
            self.interrupt()
            self.silent = False
            return
        self._read_to_end = True
        if self._before is not None:
            self._promise(self._before.watermark)  # all that it spoke of has been read again
        if self._at_end_since is None:
            self._at_end_since = now_us
        if self._event is not None and self._wall is None:
            self._wall = now_us
        self.idle = now_us - self._at_end_since >= self._idle_after_us
        self.silent = self.silent or (self.idle and self._event is None)
        self.read(now_us)
        is_behind = self.watermark is not None and now_us - self.watermark > self.bound_us
        self.behind_since = (self.behind_since or now_us) if is_behind else None

    @property
    def bound_us(self) -> int:
        """How far behind now the watermark may be at the log's end."""
        return self._lateness_us + BEHIND * self._idle_after_us

    def is_behind(self, now_us: int) -> bool:
        """Whether it has been too far behind for as long as it may be behind; what passes by itself does not count."""
        return self.behind_since is not None and now_us - self.behind_since >= BEHIND * self._idle_after_us

    @property
    def is_caught_up(self) -> bool:
        """Whether it was read to its end and is not behind. One that begins to be behind, as every one that was behind
        does after a restart, is neither this nor `is_behind`: what was told of it before goes on."""
        return self._read_to_end and self.behind_since is None

    @property
    def has_read_to_end(self) -> bool:
        """Whether `behind_since` says anything yet."""
        return self._read_to_end

    def read(self, now_us: int) -> None:
        """Bring the watermark up to now."""
        if self.newest is not None:
            self._promise(self.newest - self._lateness_us)
        if self.idle and self._event is not None and self._wall is not None:
            gone_us = max(0, now_us - self._wall - self._idle_after_us)
            self._promise(self._event + gone_us - self._lateness_us)

    def _promise(self, time_us: int) -> None:
        self.watermark = time_us if self.watermark is None else max(self.watermark, time_us)

    def advance_to(self, time_us: int) -> None:
        """A replay's clock: everything up to this event time has been fed."""
        self._promise(time_us)
