"""Alerts of Lockstep about itself: a rule file that was refused."""

from collections.abc import Sequence
from datetime import datetime

from lockstep.labels import stable_id
from lockstep.rule.condition import All, NoData, Rule, Severity
from lockstep.transition import Transition, TransitionName

REFUSED = "RuleFileRefused"


def own_rule(teams: Sequence[str]) -> Rule:
    """What is said of a refused file, to whom; it judges nothing."""
    text = "The rules in force stay as they were. Mend the file and save it: {{ fault }}"
    return Rule(
        name=REFUSED,
        by=("file",),
        condition=All((), Severity.WARNING),
        for_s=0,
        keep_firing_for_s=0,
        no_data=NoData.KEEP,
        teams=tuple(teams),
        say={"summary": "{{ labels.file }} was refused", **dict.fromkeys(teams, text)},
    )


def refused_transition(file: str, faults: Sequence[str], *, over: bool, now: datetime) -> Transition:
    """The alert about a file begins (or is over). faults: as `lockstep check` says them, at least one.

    The same for the same file and faults, so that workers that refuse the same file tell it once.
    """
    alert = stable_id("alert", REFUSED, file)
    episode = stable_id("episode", alert, *faults)
    at = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    number = 2 if over else 1
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Transition(
        transition_id=stable_id("transition", episode, number),
        alert_id=alert,
        episode_id=episode,
        number=number,
        rule=REFUSED,
        labels={"file": file},
        state=TransitionName.RESOLVED if over else TransitionName.FIRING,
        at=at,
        started_at=at,
        severity="warning",
        value=None,
        baseline=None,
        ratio=None,
        limit=None,
        window_start=None,
        window_end=None,
        so_far=False,
        watermark=None,
        rule_version="",
        fault=faults[0] + more,
    )
