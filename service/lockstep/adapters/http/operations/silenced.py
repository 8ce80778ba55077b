"""Which silences match an alert now."""

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from lockstep.errors import CommandError, MatcherError
from lockstep.notify.pipeline.hooks import Facts
from lockstep.notify.quiet.matchers import Matcher, all_match
from lockstep.notify.quiet.preview import facts_of
from lockstep.notify.quiet.silences import read_silence, stretch_of
from lockstep.response.standing import Silence
from lockstep.transition import Transition


class Silenced:
    """Asked for many alerts of one moment."""

    def __init__(
        self,
        silences: Sequence[Silence],
        now: datetime,
        zone: ZoneInfo,
        teams_of: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """zone: of the shop. teams_of: whom a rule's alerts concern, for matchers on `team`. What cannot be read, as of
        a later version, matches nothing here."""
        self._teams_of = teams_of
        self._holding: list[tuple[Silence, tuple[Matcher, ...]]] = []
        for silence in silences:
            try:
                stretch = stretch_of(silence, now.timestamp(), zone)
                matchers = read_silence(silence, zone).matchers
            except (CommandError, MatcherError):
                continue
            if stretch is not None and stretch.begin <= now.timestamp():
                self._holding.append((silence, matchers))

    def by(self, transition: Transition) -> list[Silence]:
        """Those that match an alert, for one of its teams at least."""
        if not self._holding:
            return []
        facts = facts_of(transition, self._teams_of(transition.rule))
        return [s for s, matchers in self._holding if any(all_match(matchers, one) for one in facts)]

    def whole(self, transition: Transition) -> Silence | None:
        """One that keeps an alert from everybody, whatever the team; None where somebody may hear of it."""
        (facts,) = facts_of(transition, ())
        return next((silence for silence, matchers in self._holding if _is_for_all(matchers, facts)), None)


def _is_for_all(matchers: Sequence[Matcher], facts: Facts) -> bool:
    return all(m.label not in ("team", "destination") for m in matchers) and all_match(matchers, facts)
