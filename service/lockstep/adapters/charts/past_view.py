"""The histories of a group as of instants that are over: flows as they are kept, levels by their last changes."""

from typing import Any
from zoneinfo import ZoneInfo

from lockstep.judge.group_view import GroupView
from lockstep.measure.definition import SeriesDef
from lockstep.measure.exact import Exact
from lockstep.text.rfc3339 import SECOND

NEVER = float("inf")


class PastView:
    """A `lockstep.rule.condition.view.View` for instants at which a rule asks no more; what it is not asked for here is
    as the judge knows it now."""

    def __init__(self, view: GroupView) -> None:
        self._view = view
        self._levels: dict[str, list[tuple[int, int]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    @property
    def zone(self) -> ZoneInfo:
        return self._view.zone

    def changes(self, series: SeriesDef) -> list[tuple[int, int]]:
        """When a level became what, microseconds and millionths, the oldest first."""
        known = self._levels.get(series.id)
        if known is None:
            known = self._levels[series.id] = list(self._view.changes(series))
        return known

    def level(self, series: SeriesDef, instant_us: int, *, newest: bool = False) -> Exact | None:
        """What it was just before an instant; None where it was stale or nobody knows it any more."""
        before = [(since, total) for since, total in self.changes(series) if since < instant_us]
        if not before:
            return None
        since, total = before[-1]
        stale_s = series.stale_after_s
        return None if stale_s is not None and instant_us - since >= stale_s * SECOND else total

    def known_since(self, series: SeriesDef, end: int) -> float:
        """From which second on all is there that it had until `end`: what was before may have been removed."""
        if series.is_level:
            changes = self.changes(series)
            return changes[0][0] / SECOND if changes else NEVER
        first = self._view.first_seen(series, 0, end)
        return NEVER if first is None else float(first)
