"""Routes as rules/routing.yml writes them, what is wrong with them, and what they become."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from lockstep.notify.oncall.schedule_form import unknown_target
from lockstep.notify.quiet.inhibition_form import MatcherList
from lockstep.notify.quiet.matchers import Matcher
from lockstep.notify.quiet.quiet_faults import matcher_remarks
from lockstep.notify.receivers import Texts
from lockstep.notify.routing.route_options import DEFAULTS, EACH_ALONE, RouteOptions
from lockstep.notify.routing.route_tree import TEAM, Route
from lockstep.rule.condition.kinds import Severity
from lockstep.rule.language import quantity
from lockstep.rule.language.form.values import Strict
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean

MOST_ROUTES = 500
DEEPEST = 10
LEAST_REPEAT_S = 60


def _wait_s(value: Any) -> Any:
    """Seconds; none at all is fine for a wait."""
    return 0 if value in (0, "0", "0s") else quantity.duration_s(value)


_DURATION = WithJsonSchema({"type": ["string", "integer"], "examples": ["0s", "30s", "5m", "4h"]})
Wait = Annotated[int, BeforeValidator(_wait_s), _DURATION]


class RouteModel(Strict):
    """Whom alerts go to that meet all matchers, and how; what it does not say it has from the route above it."""

    match: MatcherList = Field(
        default_factory=list, description="On labels, rule, severity and team, all to be met; none: every alert"
    )
    to: Texts | None = Field(None, description="Receivers, oncall:SCHEDULE, or team for the team's own")
    group_by: Texts | None = Field(
        None, description="Labels (rule, severity, team, too) that make one message; '...': each alert by itself"
    )
    group_wait: Wait | None = Field(None, description="How long the first news of a group waits for more")
    group_interval: Wait | None = Field(None, description="The least time between two messages of a group that fires")
    repeat_interval: Wait | None = Field(None, description="Tell again what still fires, so long after it was told")
    short_lived: Literal["tell", "skip"] | None = Field(None, description="What was over before it could be told")
    ack_timeout: Wait | None = Field(None, description="When an acknowledgement expires")
    mute: Texts | None = Field(None, description="Mute times in which nothing is told; it comes when they are over")
    active: Texts | None = Field(None, description="Mute times outside of which nothing is told")
    mutes_critical: bool | None = Field(None, description="Whether critical alerts are muted, too")
    escalation: str | None = Field(None, description="The escalation that begins")
    fallback: Texts | None = Field(None, description="Who is told when a destination cannot be reached")
    goes_on: bool = Field(False, alias="continue", description="Whether the routes below are tried, too")
    routes: "list[RouteModel]" = Field(default_factory=list, description="Routes below, tried first")


@dataclass(frozen=True)
class Names:
    """What a route may name."""

    receivers: Collection[str]
    schedules: Collection[str]
    mute_times: Collection[str]
    escalations: Collection[str]


def routes_of(models: Sequence[RouteModel], document: Document) -> tuple[Route, ...]:
    """The routes that models write."""
    return _compiled(models, document, ("routes",), name="", to=(TEAM,), options=DEFAULTS)


def _compiled(
    models: Sequence[RouteModel],
    document: Document,
    at: Pointer,
    *,
    name: str,
    to: tuple[str, ...],
    options: RouteOptions,
) -> tuple[Route, ...]:
    routes: list[Route] = []
    taken: set[str] = set()
    for n, model in enumerate(models):
        words = ", ".join(map(str, model.match)) or "every alert"
        own, count = words, 1
        while own in taken:
            count += 1
            own = f"{words} ({count})"
        taken.add(own)
        here = f"{name} > {own}" if name else own
        receivers = to if model.to is None else tuple(dict.fromkeys(model.to))
        effective = _options(model, options)
        place: Pointer = (*at, n)
        line, _ = document.place(place)
        below = _compiled(model.routes, document, (*place, "routes"), name=here, to=receivers, options=effective)
        routes.append(
            Route(
                name=here,
                matchers=tuple(model.match),
                to=receivers,
                options=effective,
                goes_on=model.goes_on,
                routes=below,
                place=f"{document.path}:{line}",
            )
        )
    return tuple(routes)


def _options(model: RouteModel, above: RouteOptions) -> RouteOptions:
    """A route's options: what it does not say it has from above."""

    def many(own: list[str] | None, inherited: tuple[str, ...]) -> tuple[str, ...]:
        return inherited if own is None else tuple(dict.fromkeys(own))

    def seconds(own: int | None, inherited: float | None) -> float | None:
        return inherited if own is None else float(own)

    return RouteOptions(
        group_by=above.group_by if model.group_by is None else tuple(dict.fromkeys(model.group_by)),
        group_wait_s=seconds(model.group_wait, above.group_wait_s),
        group_interval_s=seconds(model.group_interval, above.group_interval_s),
        repeat_interval_s=seconds(model.repeat_interval, above.repeat_interval_s),
        short_lived=model.short_lived or above.short_lived,
        ack_timeout_s=seconds(model.ack_timeout, above.ack_timeout_s),
        mute=many(model.mute, above.mute),
        active=many(model.active, above.active),
        mutes_critical=above.mutes_critical if model.mutes_critical is None else model.mutes_critical,
        escalation=above.escalation if model.escalation is None else model.escalation,
        fallback=many(model.fallback, above.fallback),
    )


def targets(models: Iterable[RouteModel]) -> set[str]:
    """Everything that stands under a `to` or `fallback`."""
    named: set[str] = set()
    for model in models:
        named |= {*(model.to or ()), *(model.fallback or ()), *targets(model.routes)}
    return named


def route_faults(models: Sequence[RouteModel], document: Document, names: Names) -> Iterator[Fault]:
    """What is wrong or unwise in routes, whatever rules there are."""
    count = sum(1 for _ in _walk(models, ("routes",)))
    if count > MOST_ROUTES:
        yield document.fault(("routes",), f"{count} routes", f"there may be {MOST_ROUTES}", "LS282", key=True)
    for at, model in _walk(models, ("routes",)):
        if len(at) > 2 * DEEPEST:
            yield document.fault(at, "routes this deep", f"nest at most {DEEPEST} levels", "LS282")
            return
        yield from _name_faults(model, document, at, names)
        yield from matcher_remarks(document, (*at, "match"), model.match)
        if model.group_by and EACH_ALONE in model.group_by and len(model.group_by) > 1:
            message = f"'{EACH_ALONE}' says all there is to group by"
            yield document.fault((*at, "group_by"), message, f"write group_by: ['{EACH_ALONE}']", "LS282")
        for key in ("repeat_interval", "ack_timeout"):
            seconds = getattr(model, key)
            if seconds is not None and seconds < LEAST_REPEAT_S:
                message = f"{key} is shorter than a minute, so people would hear of nothing else"
                yield document.fault((*at, key), message, "write 1m or more; people like 4h", "LS282")
    yield from _unreachable(models, document, ("routes",))


def _name_faults(model: RouteModel, document: Document, at: Pointer, names: Names) -> Iterator[Fault]:
    """What a route names that is not there."""
    for key in ("to", "fallback"):
        for i, target in enumerate(getattr(model, key) or ()):
            wrong = None if target == TEAM else unknown_target(target, names.receivers, names.schedules)
            if wrong is not None:
                yield document.fault(_item(document, (*at, key), i), *wrong, "LS150")
    for key in ("mute", "active"):
        for i, name in enumerate(getattr(model, key) or ()):
            if name not in names.mute_times:
                remedy = did_you_mean(name, names.mute_times)
                yield document.fault(_item(document, (*at, key), i), f"unknown mute time '{name}'", remedy, "LS282")
    if model.escalation and model.escalation not in names.escalations:
        message, remedy = f"unknown escalation '{model.escalation}'", did_you_mean(model.escalation, names.escalations)
        yield document.fault((*at, "escalation"), message, remedy, "LS282")
    if model.to is not None and not model.to:
        message = "this route reaches nobody"
        yield document.fault((*at, "to"), message, "name a receiver, or team for the team's own", "LS282")


def _unreachable(models: Sequence[RouteModel], document: Document, at: Pointer) -> Iterator[Fault]:
    """Routes that no alert takes, because one before it takes them all."""
    for n, model in enumerate(models):
        for earlier in models[:n]:
            if not earlier.goes_on and {str(m) for m in earlier.match} <= {str(m) for m in model.match}:
                words = ", ".join(map(str, earlier.match)) or "every alert"
                message = f"no alert takes this route: the one before it for {words} takes all of them"
                remedy = "put it before that one, or write continue: true there"
                yield document.fault((*at, n), message, remedy, "LS280", level="warning")
                break
        yield from _unreachable(model.routes, document, (*at, n, "routes"))


def matcher_faults(
    written: Iterable[tuple[Pointer, Sequence[Matcher]]],
    document: Document,
    *,
    labels: Collection[str],
    rules: Collection[str],
    teams: Collection[str],
) -> Iterator[Fault]:
    """Matchers that no alert of the rules there are meets. written: lists of them with their places. labels: of all
    alerts of the rules."""
    known = {"rule": rules, "team": teams, "severity": [severity.word for severity in Severity]}
    for at, matchers in written:
        for i, matcher in enumerate(matchers):
            place = _item(document, at, i)
            if matcher.label not in known and matcher.label not in labels:
                message = f"no rule has the label '{matcher.label}'"
                remedy = did_you_mean(matcher.label, [*labels, *known])
                yield document.fault(place, message, remedy, "LS281", level="warning")
            elif matcher.operator in ("=", "!=") and matcher.value not in known.get(matcher.label, (matcher.value,)):
                message = f"there is no {matcher.label} '{matcher.value}'"
                remedy = did_you_mean(matcher.value, known[matcher.label])
                yield document.fault(place, message, remedy, "LS281", level="warning")


def route_matchers(models: Sequence[RouteModel]) -> Iterator[tuple[Pointer, Sequence[Matcher]]]:
    """The matchers of each route, with their place."""
    for at, model in _walk(models, ("routes",)):
        yield (*at, "match"), model.match


def _walk(models: Sequence[RouteModel], at: Pointer) -> Iterator[tuple[Pointer, RouteModel]]:
    for n, model in enumerate(models):
        yield (*at, n), model
        yield from _walk(model.routes, (*at, n, "routes"))


def _item(document: Document, at: Pointer, number: int) -> Pointer:
    """Where a text of a list stands: one alone may be written without the list around it."""
    return (*at, number) if isinstance(document.find(at), list) else at
