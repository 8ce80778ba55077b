"""Routing: teams → receivers → destinations, as rules/routing.yml says."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from lockstep.labels import stable_id
from lockstep.notify.heartbeat import HeartbeatModel, HeartbeatPlan, heartbeat_plan
from lockstep.notify.oncall.escalation_form import EscalationModel, escalation_faults, escalation_of
from lockstep.notify.oncall.escalations import Escalation
from lockstep.notify.oncall.schedule_form import NO_CALENDARS, Calendars, ScheduleModel, schedules_of, unknown_target
from lockstep.notify.oncall.schedules import PREFIX, Schedule
from lockstep.notify.programs.program_receivers import program_faults
from lockstep.notify.programs.promotion_hooks import PromotionPlan, PromotionsModel, promotion_plan, unmet_hooks
from lockstep.notify.quiet.inhibition_form import MOST_INHIBITIONS, InhibitionModel, inhibitions_of
from lockstep.notify.quiet.inhibitions import Inhibition
from lockstep.notify.quiet.mute_time_form import MuteTimeModel, mute_times_of
from lockstep.notify.quiet.mute_times import MuteTime
from lockstep.notify.quiet.quiet_faults import equal_faults, inhibition_faults, inhibition_matchers
from lockstep.notify.receivers import CHANNELS, ReceiverModel, Strict, Target, Texts, many
from lockstep.notify.routing.route_form import (
    Names,
    RouteModel,
    matcher_faults,
    route_faults,
    route_matchers,
    routes_of,
    targets,
)
from lockstep.notify.routing.route_tree import TEAM, RouteTree
from lockstep.notify.summaries.storms import StormLimit, StormsModel
from lockstep.ports import Destination
from lockstep.rule.language.form import without_null
from lockstep.rule.language.form.values import Name
from lockstep.rule.language.lint.other_programs import foreign_fault
from lockstep.text.feed_address import FeedAddress
from lockstep.yaml.document import Document, Fault, Pointer, validate

M = TypeVar("M", bound=BaseModel)


class RoutingFile(Strict):
    """Who is reached how."""

    teams: dict[str, Texts] = Field(
        default_factory=dict, description="Team → names of receivers, or oncall:SCHEDULE for whoever is on call"
    )
    receivers: dict[str, ReceiverModel] = Field(default_factory=dict, description="Receivers by name")
    schedules: dict[Name, ScheduleModel] = Field(default_factory=dict, description="Who is on call, by name")
    escalations: dict[Name, EscalationModel] = Field(
        default_factory=dict, description="Who hears, step by step, of an alert that nobody has"
    )
    mute_times: dict[Name, MuteTimeModel] = Field(
        default_factory=dict, description="Times by name, in which (or outside of which) routes tell nothing"
    )
    inhibitions: list[InhibitionModel] = Field(
        default_factory=list,
        max_length=MOST_INHIBITIONS,
        description="While one alert fires, people do not hear of others that follow from it",
    )
    storms: StormsModel | None = Field(None, description="When very many messages become a summary")
    heartbeat: HeartbeatModel | None = Field(None, description="Which webhooks hear that Lockstep is there")
    promotions: PromotionsModel | None = Field(
        None, description="Which webhooks hear when to pause and resume promotions"
    )
    routes: list[RouteModel] = Field(
        default_factory=list, description="Who hears what, tried in their order; without a match the team's receivers"
    )


OnCall = Callable[[str], Sequence[str]]
"""Schedule → the receivers that are on call."""


def nobody_on_call(schedule: str) -> Sequence[str]:
    """Where there are no schedules."""
    return ()


@dataclass(frozen=True)
class Hearer:
    """A destination that is to hear of an alert. routes: (team, route) of each way that leads there."""

    destination: Destination
    routes: tuple[tuple[str, str], ...]

    @property
    def teams(self) -> tuple[str, ...]:
        """The teams that share it, in their order."""
        return teams_of(self.routes)


def teams_of(routes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The teams of (team, route), each once."""
    return tuple(dict.fromkeys(team for team, _ in routes))


@dataclass(frozen=True)
class Routing:
    """destinations: receiver → where it goes. teams: team → receivers. schedules: by name, for `oncall:NAME`.

    escalations, mute_times: by name, for routes. tree: who hears what, where routes say so. storms: above how many
    messages a destination gets a summary; None: however many. heartbeat: which programs hear that Lockstep is there.
    promotions: which hear when to pause and resume what promotes a product.
    """

    destinations: Mapping[str, tuple[Destination, ...]]
    teams: Mapping[str, tuple[str, ...]]
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    escalations: Mapping[str, Escalation] = field(default_factory=dict)
    tree: RouteTree = field(default_factory=RouteTree)
    mute_times: Mapping[str, MuteTime] = field(default_factory=dict)
    inhibitions: tuple[Inhibition, ...] = ()
    storms: StormLimit | None = None
    heartbeat: HeartbeatPlan | None = None
    promotions: PromotionPlan | None = None

    @cached_property
    def feeds(self) -> frozenset[FeedAddress]:
        """From where calendars are fetched."""
        return frozenset(schedule.feed for schedule in self.schedules.values() if schedule.feed is not None)

    @cached_property
    def by_id(self) -> Mapping[str, Destination]:
        """Every destination by its id."""
        return {destination.id: destination for known in self.destinations.values() for destination in known}

    def hearers(self, teams: Iterable[str], facts: Mapping[str, str], on_call: OnCall = nobody_on_call) -> list[Hearer]:
        """Every destination that an alert of these teams goes to, once. facts: its labels, rule and severity."""
        by_id: dict[str, tuple[Destination, dict[tuple[str, str], None]]] = {}
        for team in teams:
            for path in self.tree.paths({**facts, "team": team}):
                for destination in self.reached(path.to, team, on_call):
                    by_id.setdefault(destination.id, (destination, {}))[1][team, path.route] = None
        return [Hearer(destination, tuple(ways)) for destination, ways in by_id.values()]

    def reached(self, to: Iterable[str], team: str, on_call: OnCall = nobody_on_call) -> Iterator[Destination]:
        """The destinations behind what a route's `to` says, in its order."""
        for name in to:
            for known in self.teams.get(team, ()) if name == TEAM else (name,):
                receivers = on_call(known.removeprefix(PREFIX)) if known.startswith(PREFIX) else (known,)
                for receiver in receivers:
                    yield from self.destinations.get(receiver, ())

    def reach(self, teams: Iterable[str], facts: Mapping[str, str]) -> list[str]:
        """To what the routes lead: ids of destinations, and `oncall:NAME` whoever is on call; each once, sorted."""
        named = {
            known
            for team in teams
            for path in self.tree.paths({**facts, "team": team})
            for name in path.to
            for known in (self.teams.get(team, ()) if name == TEAM else (name,))
        }
        ids = {d.id for name in named for d in self.destinations.get(name, ())}
        return sorted(ids | {name for name in named if name.startswith(PREFIX)})

    def ever_on_call(self, schedule: str) -> Sequence[str]:
        """Whoever may ever be on call, sorted."""
        known = self.schedules.get(schedule)
        return () if known is None else sorted(known.receivers())

    def for_teams(
        self, teams: Iterable[str], on_call: OnCall | None = None
    ) -> list[tuple[Destination, tuple[str, ...]]]:
        """Every destination of these teams once, with those of the teams that share it.

        on_call: who is, for `oncall:NAME`; None: everybody who may ever be.
        """
        by_id: dict[str, tuple[Destination, list[str]]] = {}
        for team in teams:
            for destination in self.reached((TEAM,), team, on_call or self.ever_on_call):
                sharing = by_id.setdefault(destination.id, (destination, []))[1]
                if team not in sharing:
                    sharing.append(team)
        return [(destination, tuple(sharing)) for destination, sharing in by_id.values()]

    def receivers_heard(self, teams: Iterable[str], facts: Mapping[str, str], *, moment: float) -> list[str]:
        """The names of the receivers that an alert of these teams goes to, by the schedules alone.

        facts: its labels, rule and severity.
        """
        names: dict[str, None] = {}
        for team in teams:
            for path in self.tree.paths({**facts, "team": team}):
                for name in (known for to in path.to for known in (self.teams.get(team, ()) if to == TEAM else (to,))):
                    schedule = self.schedules.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
                    who = name if schedule is None else schedule.on_call(moment)
                    names |= {} if who is None else {who: None}
        return [*names]

    def deaf(self, teams: Iterable[str]) -> tuple[str, ...]:
        """Those of these teams that nothing reaches."""
        return tuple(dict.fromkeys(t for t in teams if not self.for_teams([t])))


NOBODY = Routing({}, {})


def routing_of(document: Document, calendars: Calendars = NO_CALENDARS) -> tuple[Routing | None, list[Fault]]:
    """The routing in a document, with every fault in it and in the calendar files that it names."""
    foreign = foreign_fault(document)
    if foreign is not None:
        return None, [foreign]
    model, faults = validate(document, RoutingFile)
    if model is None:
        # Nobody mends a file in rounds: what could be read is looked at all the same.
        readable, broken = _readable(document.data), _broken(document.data)
        schedules, wrong = schedules_of(readable.schedules, document, calendars, readable.receivers)
        return None, sorted({*faults, *wrong, *_lint(document, readable, schedules, broken=broken)})
    schedules, wrong = schedules_of(model.schedules, document, calendars, model.receivers)
    faults = [*_lint(document, model, schedules), *wrong]
    if any(f.level == "error" for f in faults):
        return None, faults
    return _compile(document, model, schedules), faults


def _compile(document: Document, model: RoutingFile, schedules: Mapping[str, Schedule]) -> Routing:
    destinations = {
        name: tuple(
            _destination(channel, target, name) for channel, way in receiver.ways().items() for target in way.targets()
        )
        for name, receiver in model.receivers.items()
    }
    escalations = {name: escalation_of(name, written) for name, written in model.escalations.items()}
    return Routing(
        destinations,
        {team: tuple(names) for team, names in model.teams.items()},
        schedules,
        escalations,
        mute_times=mute_times_of(model.mute_times),
        inhibitions=inhibitions_of(model.inhibitions),
        storms=None if model.storms is None else StormLimit(model.storms.above, model.storms.per),
        heartbeat=None if model.heartbeat is None else heartbeat_plan(model.heartbeat, destinations),
        promotions=None if model.promotions is None else promotion_plan(model.promotions, destinations),
        tree=RouteTree(routes_of(model.routes, document)),
    )


def _destination(channel: str, target: Target, receiver: str) -> Destination:
    # The receiver is no part of the id: two receivers with one address are one destination, which hears things once.
    number = stable_id("destination", channel, target.target, target.apart)
    return Destination(number, channel, target.target, receiver, target.options)


def _valid(model: type[M], data: Any) -> M | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _part(data: Any, key: str) -> dict[str, Any]:
    part = data.get(key) if isinstance(data, dict) else None
    return part if isinstance(part, dict) else {}


def _broken(data: Any) -> frozenset[str]:
    """The receivers that are not as they must be."""
    return frozenset(n for n, r in _part(data, "receivers").items() if _valid(ReceiverModel, r) is None)


def _readable(data: Any) -> RoutingFile:
    """What is as it must be in a file that is not: teams, receivers, the ways of a receiver, each for itself."""
    teams = {}
    for team, names in _part(data, "teams").items():
        several = many(names)
        if isinstance(several, list) and all(isinstance(name, str) for name in several):
            teams[team] = several
    receivers = {}
    for name, ways in _part(data, "receivers").items():
        written = _part({"it": ways}, "it")
        receivers[name] = ReceiverModel.model_validate(
            {channel: _valid(way, written.get(channel)) for channel, way in CHANNELS.items()}
        )
    schedules = {name: _valid(ScheduleModel, written) for name, written in _part(data, "schedules").items()}
    readable = {name: schedule for name, schedule in schedules.items() if schedule is not None}
    steps = {name: _valid(EscalationModel, written) for name, written in _part(data, "escalations").items()}
    escalations = {name: escalation for name, escalation in steps.items() if escalation is not None}
    written_routes = data.get("routes") if isinstance(data, dict) else None
    valid = [_valid(RouteModel, route) for route in written_routes] if isinstance(written_routes, list) else []
    # Routes are looked at in their places: with one that cannot be read, none is.
    routes = [] if None in valid else [route for route in valid if route is not None]
    return RoutingFile.model_construct(
        teams=teams,
        receivers=receivers,
        schedules=readable,
        escalations=escalations,
        heartbeat=_valid(HeartbeatModel, _part(data, "heartbeat")),
        promotions=_valid(PromotionsModel, _part(data, "promotions")),
        routes=routes,
    )


def _lint(
    document: Document,
    model: RoutingFile,
    schedules: Mapping[str, Schedule],
    *,
    broken: frozenset[str] = frozenset(),
) -> list[Fault]:
    """broken: receivers whose faults have been said; of them only what else they hold is looked at."""
    faults: list[Fault] = []

    def fault(at: Pointer, message: str, remedy: str, code: str, *, warn: bool = False) -> None:
        faults.append(document.fault(at, message, remedy, code, level="warning" if warn else "error", key=warn))

    known_schedules = _part(document.data, "schedules").keys()
    faults += escalation_faults(
        model.escalations,
        document,
        receivers=model.receivers.keys(),
        schedules=known_schedules,
        mute_times=_part(document.data, "mute_times").keys(),
    )
    faults += inhibition_faults(document, model.inhibitions)
    known_names = Names(
        receivers=model.receivers.keys(),
        schedules=known_schedules,
        mute_times=_part(document.data, "mute_times").keys(),
        escalations=_part(document.data, "escalations").keys(),
    )
    faults += route_faults(model.routes, document, known_names)
    for team, names in model.teams.items():
        for i, name in enumerate(names):
            wrong_name = unknown_target(name, model.receivers, known_schedules)
            if wrong_name is not None:
                at: Pointer = ("teams", team, i) if isinstance(document.data["teams"][team], list) else ("teams", team)
                fault(at, f"team '{team}' names the {wrong_name[0]}", wrong_name[1], "LS150")
        if not names:
            fault(("teams", team), f"team '{team}' has no receiver", "name one", "LS150", warn=True)
    used = {name for names in model.teams.values() for name in names}
    used |= {name for schedule in schedules.values() for name in schedule.receivers()}
    if not all(schedule.is_whole for schedule in schedules.values()):
        used |= model.receivers.keys()  # nobody knows yet whom a calendar names that has not been fetched
    used |= targets(model.routes)
    used |= {name for escalation in model.escalations.values() for name in escalation.targets()}
    for key, part, why_no_people in (
        ("heartbeat", model.heartbeat, "people need no heartbeat"),
        ("promotions", model.promotions, "people are told by the alert itself"),
    ):
        if part is not None:
            used |= {*part.to}
            faults += program_faults(key, part.to, document, model.receivers, broken, why_no_people=why_no_people)
    options: dict[tuple[str, str, str], Mapping[str, str]] = {}
    for name, receiver in model.receivers.items():
        here: Pointer = ("receivers", name)
        ways = receiver.ways()
        if not ways and name not in broken:
            *first, last = CHANNELS
            fault(here, f"receiver '{name}' reaches nobody", f"add {', '.join(first)} or {last}", "LS150", warn=True)
        elif name not in used:
            fault(here, f"no team uses receiver '{name}'", "add it to a team or remove it", "LS150", warn=True)
        for channel, way in ways.items():
            wrong = list(way.faults())
            for odd in wrong:
                fault(_written(document, (*here, channel, *odd.at)), odd.message, odd.remedy, odd.code)
            for target in way.targets() if not wrong else ():
                before = options.setdefault((channel, target.target, target.apart), target.options)
                if before != target.options:
                    said = f"this {target.named_at} has another secret in an earlier receiver"
                    fault((*here, channel, target.named_at), said, "give it one secret", "LS153")
    return faults


def _written(document: Document, at: Pointer) -> Pointer:
    """Where a text of a list stands: one alone may be written without the list around it."""
    node = document.data
    for step in at[:-1]:
        node = node[step]
    return at if isinstance(node, dict | list) else at[:-1]


def unmet_matchers(
    document: Document, *, labels: Collection[str], rules: Collection[str], teams: Collection[str]
) -> list[Fault]:
    """Matchers of a sound file's routes and inhibitions that no alert meets, labels of `equal` that none has, and rules
    of promotion hooks that are not there.

    labels, rules, teams: of all alerts there may be.
    """
    model = _valid(RoutingFile, document.data)
    if model is None:
        return []
    written = [*route_matchers(model.routes), *inhibition_matchers(model.inhibitions)]
    faults = list(matcher_faults(written, document, labels=labels, rules=rules, teams=teams))
    hooks = unmet_hooks(document, model.promotions, rules) if model.promotions is not None else ()
    return [*faults, *equal_faults(document, model.inhibitions, labels), *hooks]


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of routing.yml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/routing.schema.json",
        **without_null(RoutingFile.model_json_schema()),
        "title": "Lockstep routing file",
    }
