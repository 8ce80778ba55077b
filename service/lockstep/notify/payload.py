"""The body of a webhook delivery: its fields, what each means, and the schema that is published of it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class WebhookStretch(BaseModel):
    """One of the windows that are the usual."""

    start: str = Field(description="Its beginning: event time, RFC 3339")
    end: str = Field(description="Its end, which is no part of it")
    value: float | None = Field(description="What was measured in it; null where there was no data")


class WebhookVerdict(BaseModel):
    """One condition as it was judged; the same numbers as in `GET /v1/explain`, as they were then."""

    kind: str = Field(
        description="The word of the rule file: threshold, new_value, ratio, …, or all, any, not; "
        "empty for an earlier version's"
    )
    of: str = Field(description="What it measures, as its author calls it: `orders`")
    verdict: Literal["breach", "clear", "no_data", "no_bound", "closed", "unjudged"] = Field(
        description="`breach`: it holds. `clear`: it does not. `no_data`, `no_bound`: there was nothing to compare, or "
        "nothing to compare with. `unjudged`, `closed`: it looks at what is not known, or at closed hours"
    )
    value: float | None = Field(description="What was measured; null where there was no data")
    baseline: float | None = Field(description="What is usual; null where nothing is compared with it")
    baseline_of: str = Field(description="Which stretches that is of, and why not better ones; else empty")
    ratio: float | None = Field(description="value / baseline")
    limit: float | None = Field(description="The number that was crossed")
    limit_of: str = Field(description="Where the limit comes from; empty for a number of the rule itself")
    window_start: str | None = Field(description="Beginning of the stretch that was measured; null for a level")
    window_end: str | None = Field(description="End of the stretch that was measured; null for a level")
    counts: dict[str, float] = Field(description="Further numbers that led to it, by name")
    asked: dict[str, float | str] = Field(description="The numbers of the rule, by name")
    history: list[WebhookStretch] = Field(description="The windows that the baseline is made of, oldest first")
    parts: list["WebhookVerdict"] = Field(description="Of a combination: its conditions, as far as they were looked at")
    unit: Literal["", "%"] = Field(
        description="`%` where value, baseline and limit are read as percents: 0.125 is 12.5%"
    )


class WebhookExplanation(BaseModel):
    """Why it was sent: as it was judged, not as it is now."""

    text: str = Field(description="In one or two lines for people; empty where the rule itself has ended")
    rule_version: str = Field(description="Changes whenever anything that the rule judges by changes")
    watermark: str | None = Field(description="Event time up to which everything had been seen")
    reason: str = Field(description="rule_removed, expired, closed, no_data: where it is not the verdict; else empty")
    more: str = Field(description="Where all numbers are: an address, or a command")
    verdict: WebhookVerdict = Field(description="The condition of the rule, as it was judged")


class WebhookWords(BaseModel):
    """The transition as messages to people tell it: texts to be shown, never to be taken apart."""

    headline: str = Field(description="What happened, in one line")
    value: str = Field(description="What was measured, with what it is counted in: `62`, `12.5%`, `€4,820`, `36 hours`")
    usual: str = Field(description="What it is compared with, likewise; empty where there is nothing")
    usual_is: str = Field(description="What `usual` is: `usual`, `before` or `limit`")
    window: str = Field(description="The stretch that the value is of: `15 minutes`, or `now`")
    when: str = Field(description="When it began and, where it has, ended, in the shop's time")
    owner: str = Field(description="Who looks after the rule; empty where it names nobody")


class WebhookData(BaseModel):
    """The transition, as `backtest --json` prints it, and what it says to the teams that share the destination."""

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=True,
        # A delivery that was decided by an earlier version has none.
        json_schema_extra=lambda schema: schema["required"].remove("in_words"),
    )

    transition_id: str = Field(description="The same in every delivery of this transition")
    rule: str = Field(description="Name of the rule")
    labels: dict[str, str] = Field(description="What it is about: the rule's labels and their values; empty for all")
    summary: str = Field(description="One line that says how severe it is, what happened and the numbers, or the end")
    alert_id: str = Field(description="The rule on these labels, for ever the same")
    episode_id: str = Field(description="From the alert's first pending or firing instant until it is resolved")
    state: Literal["firing", "severity", "resolved"] = Field(
        description="What happened: it fires, its severity rose, or it is over"
    )
    at: str = Field(description="When it happened: event time, RFC 3339")
    started_at: str = Field(description="When the episode began; where the rule has a `for`, before it fired")
    ended_at: str | None = Field(description="When it was over; null while it goes on")
    duration_s: float | None = Field(description="For how many seconds it had fired when it was over; else null")
    value: float | None = Field(description="What was measured; null where there was no data")
    baseline: float | None = Field(description="What is usual; null for a threshold")
    baseline_of: str = Field(
        description="Which stretches that is of, and why not better ones; empty where there is none"
    )
    limit: float | None = Field(description="The number that was crossed; null for a condition that has none")
    window_start: str | None = Field(description="Beginning of the stretch that was measured; null for a level")
    window_end: str | None = Field(description="End of the stretch that was measured; null for a level")
    severity: Literal["info", "warning", "critical"] = Field(description="How severe it is; of an end, how it was")
    runbook: str = Field(description="Where it is written what to do, as the rule names it; else empty")
    team: str = Field(description="The team it is for; several, joined by commas, where they share this destination")
    text: str = Field(description="What it says to that team; to several, one line each")
    texts: dict[str, str] = Field(description="Team → what it says to that team")
    in_words: WebhookWords = Field(description="The same in the words that people are told it in")
    so_far: bool = Field(description="Decided before the window had closed; value and baseline may still grow")
    explanation: WebhookExplanation | None = Field(
        description="Why: the verdict behind it; null where no rule judged, or where it is too long for a message"
    )


class WebhookPayload(BaseModel):
    """The body of a webhook delivery. Its `webhook-id` header is the delivery's id: use it to drop repeats."""

    type: Literal["alert.firing", "alert.severity", "alert.resolved"] = Field(description="`alert.` and data.state")
    timestamp: str = Field(description="When it happened: event time, the same as data.at")
    data: WebhookData = Field(description="The transition, and what it says to the teams")


def webhook_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of webhook bodies."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/webhook.schema.json",
        **WebhookPayload.model_json_schema(mode="serialization"),
        "title": "Lockstep webhook delivery",
    }
