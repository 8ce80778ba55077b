"""What happened to an alert, as its page tells it: it began, who was told, who was not and why not, who did what."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from lockstep.adapters.timeline.told_and_done import answered_words, changed_words, decided_words, whom, why_words
from lockstep.response.command import Answer
from lockstep.response.decision import Decision
from lockstep.text.days import day_text
from lockstep.transition import Transition

MOST_SHOWN = 200
"""Rows of one timeline, the newest."""


@dataclass(frozen=True)
class Happening:
    """A row. day, time: in the shop's zone, `Tue 24 Nov` and `03:12`. kind: `alert`, `told`, `not_told`, `waits`,
    `person` or `refused`; it is the row's colour. what: the sentence. details: (whom, why) of a decision, where it
    concerns several."""

    day: str
    time: str
    kind: str
    what: str
    details: tuple[tuple[str, str], ...] = ()


def happenings(
    events: Iterable[Transition | Decision | Answer], zone: ZoneInfo, number_of: Callable[[Transition], str]
) -> list[Happening]:
    """The rows of a timeline in the order of time; what one moment decided for several is one row.

    number_of: what an alert measured, with its unit.
    """
    rows: list[Happening] = []
    together: list[Decision] = []
    # What is known of it lies on several topics, and none is read in the order of the others.
    for event in sorted(events, key=_at):
        if isinstance(event, Decision):
            if together and _moment(together[-1]) != _moment(event):
                rows.append(_decided(together, zone))
                together = []
            together.append(event)
            continue
        if together:
            rows.append(_decided(together, zone))
            together = []
        rows.append(_changed(event, zone, number_of) if isinstance(event, Transition) else _answered(event, zone))
    if together:
        rows.append(_decided(together, zone))
    return rows[-MOST_SHOWN:]


def clock_of(moment: str, zone: ZoneInfo) -> tuple[str, str]:
    """(day, time) of a moment in the shop's zone: `Tue 24 Nov`, `03:12`."""
    local = datetime.fromisoformat(moment).astimezone(zone)
    return day_text(local.date()), f"{local:%H:%M}"


def _at(event: Transition | Decision | Answer) -> datetime:
    return datetime.fromisoformat(event.decided_at if isinstance(event, Answer) else event.at)


def _moment(decision: Decision) -> tuple[str, str]:
    return decision.at, decision.outcome


def _changed(transition: Transition, zone: ZoneInfo, number_of: Callable[[Transition], str]) -> Happening:
    number = "" if transition.value is None else f": {number_of(transition)}"
    return Happening(*clock_of(transition.at, zone), "alert", f"{changed_words(transition)}{number}")


def _decided(decisions: Sequence[Decision], zone: ZoneInfo) -> Happening:
    outcome, at = decisions[0].outcome, clock_of(decisions[0].at, zone)
    words = decided_words(decisions)
    if outcome == "told" or len({why_words(d) for d in decisions}) == 1:
        return Happening(*at, outcome, words)
    said = "Later" if outcome == "waits" else "Not sent"
    return Happening(*at, outcome, said, tuple((whom(d), why_words(d)) for d in decisions[:20]))


def _answered(answer: Answer, zone: ZoneInfo) -> Happening:
    at = clock_of(answer.decided_at, zone)
    return Happening(*at, "person" if answer.applied else "refused", answered_words(answer, zone))
