"""Which parts the pipeline of a routing has, in the order in which it asks them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from lockstep.notify.heartbeat import Heartbeat
from lockstep.notify.oncall.escalations import EscalationRuns
from lockstep.notify.oncall.overrides import StandIns
from lockstep.notify.pipeline.hooks import Escalations, Facts, Hushing, Part, Schedules, StormCap
from lockstep.notify.programs.program_receivers import is_program
from lockstep.notify.programs.promotion_hooks import PromotionHooks
from lockstep.notify.quiet.inhibitions import Inhibitions
from lockstep.notify.quiet.mute_times import MuteTimes
from lockstep.notify.quiet.silences import Silences
from lockstep.notify.reporting.action_list import ActionList
from lockstep.notify.reporting.plan_replies import PlanReplies
from lockstep.notify.reporting.report_schedule import ReportSchedule, report_times
from lockstep.notify.route import Routing
from lockstep.notify.summaries.downtime import Downtime
from lockstep.notify.summaries.storms import Caps, Storms
from lockstep.shop.shop_settings import ShopSettings
from lockstep.transition import Transition


@dataclass(frozen=True)
class Parts:
    """hushing: silences, inhibitions, mute times, in this order. None, or nothing, where a routing has none.

    downtime: what is told when each transition is read; it is one of the caps in `storms`. actions: what somebody is to
    do; it hears of notes from whoever applies commands about alerts. plans: how campaigns stand between the teams.
    """

    hushing: tuple[Hushing, ...] = ()
    schedules: Schedules | None = None
    escalations: Escalations | None = None
    storms: StormCap | None = None
    others: tuple[Part, ...] = ()
    downtime: Downtime | None = None
    actions: ActionList = field(default_factory=ActionList)
    plans: PlanReplies = field(default_factory=PlanReplies)

    def __iter__(self) -> Iterator[Part]:
        """Every part once."""
        yield from self.hushing
        yield from (part for part in (self.schedules, self.escalations, self.storms) if part is not None)
        yield from self.others
        yield self.actions
        yield self.plans

    def on_call(self, schedule: str, moment: float) -> Sequence[str]:
        """The receivers that are on call; none where there is no schedule."""
        return () if self.schedules is None else self.schedules.on_call(schedule, moment)


def parts_of(
    routing: Routing,
    zone: ZoneInfo,
    *,
    teams_of: Callable[[Transition], Sequence[str]],
    open_facts: Callable[[], Iterable[Facts]],
    open_alerts: Callable[[], Iterable[Transition]],
    overview: str | None = None,
    shop: ShopSettings | None = None,
) -> Parts:
    """The parts that a routing asks for.

    zone: the shop's. teams_of: whom a transition concerns. open_facts: what fires now, for each of its teams.
    open_alerts: the last transition of each alert that fires. overview: the address of all that is open. shop: what the
    shop says of itself; None: nothing, and there are no reports.
    """
    mute_times = MuteTimes(routing.mute_times, zone, _held_by(routing))
    downtime = Downtime(overview=overview)
    return Parts(
        hushing=(
            Silences(zone, open_facts),
            Inhibitions(routing.inhibitions, teams_of, open_facts),
            mute_times,
        ),
        schedules=StandIns(routing.schedules, routing.destinations),
        escalations=EscalationRuns(routing.escalations, mute_times.holds),
        storms=Caps(downtime, Storms(routing.storms, overview=overview)),
        others=(
            ReportSchedule(
                None if shop is None or shop.reports_wait else report_times(shop, zone),
                zone,
                routing,
                to=() if shop is None else shop.report_to,
            ),
            *(() if routing.heartbeat is None else (Heartbeat(routing.heartbeat),)),
            *(() if routing.promotions is None else (PromotionHooks(routing.promotions, open_alerts),)),
        ),
        downtime=downtime,
        plans=PlanReplies([d for d, _ in routing.for_teams(tuple(routing.teams)) if is_program(d)], zone=zone),
    )


def _held_by(routing: Routing) -> Iterator[str]:
    """What of routing.yml holds messages, beside its mute times: where it changes, what is held is looked at again."""
    yield from map(str, routing.inhibitions)
    for route in (below for top in routing.tree.routes for below in top.walk()):
        options = route.options
        if options.mute or options.active:
            yield f"{route.name}: {options.mute} {options.active} {options.mutes_critical}"
