"""A message in every state that people see: what the pictures of mails and Slack messages are made of."""

from typing import Any

from channel_peers import body, item, reasons
from msgspec.structs import replace

from lockstep.notification import CAME_AND_WENT, HANDLED, Item, Message

LONG = (
    "Find out whether a campaign, price or post of yours brings it, and ask operations whether they can carry it "
    "before you add to it; look at the landing pages, at what competitors do and at what customers write, and say so. "
) * 4
TO_DO = {"marketing": "Hold back budget on web.", "operations": "Check that the warehouse can carry it."}
MEANING = "310 orders are expected today and 490 can be shipped: room for 180 more."
RUNBOOK = "https://wiki.shop.example/orders/spikes"


def one(*args: Any, **changed: Any) -> Item:
    own = {"texts": {"marketing": "Hold back budget on web.", "operations": "Check that the warehouse can carry it."}}
    return item(*args, **{**own, "runbook": RUNBOOK, **changed})


def right_to_left() -> Item:
    named = one(channel="قميص أزرق")
    return replace(named, texts={"marketing": "لا تعلن عن هذا المنتج الآن.", "operations": "Order قميص أزرق now."})


def states() -> dict[str, Message]:
    """Name → a message in that state."""
    critical = one(severity="critical")
    over = one("resolved", explanation=reasons(verdict="clear", value=22.0, ratio=1.1))
    return {
        "first": body(one(), reason="it has begun"),
        "critical": body(critical, severity="critical", reason="it has begun"),
        "grouped": body(
            one(channel="web"), one(channel="app"), one(channel="kiosk"), more=4, reason="these have begun"
        ),
        "worse": body(one("severity", severity="critical"), severity="critical", reason="it got worse"),
        "escalated": body(critical, severity="critical", reason="nobody has acknowledged it for 15 minutes"),
        "translated": body(
            replace(
                one(texts={team: f"{to_do} {MEANING}" for team, to_do in TO_DO.items()}),
                to_do=TO_DO,
            ),
            reason="it has begun",
        ),
        "acknowledged": body(
            replace(one(), state=HANDLED, handled="Anna has it since Tue 24 Nov 2026 12:05 GMT"),
            state=HANDLED,
            reason="somebody has responded to it: Anna has it",
        ),
        "over": body(over, state="resolved", reason="it is over"),
        "digest": body(
            one(channel="web"),
            replace(one(channel="shop"), state=CAME_AND_WENT),
            replace(over, headline="OrderSpike, kiosk: over"),
            summary=True,
            reason="it was held until the morning",
        ),
        "storm": body(
            *(
                replace(one(channel=f"c{n}", severity="critical" if n == 0 else "warning"), episode_id=f"e{n}")
                for n in range(9)
            ),
            more=41,
            severity="critical",
            reason="more than 20 messages were to go to you within 1 minute: this is the rest of them",
            overview="https://alerts.shop.example/",
        ),
        "after downtime": body(
            *(replace(one(channel=f"c{n}"), state=CAME_AND_WENT, episode_id=f"e{n}") for n in range(7)),
            state="resolved",
            reason="it began and ended while nobody was watching; the service is back and was up to 2 hours behind",
            overview="https://alerts.shop.example/",
        ),
        "long text": body(one(texts={"marketing": LONG, "operations": LONG}, headline="OrderSpike " + "X" * 160)),
        "right to left": body(right_to_left(), reason="it has begun"),
    }
