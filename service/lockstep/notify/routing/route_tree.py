"""The route tree: which receivers an alert goes to, by which way through the routes, and under which options."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lockstep.notify.quiet.matchers import Matcher
from lockstep.notify.routing.route_options import DEFAULTS, RouteOptions

TEAM = "team"
"""In `to`: the receivers of the alert's team."""


@dataclass(frozen=True)
class Route:
    """One route, compiled: what it does not say itself it has from its parents.

    name: its way through the tree, `severity=critical > sku=~"KEY-.*"`, for ever one route's. to: as it is written.
    goes_on: `continue`. place: `rules/routing.yml:14`.
    """

    name: str
    matchers: tuple[Matcher, ...]
    to: tuple[str, ...]
    options: RouteOptions
    goes_on: bool = False
    routes: tuple["Route", ...] = ()
    place: str = ""

    def matches(self, facts: Mapping[str, str]) -> bool:
        """Whether an alert meets all its matchers; without any, every one does."""
        return all(matcher.matches(facts) for matcher in self.matchers)

    def walk(self) -> Iterator["Route"]:
        """It and all below it."""
        yield self
        for route in self.routes:
            yield from route.walk()


@dataclass(frozen=True)
class Path:
    """One way through the routes that an alert of a team takes, and where it leads."""

    team: str
    route: str
    to: tuple[str, ...]
    options: RouteOptions


@dataclass(frozen=True)
class RouteTree:
    """All routes of a routing file, in their order."""

    routes: tuple[Route, ...] = ()
    _options: dict[str, RouteOptions] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        named = {below.name: below.options for route in self.routes for below in route.walk()}
        object.__setattr__(self, "_options", named)

    def options(self, route: str) -> RouteOptions:
        """Those of a route by its name; the defaults for one that is gone."""
        return self._options.get(route, DEFAULTS)

    def paths(self, facts: Mapping[str, str]) -> list[Path]:
        """The ways that an alert takes, facts with its team: the first route that it meets, and further ones behind
        each that goes on. Where it meets none, its team's own receivers.
        """
        team = facts["team"]
        taken = [Path(team, route.name, route.to, route.options) for route in _taken(self.routes, facts)]
        return taken or [Path(team, f"team {team}", (TEAM,), DEFAULTS)]


def _taken(routes: tuple[Route, ...], facts: Mapping[str, str]) -> list[Route]:
    taken: list[Route] = []
    for route in routes:
        if route.matches(facts):
            taken += _taken(route.routes, facts) or [route]
            if not route.goes_on:
                break
    return taken
