"""What a message says of its alerts as a whole: its subject, its state, how severe it is and why it is sent."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from lockstep.notification import Item
from lockstep.notify.pipeline.hooks import Planned
from lockstep.notify.pipeline.reason_words import is_evident, message_reason
from lockstep.rule.condition.kinds import Severity

LONGEST_SUBJECT = 200


def subject_of(items: Sequence[Item], more: int) -> str:
    """How severe, what and the numbers, or that it is over, of what is most severe; of several how many there are.

    The mails of an episode have different subjects; what makes them one thread are their references.
    """
    count = len(items) + more
    line = f"{f'{count:,} alerts. ' if count > 1 else ''}{items[0].line}"
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


def by_weight(items: Iterable[Item]) -> list[Item]:
    """What goes on before what is over, the most severe of each first."""
    return sorted(items, key=lambda item: (not item.is_over, Severity.of(item.severity)), reverse=True)


def state_of(items: Sequence[Item]) -> str:
    """Whether they begin or go on, or are over; of one alone its own state."""
    if all(item.is_over for item in items):
        return "resolved"
    return items[0].state if len(items) == 1 else "firing"


def retold(planned: Planned, items: Sequence[Item]) -> Planned:
    """A delivery with other items, one at least: what it says of all of them follows from these."""
    body, items = planned.body, by_weight(items)
    whys = [planned.whys[item.episode_id] for item in items if item.episode_id in planned.whys]
    state = state_of(items)
    changed = msgspec.structs.replace(
        body,
        items=tuple(items),
        state=state,
        severity=max(Severity.of(item.severity) for item in items).word,
        subject=subject_of(items, body.more),
        reason=message_reason(whys) if whys else body.reason,
        evident=(is_evident(whys) or msgspec.UNSET) if whys else body.evident,
    )
    about = tuple((item.alert_id, item.episode_id) for item in items)
    return replace(planned, about=about, state=state, body=changed)
