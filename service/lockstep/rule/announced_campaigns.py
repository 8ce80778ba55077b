"""Campaigns that events announce, as days that rules leave out of what is usual, or expect.

The days of a campaign are part of the rules that look at them, so an announcement counts from a border of event time
on, as an edit of calendar.yml does: then all judges know the same, in whatever order things come and after any restart.
The border follows from the time of the announcement alone (`counts_from`), and lies so far behind it that a service
which is not behind has heard of it before.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace as replaced

from lockstep.calendar import Calendar, Day, Entry, calendar_of
from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.rule.condition.kinds import All, Anomaly, AnyOf, Baseline, Not, Plan, Rule, Spike
from lockstep.rule.identity_parts import version_of
from lockstep.shop.day_sums import plan_days
from lockstep.shop.facts import PlanFacts
from lockstep.shop.ledger import EVENT

AFTER_S = 900
"""So long after it an announcement counts at the earliest, in event time."""
GRID_S = 900
"""It counts from a multiple of this on, so that many of a day begin few versions of the rules."""
MOST = 500
"""Campaigns that rules know; those that end last."""
FORMAT = 1


@dataclass(frozen=True, order=True)
class AnnouncedCampaign:
    """A campaign as it was announced last, on whole days of the shop. told_s: when, in seconds of event time."""

    name: str
    first: date
    last: date
    cancelled: bool = False
    told_s: int = field(default=0, compare=False)


def counts_from(told_s: int) -> int:
    """From which second of event time an announcement counts."""
    return -(-(told_s + AFTER_S) // GRID_S) * GRID_S


def announced(plans: Iterable[PlanFacts], zone: ZoneInfo) -> tuple[AnnouncedCampaign, ...]:
    """What events have announced of when campaigns are, each change of it; what the calendar plans is in the rules."""
    return tuple(
        AnnouncedCampaign(
            plan.campaign,
            *plan_days(replaced(plan, starts=move.starts, ends=move.ends), zone),
            move.cancelled,
            int(datetime.fromisoformat(move.told_at).timestamp()),
        )
        for plan in plans
        if plan.source == EVENT
        for move in plan.moves
    )


def campaign_steps(
    before: Iterable[AnnouncedCampaign], now: Iterable[AnnouncedCampaign]
) -> list[tuple[int, tuple[AnnouncedCampaign, ...]]]:
    """What counts from when, beginning with what counts already: (second of event time, all campaigns), in order.

    now: what was announced of each campaign, also what counts already.
    """
    known = {campaign.name: campaign for campaign in before}
    news = [one for one in now if one.name not in known or one.told_s > known[one.name].told_s]
    made, last = [], tuple(sorted(known.values()))
    for border, campaigns in groupby(sorted(news, key=lambda one: one.told_s), lambda one: counts_from(one.told_s)):
        known |= {campaign.name: campaign for campaign in campaigns}
        kept = tuple(sorted(sorted(known.values(), key=lambda one: (one.last, one.name))[-MOST:]))
        if kept != last:
            made.append((border, kept))
        last = kept
    return made


def text_of(campaigns: Iterable[AnnouncedCampaign]) -> str:
    """As a file of a version of the rules."""
    rows = [
        {
            "name": one.name,
            "from": one.first.isoformat(),
            "to": one.last.isoformat(),
            "cancelled": one.cancelled,
            "told": one.told_s,
        }
        for one in sorted(campaigns)
    ]
    return json.dumps({"format": FORMAT, "campaigns": rows}, ensure_ascii=False)


NO_CAMPAIGNS = text_of(())


def read_campaigns(text: str) -> tuple[AnnouncedCampaign, ...]:
    """What `text_of` wrote. Raises StateError for a format that is not known: without them this worker would judge by
    other rules than those that wrote it."""
    document: dict[str, Any] = json.loads(text)
    if document.get("format") != FORMAT:
        said = f"announced campaigns of format {document.get('format')}, this program knows {FORMAT}; update it"
        raise StateError(f"lockstep.rules: {said}")
    return tuple(
        AnnouncedCampaign(
            row["name"], date.fromisoformat(row["from"]), date.fromisoformat(row["to"]), row["cancelled"], row["told"]
        )
        for row in document["campaigns"]
    )


def with_campaigns(plan: Plan, campaigns: Iterable[AnnouncedCampaign]) -> Plan:
    """The plan whose rules know these campaigns, too. One that the calendar names as well is as it was announced."""
    listed = tuple(campaigns)
    if not listed:
        return plan
    names = {one.name for one in listed}
    written = plan.calendar
    entries = () if written is None else written.entries
    days = calendar_of(
        (
            *(entry for entry in entries if entry.kind != "campaign" or entry.name not in names),
            *(Entry("campaign", one.name, first=one.first, last=one.last) for one in listed if not one.cancelled),
        ),
        public=None if written is None else written.public,
        shown=() if written is None else written.shown,
    )
    rules = tuple(_looking_at(rule, days) for rule in plan.rules)
    fingerprint = stable_id("plan-1", *(rule.version for rule in rules))[:12]
    return replace(plan, rules=rules, fingerprint=fingerprint, days=days)


def looks_at_campaigns(plan: Plan) -> bool:
    """Whether any rule judges otherwise on the days of a campaign: whether one day of some changes any condition."""
    days = calendar_of([Entry("campaign", "any", (Day(yearly=(1, 1)),))])
    without_days = [_marked(rule.condition, None) for rule in plan.rules]
    return any(_marked(condition, days) is not condition for condition in without_days)


def _looking_at(rule: Rule, days: Calendar | None) -> Rule:
    condition = _marked(rule.condition, days)
    if condition is rule.condition:
        return rule
    changed = replace(rule, condition=condition)
    return replace(changed, version=version_of(changed))


def _marked(part: Any, days: Calendar | None) -> Any:
    """A condition, or a part of one, with other marked days; itself where it looks at none that differ."""
    match part:
        case All() | AnyOf():
            parts = tuple(_marked(one, days) for one in part.parts)
            return part if all(a is b for a, b in zip(parts, part.parts, strict=True)) else replace(part, parts=parts)
        case Not():
            inner = _marked(part.part, days)
            return part if inner is part.part else replace(part, part=inner)
        case Spike():
            baseline = _marked(part.baseline, days)
            return part if baseline is part.baseline else replace(part, baseline=baseline)
        case Baseline():
            own = None if days is None else days.only(part.kinds)
            otherwise = None if part.otherwise is None else _marked(part.otherwise, days)
            if own == part.calendar and otherwise is part.otherwise:
                return part
            return replace(part, calendar=own, otherwise=otherwise)
        case Anomaly():
            own = None if days is None else days.only(part.kinds)
            return part if own == part.calendar else replace(part, calendar=own)
        case _:
            return part
