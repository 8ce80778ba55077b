"""A pace: what is done now and then is done at once, what is done again and again is done seldom enough."""


class Pace:
    """Times at which something may be done: `burst` times at once after a rest, in the long run once in `every_s`.

    It is a bucket of `burst` tokens, of which one comes back in `every_s`; times are of any clock that only rises.
    """

    def __init__(self, *, every_s: float, burst: int) -> None:
        self._every_s, self._burst = every_s, burst
        self._full_at = float("-inf")  # when all tokens are back

    def wait_s(self, now: float) -> float:
        """How long to wait before the next time; 0 where it may be done now."""
        return max(0.0, self._full_at - (self._burst - 1) * self._every_s - now)

    def take(self, now: float) -> None:
        """It is done, whether it waited or not: the next one that waits does so for `every_s` at most."""
        self._full_at = min(max(self._full_at, now), now + (self._burst - 1) * self._every_s) + self._every_s
