"""A pace: what is done now and then is done at once, what is done again and again is done seldom enough."""


class Pace:
    """Times at which something may be done: `burst` times at once after a rest, in the long run once in `every_s`.

    It is a bucket of `burst` tokens, of which one comes back in `every_s`; times are of any clock that only rises.
    """

    def __init__(self, *, every_s: float, burst: int, together_s: float = 0.0) -> None:
        """together_s: what is done so soon after what was counted counts as one with it."""
        self._every_s, self._burst, self._together_s = every_s, burst, together_s
        self._full_at = self._taken_at = float("-inf")  # when all tokens are back, when the last was taken

    def wait_s(self, now: float) -> float:
        """How long to wait before the next time; 0 where it may be done now."""
        return max(0.0, self._full_at - (self._burst - 1) * self._every_s - now)

    def take(self, now: float) -> None:
        """It is done, whether it waited or not."""
        if now - self._taken_at >= self._together_s:
            self._taken_at = now
            self._full_at = max(self._full_at, now) + self._every_s
