"""A verdict as a page shows it: in words, then with every number that led to it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from lockstep.rule.judged_verdict import Judged
from lockstep.rule.sentences import facts_of, reference_word
from lockstep.shop.whole_shop import MadeOf
from lockstep.text.figures import PERCENT, measured_text, number_text, ratio_text, time_text

MOST_WINDOWS = 12
"""Windows of the usual that are listed; the newest ones."""
_SHARES = ("lowest", "highest", "confidence")
"""Numbers by name that are parts of one."""
_VERDICTS = {
    "breach": "holds",
    "clear": "does not hold",
    "no_data": "no data",
    "no_bound": "no limit is known",
    "closed": "outside of the hours",
    "unjudged": "not judged",
}


@dataclass(frozen=True)
class ExplainedPart:
    """One condition. title: what it measures. verdict: in words. rows: (name, number with its unit)."""

    title: str
    verdict: str
    depth: int
    rows: tuple[tuple[str, str], ...]


def explained(verdict: Judged | None, zone: ZoneInfo) -> list[ExplainedPart]:
    """A verdict and its parts, outermost first; none where no verdict is known."""
    return [] if verdict is None else list(_parts(verdict, zone, 0))


def business_parts(measures: Iterable[MadeOf], zone: ZoneInfo) -> list[ExplainedPart]:
    """What each business measure was made of."""
    return [
        ExplainedPart(m.title, m.text, 0, (*m.rows, ("from what was known of the shop", time_text(m.as_of, zone))))
        for m in measures
    ]


def _parts(verdict: Judged, zone: ZoneInfo, depth: int) -> Iterator[ExplainedPart]:
    title = f"{verdict.kind} {verdict.of}".strip().replace("_", " ") or "the condition"
    said = _VERDICTS.get(verdict.verdict, verdict.verdict.replace("_", " "))
    yield ExplainedPart(title, said, depth, () if verdict.parts else tuple(_rows(verdict, zone)))
    for part in verdict.parts:
        yield from _parts(part, zone, depth + 1)


def _rows(verdict: Judged, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    unit, numbers = verdict.unit, facts_of(verdict)
    yield "measured", numbers.number
    if verdict.window_start is not None and verdict.window_end is not None:
        yield "in the window", f"{time_text(verdict.window_start, zone)} to {time_text(verdict.window_end, zone)}"
    if verdict.baseline is not None:
        of = f", of {verdict.baseline_of}" if verdict.baseline_of else ""
        yield "usual", f"{numbers.usual if reference_word(numbers) == 'usual' else numbers.before}{of}"
    if verdict.ratio is not None:
        yield "measured over usual", ratio_text(verdict.ratio)
    if verdict.limit is not None:
        of = f", {verdict.limit_of}" if verdict.limit_of else ""
        yield "limit", f"{number_text(verdict.limit, unit)}{of}"
    for name, number in verdict.counts.items():
        yield name.replace("_", " "), measured_text(number, PERCENT if name in _SHARES else "")
    for name, asked in verdict.asked.items():
        text = asked if isinstance(asked, str) else number_text(asked, PERCENT if name in _SHARES else "")
        yield f"the rule asks: {name.replace('_', ' ')}", text
    for stretch in verdict.history[-MOST_WINDOWS:]:
        value = measured_text(stretch.value, unit)
        yield f"window until {time_text(stretch.end, zone)}", value
