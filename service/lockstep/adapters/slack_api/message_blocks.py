"""A message to people as Slack shows it: a headline, then an attachment for each alert with its colour. One alert has
buttons; of several, worst first, the worst has the one that says who is on it, and all have their page behind them.

The limits of Block Kit are kept by construction, and an attachment can be found again by its alert's episode.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lockstep.adapters.report_views.report_blocks import report_blocks, report_text
from lockstep.adapters.slack_api.markup import cut, escaped, linked
from lockstep.notification import HANDLED, Item, Message, TeamPart
from lockstep.reports.report_body import report_in
from lockstep.shop.plans.plan_words import reply_words

MOST_ITEMS = 8
LONGEST_ITEM = 1_000
"""Characters of what one item says: with MOST_ITEMS of them, and their buttons, below the 12,000 that all blocks
together may have, and the 3,000 that one may have."""
LONGEST_SHORT = 600
"""Characters of what one of several says, and of a link behind its title."""
LONGEST_TITLE = 300
LEAST_MEANING = 40
"""Of what a team's numbers mean a shorter beginning says nothing, and is left out."""
LONGEST_WHY = 320
"""Characters of why it was sent, and of where more is."""
LONGEST_FOOT = 500

ACKNOWLEDGE, TAKE_BACK, SNOOZE, EXPLAIN, OPEN = "acknowledge", "take_back", "snooze", "explain", "open"
CONFIRM = "confirm_plan"
"""What our buttons are called; OPEN leads to the page of the alert or campaign, and nothing is to be done about it."""
SNOOZE_S = 3600

Block = dict[str, Any]

_MARKS = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}
_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3"}
_GREY = "#98a2b3"
_OVER, _OVER_MARK = "#067647", ":white_check_mark:"
_TAKEN_MARK, _UNKNOWN_MARK = ":raising_hand:", ":grey_question:"


@dataclass(frozen=True)
class Rendered:
    """text: what a phone's lock screen shows. blocks, attachments: as chat.postMessage takes them."""

    text: str
    blocks: list[Block]
    attachments: list[Block]


def rendered(
    body: Message,
    *,
    pages: Mapping[str, str] | None = None,
    charts: Mapping[str, str] | None = None,
    answered: bool = True,
    report_page: str = "",
) -> Rendered:
    """A message, within Slack's limits.

    pages: episode id → the address of the alert's page. charts: episode id → where its picture can be fetched from.
    answered: whether somebody hears of a button that is pressed; else those alone stand there that lead somewhere.
    report_page: the address of the report that the message is.
    """
    report = None if isinstance(body.report, msgspec.UnsetType) else report_in(body.report)
    if report is not None:
        return Rendered(report_text(report), report_blocks(report, teams=body.teams, page=report_page), [])
    shown = body.items[:MOST_ITEMS]
    pages, charts = pages or {}, charts or {}
    if body.count == 1:
        head = _headline(shown[0])
        page, chart = pages.get(shown[0].episode_id, ""), charts.get(shown[0].episode_id, "")
        attachments = [attachment(body, shown[0], page=page, chart=chart, answered=answered)]
    else:
        head = "\n".join(f"*{cut(line, LONGEST_SHORT)}*" for line in (body.lead, body.same) if line)
        attachments = [
            one_of_several(
                item,
                page=pages.get(item.episode_id, ""),
                is_first=place == 0,
                with_to_do=place < body.to_do_of,
                with_badge=not body.same,
                answered=answered,
            )
            for place, item in enumerate(shown)
        ]
    foot: list[Block] = []
    if remarks := body.remarks(shown=len(shown)):
        foot.append(_small("\n".join(cut(line, LONGEST_FOOT) for line in remarks), "foot"))
    if body.overview:
        foot.append(_actions("all", [_open(body.overview, f"See all {body.count:,}")]))
    if foot:
        attachments.append({"blocks": foot})
    return Rendered(plain_text(body), [_section(head, "headline")], attachments)


def attachment(
    body: Message,
    item: Item,
    *,
    page: str = "",
    chart: str = "",
    answered: bool = True,
) -> dict[str, Any]:
    """What is said of one alert below its headline, with a bar of its colour."""
    if item.state == HANDLED and not item.alert_id:
        return _notice(item, page, answered=answered)
    if item.state == HANDLED:
        # Who has it stands in the headline; the message that it answers to says the rest.
        return {"color": _GREY, "blocks": [_section(cut(body.about(item), LONGEST_WHY), f"open/{_key(item)}")]}
    blocks = [_section(_said(item), _block_id(item))]
    if chart:
        alt = f"{item.headline}"[:1_900]
        blocks.append({"type": "image", "image_url": chart, "alt_text": alt or "chart"})
    blocks.append(_small(_foot(body, item, page), f"foot/{_key(item)}"))
    if not item.is_over and answered:
        blocks.append(buttons(item.alert_id, item.episode_id, page=page, handled=bool(item.handled)))
    elif page:
        # At least the one that leads somewhere.
        blocks.append(_actions(item.episode_id, [_open(page)]))
    return {"color": _colour(item), "blocks": blocks}


def one_of_several(
    item: Item,
    *,
    page: str = "",
    is_first: bool = False,
    with_to_do: bool = True,
    with_badge: bool = True,
    answered: bool = True,
) -> dict[str, Any]:
    """One of the alerts of a message: its title, which leads to its page, and what to do."""
    title = item.title if item.line == item.title or not with_badge else f"{_badge(item)}: {item.title}"
    led = linked(page if len(page) <= LONGEST_SHORT else "", title[:LONGEST_TITLE])
    lines = [f"{_mark(item)} *{led}*"]
    if item.handled:
        lines.append(cut(item.handled, LONGEST_SHORT))
    elif with_to_do:
        parts = [part for part in item.team_parts if part.to_do]
        for part in parts:
            name = f"*{escaped(part.team[:30])}:* " if part.team else ""
            lines.append(f"{name}{cut(part.to_do, LONGEST_SHORT // max(2, len(parts)))}")
    blocks = [_section("\n".join(lines), _block_id(item))]
    if is_first and answered and item.alert_id and not item.is_over:
        blocks.append(buttons(item.alert_id, item.episode_id, handled=bool(item.handled), only_first=True))
    return {"color": _colour(item), "blocks": blocks}


def _block_id(item: Item) -> str:
    return f"{'over' if item.is_over else 'open'}/{_key(item)}"


def _colour(item: Item) -> str:
    if item.is_taken or item.is_unknown:
        return _GREY
    return _OVER if item.is_over else _COLOURS.get(item.severity, _COLOURS["warning"])


def _notice(item: Item, page: str, *, answered: bool) -> dict[str, Any]:
    """What is said of no alert, such as that a silence begins, or what a campaign was answered."""
    blocks = [_section(_said(item), f"notice/{_key(item)}")]
    elements: list[Block] = []
    word, news = "Open", item.campaign
    if news is not None and news.may_reply and news.is_open:
        yes, no = reply_words(news.verdict)
        word = "Answer yes or no"
        if answered:
            # A no says why, for which a message has no place.
            value = json.dumps([news.campaign, str(news.number), news.verdict])
            confirm = {"type": "button", "action_id": CONFIRM, "text": _plain(yes), "style": "primary"}
            elements.append({**confirm, "value": value})
            word = no
    if page:
        elements.append(_open(page, word))
    if len(elements) > 1 and len(item.texts) > 1:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": "Operations answer:"}]})
    if elements:
        blocks.append(_actions("notice", elements))
    return {"color": _GREY, "blocks": blocks}


def buttons(
    alert_id: str, episode_id: str, *, page: str = "", handled: bool = False, only_first: bool = False
) -> Block:
    """What can be done with an alert that goes on. handled: whether somebody has it already. only_first: nothing but
    to say who is on it."""
    value = json.dumps([alert_id, episode_id])
    first = (
        {"type": "button", "action_id": TAKE_BACK, "text": _plain("Take back"), "value": value}
        if handled
        else {
            "type": "button",
            "action_id": ACKNOWLEDGE,
            "text": _plain("I'm on it"),
            "style": "primary",
            "value": value,
        }
    )
    if only_first:
        return _actions(episode_id, [first])
    # The page says why, too.
    rest = [(SNOOZE, "Snooze 1 h"), *([] if page else [(EXPLAIN, "Why?")])]
    return _actions(
        episode_id,
        [
            first,
            *({"type": "button", "action_id": name, "text": _plain(word), "value": value} for name, word in rest),
            *([_open(page)] if page else []),
        ],
    )


def plain_text(body: Message) -> str:
    """What a phone's lock screen shows: what happened, and what each team is to do; of several the worst first."""
    if body.count == 1:
        item = body.items[0]
        return cut(f"{item.line}. {'' if item.is_taken else item.in_short}".strip(), 3_000)
    lines = [f"{item.line}." for item in body.items[:MOST_ITEMS]]
    head = [f"{body.lead}.", body.same] if body.same else [f"{body.count:,} alerts."]
    return cut(" ".join([*head, *lines, *body.remarks(shown=len(lines))]), 3_000)


def _key(item: Item) -> str:
    return item.episode_id[:200]


def _mark(item: Item) -> str:
    if item.is_taken or item.is_unknown:
        return _TAKEN_MARK if item.is_taken else _UNKNOWN_MARK
    return _OVER_MARK if item.is_over else _MARKS.get(item.severity, ":large_orange_circle:")


def _badge(item: Item) -> str:
    return f"{item.badge[:1].upper()}{item.badge[1:]}"


def _headline(item: Item) -> str:
    """How bad it is, what happened, and whose it is."""
    whose = f"\nFor {escaped(item.audience)}" if item.audience and not (item.is_over or item.is_taken) else ""
    title = item.title if item.is_over and item.line == item.title else item.line
    return f"{_mark(item)} *{cut(title, 1_500)}*{whose}"


def _said(item: Item) -> str:
    lines = [f"*{escaped(item.handled)}*"] if item.handled else []
    numbers = []
    if not item.is_over and item.value_bar:
        numbers.append(f"`{item.value_bar}` *{escaped(item.value)}* {escaped(item.span)}")
        numbers.append(f"`{item.usual_bar or ' '}` {escaped(item.usual)} {escaped(item.usual_is)}")
    # Only the teams' words give way where there is too much: figures and markup stay whole.
    left = LONGEST_ITEM - len(item.texts) - sum(len(line) + 1 for line in (*lines, *numbers))
    parts = item.team_parts
    share = _share(parts, left)
    for place, part in enumerate(parts):
        lines += [*([""] if place else []), *_team(part, share)]
    return "\n".join([*lines, *numbers]) or escaped(item.when)


def _share(parts: Sequence[TeamPart], left: int) -> int:
    """How many characters a part may have so that all have place: what short ones do not need is the long ones'."""
    # Beside its words a part has a team's name with its marks, and an empty line before it.
    sizes = sorted(len(escaped(part.whole)) for part in parts)
    left -= sum(len(escaped(part.team[:30])) + 8 for part in parts)
    for place, size in enumerate(sizes):
        fair = left // (len(sizes) - place)
        if size > fair:
            return max(40, fair)
        left -= size
    return max([40, *sizes])


def _team(part: TeamPart, share: int) -> list[str]:
    """What to do stands out; below it what it means in the other team's numbers, or why. share: characters of it."""
    name = f"{escaped(part.team[:30])}: " if part.team else ""
    if name and not part.to_do:
        return [f"{name}{cut(part.meaning, share)}"]
    to_do = cut(part.to_do, share)
    left = share - len(to_do)
    if part.stands_out:
        to_do = f"*{name}{to_do}*"
    elif name:
        to_do = f"*{name[:-1]}* {to_do}"
    meaning = cut(part.meaning, left) if left > LEAST_MEANING else ""
    return [text for text in (to_do, meaning) if text]


def _foot(body: Message, item: Item, page: str) -> str:
    """What one may look up, in a line or two."""
    owner, runbook = ("", "") if item.is_over else (item.owner, item.runbook)
    line = [escaped(item.when), cut(body.about(item), LONGEST_WHY), f"Owner: {escaped(owner)}" if owner else ""]
    lines = [escaped(item.because) if item.because else "", " · ".join(filter(None, line))]
    if runbook:
        is_short = len(runbook) <= LONGEST_WHY
        lines.append(linked(runbook, "What to do, step by step") if is_short else cut(runbook, LONGEST_WHY))
    if item.more and not page:
        lines.append(f"More: {linked(item.more) if len(item.more) <= LONGEST_WHY else cut(item.more, LONGEST_WHY)}")
    if item.note:
        lines.append(f"Note: {cut(item.note, LONGEST_WHY)}")
    return "\n".join(filter(None, lines))


def _section(text: str, block_id: str) -> Block:
    # verbatim: addresses and names of channels stay text, only what is marked as a link is one.
    return {"type": "section", "block_id": block_id, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _small(text: str, block_id: str) -> Block:
    return {
        "type": "context",
        "block_id": block_id,
        "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}],
    }


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _open(page: str, word: str = "See details") -> Block:
    return {"type": "button", "action_id": OPEN, "text": _plain(word), "url": page[:3_000]}


def _actions(episode_id: str, elements: list[Block]) -> Block:
    return {"type": "actions", "block_id": f"actions/{episode_id[:200]}", "elements": elements}
