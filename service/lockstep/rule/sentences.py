"""The sentences that verdicts are told in: of messages, of their reasons and of explanations.

What they have in common stands here, what is a kind's own in its `lockstep.rule.condition.words.Words`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lockstep.rule.condition.kind.anomaly import WORDS as OF_ANOMALY
from lockstep.rule.condition.kind.anomaly import is_explained
from lockstep.rule.condition.kind.new_value import WORDS as OF_NEW_VALUE
from lockstep.rule.condition.kind.share import WORDS as OF_SHARE
from lockstep.rule.condition.kind_table import KINDS
from lockstep.rule.condition.words import USUAL, Facts, Words
from lockstep.rule.explained_condition import Explained
from lockstep.rule.judged_verdict import Judged
from lockstep.text.figures import PERCENT, number_text
from lockstep.text.rfc3339 import SECOND

_WORDS: Mapping[str, Words] = {word: kind.words for kind in KINDS for word in kind.yaml_words}
_OLD_WORDS = {"newvalue": "new_value"}
"""What verdicts that were stored by an earlier version call their kind → what it is."""


def kind_named(word: str) -> str:
    """The kind of a verdict, also of one that an earlier version stored."""
    return _OLD_WORDS.get(word, word)


def _former_reason(facts: Facts) -> str:
    """Of a version of the rule that is no longer known: its numbers tell what it was."""
    if "part" in facts.counts:
        return OF_SHARE.reason(facts)
    return OF_NEW_VALUE.reason(facts) if "days_since" in facts.counts else USUAL.reason(facts)


def _former_headline(facts: Facts) -> str:
    return OF_ANOMALY.headline(facts) if is_explained(facts.counts) else USUAL.headline(facts)


_OF_FORMER = replace(USUAL, reason=_former_reason, headline=_former_headline)


def words_of(kind: str) -> Words:
    """How a kind is told; kind: its word, "" where the version that judged is not known any more."""
    return _WORDS.get(kind_named(kind), _OF_FORMER)


def facts_of(judged: Judged) -> Facts:
    """The numbers of a verdict as it was judged."""
    return Facts(
        kind=kind_named(judged.kind),
        of=judged.of,
        value=judged.value,
        baseline=judged.baseline,
        baseline_of=judged.baseline_of,
        ratio=judged.ratio,
        limit=judged.limit,
        limit_of=judged.limit_of,
        span_s=seconds_between(judged.window_start, judged.window_end),
        began=None,
        counts=judged.counts,
        asked=judged.asked,
        past=tuple(s.value for s in judged.history if s.value is not None),
        unit=judged.unit,
    )


def seconds_between(start: str | None, end: str | None) -> float | None:
    """How long a window is; None where there is none. start, end: RFC 3339."""
    if start is None or end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


# ---- reasons ---------------------------------------------------------------------------------------------------------


def reason(judged: Judged) -> str:
    """`orders: 41 within 1 hour, usually 12, the median of 11, 12, 14 in the last 3 weeks; 3.4x the usual`."""
    facts = facts_of(judged)
    of = f"{judged.of}: " if judged.of else ""
    match judged.verdict:
        case "no_data":
            return f"{of}no data{facts.within}"
        case "closed":
            return f"{of}not judged at this hour"
        case "no_bound":
            return f"{of}no number to compare with: {judged.limit_of}"
        case _:  # breach, clear, unjudged: its numbers
            return of + words_of(facts.kind).reason(facts)


def asks_for(leaves: Iterable[Judged]) -> str:
    """`The rule asks for more than 2 times the usual; at least 20`; "" where it names no number."""
    conditions = list(leaves)
    phrases = dict.fromkeys(phrase for leaf in conditions for phrase in _phrases(leaf))
    hours = dict.fromkeys(str(leaf.asked["hours"]) for leaf in conditions if "hours" in leaf.asked)
    asks = [f"The rule asks for {'; '.join(phrases)}"] if phrases else []
    return ". ".join([*asks, *([f"It is judged in the hours {' and '.join(hours)}"] if hours else [])])


_IN_WORDS = {
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
    "window": "a whole {}",
}
_LEVELS = ("info", "warning", "critical")


def _phrases(judged: Judged) -> Iterable[str]:
    """What decided, in the words of the rule's author or plainer ones; what is only asked of its end is left out."""
    for name, number in judged.asked.items():
        value = number if isinstance(number, str) else number_text(number)
        if name in _LEVELS:
            asked = value.partition(", clear")[0]
            yield f"{asked.replace('at_least', 'at least').replace('at_most', 'at most')} ({name})"
        elif name == "chance" and not isinstance(number, str) and number > 0:
            got = judged.counts.get("chance")
            yield f"what chance does less than once in {number_text(round(1 / number))}" + _how_rare(got)
        elif name in _IN_WORDS:
            yield _IN_WORDS[name].format(value)


def _how_rare(chance: float | None) -> str:
    if chance is None:
        return ""
    return f" (once in {number_text(float(f'{1 / chance:.2g}'))})" if chance > 1e-12 else " (practically never)"


# ---- messages --------------------------------------------------------------------------------------------------------

_SIDES = {
    "above": "above the limit of {}",
    "at_least": "at or above the limit of {}",
    "below": "below the limit of {}",
    "at_most": "at or below the limit of {}",
}


def headline(facts: Facts) -> str:
    """`41 within 15 minutes, usually 12`."""
    return words_of(facts.kind).headline(facts)


def reference(facts: Facts) -> float | None:
    """What the value is compared with: its baseline, or its limit."""
    return facts.limit if reference_word(facts) == "limit" else facts.baseline


def reference_word(facts: Facts) -> str:
    """`usual`, `before` or `limit`."""
    return "limit" if facts.baseline is None else words_of(facts.kind).compared_with


def reference_text(facts: Facts) -> str:
    """The number that the value is compared with; "" where there is none."""
    number = reference(facts)
    if number is None:
        return ""
    return facts.usual if reference_word(facts) == "usual" else number_text(number, facts.unit)


def direction(facts: Facts, side: str) -> str:
    """`above` or `below` what it is compared with; "" where it is neither. side: see `standing`."""
    if side:
        return "above" if side in ("above", "at_least") else "below"
    number, value = reference(facts), facts.value
    if number is None or value is None:
        return ""
    if words_of(facts.kind).compared_with == "limit":  # where it is going, or where it has got to
        then = value if facts.baseline is None else facts.baseline
        if then != value:
            return "above" if then > value else "below"
        return "below" if value <= number else "above"
    return "" if value == number else "above" if value > number else "below"


def side_of(judged: Judged | None, severity: str) -> str:
    """How its author put the limit that was crossed: `above`, `at_most`, …; "" where it is no threshold."""
    asked = "" if judged is None else judged.asked.get(severity, "")
    word = str(asked).partition(" ")[0]
    return word if word in _SIDES else ""


def standing(facts: Facts, side: str) -> str:
    """Where the value stands: `at or below the limit of 20`, `above the limit of 40 (usually 20)`.

    side: how its author put the limit that was crossed (`side_of`), "" where there is none.
    """
    if facts.value is None:
        return "no data"
    if own := words_of(facts.kind).stands(facts):
        return own
    usual = "" if facts.baseline is None else f" (usually {facts.usual})"
    towards = direction(facts, side)
    if facts.limit is not None and (side or towards):
        return _SIDES[side or towards].format(facts.limit_text) + usual
    if towards:
        return f"{towards} the usual {reference_text(facts)}"
    return f"at {facts.number}{usual}"


# ---- explanations ----------------------------------------------------------------------------------------------------

_PARTS_OF_ONE = {"confidence": PERCENT}
"""Numbers of a rule by name that are parts of one → their unit."""


def because(e: Explained, zone: ZoneInfo) -> str:
    """Why a condition is as it is, in half a sentence: `orders is 41 where 12 is usual (3.4x)`."""
    if e.parts:
        return _combined(e, zone)
    match e.verdict:
        case "unjudged":
            return _unjudged(e, zone)
        case "closed":
            return f"not judged, {_not_within(e)}"
        case "no_bound":
            return f"not judged, no row of a table gives it a bound ({e.limit_of})"
        case "no_data" if e.limit_of and e.value is not None:
            return f"{e.of} is {number_text(e.value, e.unit)}, but there is no data for its bound, {e.limit_of}"
        case "no_data":
            return f"there is no data for {e.of}"
    facts, words = _facts_of_explained(e), words_of(e.kind)
    value = f"{e.of} is {'not told' if e.value is None else facts.number}{words.explained(facts)}"
    if e.blocked_by:
        asked = " and ".join(
            f"{g.name} asks for {asked_text(g.asked)}" + (f", it is {number_text(g.got)}" if g.got is not None else "")
            for g in e.blocked_by
        )
        return f"{value}, but {asked}"
    if e.verdict == "clear" and (least := words.compares_nothing(facts)):
        return f"{value}, {least}"
    told_already = {"baseline", *words.asked_in_words}
    numbers = ((name, asked_text(v, _PARTS_OF_ONE.get(name, ""))) for name, v in e.asked.items())
    asked = "; ".join(f"{name} {number}" for name, number in numbers if name not in told_already)
    asked = "; ".join(filter(None, [words.asks(facts), asked]))
    if e.limit_of and f"({e.limit_of})" not in asked:
        asked += f"; {e.limit_of} is {number_text(e.limit, e.unit)}"
    return value + (f" (asked: {asked})" if asked else "")


def _facts_of_explained(e: Explained) -> Facts:
    span_s = None if e.window_start is None or e.window_end is None else e.window_end - e.window_start
    return Facts(
        kind=e.kind,
        of=e.of,
        value=e.value,
        baseline=e.baseline,
        baseline_of=e.baseline_of,
        ratio=e.ratio,
        limit=e.limit,
        limit_of=e.limit_of,
        span_s=span_s,
        began=None,
        counts=e.counts,
        asked=e.asked,
        past=(),
        unit=e.unit,
    )


def _unjudged(e: Explained, zone: ZoneInfo) -> str:
    if e.baseline_of:
        return f"{e.of} is not judged, {e.baseline_of}"
    unseen = [name for name, second in e.complete_from.items() if second is None]
    if unseen:
        return f"not judged, {unseen[0]} never had an event"
    since = max((s for s in e.complete_from.values() if s is not None), default=None)
    if "hours" in e.asked and any(g.name == "hours" for g in e.blocked_by):
        return f"not judged, {_not_within(e)}"
    if since is None:
        return "not judged, it looks back to where nothing was measured yet"
    known = moment_text(round(since * SECOND), zone)
    return f"not judged, it looks back to before {known}, from where on {e.of} is known"


def _not_within(e: Explained) -> str:
    """Which hours or days do not hold the window."""
    hours = f"the hours {e.asked['hours']}" if "hours" in e.asked else ""
    days = f"the days that {e.asked['closed']} leaves open" if "closed" in e.asked else ""
    return f"the window does not lie within {' and '.join(filter(None, [hours, days]))}"


def _combined(e: Explained, zone: ZoneInfo) -> str:
    """The part that decides, or all that hold."""
    if e.kind == "not":
        return f"the opposite of: {because(e.parts[0], zone)}"
    decisive = "clear" if e.kind == "all" else "breach"
    deciding = [p for p in e.parts if p.verdict == decisive]
    unknown = [p for p in e.parts if p.verdict in ("unjudged", "closed", "no_data")]
    unbound = [p for p in e.parts if p.verdict == "no_bound"]
    others = [p for p in e.parts if p.verdict != "no_bound"]
    shown: Sequence[Explained] = deciding[:1] or (unbound[:1] if e.verdict == "no_bound" else unknown[:1]) or others
    return " and ".join(because(p, zone) for p in shown)


def asked_text(value: float | str, unit: str = "") -> str:
    """A number of a rule as its author wrote it: none of its digits is left out."""
    if isinstance(value, str):
        return value
    return number_text(value, unit) if unit else f"{value:,.6g}"


def moment_text(time_us: int, zone: ZoneInfo) -> str:
    """An instant in the shop's time, to the minute where it is one: `Tue 24 Nov 09:30`."""
    local = datetime.fromtimestamp(time_us / SECOND, UTC).astimezone(zone)
    return local.strftime("%a %d %b %H:%M:%S" if local.second else "%a %d %b %H:%M")
