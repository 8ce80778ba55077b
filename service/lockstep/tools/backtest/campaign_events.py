"""Campaigns that the events of a replay announce: the rules as they are in service from each of their borders on."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.adapters.ingest.event_text import EventText
from lockstep.errors import EventError
from lockstep.event import parse_event
from lockstep.rule.announced_campaigns import (
    AnnouncedCampaign,
    announced,
    campaign_steps,
    looks_at_campaigns,
    with_campaigns,
)
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.versions import Version, in_force
from lockstep.shop.facts import PlanFacts, PlanMove
from lockstep.text.personal_data import without_personal
from lockstep.text.rfc3339 import rfc3339_of

TYPE = "campaign.planned"
_READ_AT_ONCE = 10_000


def plan_over_time(plan: Plan, events: Iterable[bytes], *, zone: ZoneInfo) -> Plan:
    """The plan with each version of its rules that campaigns make of them. events: JSON, in any order, others too.

    The same plan where nothing keeps the facts of the shop, no rule looks at campaigns, or none is announced.
    """
    if plan.shop is None or not looks_at_campaigns(plan):
        return plan
    announcements = sorted(_announced(events, zone), key=lambda one: one.told_s)
    versions = [(border, with_campaigns(plan, campaigns)) for border, campaigns in campaign_steps((), announcements)]
    if not versions:
        return plan
    return in_force([Version(plan, None), *(Version(version, border) for border, version in versions)])


def _announced(events: Iterable[bytes], zone: ZoneInfo) -> Iterator[AnnouncedCampaign]:
    for value in events:
        if TYPE.encode() not in value:
            continue
        try:
            event: Any = parse_event(value)
        except EventError:
            continue  # the replay counts it, and says why
        if event.type != TYPE:
            continue
        at = rfc3339_of(event.time)
        said = event.data
        starts, ends = rfc3339_of(said.starts), rfc3339_of(said.ends)
        move = PlanMove(told_at=at, starts=starts, ends=ends, cancelled=bool(said.cancelled))
        name = without_personal(said.campaign)
        yield from announced([PlanFacts(upto=at, campaign=name, starts=starts, ends=ends, moves=[move])], zone)


def lines_of(files: Sequence[Path]) -> Iterator[bytes]:
    """The events in files as text. Standard input is read once, for the replay itself, so its campaigns are not known.

    Raises EventError for a file that cannot be read.
    """
    for file in files:
        if str(file) == "-":
            continue
        try:
            with file.open("rb") as raw:
                for _, values in EventText(raw, str(file)).portions(_READ_AT_ONCE):
                    yield from values
        except OSError as error:
            raise EventError("file", f"{file}: {error.strerror}; name a file of CloudEvents") from error
