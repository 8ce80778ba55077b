"""Who stands in on a schedule: overrides as people made them, a part of notify's state."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from lockstep.notify.oncall.schedules import Schedule, local_text, seconds_of
from lockstep.notify.pipeline.hooks import Applied, Happened
from lockstep.response.command import Command, EndOverride, PutOverride
from lockstep.response.standing import LONGEST_NAME, Override, key_of
from lockstep.text.rfc3339 import SECOND, rfc3339
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition
from lockstep.yaml.document import did_you_mean

KEY = b"\x1foverride\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
MOST_OVERRIDES = 1_000
LONGEST_S = 366 * DAY_S
KEPT_S = 30 * DAY_S
"""How long an override is remembered that is over."""


class StandIns:
    """hooks.Schedules: who is on call by the schedules of routing.yml and by who stands in."""

    def __init__(self, schedules: Mapping[str, Schedule], receivers: Collection[str]) -> None:
        """receivers: names that there are; who is none any more does not stand in."""
        self._schedules, self._receivers = schedules, receivers
        self._overrides: dict[str, Override] = {}
        self._dirty: set[str] = set()

    def on_call(self, schedule: str, moment: float) -> Sequence[str]:
        """The receiver that is on call; none where there is a gap, or no such schedule."""
        known = self._schedules.get(schedule)
        who = None if known is None else known.on_call(moment, self.overrides())
        return [] if who is None else [who]

    def overrides(self) -> list[Override]:
        """Those that count."""
        return [o for o in self._overrides.values() if o.who in self._receivers]

    # ---- hooks.Part -----------------------------------------------------------------------------------------------

    def hear(self, transition: Transition) -> None:
        """Alerts are no matter of schedules."""

    def apply(self, command: Command, moment: float) -> Applied | None:
        match command:
            case PutOverride():
                return self._put(command, moment)
            case EndOverride():
                return self._end(command, moment)
            case _:
                return None

    def tick(self, moment: float) -> Happened:
        """Forget what is long over."""
        happened = Happened()
        for override in [o for o in self._overrides.values() if _end_of(o) < moment - KEPT_S]:
            del self._overrides[override.id]
            self._dirty.add(override.id)
            happened.gone.append(key_of(override))
        return happened

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {}
        for name in self._dirty:
            override = self._overrides.get(name)
            entries[KEY + name.encode()] = None if override is None else msgspec.json.encode(override)
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for key, value in entries.items():
            if key.startswith(KEY):
                override = msgspec.json.decode(value, type=Override)
                self._overrides[override.id] = override

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _put(self, command: PutOverride, moment: float) -> Applied:
        override = command.override
        refused = self._fault(override, moment)
        if refused is not None:
            return Applied(False, refused)
        created_at = rfc3339(round(moment * SECOND))
        override = msgspec.structs.replace(override, by=command.by, created_at=created_at, ended_at=None)
        self._overrides[override.id] = override
        self._dirty.add(override.id)
        return Applied(True, f"{override.who} stands in on {override.schedule}, {self._span(override)}", (override,))

    def _fault(self, override: Override, moment: float) -> str | None:
        """Why an override cannot be, with the way out."""
        if override.schedule not in self._schedules:
            near = did_you_mean(override.schedule, self._schedules)
            return f"there is no schedule '{override.schedule[:LONGEST_NAME]}'; {near}"
        if override.who not in self._receivers:
            near = did_you_mean(override.who, self._receivers)
            return f"there is no receiver '{override.who[:LONGEST_NAME]}' to stand in; {near}"
        try:
            starts, ends = seconds_of(override.starts), seconds_of(override.ends)
        except ValueError:
            return "starts and ends are times like 2026-11-20T18:00:00Z"
        if not override.id or len(override.id) > LONGEST_NAME:
            return f"an override has an id of at most {LONGEST_NAME} characters"
        if ends <= starts:
            return "it ends before it begins; name a later end"
        if ends <= moment:
            return "it lies in the past; name a later end"
        if starts > moment + LONGEST_S:
            return "it begins more than a year from now; name an earlier start, or change the schedule in routing.yml"
        if ends - starts > LONGEST_S:
            return "it is longer than a year; change the schedule in routing.yml"
        if override.id not in self._overrides and len(self._overrides) >= MOST_OVERRIDES:
            return f"there are {MOST_OVERRIDES:,} already; end some, or change the schedule in routing.yml"
        return None

    def _end(self, command: EndOverride, moment: float) -> Applied:
        override = self._overrides.get(command.override_id)
        if override is None:
            return Applied(False, f"there is no override '{command.override_id[:LONGEST_NAME]}'; see who stands in")
        if _end_of(override) <= moment:
            return Applied(False, f"{override.who} does not stand in on {override.schedule} any more")
        ended = msgspec.structs.replace(override, ended_at=rfc3339(round(moment * SECOND)))
        self._overrides[ended.id] = ended
        self._dirty.add(ended.id)
        return Applied(True, f"{ended.who} no longer stands in on {ended.schedule}", (ended,))

    def _span(self, override: Override) -> str:
        zone = self._schedules[override.schedule].zone
        return f"{local_text(seconds_of(override.starts), zone)} to {local_text(seconds_of(override.ends), zone)}"


def _end_of(override: Override) -> float:
    """When it is over, or was ended."""
    end = seconds_of(override.ends)
    return end if override.ended_at is None else min(end, seconds_of(override.ended_at))
