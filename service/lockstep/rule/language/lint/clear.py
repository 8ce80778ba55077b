"""What a `clear` cannot be: it leaves a gap on the quiet side of the number, for every row that gives the number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf

from lockstep.measure.exact import Written
from lockstep.rule.condition.bound import Bounds, OfTable, matches
from lockstep.rule.condition.bound_values import looked_up
from lockstep.rule.condition.kinds import Level, Override

MOST_PATTERNS = 100
"""Rows with a `*` that are looked at; those that name their values all are."""
_UP, _DOWN = ("above", "at_least"), ("below", "at_most")


@dataclass(frozen=True)
class ClearFault:
    """is_harmless: what alerts still ends, only without the gap that was meant."""

    message: str
    remedy: str
    is_harmless: bool = False


def span(bounds: Bounds) -> tuple[Written, Written]:
    """The numbers between which bounds hold, their ends apart; what stands elsewhere counts as no bound."""
    lower: Written = max((n for n in (bounds.above, bounds.at_least) if n is not None), default=-inf)
    upper: Written = min((n for n in (bounds.below, bounds.at_most) if n is not None), default=inf)
    return lower, upper


def is_empty(bounds: Bounds) -> bool:
    """Whether no number is within both ends."""
    lowest, highest = span(bounds)
    return lowest > highest or (lowest == highest and (bounds.above == lowest or bounds.below == highest))


def clear_fault(breach: Bounds, clear: Bounds) -> ClearFault | None:
    """What is wrong with a clear whatever the numbers are that stand elsewhere."""
    if is_empty(clear):
        return ClearFault("'clear' can never hold", "widen it")
    rises, falls = _has(breach, _UP), _has(breach, _DOWN)
    lowest, highest = span(clear)
    up, down = _number(breach, _UP), _number(breach, _DOWN)
    if rises and not falls and not _has(clear, _DOWN):
        return ClearFault("'clear' holds while it breaches", f"write clear: {{below: {_said(up)}}}")
    if falls and not rises and not _has(clear, _UP):
        return ClearFault("'clear' holds while it breaches", f"write clear: {{above: {_said(down)}}}")
    if up is not None and not falls and up < highest < inf:
        said = _said(up)
        return ClearFault(f"'clear' begins above {said}, where it breaches", f"write at most {said}", is_harmless=True)
    if down is not None and not rises and -inf < lowest < down:
        said = _said(down)
        return ClearFault(f"'clear' begins below {said}, where it breaches", f"write at least {said}", is_harmless=True)
    return None


def _has(bounds: Bounds, words: Sequence[str]) -> bool:
    return any(getattr(bounds, word) is not None for word in words) or any(word in words for word, _ in bounds.sources)


def _number(bounds: Bounds, words: Sequence[str]) -> Written | None:
    return next((n for word in words if (n := getattr(bounds, word)) is not None), None)


def _said(number: Written | None) -> str:
    return "…" if number is None else f"{float(number):g}"


def row_faults(
    level: Level, *, own: Mapping[str, str] | None = None, before: Sequence[Override] = ()
) -> list[tuple[ClearFault, str, int]]:
    """What is wrong with the clear of a level for the rows of its tables: (fault, where it stands, how many more rows).

    The first of each kind. own: label → pattern, what an override is for. before: the overrides that come first: what
    matches one of them is not of this level.
    """
    by_harm: dict[bool, tuple[ClearFault, str, int]] = {}
    for labels in _groups(level, own or {}):
        if any(all(matches(labels.get(n, ""), p) for n, p in override.match) for override in before):
            continue
        for seen in looked_up((level,), labels):
            fault = None if seen.clear is None else clear_fault(seen.breach, seen.clear)
            if fault is not None and seen.clear is not None:
                where = " and ".join(dict.fromkeys(said for _, said in (*seen.breach.of, *seen.clear.of)))
                first = by_harm.get(fault.is_harmless, (fault, where, -1))
                by_harm[fault.is_harmless] = (*first[:2], first[2] + 1)
    return list(by_harm.values())


def _groups(level: Level, own: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Labels that stand for all groups: those of each row of the tables with the most labels, and of none of them.

    Tables that have no labels in common say nothing of each other: which of their rows meet is known to the shop alone.
    """
    bounds = [b for b in (level.breach, level.clear) if b is not None]
    tables = list(dict.fromkeys(source for b in bounds for _, source in b.sources if isinstance(source, OfTable)))
    widest = max((set(t.labels) for t in tables), key=len, default=set())
    if not tables or any(set(t.labels) - widest for t in tables):
        return
    seen = set()
    for table in tables:
        if set(table.labels) < widest:
            continue
        named = (match for match, _ in table.rows if "*" not in "".join(match))
        patterns = islice((match for match, _ in table.rows if "*" in "".join(match)), MOST_PATTERNS)
        for match in (*named, *patterns):
            row = dict(zip(table.labels, match, strict=True))
            fits = all(matches(value, own[name]) for name, value in row.items() if name in own)
            if fits and (key := tuple(sorted(row.items()))) not in seen:
                seen.add(key)
                yield {**own, **row}
    yield dict(own)
