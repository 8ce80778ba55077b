"""What a verdict says to people: its numbers, and how a kind of condition puts them in words.

Each kind has its `Words` in its file; `lockstep.rule.sentences` writes the sentences of messages, reasons and
explanations with them. Numbers are rounded here and nowhere else, so that a headline and its reason show the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lockstep.text.figures import duration_words, measured_text, number_text, ratio_text, usual_text

MOST_VALUES = 12
"""Values of a baseline that are written out; of more the range is."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The numbers of one verdict, whoever tells of them; see `lockstep.rule.judged_verdict.Judged` for what each is.

    span_s: how long the window is that was measured; None for a level. began: when it began, in the shop's time; None
    where that is not told. past: the values of the windows that the baseline is made of, oldest first.
    """

    kind: str
    of: str
    value: float | None
    baseline: float | None
    baseline_of: str
    ratio: float | None
    limit: float | None
    limit_of: str
    span_s: float | None
    began: datetime | None
    counts: Mapping[str, float]
    asked: Mapping[str, float | str]
    past: tuple[float, ...]
    unit: str

    @property
    def number(self) -> str:
        """What was measured."""
        return measured_text(self.value, self.unit, self.limit)

    @property
    def within(self) -> str:
        """` within 15 minutes`; "" for a level."""
        return "" if self.span_s is None else f" within {duration_words(self.span_s)}"

    @property
    def usual(self) -> str:
        """The baseline."""
        return "not known" if self.baseline is None else usual_text(self.baseline, self.unit)

    @property
    def before(self) -> str:
        """The baseline of a change, which was measured as the value was."""
        return measured_text(self.baseline, self.unit)

    @property
    def limit_text(self) -> str:
        """`30`, or `30 (1.5 × reorder_point)` where the number does not stand in the rule."""
        return number_text(self.limit, self.unit) + (f" ({self.limit_of})" if self.limit_of else "")


@dataclass(frozen=True, kw_only=True)
class Words:
    """How one kind of condition is told; no field has a default, so that a kind says all of it.

    reason: what was measured and what stands beside it, `41 within 1 hour, usually 12; 3.4x the usual`.
    headline: the same for a line of its own, `41 within 1 hour, usually 12`.
    stands: where it stands, `nothing within 2 hours`; "" where that is a side of its limit or of what is usual.
    compared_with: what its baseline is: what is usual, what it was before, or where it will be, so that its limit is
    what it is compared with.
    explained: what an explanation says behind `orders is 41`, ` where 12 is usual (3.4x)`.
    compares_nothing: why a clear verdict compared nothing, `and nothing is a multiple of nothing`; "" where it did.
    asks: what it asks for, in words, in place of the numbers of the rule that `asked_in_words` names.
    is_instant: it is there at one instant, so that nothing is so `since`.
    """

    reason: Callable[[Facts], str]
    headline: Callable[[Facts], str]
    stands: Callable[[Facts], str]
    compared_with: Literal["usual", "before", "limit"]
    explained: Callable[[Facts], str]
    compares_nothing: Callable[[Facts], str]
    asks: Callable[[Facts], str]
    asked_in_words: frozenset[str]
    is_instant: bool


def nothing(_facts: Facts) -> str:
    return ""


def usual_in_reason(facts: Facts) -> str:
    """The value, what is usual and from what that is known."""
    text = f"{facts.number}{facts.within}"
    if facts.baseline is None:
        return text
    text += f", usually {facts.usual}"
    if len(facts.past) > MOST_VALUES:
        low, high = measured_text(min(facts.past), facts.unit), measured_text(max(facts.past), facts.unit)
        text += f", the median of {len(facts.past)} values from {low} to {high} in {facts.baseline_of}"
    elif len(facts.past) > 1:
        values = ", ".join(measured_text(v, facts.unit) for v in facts.past)
        text += f", the median of {values} in {facts.baseline_of}"
    elif facts.baseline_of:
        text += f", as in {facts.baseline_of}"
    return text + (f"; {ratio_text(facts.ratio)} the usual" if facts.ratio is not None else "")


def usual_in_headline(facts: Facts) -> str:
    """The value, and what is usual or the limit."""
    text = f"{facts.number}{facts.within}"
    if facts.baseline is not None:
        because = f" ({facts.baseline_of})" if ", because" in facts.baseline_of else ""
        return f"{text}, usually {facts.usual}{because}"
    return text if facts.limit is None else f"{text}, the limit is {facts.limit_text}"


def usual_explained(facts: Facts) -> str:
    """What is usual, and how many times that the value is."""
    if facts.baseline is None:
        return ""
    ratio = f" ({ratio_text(facts.ratio)})" if facts.ratio is not None else ""
    because = f" ({facts.baseline_of})" if ", because" in facts.baseline_of else ""
    return f" where {facts.usual} is usual{ratio}{because}"


USUAL = Words(
    reason=usual_in_reason,
    headline=usual_in_headline,
    stands=nothing,
    compared_with="usual",
    explained=usual_explained,
    compares_nothing=nothing,
    asks=nothing,
    asked_in_words=frozenset(),
    is_instant=False,
)
"""Of a value beside what is usual or its limit, without words of its own: what is known of a combination, too."""
