"""What pages know: the read models of this worker, its rules, and its words for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.charts.board import ChartBoard, found_in_time
from lockstep.adapters.charts.drawing import described
from lockstep.adapters.http.pages.alert_view import AlertView, alert_view
from lockstep.adapters.response_board import ResponseBoard
from lockstep.errors import LockstepError
from lockstep.notify.message import Writer
from lockstep.rule.condition.kinds import Rule
from lockstep.shop.facts import PlanFacts
from lockstep.transition import Transition

log = structlog.get_logger("lockstep.pages")


@dataclass(frozen=True)
class ChartOnPage:
    """light, dark: where the picture is. alt: what it shows."""

    light: str
    dark: str
    alt: str


@dataclass(frozen=True)
class Known:
    """board: which alerts there are. responses: what people did. charts: None where nothing is drawn. rules: those in
    force, by name. says_now: what the judge says of an alert at this moment, in words; "" where it is not here. plans:
    campaigns of the shop, by name."""

    board: AlertBoard
    responses: ResponseBoard
    charts: ChartBoard | None
    rules: Callable[[], Mapping[str, Rule]]
    writer: Writer
    says_now: Callable[[str], str]
    clock: Callable[[], datetime]
    plans: Callable[[], Mapping[str, PlanFacts]] = dict

    async def transitions(self, alert_id: str, episode_id: str = "") -> list[Transition]:
        """What was published of an episode, oldest first; of the last one where none is named, or that one is not known
        any more. Empty for an alert that nobody knows. Raises BrokerError."""
        transitions = self._transitions(alert_id, episode_id)
        if transitions:
            return transitions
        # It may be news: a message can be quicker than the read models.
        await self.responses.refresh()
        await self.board.refresh()
        return self._transitions(alert_id, episode_id)

    def _transitions(self, alert_id: str, episode_id: str) -> list[Transition]:
        of_alert = self.responses.transitions(alert_id)
        if episode_id and any(t.episode_id == episode_id for t in of_alert):
            return [t for t in of_alert if t.episode_id == episode_id]
        if of_alert:
            return [t for t in of_alert if t.episode_id == of_alert[-1].episode_id]
        return [t for t in self.board.alerts(every=True) if t.alert_id == alert_id][:1]

    def view(self, transitions: list[Transition]) -> AlertView:
        """The page of an episode. transitions: of it, at least one."""
        last = transitions[-1]
        return alert_view(
            transitions,
            self.responses.timeline(last.alert_id, last.episode_id),
            self.responses.handling(last.alert_id),
            self.rules(),
            self.writer,
            now=self.clock(),
            says_now=self.says_now(last.alert_id),
        )

    async def chart(self, transitions: list[Transition], place: Callable[[str], str]) -> ChartOnPage | None:
        """The newest picture of an episode; None where there is none. place: transition id → where a picture is."""
        if self.charts is None:
            return None
        for transition in reversed(transitions):
            if transition.explanation is None or transition.value is None:
                continue
            chart = await found_in_time(self.charts, transition.transition_id, wait_s=0.0)
            if chart is not None:
                at = place(transition.transition_id)
                return ChartOnPage(f"{at}?as=svg", f"{at}?as=svg&in=dark", described(chart))
        return None


def says_now_of(explain: Callable[[str, dict[str, str]], Mapping[str, object]]) -> Callable[[str], str]:
    """What the judge of this worker says of an alert by its id. explain: the answer of /v1/explain."""

    def says_now(alert_id: str) -> str:
        try:
            explanations = explain(alert_id, {}).get("explanations")
        except LockstepError:
            return ""
        for one in explanations if isinstance(explanations, list) else ():
            if one.get("verdict") is not None and one.get("alert_id") == alert_id:
                return str(one["why"])
        return ""

    return says_now
