"""Escalations as rules/routing.yml writes them, what is wrong with them, and what they become."""

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from pydantic import Field

from lockstep.notify.oncall.escalations import MOST_REPEATS, Escalation, Step
from lockstep.notify.oncall.schedule_form import unknown_target
from lockstep.notify.receivers import Texts
from lockstep.rule.condition.kinds import Severity
from lockstep.rule.language.form.values import Duration, SeverityWord, Strict
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean

TEAM = "team"
"""Stands for the receivers of the alert's own teams."""


class StepModel(Strict):
    """Who is told, how long after the alert was."""

    after: Duration = Field(description="How long after the alert was told, if nobody has it by then")
    to: Texts = Field(min_length=1, description="Receivers, oncall:SCHEDULE, or team for the team's own")
    severity: SeverityWord = Field("info", description="Only while the alert is at least so severe")
    mute: Texts = Field(default_factory=list, description="Mute times in which this step waits")
    active: Texts = Field(default_factory=list, description="Mute times outside of which this step waits")


class UnresolvedModel(StepModel):
    """Who is told last of an alert that stays open for long, also while somebody has it."""

    severity: SeverityWord = Field("critical", description="Only while the alert is at least so severe")


class EscalationModel(Strict):
    """Who hears, step by step, of an alert that nobody has."""

    steps: list[StepModel] = Field(default_factory=list, max_length=20, description="In the order of their times")
    repeat: int = Field(0, ge=0, le=MOST_REPEATS, description="How often all steps come again")
    unresolved: UnresolvedModel | None = Field(
        None, description="Who hears of an alert that is open for so long, whether or not somebody has it; once"
    )

    def targets(self) -> set[str]:
        """Everything that stands under a `to`."""
        steps = [*self.steps, *([] if self.unresolved is None else [self.unresolved])]
        return {target for step in steps for target in step.to}


def escalation_of(name: str, model: EscalationModel) -> Escalation:
    """The escalation that a model writes."""
    unresolved = None if model.unresolved is None else _step(model.unresolved)
    return Escalation(name, tuple(map(_step, model.steps)), model.repeat, unresolved)


def _step(model: StepModel) -> Step:
    severity = Severity.of(model.severity)
    return Step(model.after, tuple(model.to), severity, tuple(model.mute), tuple(model.active))


def escalation_faults(
    models: Mapping[str, EscalationModel],
    document: Document,
    *,
    receivers: Collection[str],
    schedules: Collection[str],
    mute_times: Collection[str],
) -> Iterator[Fault]:
    """What is wrong with escalations. receivers, schedules, mute_times: names that there are."""
    for name, model in models.items():
        here: Pointer = ("escalations", name)
        if not model.steps and model.unresolved is None:
            message = f"escalation '{name}' has no steps"
            yield document.fault(here, message, "add steps: [{after: 15m, to: RECEIVER}]", "LS273", key=True)
        places: list[tuple[Pointer, StepModel]] = [((*here, "steps", n), step) for n, step in enumerate(model.steps)]
        for (_, before), (place, step) in pairwise(places):
            if step.after < before.after:
                message = "this step is due before the one above it"
                yield document.fault((*place, "after"), message, "put the steps in the order of their times", "LS273")
        if model.unresolved is not None:
            places.append(((*here, "unresolved"), model.unresolved))
        for place, step in places:
            for i, target in enumerate(step.to):
                wrong = None if target == TEAM else unknown_target(target, receivers, schedules)
                if wrong is not None:
                    yield document.fault(_item(document, (*place, "to"), i), *wrong, "LS150")
            for key, names in (("mute", step.mute), ("active", step.active)):
                for i, mute_time in enumerate(names):
                    if mute_time not in mute_times:
                        message, remedy = f"unknown mute time '{mute_time}'", did_you_mean(mute_time, mute_times)
                        yield document.fault(_item(document, (*place, key), i), message, remedy, "LS273")


def _item(document: Document, at: Pointer, number: int) -> Pointer:
    """Where a text of a list stands: one alone may be written without the list around it."""
    return (*at, number) if isinstance(document.find(at), list) else at
