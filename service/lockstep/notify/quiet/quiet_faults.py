"""What is unwise in the mute times and inhibitions of rules/routing.yml; what is wrong is said by their forms."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from lockstep.notify.quiet.inhibition_form import InhibitionModel
from lockstep.notify.quiet.matchers import Matcher
from lockstep.notify.quiet.mute_times import MuteTime, MuteTimes
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean

GIVEN = Mapping[Pointer, RouteOptions]
"""Where a route stands → its options, with those of its parents."""


def matcher_faults(document: Document, at: Pointer, matchers: Sequence[Matcher]) -> Iterator[Fault]:
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
        yield from matcher_faults(document, (*here, "source"), model.source)
        yield from matcher_faults(document, (*here, "target"), model.target)
        if set(model.source) == set(model.target):
            message = "source and target are the same, and what meets both is not inhibited by its like"
            yield document.fault((*here, "target"), message, "change one of them", "LS264", level="warning")
        for label in model.equal:
            values = [_only_value(side, label) for side in (model.source, model.target)]
            if None not in values and values[0] != values[1]:
                message = f"source and target never have the same {label}"
                remedy = f"remove {label} from equal, or from one side"
                yield document.fault((*here, "equal"), message, remedy, "LS264", level="warning")


def _only_value(matchers: Iterable[Matcher], label: str) -> str | None:
    return next((m.value for m in matchers if m.label == label and m.operator == "="), None)


def mute_faults(
    document: Document,
    mute_times: Mapping[str, MuteTime],
    routes: GIVEN,
    *,
    used: Collection[str],
    now: datetime,
) -> Iterator[Fault]:
    """Mute times that hold nothing, and those that hold something for good.

    routes: where each route that says `mute` or `active` stands, with its options. used: names of mute times that
    anything else uses. now: from when on; aware, in the shop's zone.
    """
    moment = now.timestamp()
    zone: Any = now.tzinfo
    parts = MuteTimes(mute_times, zone)
    named = {name for options in routes.values() for name in (*options.mute, *options.active)} | {*used}
    for name, mute_time in mute_times.items():
        at: Pointer = ("mute_times", name)
        if mute_time.in_zone(zone).at(moment) is None:
            message, remedy = f"mute time '{name}' never is", "change its days, or remove it"
            yield document.fault(at, message, remedy, "LS263", level="warning", key=True)
        elif name not in named:
            message, remedy = f"no route uses mute time '{name}'", "name it as a route's mute or active, or remove it"
            yield document.fault(at, message, remedy, "LS263", level="warning", key=True)
    for place, options in routes.items():
        never = parts.never_free(options, moment)
        if never is not None:
            who = "also what is critical" if options.mutes_critical else "except what is critical"
            message = f"this route tells nothing for good, {who}: {never}"
            yield document.fault(place, message, "change its mute or active times", "LS262", level="warning")
        elif options.mutes_critical and options.short_lived == "skip" and (options.mute or options.active):
            message = "what is critical and over before its mute time ends is told to nobody"
            yield document.fault(
                place, message, "remove mutes_critical, or write short_lived: tell", "LS262", level="warning"
            )


def unknown_mute_time(name: str, mute_times: Collection[str]) -> tuple[str, str] | None:
    """(what is wrong, the way out) of the name of a mute time; None where there is one."""
    return None if name in mute_times else (f"there is no mute time '{name}'", did_you_mean(name, mute_times))
