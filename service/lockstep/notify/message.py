"""Messages: what a transition says to a team, in its own words and in numbers that people read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from lockstep.errors import RuleError
from lockstep.figures import Figure, duration_words, number_text, ratio_text, time_text
from lockstep.notify.flap import Settled
from lockstep.notify.why import unit_of, where_more_is, why_lines
from lockstep.rule import wording
from lockstep.rule.anomaly import is_explained, statistic_text
from lockstep.rule.condition import Flapping, Rule
from lockstep.rule.explain import said_of
from lockstep.rule.timing import anomalies_of
from lockstep.transition import Transition, TransitionName

BAR = 24
"""Characters of the longest bar."""

LARGEST_WEBHOOK = 20_000
"""Bytes of a webhook's body, as Standard Webhooks recommends; longer texts are cut to fit."""

LONGEST_HEADLINE = 300
LONGEST_TEXT = 1_000
"""Characters of one team's text in a message to people, of which a message may hold many."""
LONGEST_WHY = 400


class WebhookStretch(BaseModel):
    """One of the windows that are the usual."""

    start: str
    end: str
    value: float | None


class WebhookVerdict(BaseModel):
    """One condition as it was judged; the same numbers as in `GET /v1/explain`, as they were then."""

    kind: str = Field(description="threshold, spike, absence, …, or all, any, not; empty for an earlier version's")
    of: str = Field(description="What it measures, as its author calls it: `orders`")
    verdict: Literal["breach", "clear", "no_data", "no_bound", "closed", "unjudged"]
    value: float | None
    baseline: float | None
    baseline_of: str
    ratio: float | None = Field(description="value / baseline")
    limit: float | None = Field(description="The number that was crossed")
    limit_of: str = Field(description="Where the limit comes from; empty for a number of the rule itself")
    window_start: str | None
    window_end: str | None
    counts: dict[str, float] = Field(description="Further numbers that led to it, by name")
    asked: dict[str, float | str] = Field(description="The numbers of the rule, by name")
    history: list[WebhookStretch] = Field(description="The windows that the baseline is made of, oldest first")
    parts: list["WebhookVerdict"] = Field(description="Of a combination: its conditions, as far as they were looked at")


class WebhookExplanation(BaseModel):
    """Why it was sent: as it was judged, not as it is now."""

    text: str = Field(description="In one or two lines for people; empty where the rule itself has ended")
    rule_version: str = Field(description="Changes whenever anything that the rule judges by changes")
    watermark: str | None = Field(description="Event time up to which everything had been seen")
    reason: str = Field(description="rule_removed, expired, closed, no_data: where it is not the verdict; else empty")
    more: str = Field(description="Where all numbers are: an address, or a command")
    verdict: WebhookVerdict


class WebhookData(BaseModel):
    """The transition, as `backtest --json` prints it, and what it says to the teams that share the destination."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    transition_id: str = Field(description="The same in every delivery of this transition")
    rule: str
    labels: dict[str, str]
    alert_id: str = Field(description="The rule on these labels, for ever the same")
    episode_id: str = Field(description="From the alert's first pending or firing instant until it is resolved")
    state: Literal["firing", "severity", "resolved"]
    at: str = Field(description="When it happened: event time, RFC 3339")
    value: float | None = Field(description="What was measured; null where there was no data")
    baseline: float | None = Field(description="What is usual; null for a threshold")
    baseline_of: str = Field(
        description="Which stretches that is of, and why not better ones; empty where there is none"
    )
    window_start: str | None
    window_end: str | None
    severity: Literal["info", "warning", "critical"]
    team: str = Field(description="The team it is for; several, joined by commas, where they share this destination")
    text: str = Field(description="What it says to that team; to several, one line each")
    texts: dict[str, str] = Field(description="Team → what it says to that team")
    so_far: bool = Field(description="Decided before the window had closed; value and baseline may still grow")
    explanation: WebhookExplanation | None = Field(
        description="Why: the verdict behind it; null where no rule judged, or where it is too long for a message"
    )


class WebhookPayload(BaseModel):
    """The body of a webhook delivery. Its `webhook-id` header is the delivery's id: use it to drop repeats."""

    type: Literal["alert.firing", "alert.severity", "alert.resolved"]
    timestamp: str = Field(description="When it happened: event time, the same as data.at")
    data: WebhookData


def webhook_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of webhook bodies."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/webhook.schema.json",
        **WebhookPayload.model_json_schema(mode="serialization"),
        "title": "Lockstep webhook delivery",
    }


# ---- windows and labels as people read them ------------------------------------------------------------------------


def labels_text(labels: Mapping[str, str]) -> str:
    return _shown(", ".join(labels.values()), 120) or "the whole shop"


def window_text(transition: Transition) -> str:
    """The window's length as people say it, `15 minutes`; `now` for a level."""
    seconds = _window_s(transition)
    return "now" if seconds is None else duration_words(seconds)


def _window_s(transition: Transition) -> float | None:
    if transition.window_start is None or transition.window_end is None:
        return None
    begin, end = (datetime.fromisoformat(t) for t in (transition.window_start, transition.window_end))
    return (end - begin).total_seconds()


def _figure(value: float | None, unit: str) -> Figure:
    return Figure(number_text(value, unit), value, unit)


def bars(transition: Transition) -> tuple[str, str]:
    """Value and usual (or limit) as bars of the same scale; two empty ones when there is nothing to compare."""
    usual = _reference(transition)
    if transition.value is None or usual is None or not max(abs(transition.value), abs(usual)):
        return "", ""
    most = max(abs(transition.value), abs(usual))
    return _bar(transition.value, most), _bar(usual, most)


def _bar(number: float, most: float) -> str:
    return "█" * max(1 if number else 0, round(BAR * abs(number) / most))


def _shown(text: str, longest: int) -> str:
    """Text without control, bidi and line-breaking characters, cut with an ellipsis."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def _reference(transition: Transition) -> float | None:
    """What the value is compared with: its baseline, else the limit that was crossed."""
    return transition.baseline if transition.baseline is not None else transition.limit


# ---- words --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """Writes what transitions of one plan say.

    public_url: where people reach the service, for links; None: messages name the command instead.
    reports: where a rule's text could not be used, each said once; whoever owns the writer passes them on.
    """

    zone: ZoneInfo
    public_url: str | None = None
    reports: dict[tuple[str, str], str] = field(default_factory=dict)

    def names(self, transition: Transition, rule: Rule | None) -> dict[str, Any]:
        """What templates may use, as people read it."""
        return {
            "labels": dict(transition.labels),
            "value": _figure(transition.value, unit_of(transition)),
            "baseline": _figure(_reference(transition), unit_of(transition)),
            "baseline_of": transition.baseline_of,
            "limit": "" if transition.limit is None else _figure(transition.limit, unit_of(transition)),
            "ratio": Figure(ratio_text(transition.ratio), transition.ratio),
            "window": Figure(window_text(transition), _window_s(transition)),
            "severity": transition.severity,
            "at": time_text(transition.at, self.zone),
            "rule": transition.rule,
            "runbook": (rule.runbook if rule is not None else None) or "",
            "why": statistic_text(transition.counts) if is_explained(transition.counts) else "",
            "fault": transition.fault,
            "owners": "" if transition.refusal is None else ", ".join(transition.refusal.owners),
        }

    def headline(self, transition: Transition, rule: Rule | None, *, fired_at: str = "") -> str:
        """One line that says what happened: the rule's summary, or the numbers.

        fired_at: of an end, when it had fired, so that messages say of it what reports do; "": when it began.
        """
        what = f"{transition.rule}, {labels_text(transition.labels)}"
        if transition.state is TransitionName.RESOLVED:
            why = _ENDED.get(transition.reason) or _measured(transition)
            return _shown(f"{what}: {why}; it fired for {_fired_for(transition, fired_at)}", LONGEST_HEADLINE)
        text = self._filled("summary", transition, rule) or f"{what}: {self._told(transition, rule)}"
        return _shown(text, LONGEST_HEADLINE)

    def team_text(self, transition: Transition, rule: Rule | None, team: str, *, fired_at: str = "") -> str:
        """What it means for a team and what to do: the rule's words for it, else built-in ones."""
        if transition.state is TransitionName.RESOLVED:
            began = ""
            if fired_at and fired_at != transition.started_at:
                began = f" The breach began at {time_text(transition.started_at, self.zone)}."
            return f"Nothing more to do: it was over at {time_text(transition.at, self.zone)}.{began}"
        text = self._filled(team, transition, rule)
        if text:
            return text
        runbook = f" See {rule.runbook}." if rule is not None and rule.runbook else ""
        direction, comparison = _compared(transition)
        advice = _ADVICE.get((team, direction), "find out what changed, and tell the teams that work with it")
        return f"{comparison} since {time_text(transition.started_at, self.zone)}: {advice}.{runbook}"

    def webhook(
        self, transition: Transition, rule: Rule | None, teams: Sequence[str], *, fired_at: str = ""
    ) -> dict[str, Any]:
        """The body of a webhook delivery, see WebhookPayload; at most LARGEST_WEBHOOK bytes."""
        texts = {team: self.team_text(transition, rule, team, fired_at=fired_at) for team in teams}
        for longest in (wording.LONGEST_TEXT, 1_500, 400, 100):
            cut = {team: _shown(text, longest) for team, text in texts.items()}
            labels = {k: v if longest > 100 else _shown(v, 200) for k, v in transition.labels.items()}
            body = _webhook_body(transition, labels, cut, _webhook_explanation(transition, self.public_url, longest))
            if len(json.dumps(body, ensure_ascii=False).encode()) < LARGEST_WEBHOOK:
                break
        return body

    def item(
        self, transition: Transition, rule: Rule | None, teams: Sequence[str], *, fired_at: str = ""
    ) -> dict[str, Any]:
        """One transition inside a message to people. Its `since` is when the breach began; of an end, when it fired."""
        value_bar, usual_bar = bars(transition)
        headline = self.headline(transition, rule, fired_at=fired_at)
        is_over = transition.state is TransitionName.RESOLVED
        texts = {
            team: _shown(self.team_text(transition, rule, team, fired_at=fired_at), LONGEST_TEXT) for team in teams
        }
        broken = [part for part in ("summary", *teams) if self._is_broken(part, transition, rule)]
        return {
            "state": transition.state.value,
            "severity": transition.severity,
            "headline": headline,
            "labels": {_shown(k, 60): _shown(v, 120) for k, v in transition.labels.items()},
            "value": number_text(transition.value, unit_of(transition)),
            "usual": "" if _reference(transition) is None else number_text(_reference(transition), unit_of(transition)),
            "usual_is": "usual" if transition.baseline is not None else "limit",
            "window": window_text(transition),
            "at": time_text(transition.at, self.zone),
            "since": time_text((is_over and fired_at) or transition.started_at, self.zone),
            "value_bar": value_bar,
            "usual_bar": usual_bar,
            "texts": texts,
            "why": [_shown(line, LONGEST_WHY) for line in why_lines(transition)],
            "more": where_more_is(transition, self.public_url),
            "note": f"the rule's own text for {' and '.join(broken)} could not be filled in" if broken else "",
            "runbook": (rule.runbook if rule is not None else None) or "",
            "owner": _shown((rule.owner if rule is not None else None) or "", 100),
            "alert_id": transition.alert_id,
            "episode_id": transition.episode_id,
        }

    def _told(self, transition: Transition, rule: Rule | None) -> str:
        """The numbers; of an anomaly also when it was and what makes it one."""
        if not is_explained(transition.counts) or transition.window_start is None:
            return _measured(transition)
        names = [said_of(a.expression) for a in anomalies_of(rule.condition)] if rule is not None else []
        of = f" {names[0].replace('_', ' ')}" if names else ""
        local = datetime.fromisoformat(transition.window_start).astimezone(self.zone)
        unit = unit_of(transition)
        numbers = f"{number_text(transition.value, unit)}{of} within {window_text(transition)}"
        usual = "" if transition.baseline is None else f", usually {_rough(transition.baseline, unit)}"
        if usual and transition.baseline_of:
            usual += f" on {transition.baseline_of}"
        return f"{local:%H:%M} on a {local:%A}: {numbers}{usual}; {statistic_text(transition.counts)}"

    def _is_broken(self, part: str, transition: Transition, rule: Rule | None) -> bool:
        """Whether a text of this rule has failed before and fails here, too: it may do for other labels."""
        if (transition.rule, part) not in self.reports or transition.state is TransitionName.RESOLVED:
            return False
        return self._filled(part, transition, rule) is None

    def _filled(self, team: str, transition: Transition, rule: Rule | None) -> str | None:
        """The author's text, or None when there is none or it cannot be filled in: no alert is lost to a text."""
        template = None if rule is None else rule.say.get(team)
        if rule is None or not template:
            return None
        try:
            return _shown(wording.render(template, self.names(transition, rule)), wording.LONGEST_TEXT) or None
        except RuleError as error:
            self.reports[rule.name, team] = f"{rule.place}: rule '{rule.name}': the text for '{team}': {error}"
            return None


def with_note(item: dict[str, Any], note: str) -> dict[str, Any]:
    """The item with one more note below it."""
    return {**item, "note": "; ".join(filter(None, (note, item["note"])))}


def flapping_note(flapping: Flapping) -> str:
    """Said when an alert begins to flap."""
    times, stretch = flapping.fires, duration_words(flapping.within_s)
    settled = duration_words(flapping.within_s / 2)
    return (
        f"it is flapping, it fired {times} times within {stretch}; you hear of it again when it gets worse, "
        f"or when it has kept one state for {settled}"
    )


def settled_note(settled: Settled) -> str:
    """Said when it has settled."""
    state = "over" if settled.last.state is TransitionName.RESOLVED else "firing"
    lasted = duration_words(settled.settled_s)
    return f"it has stopped flapping: it fired {settled.count} times, and is {state} for {lasted}"


_ENDED = {
    "rule_removed": "the rule was removed",
    "expired": "the rule's last day is over",
    "closed": "outside of its hours and on closed days it is not judged",
    "no_data": "there is no data any more",
    "mended": "it is refused no more",
}

_ADVICE = {
    ("marketing", "above"): "find out whether a campaign, price or post of yours brings it, and ask operations "
    "whether they can carry it before you add to it",
    ("marketing", "below"): "check that campaigns, feeds and landing pages work, and hold back what you pay for "
    "until the cause is known",
    ("marketing", ""): "look at the campaigns that it touches, and hold back what you pay for until the cause is known",
    ("operations", "above"): "check that stock, staff and systems can carry it, and tell marketing if they cannot",
    ("operations", "below"): "check the systems and supplies behind it, and tell marketing what they can promise",
    ("operations", ""): "check the systems behind it and whether their events still arrive",
}


def _compared(transition: Transition) -> tuple[str, str]:
    """(`above`, `below` or "", the same in words)."""
    usual, value = _reference(transition), transition.value
    if usual is None or value is None:
        return "", "It has been so"
    name = "the usual" if transition.baseline is not None else "the limit of"
    if value == usual:
        return "", f"It has been at {name} {number_text(usual, unit_of(transition))}"
    direction = "above" if value > usual else "below"
    return direction, f"It has been {direction} {name} {number_text(usual, unit_of(transition))}"


def _fired_for(transition: Transition, fired_at: str) -> str:
    begin, end = (datetime.fromisoformat(t) for t in (fired_at or transition.started_at, transition.at))
    return duration_words((end - begin).total_seconds())


def _rough(value: float, unit: str) -> str:
    """What is usual to two places or to the whole number: more is not known of it."""
    return number_text(value if unit else round(value) if abs(value) >= 10 else round(value, 1), unit)


def _measured(transition: Transition) -> str:
    span = window_text(transition)
    within = "" if span == "now" else f" within {span}"
    usual = ""
    if transition.baseline is not None:
        usual = f", usually {number_text(transition.baseline, unit_of(transition))}"
        if ", because" in transition.baseline_of:
            usual += f" ({transition.baseline_of})"
    elif transition.limit is not None:
        usual = f", the limit is {limit_text(transition)}"
    return f"{number_text(transition.value, unit_of(transition))}{within}{usual}"


def limit_text(transition: Transition) -> str:
    """`30`, or `30 (1.5 × reorder_point)` where the number does not stand in the rule."""
    of = f" ({transition.limit_of})" if transition.limit_of else ""
    return number_text(transition.limit, unit_of(transition)) + of


def _webhook_explanation(transition: Transition, public_url: str | None, longest: int) -> dict[str, Any] | None:
    """None where it would not fit: the shorter the texts have to be, the less of it there is."""
    if transition.explanation is None or longest <= 100:
        return None
    verdict = msgspec.json.decode(msgspec.json.encode(transition.explanation))
    if longest <= 400:
        verdict |= {"history": [], "parts": []}
    return {
        "text": "\n".join(why_lines(transition)),
        "rule_version": transition.rule_version,
        "watermark": transition.watermark,
        "reason": transition.reason,
        "more": where_more_is(transition, public_url),
        "verdict": verdict,
    }


def _webhook_body(
    transition: Transition, labels: dict[str, str], texts: dict[str, str], explanation: dict[str, Any] | None
) -> dict[str, Any]:
    lines = [f"{team.capitalize()}: {text}" for team, text in texts.items()] if len(texts) > 1 else texts.values()
    return {
        "type": f"alert.{transition.state.value}",
        "timestamp": transition.at,
        "data": {
            "transition_id": transition.transition_id,
            "rule": transition.rule,
            "labels": labels,
            "alert_id": transition.alert_id,
            "episode_id": transition.episode_id,
            "state": transition.state.value,
            "at": transition.at,
            "value": transition.value,
            "baseline": transition.baseline,
            "baseline_of": transition.baseline_of,
            "window_start": transition.window_start,
            "window_end": transition.window_end,
            "severity": transition.severity,
            "team": ",".join(texts),
            "text": "\n".join(lines),
            "texts": texts,
            "so_far": transition.so_far,
            "explanation": explanation,
        },
    }


def sample_message(now: datetime, teams: Sequence[str], zone: ZoneInfo, *, webhook: bool) -> dict[str, Any]:
    """A message that is marked as a test, in the form that webhooks or people get. now: aware."""
    moment = now.isoformat()
    number = "test-" + moment
    transition = Transition(
        transition_id=number,
        alert_id="test",
        episode_id=number,
        number=1,
        rule="TestMessage",
        labels={"test": "true"},
        state=TransitionName.FIRING,
        at=moment,
        started_at=moment,
        severity="info",
        value=42.0,
        baseline=14.0,
        ratio=3.0,
        limit=None,
        window_start=(now - timedelta(minutes=15)).isoformat(),
        window_end=moment,
        so_far=False,
        watermark=None,
        rule_version="",
    )
    text = "This is a test: nothing has happened. Alerts for you would arrive here and look like this."
    texts = dict.fromkeys(teams, text)
    if webhook:
        return _webhook_body(transition, transition.labels, texts, _webhook_explanation(transition, None, LONGEST_TEXT))
    item = Writer(zone).item(transition, None, teams)
    item.update(headline="Test message from Lockstep: 42 within 15 minutes, usually 14", texts=texts)
    return {
        "subject": "Lockstep: test message",
        "state": "firing",
        "rule": transition.rule,
        "severity": transition.severity,
        "teams": list(teams),
        "items": [item],
        "more": 0,
        "summary": False,
    }
