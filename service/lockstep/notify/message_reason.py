"""Why a message was sent, in one or two plain lines: the numbers of the verdict as it was judged, what it was compared
with, what the rule asks for. From the transition alone, so that a message says the same however often it is sent.
"""

from collections.abc import Iterable
from urllib.parse import quote

from lockstep.rule.judged_verdict import Judged
from lockstep.rule.sentences import asks_for, reason
from lockstep.transition import Transition, TransitionName

MOST_PARTS = 3
"""Parts of a combination that are told."""

_DECISIVE = {"all": "clear", "any": "breach"}


def why_lines(transition: Transition) -> list[str]:
    """What was measured and what is usual; what the rule asks for. Empty where no verdict is behind it."""
    judged = transition.explanation
    if judged is None or judged.verdict == "unjudged" or transition.reason in ("rule_removed", "expired", "closed"):
        return []
    leaves = list(_deciding(judged))
    lines = [reason(leaf) for leaf in leaves[:MOST_PARTS]]
    if len(leaves) > MOST_PARTS:
        lines[-1] += f"; and {len(leaves) - MOST_PARTS} more conditions"
    asked = "" if transition.state is TransitionName.RESOLVED else asks_for(leaves[:MOST_PARTS])
    sentences = [" and ".join(line for line in lines if line), asked]
    return [line for line in sentences if line]


def where_more_is(transition: Transition, public_url: str | None) -> str:
    """Where all numbers are: an address where there is one, else the command; "" where no rule judged."""
    if transition.explanation is None:
        return ""
    if public_url:
        return f"{public_url.rstrip('/')}/v1/explain?what={quote(transition.alert_id)}"
    return f"lockstep explain {transition.alert_id}"


def unit_of(transition: Transition) -> str:
    """How its value, baseline and limit are read: PERCENT, or ""."""
    leaf = leaf_of(transition)
    return "" if leaf is None else leaf.unit


def leaf_of(transition: Transition) -> Judged | None:
    """The condition whose numbers the transition shows: of a combination the part; None where no verdict is known."""
    judged = transition.explanation
    numbers = (transition.value, transition.baseline, transition.limit)
    leaves = [] if judged is None else [leaf for leaf in _leaves(judged) if leaf.kind]
    shown = [leaf for leaf in leaves if (leaf.value, leaf.baseline, leaf.limit) == numbers]
    return next(iter(shown or leaves), None)


def _leaves(judged: Judged) -> Iterable[Judged]:
    if not judged.parts:
        yield judged
    for part in judged.parts:
        yield from _leaves(part)


def _deciding(judged: Judged) -> Iterable[Judged]:
    """The conditions that decide: of a combination the one that is enough, else all that hold."""
    if not judged.parts:
        yield judged
        return
    decisive = [p for p in judged.parts if p.verdict == _DECISIVE.get(judged.kind)]
    # Of several that are enough it is the one whose numbers the combination shows: the most severe.
    shown = [p for p in decisive if (p.value, p.baseline, p.limit) == (judged.value, judged.baseline, judged.limit)]
    for part in shown[:1] or decisive[:1] or judged.parts:
        yield from _deciding(part)
