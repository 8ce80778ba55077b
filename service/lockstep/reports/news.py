"""What the alerts of a shop are, as a report tells it: what is open and who has it, what fired and what ended."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from lockstep.response.standing import Handling
from lockstep.rule.condition.kinds import Severity
from lockstep.transition import Transition, TransitionName

_ENDED = (TransitionName.RESOLVED, TransitionName.CANCELLED)


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """An alert. headline: what happened, with its numbers. since: when it fired, RFC 3339. ended: when it was over; ""
    while it goes on. has_it: a person's name; "": nobody. acts: team → what it is told to
    do; {}: nobody knows."""

    alert_id: str
    episode_id: str
    rule: str
    labels: dict[str, str]
    severity: str
    headline: str
    since: str
    ended: str = ""
    has_it: str = ""
    acts: dict[str, str] = {}

    @property
    def about(self) -> str:
        """`LowStock, sku A-1`."""
        labels = ", ".join(f"{name} {value}" for name, value in self.labels.items())
        return f"{self.rule}, {labels or 'the whole shop'}"


class AlertNews(msgspec.Struct, frozen=True, kw_only=True):
    """open: at the instant, the most severe first. fired, ended: in the stretch before it, the earliest first. why: why
    nothing can be known of alerts; "" where it can."""

    open: tuple[AlertLine, ...] = ()
    fired: tuple[AlertLine, ...] = ()
    ended: tuple[AlertLine, ...] = ()
    why: str = ""


def alert_news(
    transitions: Iterable[Transition],
    *,
    since: datetime,
    until: datetime,
    headline: Callable[[Transition], str],
    handling: Callable[[str], Handling | None] = lambda _: None,
    acts: Callable[[Transition], dict[str, str]] = lambda _: {},
) -> AlertNews:
    """The news of [since, until). transitions: every one that is known, in any order; those from `until` on are left
    out. headline: the words of one. handling: what people did about an alert, by its id. acts: what each team is told
    to do about one."""
    episodes: dict[str, list[Transition]] = {}
    for transition in transitions:
        if not transition.past and datetime.fromisoformat(transition.at) < until:
            episodes.setdefault(transition.episode_id, []).append(transition)
    open_, fired, ended = [], [], []
    for of_one in episodes.values():
        of_one.sort(key=lambda t: t.number)
        line = _line(of_one, headline, handling, acts)
        if line is None:
            continue
        if not line.ended:
            open_.append(line)
        elif datetime.fromisoformat(line.ended) >= since:
            ended.append(line)
        if datetime.fromisoformat(line.since) >= since:
            fired.append(line)
    return AlertNews(
        open=tuple(sorted(open_, key=lambda a: (-Severity.of(a.severity), a.since, a.alert_id))),
        fired=tuple(sorted(fired, key=lambda a: (a.since, a.alert_id))),
        ended=tuple(sorted(ended, key=lambda a: (a.ended, a.alert_id))),
    )


def _line(
    episode: list[Transition],
    headline: Callable[[Transition], str],
    handling: Callable[[str], Handling | None],
    acts: Callable[[Transition], dict[str, str]],
) -> AlertLine | None:
    """The line of an episode; None for one that never fired, as far as is known."""
    heard = [t for t in episode if t.state in (TransitionName.FIRING, TransitionName.SEVERITY)]
    last = episode[-1]
    if not heard and last.state is not TransitionName.RESOLVED:
        return None
    first, worst = (heard[0], heard[-1]) if heard else (last, last)
    standing = None if last.state in _ENDED else handling(last.alert_id)
    if standing is not None and standing.episode_id != last.episode_id:
        standing = None
    return AlertLine(
        alert_id=last.alert_id,
        episode_id=last.episode_id,
        rule=last.rule,
        labels=dict(last.labels),
        severity=worst.severity,
        headline=headline(worst),
        since=first.at if heard else last.started_at,
        ended=last.at if last.state in _ENDED else "",
        has_it="" if standing is None else standing.assignee or standing.acknowledged_by,
        acts=acts(worst),
    )
