"""The reasons of a transition: its verdict as it was judged, with what it was compared with.

Made from the verdict that led to the transition and nothing else, so that it is the same whoever asks and whenever:
`lockstep.rule.explained_condition` asks anew and tells more, of the present.
"""

import msgspec

from lockstep.rule.condition.kind_table import word_of
from lockstep.rule.condition.kinds import Condition, Leaf
from lockstep.rule.condition.view import Verdict
from lockstep.rule.condition.when import parts_of
from lockstep.rule.explained_condition import asked_of, said_of, unit_of
from lockstep.text.rfc3339 import SECOND, rfc3339


class Stretch(msgspec.Struct, frozen=True):
    """One of the windows that are the usual.

    start, end: event time, RFC 3339; the end is no part of it. value: of the measure; None where there was no data.
    """

    start: str
    end: str
    value: float | None


class Judged(msgspec.Struct, frozen=True):
    """One condition as it was judged; times are RFC 3339 in UTC.

    The published schema takes the fields' descriptions from here:

    kind: the word of the rule file, threshold, new_value, ratio, … or all, any, not; "" where the verdict is that of a
    version that was no longer in force. of: what it measures, as its author calls it; "" as kind is. verdict: one of
    breach, clear, no_data, no_bound, closed or unjudged. value: what was measured; None where there was no data.
    baseline: what is usual; None where nothing is compared with it. baseline_of: which stretches that is of, and why
    not better ones; else "".
    ratio: the value over the baseline, or None. limit: the number that was crossed, or would be; None for a condition
    that has none. limit_of: where the limit comes from, in words; "" for a number of the rule itself. window_start,
    window_end: the stretch that was measured; None for a level. counts: further numbers that led to it, by name.
    asked: the numbers of the rule that it was compared with, by name. history: the windows that the baseline is made
    of, oldest first. parts: of a combination, those that were looked at. unit: `%` where value, baseline and limit
    are read as percents (0.125 is 12.5%), else "".
    """

    kind: str
    of: str
    verdict: str
    value: float | None
    baseline: float | None
    baseline_of: str
    ratio: float | None
    limit: float | None
    limit_of: str
    window_start: str | None
    window_end: str | None
    counts: dict[str, float]
    asked: dict[str, float | str]
    history: tuple[Stretch, ...] = ()
    parts: tuple["Judged", ...] = ()
    unit: str = ""


def judged(condition: Condition | None, verdict: Verdict) -> Judged:
    """A verdict as it is kept with its transition.

    condition: the one that the verdict is of, as it stands for the group; None where the rule's version that judged is
    not known any more: then only the numbers of the verdict are told.
    """
    of = said_of(condition.expression) if isinstance(condition, Leaf) else ""
    return Judged(
        kind="" if condition is None else word_of(condition),
        of=of,
        verdict=verdict.kind.value,
        value=verdict.value,
        baseline=verdict.baseline,
        baseline_of=verdict.baseline_of,
        ratio=verdict.ratio,
        limit=verdict.limit,
        limit_of=verdict.limit_of,
        window_start=_rfc3339(verdict.window_start),
        window_end=_rfc3339(verdict.window_end),
        counts=dict(verdict.counts),
        asked={} if condition is None else asked_of(condition),
        history=tuple(
            Stretch(rfc3339(start * SECOND), rfc3339(end * SECOND), value)
            for start, end, value in sorted(verdict.history, key=_oldest_first)
        ),
        parts=tuple(
            judged(part, of_part) for part, of_part in zip(_parts(condition, verdict), verdict.parts, strict=True)
        ),
        unit="" if condition is None else unit_of(condition, verdict),
    )


def _parts(condition: Condition | None, verdict: Verdict) -> tuple[Condition | None, ...]:
    """The conditions of the verdict's parts: a combination is decided by the first ones, and looks no further."""
    known: tuple[Condition | None, ...] = () if condition is None else tuple(part for _, part in parts_of(condition))
    return (known or (None,) * len(verdict.parts))[: len(verdict.parts)]


def _oldest_first(stretch: tuple[int, int, float | None]) -> tuple[int, int]:
    return stretch[:2]


def _rfc3339(second: int | None) -> str | None:
    return None if second is None else rfc3339(second * SECOND)
