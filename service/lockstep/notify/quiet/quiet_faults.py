"""What is unwise in the mute times and inhibitions of rules/routing.yml; what is wrong is said by their forms."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time

from lockstep.notify.quiet.inhibition_form import InhibitionModel
from lockstep.notify.quiet.matchers import Matcher
from lockstep.notify.quiet.mute_times import UTC, MuteTime, MuteTimes
from lockstep.notify.routing.route_options import DEFAULTS, RouteOptions
from lockstep.notify.routing.route_tree import Route
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean


def matcher_remarks(document: Document, at: Pointer, matchers: Sequence[Matcher]) -> Iterator[Fault]:
    """Matchers that mean something else than whoever wrote them may think. at: the list, or one that stands alone."""
    for n, matcher in enumerate(matchers):
        remark = matcher.remark()
        if remark is not None:
            message, _, remedy = remark.partition("; ")
            place = (*at, n) if isinstance(document.find(at), list) else at
            yield document.fault(place, message, remedy, "LS260", level="warning")


def inhibition_faults(document: Document, models: Sequence[InhibitionModel]) -> Iterator[Fault]:
    """Inhibitions that hush nothing."""
    for n, model in enumerate(models):
        here: Pointer = ("inhibitions", n)
        yield from matcher_remarks(document, (*here, "source"), model.source)
        yield from matcher_remarks(document, (*here, "target"), model.target)
        if set(model.source) == set(model.target):
            message = "source and target are the same, and what meets both is not inhibited by its like"
            yield document.fault((*here, "target"), message, "change one of them", "LS264", level="warning")
        for label in model.equal:
            values = [_only_value(side, label) for side in (model.source, model.target)]
            if None not in values and values[0] != values[1]:
                message = f"source and target never have the same {label}"
                remedy = f"remove {label} from equal, or from one side"
                yield document.fault((*here, "equal"), message, remedy, "LS264", level="warning")


def inhibition_matchers(models: Sequence[InhibitionModel]) -> Iterator[tuple[Pointer, Sequence[Matcher]]]:
    """The matchers of both sides of each inhibition, with their place."""
    for n, model in enumerate(models):
        yield ("inhibitions", n, "source"), model.source
        yield ("inhibitions", n, "target"), model.target


def equal_faults(document: Document, models: Sequence[InhibitionModel], labels: Collection[str]) -> Iterator[Fault]:
    """Labels that have to be equal and that no alert has. labels: of all alerts of the rules."""
    known = {*labels, "rule", "team", "severity"}
    for n, model in enumerate(models):
        at: Pointer = ("inhibitions", n, "equal")
        for i, label in enumerate(model.equal):
            if label not in known:
                message = f"no rule has the label '{label}', so this inhibition hushes nothing"
                remedy = did_you_mean(label, sorted(known))
                place = (*at, i) if isinstance(document.find(at), list) else at
                yield document.fault(place, message, remedy, "LS281", level="warning")


def _only_value(matchers: Iterable[Matcher], label: str) -> str | None:
    return next((m.value for m in matchers if m.label == label and m.operator == "="), None)


def mute_faults(
    document: Document,
    mute_times: Mapping[str, MuteTime],
    routes: Sequence[Route],
    *,
    used: Collection[str],
    today: date,
) -> Iterator[Fault]:
    """Mute times that hold nothing, and routes that tell nothing for good, from today on.

    used: names of mute times that anything but a route uses.
    """
    moment = datetime.combine(today, time(), UTC).timestamp()
    parts = MuteTimes(mute_times, UTC)
    placed = [*_placed(routes, ("routes",))]
    named = {name for _, route in placed for name in (*route.options.mute, *route.options.active)} | {*used}
    for name in mute_times:
        at: Pointer = ("mute_times", name)
        if parts.never_is(name, moment):
            message, remedy = f"mute time '{name}' never is", "change its days, or remove it"
            yield document.fault(at, message, remedy, "LS263", level="warning", key=True)
        elif name not in named:
            message, remedy = f"nothing uses mute time '{name}'", "name it as a route's mute or active, or remove it"
            yield document.fault(at, message, remedy, "LS263", level="warning", key=True)
    for place, route in placed:
        options = route.options
        never = parts.never_free(options, moment)
        if never is not None:
            who = "also what is critical" if options.mutes_critical else "except what is critical"
            message = f"this route tells nothing for good, {who}: {never}"
            yield document.fault(place, message, "change its mute or active times", "LS262", level="warning")
        elif options.mutes_critical and options.short_lived == "skip" and (options.mute or options.active):
            message = "what is critical and over before its mute time ends is told to nobody"
            remedy = "remove mutes_critical, or write short_lived: tell"
            yield document.fault(place, message, remedy, "LS262", level="warning")


def _placed(routes: Sequence[Route], at: Pointer, above: RouteOptions = DEFAULTS) -> Iterator[tuple[Pointer, Route]]:
    """Each route that says itself what it has of mute times, with its place."""
    for n, route in enumerate(routes):
        if _quiet(route.options) != _quiet(above):
            yield (*at, n), route
        yield from _placed(route.routes, (*at, n, "routes"), route.options)


def _quiet(options: RouteOptions) -> tuple[object, ...]:
    return options.mute, options.active, options.mutes_critical, options.short_lived
