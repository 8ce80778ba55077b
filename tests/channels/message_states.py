"""A message in every state that people see: what the pictures of mails and Slack messages are made of."""

import dataclasses
from typing import Any

from channel_peers import LONDON, RULE, body, item, reasons, transition
from msgspec.structs import replace

from lockstep.notification import ACKNOWLEDGED, HANDLED, Item, Message
from lockstep.notify.message import Writer, came_and_went

LONG = (
    "Find out whether a campaign, price or post of yours brings it, and ask operations whether they can carry it "
    "before you add to it; look at the landing pages, at what competitors do and at what customers write, and say so. "
) * 4
TO_DO = {"marketing": "Add no budget on web today.", "operations": "Call two hands for the late shift."}
MEANING = "310 orders are expected today and 490 can be shipped: room for 180 more."
RUNBOOK = "https://wiki.shop.example/orders/spikes"
SITE = "https://alerts.shop.example/"


def one(state: str = "firing", channel: str = "web", **changed: Any) -> Item:
    """OrderSpike of a channel, as its rule words it."""
    own = {"texts": {team: f"{to_do} {MEANING}" for team, to_do in TO_DO.items()}, "runbook": RUNBOOK}
    spike = item(state, channel, **{**own, "headline": f"the channel {channel} has 62 orders in 15 minutes", **changed})
    return replace(spike, to_do=TO_DO)


def over(channel: str = "web") -> Item:
    """Its end."""
    begun = transition(channel=channel)
    end = transition("resolved", channel, explanation=reasons(verdict="clear", value=22.0, ratio=1.1), value=22.0)
    said = dataclasses.replace(RULE, say={"summary": f"the channel {channel} has 62 orders in 15 minutes"})
    return Writer(LONDON).item(end, said, ("marketing", "operations"), begun=begun)


def gone(channel: str) -> Item:
    """It was over before anybody was told."""
    return came_and_went(one(channel=channel), over(channel))


def right_to_left() -> Item:
    named = one(channel="قميص أزرق")
    return replace(named, texts={"marketing": "لا تعلن عن هذا المنتج الآن.", "operations": "Order قميص أزرق now."})


def states() -> dict[str, Message]:
    """Name → a message in that state."""
    critical = one(severity="critical")
    channels = ("web", "app", "amazon", "ebay", "etsy", "shop London", "shop Leeds", "phone", "tiktok")
    return {
        "first": body(one(), reason="it has begun", evident=True),
        "one team": body(
            replace(one(texts={"operations": TO_DO["operations"]}), to_do={"operations": TO_DO["operations"]}),
            teams=("operations",),
            reason="it has begun",
            evident=True,
        ),
        "critical": body(critical, severity="critical", reason="it has begun", evident=True),
        "grouped": body(one(channel="web"), one(channel="app"), one(channel="amazon"), more=4, overview=SITE),
        "worse": body(one("severity", severity="critical"), severity="critical", reason="it got worse"),
        "escalated": body(critical, severity="critical", reason="nobody has it after 15 minutes"),
        "translated": body(one(), reason="it has begun", evident=True),
        "acknowledged": body(
            replace(one(), state=HANDLED, handled="Anna has it since Tue 24 Nov 12:05", standing=ACKNOWLEDGED),
            state=HANDLED,
            reason="somebody has responded to it: Anna has it",
            evident=True,
        ),
        "over": body(over(), state="resolved", reason="it is over", evident=True),
        "digest": body(one(channel="web"), over("app"), gone("amazon"), reason="3 were held until now", overview=SITE),
        "storm": body(
            *(
                replace(one(channel=name, severity="warning" if n else "critical"), episode_id=f"e{n}")
                for n, name in enumerate(channels)
            ),
            more=41,
            severity="critical",
            reason="more than 20 messages were to go to you within 1 minute: this is all the rest",
            overview=SITE,
        ),
        "after downtime": body(
            *(replace(gone(name), episode_id=f"e{n}") for n, name in enumerate(channels[:7])),
            state="resolved",
            reason="Lockstep was away or up to 2 hours behind when this began and ended; it watches again",
            overview=SITE,
        ),
        "long text": body(
            one(texts={"marketing": LONG, "operations": LONG}, headline="OrderSpike " + "X" * 160),
        ),
        "right to left": body(right_to_left(), reason="it has begun", evident=True),
    }
