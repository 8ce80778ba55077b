"""A message to people as Slack shows it: a headline, then an attachment for each alert with its colour and buttons.

The limits of Block Kit are kept by construction, and an attachment can be found again by its alert's episode.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lockstep.adapters.report_views.report_blocks import report_blocks, report_text
from lockstep.adapters.slack_api.markup import cut, escaped, linked
from lockstep.notification import HANDLED, Item, Message, TeamPart
from lockstep.reports.report_body import report_in

MOST_ITEMS = 8
LONGEST_ITEM = 1_000
"""Characters of what one item says: with MOST_ITEMS of them, and their buttons, below the 12,000 that all blocks
together may have, and the 3,000 that one may have."""
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
    is_one = len(body.items) + body.more == 1
    head = _headline(shown[0]) if is_one else f"*{escaped(body.lead)}*"
    attachments = [
        attachment(
            body,
            item,
            page=(pages or {}).get(item.episode_id, ""),
            chart=(charts or {}).get(item.episode_id, ""),
            with_headline=not is_one,
            answered=answered,
        )
        for item in shown
    ]
    foot = body.remarks(shown=len(shown))
    if body.reason:
        foot.append(f"You get this because: {body.reason}.")
    if foot:
        attachments.append({"blocks": [_small("\n".join(cut(line, LONGEST_FOOT) for line in foot), "foot")]})
    return Rendered(plain_text(body), [_section(head, "headline")], attachments)


def attachment(
    body: Message,
    item: Item,
    *,
    page: str = "",
    chart: str = "",
    with_headline: bool = False,
    answered: bool = True,
) -> dict[str, Any]:
    """What is said of one alert, with a bar of its colour."""
    if item.state == HANDLED and not item.alert_id:
        return _notice(item, page, answered=answered)
    if item.state == HANDLED:
        # What somebody did is one line; the message that it answers to says the rest.
        said = escaped(item.handled or item.badge.capitalize())
        about = cut(body.about(item), LONGEST_WHY)
        return {"color": _GREY, "blocks": [_section(f"*{said}*\n{about}", f"open/{_key(item)}")]}
    blocks = [_section(_said(item, with_headline=with_headline), f"{'over' if item.is_over else 'open'}/{_key(item)}")]
    if chart:
        alt = f"{item.headline}"[:1_900]
        blocks.append({"type": "image", "image_url": chart, "alt_text": alt or "chart"})
    blocks.append(_small(_foot(body, item, page), f"foot/{_key(item)}"))
    if not item.is_over and answered:
        blocks.append(buttons(item.alert_id, item.episode_id, page=page, handled=bool(item.handled)))
    elif page:
        # At least the one that leads somewhere.
        blocks.append(_actions(item.episode_id, [_open(page)]))
    return {"color": _OVER if item.is_over else _COLOURS.get(item.severity, _COLOURS["warning"]), "blocks": blocks}


def _notice(item: Item, page: str, *, answered: bool) -> dict[str, Any]:
    """What is said of no alert, such as that a silence begins, or what a campaign was answered."""
    blocks = [_section(_said(item, with_headline=False), f"notice/{_key(item)}")]
    elements: list[Block] = []
    word, news = "Open", item.campaign
    if news is not None and news.may_reply and news.is_open:
        word = "Confirm or object"
        if answered:
            # An objection says why, for which a message has no place.
            value = json.dumps([news.campaign, str(news.number)])
            confirm = {"type": "button", "action_id": CONFIRM, "text": _plain("Confirm"), "style": "primary"}
            elements.append({**confirm, "value": value})
            word = "Object, or see it"
    if page:
        elements.append(_open(page, word))
    if elements:
        blocks.append(_actions("notice", elements))
    return {"color": _GREY, "blocks": blocks}


def buttons(alert_id: str, episode_id: str, *, page: str = "", handled: bool = False) -> Block:
    """What can be done with an alert that goes on. handled: whether somebody has it already."""
    value = json.dumps([alert_id, episode_id])
    first = (
        {"type": "button", "action_id": TAKE_BACK, "text": _plain("Take back"), "value": value}
        if handled
        else {
            "type": "button",
            "action_id": ACKNOWLEDGE,
            "text": _plain("Acknowledge"),
            "style": "primary",
            "value": value,
        }
    )
    rest = [(SNOOZE, "Snooze 1 h"), (EXPLAIN, "Explain")]
    return _actions(
        episode_id,
        [
            first,
            *({"type": "button", "action_id": name, "text": _plain(word), "value": value} for name, word in rest),
            *([_open(page)] if page else []),
        ],
    )


def plain_text(body: Message) -> str:
    """What a phone's lock screen shows."""
    lines = [f"{item.badge.capitalize()}: {item.headline}" for item in body.items[:MOST_ITEMS]]
    return cut("; ".join([*lines, *body.remarks(shown=len(lines))]), 3_000)


def _key(item: Item) -> str:
    return item.episode_id[:200]


def _headline(item: Item) -> str:
    mark = _OVER_MARK if item.is_over else _MARKS.get(item.severity, ":large_orange_circle:")
    return f"{mark} *{escaped(item.badge.capitalize())}: {cut(item.title, 1_500)}*"


def _said(item: Item, *, with_headline: bool) -> str:
    lines = [_headline(item)] if with_headline else []
    if item.handled:
        lines.append(f"*{escaped(item.handled)}*")
    if not item.is_over and item.value_bar:
        lines.append(f"`{item.value_bar}` *{escaped(item.value)}* {escaped(item.span)}")
        lines.append(f"`{item.usual_bar or ' '}` {escaped(item.usual)} {escaped(item.usual_is)}")
    # Only the teams' words give way where there is too much: figures and markup stay whole.
    left = LONGEST_ITEM - sum(len(line) + 1 for line in lines)
    parts = item.team_parts
    share = max(40, left // max(1, len(parts)) - 60)
    for part in parts:
        lines += _team(part, share)
    return "\n".join(lines) or escaped(item.when)


def _team(part: TeamPart, share: int) -> list[str]:
    """What to do stands out; below it what it means in the other team's numbers, or why. share: characters of it."""
    name = f"{escaped(part.team[:30])}: " if part.team else ""
    to_do = cut(part.to_do, share)
    left = share - len(to_do)
    if part.stands_out:
        to_do = f"*{name}{to_do}*"
    elif name:
        to_do = f"*{name[:-1]}* {to_do}"
    meaning = cut(part.meaning, left) if left > LEAST_MEANING else ""
    return [text for text in (to_do, meaning) if text]


def _foot(body: Message, item: Item, page: str) -> str:
    lines = [f"_{name}:_ {_reason(text)}" for name, text in item.why_parts if name != "More" or not page]
    if item.runbook and not item.is_over:
        lines.append(linked(item.runbook) if len(item.runbook) <= LONGEST_WHY else cut(item.runbook, LONGEST_WHY))
    if item.owner and not item.is_over:
        lines.append(f"Owner: {escaped(item.owner)}")
    lines += [cut(body.about(item), LONGEST_WHY), escaped(item.when)]
    if item.note:
        lines.append(f"Note: {cut(item.note, LONGEST_WHY)}")
    return "\n".join(lines)


def _reason(text: str) -> str:
    return linked(text) if text.startswith("http") and len(text) <= LONGEST_WHY else cut(text, LONGEST_WHY)


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


def _open(page: str, word: str = "Open") -> Block:
    return {"type": "button", "action_id": OPEN, "text": _plain(word), "url": page[:3_000]}


def _actions(episode_id: str, elements: list[Block]) -> Block:
    return {"type": "actions", "block_id": f"actions/{episode_id[:200]}", "elements": elements}
