"""Why a message was sent, in one or two plain lines: the numbers of the verdict as it was judged, what it was compared
with, what the rule asks for. From the transition alone, so that a message says the same however often it is sent.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from urllib.parse import quote

from lockstep.rule.condition.kind.anomaly import is_explained, statistic_text
from lockstep.rule.judged import Judged
from lockstep.text.figures import PERCENT, duration_words, number_text, ratio_text
from lockstep.transition import Transition, TransitionName

MOST_VALUES = 12
"""Values of a baseline that are written out; of more the range is."""
MOST_PARTS = 3
"""Parts of a combination that are told."""

_DECISIVE = {"all": "clear", "any": "breach"}


def why_lines(transition: Transition) -> list[str]:
    """What was measured and what is usual; what the rule asks for. Empty where no verdict is behind it."""
    told = transition.explanation
    if told is None or told.verdict == "unjudged" or transition.reason in ("rule_removed", "expired", "closed"):
        return []
    leaves = list(_deciding(told))
    lines = [_measured(leaf) for leaf in leaves[:MOST_PARTS]]
    if len(leaves) > MOST_PARTS:
        lines[-1] += f"; and {len(leaves) - MOST_PARTS} more conditions"
    asked = "" if transition.state is TransitionName.RESOLVED else _asks(leaves[:MOST_PARTS])
    found = [" and ".join(line for line in lines if line), asked]
    return [line for line in found if line]


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
    told = transition.explanation
    numbers = (transition.value, transition.baseline, transition.limit)
    found = [] if told is None else [leaf for leaf in _leaves(told) if leaf.kind]
    shown = [leaf for leaf in found if (leaf.value, leaf.baseline, leaf.limit) == numbers]
    return next(iter(shown or found), None)


def _leaves(told: Judged) -> Iterable[Judged]:
    if not told.parts:
        yield told
    for part in told.parts:
        yield from _leaves(part)


def _deciding(told: Judged) -> Iterable[Judged]:
    """The conditions that decide: of a combination the one that is enough, else all that hold."""
    if not told.parts:
        yield told
        return
    decisive = [p for p in told.parts if p.verdict == _DECISIVE.get(told.kind)]
    # Of several that are enough it is the one whose numbers the combination shows: the most severe.
    shown = [p for p in decisive if (p.value, p.baseline, p.limit) == (told.value, told.baseline, told.limit)]
    for part in shown[:1] or decisive[:1] or told.parts:
        yield from _deciding(part)


def _measured(told: Judged) -> str:
    """`orders: 41 within 1 hour, usually 12, the median of 11, 12, 14 in the last 3 weeks; 3.4x`."""
    within = f" within {span}" if (span := _span(told)) else ""
    of = f"{told.of}: " if told.of else ""
    if told.verdict == "no_data":
        return f"{of}no data{within}"
    if told.verdict == "closed":
        return f"{of}not judged at this hour"
    if told.verdict == "no_bound":
        return f"{of}no number to compare with: {told.limit_of}"
    if "part" in told.counts and "of" in told.counts:
        share = "" if told.value is None else f" ({number_text(told.value, PERCENT)})"
        whole, part = number_text(told.counts["of"]), number_text(told.counts["part"])
        return f"{of}{part} of {whole}{within}{share}{_sure_share(told.counts)}"
    text = f"{of}{number_text(told.value, told.unit)}{within}"
    if told.baseline is not None:
        text += _COMPARED.get(told.kind, _usual)(told)
    elif "days_since" in told.counts:
        text += f"; the last one came {number_text(round(told.counts['days_since'], 1))} days before"
    return text


def _span(told: Judged) -> str:
    if told.window_start is None or told.window_end is None:
        return ""
    begin, end = (datetime.fromisoformat(t) for t in (told.window_start, told.window_end))
    return duration_words((end - begin).total_seconds())


def _usual(told: Judged) -> str:
    text = f", usually {_rough(told.baseline, told.unit)}"
    values = [s.value for s in told.history if s.value is not None]
    if len(values) > MOST_VALUES:
        low, high = number_text(min(values), told.unit), number_text(max(values), told.unit)
        text += f", the median of {len(values)} values from {low} to {high} in {told.baseline_of}"
    elif len(values) > 1:
        text += f", the median of {', '.join(number_text(v, told.unit) for v in values)} in {told.baseline_of}"
    elif told.baseline_of:
        text += f", as in {told.baseline_of}"
    if told.ratio is not None:
        text += f"; {ratio_text(told.ratio)} the usual"
    return text


def _anomaly(told: Judged) -> str:
    on = f" on {told.baseline_of}" if told.baseline_of else ""
    text = f", usually {_rough(told.baseline, told.unit)} then{on}"
    if is_explained(told.counts):
        text += f"; {statistic_text(told.counts)}, surprise {number_text(told.counts.get('surprise'))}"
    return text


def _before(told: Judged) -> str:
    return f", {number_text(told.baseline, told.unit)} before"


def _ahead(told: Judged) -> str:
    pace = told.counts.get("pace_per_day")
    at = "" if pace is None else f" at {number_text(round(pace, 1))} a day"
    days = told.counts.get("days_left")
    left = "" if days is None else f", {number_text(round(days, 1))} days from {number_text(told.limit)}"
    return f"{at}{left}"


_COMPARED: Mapping[str, Callable[[Judged], str]] = {"change": _before, "projection": _ahead, "anomaly": _anomaly}


def _rough(value: float | None, unit: str) -> str:
    """What is usual to two places or to the whole number: more is not known of it."""
    if value is None:
        return "not known"
    if unit:
        return number_text(value, unit)
    return number_text(round(value) if abs(value) >= 100 else round(value, 1))


def _sure_share(counts: Mapping[str, float]) -> str:
    if "lowest" not in counts:
        return ""
    return f", surely {number_text(counts['lowest'], PERCENT)} to {number_text(counts['highest'], PERCENT)}"


# ---- what the rule asks for ----------------------------------------------------------------------------------------


def _asks(leaves: Iterable[Judged]) -> str:
    phrases = list(dict.fromkeys(phrase for leaf in leaves for phrase in _phrases(leaf)))
    return f"The rule asks for {'; '.join(phrases)}" if phrases else ""


_ASKED = {
    "above": "more than {} times the usual",
    "below": "less than {} times the usual",
    "above the usual by": "more than {} above the usual",
    "below the usual by": "more than {} below the usual",
    "at_least": "at least {}",
    "usual_at_least": "a usual of at least {}",
    "deviations": "more than {} deviations from the usual",
    "of_at_least": "at least {} in all",
    "by": "a change of {} or more",
    "sensitivity": "{} sensitivity",
    "hours": "the hours {}",
    "window": "a whole {}",
}
_LEVELS = ("info", "warning", "critical")


def _phrases(told: Judged) -> Iterable[str]:
    """What decided, in the words of the rule's author or plainer ones; what is only asked of its end is left out."""
    for name, number in told.asked.items():
        value = number if isinstance(number, str) else number_text(number)
        if name in _LEVELS:
            asked = value.partition(", clear")[0]
            yield f"{asked.replace('at_least', 'at least').replace('at_most', 'at most')} ({name})"
        elif name == "chance" and not isinstance(number, str) and number > 0:
            got = told.counts.get("chance")
            yield f"what chance does less than once in {number_text(round(1 / number))}" + _how_rare(got)
        elif name in _ASKED:
            yield _ASKED[name].format(value)


def _how_rare(chance: float | None) -> str:
    if chance is None:
        return ""
    return f" (once in {number_text(float(f'{1 / chance:.2g}'))})" if chance > 1e-12 else " (practically never)"
