"""`lockstep route`: the way of an alert through the routes, whom it reaches, and what would keep it quiet now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.notify.pipeline.parts import parts_of
from lockstep.notify.route import Routing
from lockstep.notify.routing.route_options import EACH_ALONE, RouteOptions
from lockstep.notify.routing.route_tree import Route
from lockstep.rule.condition.kinds import Rule, Severity
from lockstep.text.figures import duration_words

SILENCES = "silences and inhibitions are known to the running service: `lockstep why ALERT` asks it"


@dataclass(frozen=True)
class ShownPath:
    """One way through the routes. quiet: why people would hear nothing of it now; ""."""

    team: str
    route: str
    to: tuple[str, ...]
    destinations: tuple[str, ...]
    options: Mapping[str, str]
    quiet: str = ""


@dataclass(frozen=True)
class ShownRoutes:
    """All ways of an alert, and the tree with those that it takes."""

    paths: tuple[ShownPath, ...]
    tree: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"paths": [vars(path) | {"options": dict(path.options)} for path in self.paths]}


def routes_shown(
    routing: Routing,
    facts: Mapping[str, str],
    rules: Sequence[Rule],
    *,
    group_wait_s: float,
    now: datetime,
    zone: ZoneInfo,
) -> ShownRoutes:
    """The ways of an alert. facts: labels, and `rule`, `severity` and `team` where they are known.

    A severity that is not given is warning. The teams are those of the rule; of an unknown one, all.
    """
    known = {rule.name: rule for rule in rules}
    severity = facts.get("severity", "warning")
    full = {**facts, "severity": severity, "rule": facts.get("rule", "")}
    rule = known.get(full["rule"])
    teams = (facts["team"],) if "team" in facts else tuple(routing.teams) if rule is None else rule.teams
    parts = parts_of(routing, zone, teams_of=lambda _: teams, open_facts=tuple, open_alerts=tuple)
    moment = now.timestamp()
    on_call = partial(parts.on_call, moment=moment)
    shown, taken = [], set()
    for team in teams:
        with_team = {**full, "team": team}
        for path in routing.tree.paths(with_team):
            taken.add(path.route)
            hush = None
            for part in parts.hushing:
                hush = hush or part.hushed(with_team, Severity.of(severity), moment, path.options)
            reached = dict.fromkeys(f"{d.channel} {d.target}" for d in routing.reached(path.to, team, on_call))
            effective = options_in_words(path.options, group_wait_s)
            quiet = "" if hush is None else hush.why
            shown.append(ShownPath(team, path.route, path.to, tuple(reached), effective, quiet))
    return ShownRoutes(tuple(shown), tuple(_tree(routing.tree.routes, taken)))


def options_in_words(options: RouteOptions, group_wait_s: float) -> dict[str, str]:
    """The effective options, as they hold: nothing is rounded. group_wait_s: where no route says."""
    by = options.group_by
    grouped = (
        "rule" if by is None else "each alert by itself" if EACH_ALONE in by else ", ".join(by) or "all of the route"
    )
    wait_s = group_wait_s if options.group_wait_s is None else options.group_wait_s
    said = {
        "group_by": grouped,
        "group_wait": duration_words(wait_s),
        "group_interval": duration_words(options.group_interval_s or wait_s),
        "repeat_interval": "never" if options.repeat_interval_s is None else duration_words(options.repeat_interval_s),
    }
    if options.short_lived is not None:
        said["short_lived"] = options.short_lived
    if options.ack_timeout_s is not None:
        said["ack_timeout"] = duration_words(options.ack_timeout_s)
    several = {"mute": options.mute, "active": options.active, "fallback": options.fallback}
    said |= {name: ", ".join(values) for name, values in several.items() if values}
    if options.escalation:
        said["escalation"] = options.escalation
    return said


def _tree(routes: Sequence[Route], taken: set[str], indent: str = "") -> Iterator[str]:
    """The tree as lines, with a mark before the routes that are taken."""
    for n, route in enumerate(routes):
        is_last = n == len(routes) - 1
        words = route.name.rpartition(" > ")[2]
        on_the_way = any(name == route.name or name.startswith(f"{route.name} > ") for name in taken)
        mark = "●" if route.name in taken else "│" if on_the_way else "○"
        to = "" if route.routes and route.name not in taken else f" → {', '.join(route.to)}"
        goes_on = " (continue)" if route.goes_on else ""
        yield f"{indent}{'└' if is_last else '├'}─ {mark} {words}{to}{goes_on}"
        yield from _tree(route.routes, taken, indent + ("   " if is_last else "│  "))
