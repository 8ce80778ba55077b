"""What the parts of an `any` remember while its alert is open: which of them breached and are not clear yet.

An alert on one condition remembers by its own severity: between breach and clear it goes on. Of an `any` only some
parts breached, and the others must not go on for them: so each part has a memory of its own.
"""

from typing import TypeAlias

from lockstep.rule.condition.kinds import All, AnyOf, Condition, Severity
from lockstep.rule.condition.view import Kind, Verdict

Held: TypeAlias = tuple[tuple[Severity | None, "Held"], ...]
"""For each part of a combination: the severity at which it holds (None: it does not), and what its own parts hold."""


def held_by(held: Held, part: int) -> tuple[Severity | None, Held]:
    """What one part holds; nothing where nothing is known of it."""
    return held[part] if part < len(held) else (None, ())


def remembered(condition: Condition, verdict: Verdict, before: Held) -> Held:
    """What is held after a verdict: what breached, not what is clear, and where nothing is known what was before.

    To judge the same numbers again with it gives the same verdict. () for a condition without such parts.
    """
    if not isinstance(condition, All | AnyOf) or not condition.has_memory:
        return ()
    parts: list[tuple[Severity | None, Held]] = []
    for n, part in enumerate(condition.parts):
        severity, inner = held_by(before, n)
        if n < len(verdict.parts):
            of_part = verdict.parts[n]
            if of_part.kind not in (Kind.NO_DATA, Kind.UNJUDGED):
                severity = of_part.severity
            inner = remembered(part, of_part, inner)
        parts.append((severity, inner))
    return tuple(parts)


def fitting(condition: Condition, held: Held) -> Held:
    """What was held under a version of which no more is known: of as many parts, else nothing."""
    return held if isinstance(condition, All | AnyOf) and len(condition.parts) == len(held) else ()


def carried(old: Condition, new: Condition, held: Held) -> Held:
    """What is held after an edit: each part keeps its own, also one whose place among the others changed.

    old, new: the condition before and after the edit. held: what its parts held. A part that is found unchanged is the
    same one wherever it stands; where as many parts stand as before, a changed one is the one in its place.
    """
    if not held or not isinstance(old, All | AnyOf) or old.__class__ is not new.__class__:
        return ()
    assert isinstance(new, All | AnyOf)
    parts: list[tuple[Severity | None, Held]] = []
    same_length = len(old.parts) == len(new.parts)
    for n, part in enumerate(new.parts):
        was = next((m for m, p in enumerate(old.parts) if p == part), n if same_length else None)
        if was is None:
            parts.append((None, ()))
            continue
        severity, inner = held_by(held, was)
        parts.append((severity, carried(old.parts[was], part, inner)))
    return tuple(parts)
