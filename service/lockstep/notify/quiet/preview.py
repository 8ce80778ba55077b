"""What a silence hits now, and would have hit in the last days: looked at before it is made.

A pure function over transitions as `lockstep.alerts` has them, for the command line, the API and the pages alike.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from lockstep.notify.pipeline.hooks import Facts
from lockstep.notify.quiet.matchers import Matcher, all_match
from lockstep.rule.condition.kinds import Severity
from lockstep.transition import Transition, TransitionName

LOOKS_BACK = timedelta(days=7)
MOST_HITS = 50
"""Alerts that are listed, those that fire now and the most severe first; all are counted."""

_OPEN = (TransitionName.FIRING, TransitionName.SEVERITY)


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that a silence matches.

    severity: the worst that it had. fires: whether it fires now. times: how often it fired in the days looked back to.
    last_at: when it last changed, RFC 3339.
    """

    alert_id: str
    rule: str
    labels: dict[str, str]
    severity: str
    fires: bool
    times: int
    last_at: str


class Narrowing(msgspec.Struct, frozen=True, kw_only=True):
    """How many alerts one matcher alone matches: 0 where it is misspelled, say."""

    matcher: str
    matches: int


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a silence hits.

    now: how many alerts that fire. past: how many alerts that fired in the days looked back to, those included.
    times: how often they did. known: how many alerts there were in all. critical: how many of the matched were critical
    at any time. hits: the alerts, at most MOST_HITS. narrowing: each matcher by itself. remarks: what may not be meant.
    """

    now: int
    past: int
    times: int
    known: int
    critical: int
    hits: tuple[Hit, ...]
    narrowing: tuple[Narrowing, ...]
    remarks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """In one line: `hits 1 alert now; in the last 7 days it would have hit 3 of 40 alerts, 12 times`."""
        now = f"hits {_count(self.now)} now"
        if not self.past:
            nothing = "matches nothing that fired in the last 7 days"
            return f"{now}, and {nothing}" if self.now else f"{nothing}, and nothing that fires now"
        critical = f", {self.critical} of them critical" if self.critical else ""
        times = f", {self.times:,} time{'s' if self.times != 1 else ''}"
        return f"{now}; in the last 7 days it would have hit {self.past:,} of {_count(self.known)}{times}{critical}"


def preview(
    matchers: Sequence[Matcher],
    transitions: Iterable[Transition],
    teams_of: Callable[[Transition], Sequence[str]],
    *,
    now: datetime,
) -> Preview:
    """What a silence with these matchers hits.

    transitions: those of the last LOOKS_BACK in any order, and the last one of each alert that is open, however old;
    the same twice counts once. teams_of: whom a transition concerns, for matchers on `team`. When a silence recurs does
    not matter: it says what it is about.
    """
    by_alert: dict[str, dict[str, Transition]] = {}
    for transition in transitions:
        if not transition.past and transition.state is not TransitionName.PENDING:
            by_alert.setdefault(transition.alert_id, {})[transition.transition_id] = transition
    since = now - LOOKS_BACK
    hits: list[Hit] = []
    alone = dict.fromkeys(matchers, 0)
    known = 0
    for of_alert in by_alert.values():
        ordered = sorted(of_alert.values(), key=lambda t: (datetime.fromisoformat(t.at), t.number))
        fired = [t for t in ordered if t.state in _OPEN]
        recent = [t for t in ordered if datetime.fromisoformat(t.at) >= since]
        fires = ordered[-1].state in _OPEN
        if not fired or not (fires or recent):
            continue
        known += 1
        facts = [one for t in fired for one in facts_of(t, teams_of(t))]
        for matcher in alone:
            alone[matcher] += any(matcher.matches(one) for one in facts)
        matched = [t for t in fired if any(all_match(matchers, one) for one in facts_of(t, teams_of(t)))]
        if not matched:
            continue
        last = ordered[-1]
        hits.append(
            Hit(
                alert_id=last.alert_id,
                rule=last.rule,
                labels=last.labels,
                severity=max(Severity.of(t.severity) for t in matched).word,
                fires=fires and fired[-1] in matched,
                times=len({t.episode_id for t in matched}),
                last_at=last.at,
            )
        )
    hits.sort(key=lambda h: (not h.fires, -Severity.of(h.severity), h.rule, sorted(h.labels.items())))
    return Preview(
        now=sum(h.fires for h in hits),
        past=len(hits),
        times=sum(h.times for h in hits),
        known=known,
        critical=sum(h.severity == Severity.CRITICAL.word for h in hits),
        hits=tuple(hits[:MOST_HITS]),
        narrowing=tuple(Narrowing(matcher=str(matcher), matches=count) for matcher, count in alone.items()),
        remarks=tuple(filter(None, (matcher.remark() for matcher in matchers))),
    )


def facts_of(transition: Transition, teams: Sequence[str]) -> list[Facts]:
    """What matchers look at, for each of the teams; without `team` where there is none."""
    facts = {**transition.labels, "rule": transition.rule, "severity": transition.severity}
    return [{**facts, "team": team} for team in teams] or [facts]


def _count(alerts: int) -> str:
    return f"{alerts:,} alert{'s' if alerts != 1 else ''}" if alerts else "nothing"
