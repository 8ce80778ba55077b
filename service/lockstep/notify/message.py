"""Messages: what a transition says to a team, in its own words and in numbers that people read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import RuleError
from lockstep.notification import CAME_AND_WENT, HANDLED, Audience, Body, Item, Message, badge, line_of
from lockstep.notify.advice import advice, translated
from lockstep.notify.message_reason import leaf_of, unit_of, where_more_is, why_lines
from lockstep.notify.pipeline.hooks import Notice
from lockstep.notify.self_alerts import CAUGHT_UP, MENDED, WENT_ON
from lockstep.notify.units import shop_figures, with_shop_units, with_units
from lockstep.rule import wording
from lockstep.rule.condition.kind.anomaly import is_explained, statistic_text
from lockstep.rule.condition.kinds import Rule
from lockstep.rule.condition.when import anomalies_of
from lockstep.rule.condition.words import Facts
from lockstep.rule.explained_condition import said_of
from lockstep.rule.sentences import (
    direction,
    facts_of,
    headline,
    kind_named,
    reference,
    reference_text,
    reference_word,
    side_of,
    standing,
    words_of,
)
from lockstep.shop.plans.plan_words import PLANNING_TEAM
from lockstep.text.figures import Figure, clock_text, duration_words, number_text, ratio_text, stands_in, time_text
from lockstep.transition import Transition, TransitionName

BAR = 24
"""Characters of the longest bar."""

LARGEST_WEBHOOK = 20_000
"""Bytes of a webhook's body, as Standard Webhooks recommends; longer texts are cut to fit."""

LONGEST_HEADLINE = 300
LONGEST_TEXT = 1_000
"""Characters of one team's text in a message to people, of which a message may hold many."""
LONGEST_WHY = 400
LONGEST_RUNBOOK = 2_000


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


def _value_figure(numbers: Facts) -> Figure:
    return Figure(numbers.number, numbers.value, numbers.unit)


def _baseline_figure(numbers: Facts) -> Figure:
    """The baseline as the headline and the reason show it; the limit where there is none."""
    if numbers.baseline is None:
        return _figure(numbers.limit, numbers.unit)
    is_usual = reference_word(numbers) == "usual"
    text = numbers.usual if is_usual else numbers.before
    return Figure(text, numbers.baseline, numbers.unit)


def bars(transition: Transition, headline: str) -> tuple[str, str]:
    """Value and what is usual as bars of the same scale; two empty ones where they would show nothing new: there is
    nothing to compare, they are of one length, or both numbers stand in the headline."""
    numbers = facts(transition)
    usual = reference(numbers)
    if transition.value is None or usual is None or reference_word(numbers) == "limit":
        return "", ""
    most = max(abs(transition.value), abs(usual))
    if not most or abs(abs(transition.value) - abs(usual)) < most / BAR:
        return "", ""
    if all(stands_in(number, headline) for number in (numbers.number, reference_text(numbers))):
        return "", ""
    return _bar(transition.value, most), _bar(usual, most)


def told_from(transition: Transition) -> str:
    """From where on it is told, as people say it: `at 85% or more`; "" where no limit says that."""
    numbers = facts(transition)
    if reference_word(numbers) != "limit" or not numbers.limit:
        return ""
    pattern = _TOLD_FROM.get(_side(transition))
    return "" if pattern is None else pattern.format(number_text(numbers.limit, numbers.unit))


_TOLD_FROM = {"above": "above {}", "at_least": "at {} or more", "below": "below {}", "at_most": "at {} or less"}


def _bar(number: float, most: float) -> str:
    return "█" * max(1 if number else 0, round(BAR * (abs(number) / most)))


def _shown(text: str, longest: int) -> str:
    """Text without control, bidi and line-breaking characters, cut with an ellipsis."""
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    flat = " ".join(printable.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def facts(transition: Transition, rule: Rule | None = None, zone: ZoneInfo | None = None) -> Facts:
    """The numbers of a transition. zone: the shop's, for words that say at which time of the day it was."""
    leaf = leaf_of(transition)
    began = None if transition.window_start is None else datetime.fromisoformat(transition.window_start)
    anomalies = [] if rule is None or leaf is not None else anomalies_of(rule.condition)
    return Facts(
        kind="" if leaf is None else kind_named(leaf.kind),
        of=leaf.of if leaf is not None else next((said_of(a.expression) for a in anomalies), ""),
        value=transition.value,
        baseline=transition.baseline,
        baseline_of=transition.baseline_of,
        ratio=transition.ratio,
        limit=transition.limit,
        limit_of=transition.limit_of,
        span_s=_window_s(transition),
        began=None if began is None or zone is None else began.astimezone(zone),
        counts=transition.counts,
        asked={} if leaf is None else leaf.asked,
        past=() if leaf is None else facts_of(leaf).past,
        unit="" if leaf is None else leaf.unit,
    )


# ---- words --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """Writes what transitions of one plan say.

    public_url: where people reach the service, for links; None: messages name the command instead.
    currency: what money is counted in where a rule does not say, `EUR` or `€`; "": nobody knows.
    reports: where a rule's text could not be used, each said once; whoever owns the writer passes them on.
    """

    zone: ZoneInfo
    public_url: str | None = None
    currency: str = ""
    reports: dict[tuple[str, str], str] = field(default_factory=dict)

    def names(self, transition: Transition, rule: Rule | None) -> dict[str, Any]:
        """What templates may use, as people read it."""
        unit = unit_of(measured := with_shop_units(transition, rule, self.currency))
        return {
            "labels": dict(transition.labels),
            "value": _value_figure(facts(measured)),
            "baseline": _baseline_figure(facts(measured)),
            "baseline_of": transition.baseline_of,
            "limit": "" if transition.limit is None else _figure(transition.limit, unit),
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

    def headline(
        self, transition: Transition, rule: Rule | None, *, fired_at: str = "", begun: Transition | None = None
    ) -> str:
        """One line that says what happened: the rule's summary, or the numbers.

        fired_at: of an end, when it had fired, so that messages say of it what reports do; "": when it began. begun: of
        an end, what was told of it while it went on; None: that is not known here.
        """
        what = f"{transition.rule}, {labels_text(transition.labels)}"
        measured = with_units(transition, rule, self.currency)
        if transition.state is TransitionName.RESOLVED:
            head, _, how = _ENDED.get(transition.reason, (_OVER, "", ""))
            ended = head.format(_lasted(transition, fired_at))
            if begun is not None:
                return _shown(f"{ended}. It was: {self.headline(begun, rule)}", LONGEST_HEADLINE)
            if transition.reason not in _ENDED and transition.value is not None:
                how = f"now {headline(facts(measured))}"
            return _shown(f"{ended}: {what}{how and f', {how}'}", LONGEST_HEADLINE)
        text = self._filled("summary", transition, rule) or f"{what}: {headline(facts(measured, rule, self.zone))}"
        return _shown(text, LONGEST_HEADLINE)

    def team_text(self, transition: Transition, rule: Rule | None, team: str) -> str:
        """What it means for a team and what to do: the rule's words for it, else built-in ones; then what it means in
        the other team's numbers."""
        to_do = self.own_words(transition, rule, team)
        if transition.state is TransitionName.RESOLVED:
            return f"{to_do} {self._stands_now(transition, rule, team)}".strip()
        stands = "" if self._filled(team, transition, rule) else self._stands(transition, rule)
        before = f"{self._filled('summary', transition, rule) or ''} {to_do}"
        return f"{stands} {to_do} {translated(transition, rule, leaf_of(transition), team, before=before)}".strip()

    def own_words(self, transition: Transition, rule: Rule | None, team: str) -> str:
        """What to do: the rule's words for a team, else built-in ones; of an end what is left to do, as trouble of
        hours leaves something behind."""
        if transition.state is TransitionName.RESOLVED:
            return _ENDED.get(transition.reason, ("", _AFTERWARDS, ""))[1]
        text = self._filled(team, transition, rule)
        if text:
            return text
        runbook = f" See {rule.runbook}." if rule is not None and rule.runbook else ""
        leaf, direction = leaf_of(transition), direction_of(transition)
        what_to_do = advice(team, rule, leaf, direction=direction, is_missing=transition.value is None)
        return f"{what_to_do[:1].upper()}{what_to_do[1:]}.{runbook}"

    def _stands(self, transition: Transition, rule: Rule | None) -> str:
        """`At or below the limit of 20 since Tue 24 Nov 11:40.`"""
        numbers = facts(with_units(transition, rule, self.currency))
        word = "," if words_of(numbers.kind).is_instant else " since"
        stands = standing(numbers, _side(transition))
        return f"{stands[:1].upper()}{stands[1:]}{word} {clock_text(transition.started_at, self.zone)}."

    def _stands_now(self, transition: Transition, rule: Rule | None, team: str) -> str:
        """How things stand at an end: `Now 9 within 1 hour, usually 9.`, or the shop's first sentence; "" where nobody
        knows. What is far from usual still is no news of an end."""
        measured = with_units(transition, rule, self.currency)
        numbers = facts(measured)
        if transition.reason in _ENDED or numbers.value is None:
            return ""
        if reference_word(numbers) != "limit" and numbers.baseline is not None:
            is_usual = abs(numbers.value - numbers.baseline) <= numbers.baseline / 2
            return f"Now {headline(numbers)}." if is_usual else ""
        # What the rule says of the shop was said of how it stood before.
        plain = None if rule is None else replace(rule, say={})
        shop = translated(transition, plain, leaf_of(transition), team, most=1)
        limit = told_from(measured)
        return shop or (f"Now {numbers.number}{numbers.within}; you are told {limit}." if limit else "")

    def summary(self, transition: Transition, rule: Rule | None, *, fired_at: str = "") -> str:
        """The headline behind how severe it is, or that it is over."""
        state = transition.state.value
        return line_of(self.headline(transition, rule, fired_at=fired_at), state, badge(state, transition.severity))

    def webhook(
        self, transition: Transition, rule: Rule | None, teams: Sequence[str], *, fired_at: str = ""
    ) -> dict[str, Any]:
        """The body of a webhook delivery, see WebhookPayload; at most LARGEST_WEBHOOK bytes.

        rule: as it is in force; None: it is gone. teams: those that share the destination. fired_at: see `headline`.
        """
        texts = {team: self.team_text(transition, rule, team) for team in teams}
        item = self.item(transition, rule, teams, fired_at=fired_at)
        for longest in (wording.LONGEST_TEXT, 1_500, 400, 100):
            cut = {team: _shown(text, longest) for team, text in texts.items()}
            labels = {k: v if longest > 100 else _shown(v, 200) for k, v in transition.labels.items()}
            body = _webhook_body(
                transition,
                labels,
                cut,
                _webhook_explanation(transition, self.public_url, longest),
                item,
                longest=longest,
                summary=self.summary(transition, rule, fired_at=fired_at),
                runbook=((rule.runbook if rule is not None else None) or "")[:LONGEST_RUNBOOK],
                fired_at=fired_at,
            )
            if len(json.dumps(body, ensure_ascii=False).encode()) < LARGEST_WEBHOOK:
                break
        return body

    def item(
        self,
        transition: Transition,
        rule: Rule | None,
        teams: Sequence[str],
        *,
        fired_at: str = "",
        begun: Transition | None = None,
    ) -> Item:
        """One transition inside a message to people. Its `since` is when the breach began; of an end, when it fired.

        teams: those that share the destination, a text for each. fired_at, begun: see `headline`.
        """
        measured = with_units(transition, rule, self.currency)
        headline = self.headline(transition, rule, fired_at=fired_at, begun=begun)
        value_bar, usual_bar = bars(measured, headline)
        is_over = transition.state is TransitionName.RESOLVED
        texts = {team: _shown(self.team_text(transition, rule, team), LONGEST_TEXT) for team in teams}
        to_do = {team: _shown(self.own_words(transition, rule, team), LONGEST_TEXT) for team in teams}
        broken = [part for part in ("summary", *teams) if self._is_broken(part, transition, rule)]
        return Item(
            state=transition.state.value,
            severity=transition.severity,
            rule=transition.rule,
            headline=headline,
            labels={_shown(k, 60): _shown(v, 120) for k, v in transition.labels.items()},
            value=facts(measured).number,
            usual=reference_text(facts(measured)),
            usual_is=reference_word(facts(transition)),
            # Of a projection the window is that of its pace, not of the value.
            window="now" if words_of(facts(transition).kind).compared_with == "limit" else window_text(transition),
            at=time_text(transition.at, self.zone),
            since=time_text((is_over and fired_at) or transition.started_at, self.zone),
            value_bar=value_bar,
            usual_bar=usual_bar,
            texts=texts,
            to_do=to_do,
            why=tuple(_shown(line, LONGEST_WHY) for line in why_lines(measured)),
            more=where_more_is(transition, self.public_url),
            note=f"the rule's own text for {' and '.join(broken)} could not be filled in" if broken else "",
            runbook=(rule.runbook if rule is not None else None) or "",
            owner=_shown((rule.owner if rule is not None else None) or "", 100),
            alert_id=transition.alert_id,
            episode_id=transition.episode_id,
            chart=_chart_of(transition),
            because=self._because(measured, headline),
        )

    def _because(self, measured: Transition, headline: str) -> str | msgspec.UnsetType:
        """From where on it is told, where the headline shows the number that is compared with that, and not that."""
        numbers, limit = facts(measured), told_from(measured)
        if not limit or measured.state is TransitionName.RESOLVED:
            return msgspec.UNSET
        says_value = stands_in(numbers.number, headline)
        says_limit = stands_in(number_text(numbers.limit, numbers.unit), headline)
        return f"You are told {limit}." if says_value and not says_limit else msgspec.UNSET

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
            names = self.names(transition, rule) | shop_figures(transition, wording.shop_names_in(template))
            return _shown(wording.render(template, names), wording.LONGEST_TEXT) or None
        except RuleError as error:
            self.reports[rule.name, team] = f"{rule.place}: rule '{rule.name}': the text for '{team}': {error}"
            return None


def _chart_of(transition: Transition) -> str | msgspec.UnsetType:
    """What its chart is asked for by; where no rule judged a value, there is none."""
    has_numbers = transition.explanation is not None and transition.value is not None
    return transition.transition_id if has_numbers else msgspec.UNSET


def came_and_went(begin: Item, end: Item) -> Item:
    """One item of an alert whose beginning nobody was told: nobody did anything that could be undone. begin: as it
    would have been told."""
    texts = dict.fromkeys(end.texts, _UNTOLD)
    return msgspec.structs.replace(
        begin, at=end.at, since=end.since, texts=texts, to_do=texts, state=CAME_AND_WENT, because=msgspec.UNSET
    )


def notice_message(notice: Notice, teams: Sequence[str]) -> Message:
    """What people hear that is no alert's, such as that a silence begins. teams: who shares the destination; who has
    planned a campaign is not asked to confirm it."""
    plan = notice.plan
    # Who replies reads the proposal to who has planned it first.
    in_order = teams if plan is None else sorted(teams, key=lambda team: team != PLANNING_TEAM)
    texts = {team: _notice_text(notice, team, is_alone=len(teams) == 1) for team in in_order}
    if plan is not None and set(teams) <= {PLANNING_TEAM}:
        plan = msgspec.structs.replace(plan, may_reply=False)
    item = Item(
        state=HANDLED,
        severity=notice.severity,
        headline=_shown(notice.headline, LONGEST_HEADLINE),
        labels={},
        value="",
        usual="",
        usual_is="",
        window="now",
        at="",
        since="",
        value_bar="",
        usual_bar="",
        texts=texts,
        to_do=msgspec.UNSET if plan is None else {team: texts[team].partition("\n")[0] for team in in_order},
        alert_id="",
        episode_id="",
        plan=msgspec.UNSET if plan is None else plan,
    )
    return Message(
        subject=item.headline[:200],
        state=HANDLED,
        rule="Lockstep",
        severity=notice.severity,
        teams=tuple(teams),
        items=(item,),
    )


def _notice_text(notice: Notice, team: str, *, is_alone: bool) -> str:
    """What a notice says to a team, in lines. is_alone: whether no other team reads this message."""
    to_do, beside = notice.own.get(team) or notice.own.get("") or ("", "")
    lines = [to_do, beside if is_alone else "", *notice.text.split("\n")]
    return "\n".join(_shown(line, LONGEST_TEXT) for line in lines if line)


_UNTOLD = "Nothing to do: it was over before you could be told."
_AFTERWARDS = "If you paused or changed something for it, you can undo that now."
_OVER = "all clear {}"
_ENDED = {
    "rule_removed": (
        "not watched any more",
        "Look for yourself whether it goes on: its rule was removed, so nobody else does.",
        "",
    ),
    "expired": (
        "not watched any more",
        "Look for yourself whether it goes on: its rule's last day is over, so nobody else does.",
        "",
    ),
    "closed": (
        "not watched outside its hours",
        "Leave what you paused or changed as it is: it is looked at again when its hours begin.",
        "",
    ),
    "no_data": (
        "no data any more",
        "Check that its events still arrive: without them nobody knows whether it goes on.",
        "",
    ),
    MENDED: (_OVER, "What the file says is in force.", "it is refused no more"),
    CAUGHT_UP: (_OVER, "Rules on this topic judge the present again.", "event time has caught up"),
    WENT_ON: (
        _OVER,
        "What came live meanwhile is judged when all of it has been read.",
        "the import goes on or has ended",
    ),
}
"""Reason → how the headline of an end begins, what is left to do, and how it ended where no number says that."""


def direction_of(transition: Transition) -> str:
    """`above` or `below` what it is compared with; "" where it is neither."""
    return direction(facts(transition), _side(transition))


def _side(transition: Transition) -> str:
    return side_of(leaf_of(transition), transition.severity)


def _lasted(transition: Transition, fired_at: str) -> str:
    lasted = _fired_s(transition, fired_at)
    return f"after {duration_words(lasted)}" if lasted >= 1 else "at once"


def _fired_s(transition: Transition, fired_at: str) -> float:
    begin, end = (datetime.fromisoformat(t) for t in (fired_at or transition.started_at, transition.at))
    return (end - begin).total_seconds()


def limit_text(transition: Transition) -> str:
    """`30`, or `30 (1.5 × reorder_point)` where the number does not stand in the rule."""
    return facts(transition).limit_text


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
    transition: Transition,
    labels: dict[str, str],
    texts: dict[str, str],
    explanation: dict[str, Any] | None,
    item: Item,
    *,
    longest: int,
    summary: str,
    runbook: str = "",
    fired_at: str = "",
) -> dict[str, Any]:
    is_over = transition.state is TransitionName.RESOLVED
    lines = [f"{team.capitalize()}: {text}" for team, text in texts.items()] if len(texts) > 1 else texts.values()
    return {
        "type": f"alert.{transition.state.value}",
        "timestamp": transition.at,
        "data": {
            "transition_id": transition.transition_id,
            "rule": transition.rule,
            "labels": labels,
            "summary": summary,
            "alert_id": transition.alert_id,
            "episode_id": transition.episode_id,
            "state": transition.state.value,
            "at": transition.at,
            "started_at": transition.started_at,
            "ended_at": transition.at if is_over else None,
            "duration_s": _fired_s(transition, fired_at) if is_over else None,
            "value": transition.value,
            "baseline": transition.baseline,
            "baseline_of": transition.baseline_of,
            "limit": transition.limit,
            "window_start": transition.window_start,
            "window_end": transition.window_end,
            "severity": transition.severity,
            "runbook": runbook,
            "team": ",".join(texts),
            "text": "\n".join(lines),
            "texts": texts,
            "in_words": {
                "headline": _shown(item.headline, longest),
                "value": item.value,
                "usual": item.usual,
                "usual_is": item.usual_is,
                "window": item.window,
                "when": item.when,
                "owner": item.owner,
            },
            "so_far": transition.so_far,
            "explanation": explanation,
        },
    }


def sample_message(now: datetime, teams: Sequence[str], zone: ZoneInfo, audience: Audience) -> Body:
    """A message that is marked as a test, in the form that its audience gets. now: aware."""
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
    headline = "Test message from Lockstep: 42 within 15 minutes, usually 14"
    item = msgspec.structs.replace(Writer(zone).item(transition, None, teams), headline=headline, texts=texts)
    if audience is Audience.PROGRAMS:
        why = _webhook_explanation(transition, None, LONGEST_TEXT)
        return _webhook_body(
            transition, transition.labels, texts, why, item, longest=LONGEST_TEXT, summary=f"Info: {headline}"
        )
    return Message(
        subject="Lockstep: test message",
        state="firing",
        rule=transition.rule,
        severity=transition.severity,
        teams=tuple(teams),
        items=(item,),
    )
