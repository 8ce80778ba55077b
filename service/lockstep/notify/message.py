"""Messages: what a transition says to a team, in its own words and in numbers that people read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from lockstep.errors import RuleError
from lockstep.rule import wording
from lockstep.rule.condition import Rule
from lockstep.rule.quantity import duration_text
from lockstep.transition import Transition, TransitionName

BAR = 24
"""Characters of the longest bar."""


class WebhookData(BaseModel):
    """The transition, as `backtest --json` prints it, and what it says to the teams that share the destination."""

    transition_id: str = Field(description="The same for every delivery of this transition")
    rule: str
    labels: dict[str, str]
    alert_id: str = Field(description="The rule on these labels, for ever the same")
    episode_id: str = Field(description="From its first pending or firing instant until it is resolved")
    state: str = Field(description="firing, severity or resolved")
    at: str = Field(description="Event time, RFC 3339")
    value: float | None
    baseline: float | None
    window_start: str | None
    window_end: str | None
    severity: str
    team: str = Field(description="The team, or several joined by a comma where they share the destination")
    text: str = Field(description="What it says to the first of them")
    texts: dict[str, str] = Field(description="Team → what it says to that team")
    so_far: bool = Field(description="Decided before the window had closed; value and baseline may still change")


class WebhookPayload(BaseModel):
    """The body of a webhook delivery. Its `webhook-id` is the delivery's id: use it to drop repeats."""

    type: str = Field(description="alert.firing, alert.severity or alert.resolved")
    timestamp: str = Field(description="When it happened, event time")
    data: WebhookData


def webhook_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of webhook bodies."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/webhook.schema.json",
        **WebhookPayload.model_json_schema(),
        "title": "Lockstep webhook delivery",
    }


def number_text(value: float | None) -> str:
    """A number without noise: 42, 1,234, 0.25."""
    if value is None:
        return "no data"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def time_text(moment: str, zone: ZoneInfo) -> str:
    """A moment in the shop's zone, with the zone: `Tue 24 Nov 09:30 GMT`."""
    return datetime.fromisoformat(moment).astimezone(zone).strftime("%a %d %b %H:%M %Z")


def labels_text(labels: Mapping[str, str]) -> str:
    return ", ".join(labels.values()) or "the whole shop"


def window_text(transition: Transition) -> str:
    """The window's length as people say it: `15 minutes`."""
    if transition.window_start is None or transition.window_end is None:
        return "now"
    begin, end = (datetime.fromisoformat(t) for t in (transition.window_start, transition.window_end))
    seconds = round((end - begin).total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return duration_text(seconds)


def names_for(transition: Transition, rule: Rule | None, zone: ZoneInfo) -> dict[str, Any]:
    """What templates may use, as people read it."""
    return {
        "labels": dict(transition.labels),
        "value": number_text(transition.value),
        "baseline": number_text(transition.baseline if transition.baseline is not None else transition.limit),
        "ratio": "" if transition.ratio is None else f"{transition.ratio:.1f}x",
        "window": window_text(transition),
        "severity": transition.severity,
        "at": time_text(transition.at, zone),
        "rule": transition.rule,
        "runbook": (rule.runbook if rule is not None else None) or "",
    }


def _usual(transition: Transition) -> str:
    if transition.baseline is not None:
        return f", usually {number_text(transition.baseline)}"
    if transition.limit is not None:
        return f", the limit is {number_text(transition.limit)}"
    return ""


def _measured(transition: Transition) -> str:
    span = window_text(transition)
    within = "" if span == "now" else f" in {span}"
    return f"{number_text(transition.value)}{within}{_usual(transition)}"


def headline(transition: Transition, rule: Rule | None, zone: ZoneInfo) -> str:
    """One line that says what happened: the rule's summary, or the numbers."""
    if transition.state is TransitionName.RESOLVED:
        why = "the rule was removed" if transition.reason == "rule_removed" else _measured(transition)
        return f"Over: {transition.rule} for {labels_text(transition.labels)}: {why}"
    text = None if rule is None else _filled(rule.say.get("summary"), transition, rule, zone)
    return text or f"{transition.rule} for {labels_text(transition.labels)}: {_measured(transition)}"


def team_text(transition: Transition, rule: Rule | None, team: str, zone: ZoneInfo) -> str:
    """What it means for a team and what to do: the rule's words for it, else built-in ones."""
    if transition.state is TransitionName.RESOLVED:
        return f"Nothing more to do: {transition.rule} is over since {time_text(transition.at, zone)}."
    text = None if rule is None else _filled(rule.say.get(team), transition, rule, zone)
    if text:
        return text
    runbook = f" See {rule.runbook}." if rule is not None and rule.runbook else ""
    return (
        f"{transition.rule} ({transition.severity}) for {labels_text(transition.labels)}: {_measured(transition)}. "
        f"Look at what changed before {time_text(transition.started_at, zone)}.{runbook}"
    )


def _filled(text: str | None, transition: Transition, rule: Rule, zone: ZoneInfo) -> str | None:
    """The author's text, or None when there is none or it cannot be filled in: an alert is never lost to a text."""
    if not text:
        return None
    try:
        return wording.render(text, names_for(transition, rule, zone)) or None
    except RuleError:
        return None


def bars(transition: Transition) -> tuple[str, str]:
    """Value and usual (or limit) as bars of the same scale."""
    usual = transition.baseline if transition.baseline is not None else transition.limit
    value = transition.value or 0.0
    most = max(abs(value), abs(usual or 0.0))
    if not most:
        return "", ""
    return _bar(value, most), _bar(usual or 0.0, most)


def _bar(number: float, most: float) -> str:
    return "█" * max(1 if number else 0, round(BAR * abs(number) / most))


def webhook_body(transition: Transition, rule: Rule | None, teams: tuple[str, ...], zone: ZoneInfo) -> dict[str, Any]:
    """The body of a webhook delivery, see WebhookPayload."""
    texts = {team: team_text(transition, rule, team, zone) for team in teams}
    data = WebhookData(
        transition_id=transition.transition_id,
        rule=transition.rule,
        labels=transition.labels,
        alert_id=transition.alert_id,
        episode_id=transition.episode_id,
        state=transition.state.value,
        at=transition.at,
        value=transition.value,
        baseline=transition.baseline,
        window_start=transition.window_start,
        window_end=transition.window_end,
        severity=transition.severity,
        team=",".join(teams),
        text=next(iter(texts.values()), ""),
        texts=texts,
        so_far=transition.so_far,
    )
    payload = WebhookPayload(type=f"alert.{transition.state.value}", timestamp=transition.at, data=data)
    return payload.model_dump()


def people_item(transition: Transition, rule: Rule | None, teams: tuple[str, ...], zone: ZoneInfo) -> dict[str, Any]:
    """One transition inside a message to people."""
    value_bar, usual_bar = bars(transition)
    return {
        "state": transition.state.value,
        "severity": transition.severity,
        "headline": headline(transition, rule, zone),
        "labels": dict(transition.labels),
        "value": number_text(transition.value),
        "usual": number_text(transition.baseline if transition.baseline is not None else transition.limit),
        "usual_is": "usual" if transition.baseline is not None else "limit",
        "window": window_text(transition),
        "at": time_text(transition.at, zone),
        "since": time_text(transition.started_at, zone),
        "value_bar": value_bar,
        "usual_bar": usual_bar,
        "texts": {team: team_text(transition, rule, team, zone) for team in teams},
        "runbook": (rule.runbook if rule is not None else None) or "",
        "episode_id": transition.episode_id,
    }
