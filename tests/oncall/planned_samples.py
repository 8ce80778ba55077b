"""Messages to people as they were decided, for the tests of what stands between them and their delivery."""

from lockstep.notification import Item, Message
from lockstep.notify.pipeline.hooks import Planned
from lockstep.ports import Destination
from lockstep.response.decision import Reason

ANNA = Destination("d1", "email", "anna@example.com", "anna")
BEN = Destination("d2", "email", "ben@example.com", "ben")


def item(number: int, state: str = "firing", severity: str = "warning") -> Item:
    text = "Over." if state == "resolved" else "Look."
    return Item(
        state=state,
        severity=severity,
        rule=f"R{number}",
        headline=f"alert {number}",
        labels={},
        value="1",
        usual="",
        usual_is="",
        window="now",
        at="",
        since="",
        value_bar="",
        usual_bar="",
        texts={"operations": text},
        alert_id=f"A{number}",
        episode_id=f"E{number}",
    )


def planned(*items: Item, to: Destination = ANNA, more: int = 0) -> Planned:
    first = items[0]
    body = Message(
        subject=first.headline,
        state=first.state,
        rule=first.rule,
        severity=first.severity,
        teams=("operations",),
        items=items,
        more=more,
    )
    about = tuple((i.alert_id, i.episode_id) for i in items)
    number = "-".join(f"{i.episode_id}{i.state}" for i in items)
    return Planned(number, to, first.rule, first.state, about, body, Reason.FIRST)
