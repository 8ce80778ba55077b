"""Hours and closed days bound spikes and falls as they bound absences."""

from datetime import date, time

import pytest
from comparison import judged
from shorthand import LONDON, ORDERS, clock, of, orders, plan, rule, when

from lockstep.calendar import Day, Entry, calendar_of
from lockstep.rule.condition.hours import EVERY_DAY, OpenHours
from lockstep.rule.condition.kinds import All, AnyOf, Baseline, Hours, Not, Severity, Spike
from lockstep.tools.backtest.replay import replay_events

WEEKDAYS = frozenset(range(5))
TRADING = (Hours(WEEKDAYS, time(9), time(12)),)
CLOSED = calendar_of([Entry("closed", "one day", (Day(on=date(2026, 1, 15)),))])
"""Thursday."""


def spike(**more):
    return Spike(of(ORDERS), 3600, Baseline(days=3), Severity.WARNING, **{"usual_at_least": 2, **more})


def mornings(*counts: int | None, hours: str = "09 10 11") -> list:
    """So many orders each of these hours of a day, from Monday 12 January on; None: none at all."""
    found = []
    for n, count in enumerate(counts):
        day = f"2026-01-{12 + n}"
        found += orders("; ".join(f"web: {h}:30 x{count}" for h in hours.split() if count), day=day)
    return found


def said(condition, events, until="2026-01-16 20:00", **more) -> list[tuple[str, str, str]]:
    """State, instant and reason of each transition, the same as the reference's."""
    watched = plan(rule(condition, **more))
    judged(watched, events, until=clock(until))
    found = replay_events(watched, events, zone=LONDON, until=clock(until))
    return [(str(t.state), t.at[5:16], t.reason) for t in found]


FELL = [*mornings(8, 8, 8), *mornings(None, None, None, 8, hours="09 10"), *orders("web: 18:00", day="2026-01-15")]
"""Eight an hour from nine to twelve, on Thursday none in the last hour."""


def test_a_fall_ends_with_the_hours():
    """Nothing that comes in the evening is needed for it, and no keep_firing_for waits."""
    assert said(spike(below=0.5, hours=TRADING), FELL) == [
        ("firing", "01-15T11:31", ""),
        ("resolved", "01-15T12:01", "closed"),
        ("firing", "01-16T10:00", ""),
        ("resolved", "01-16T12:01", "closed"),
    ]
    kept = said(spike(below=0.5, hours=TRADING), FELL, keep=1_800)
    assert kept[1] == ("resolved", "01-15T12:01", "closed")


def test_what_is_pending_is_cancelled():
    """It began half an hour before the end and asks for longer."""
    assert said(spike(below=0.5, hours=TRADING), FELL, hold=3_600)[:2] == [
        ("pending", "01-15T11:31", ""),
        ("cancelled", "01-15T12:01", "closed"),
    ]


def test_a_rise_ends_with_the_hours_too():
    """Else it would go on all night and swallow the next one."""
    events = [*mornings(8, 8, 8, 8), *orders("web: 11:40 x40", day="2026-01-15"), *mornings(None, None, None, None, 30)]
    assert said(spike(above=2.0, hours=TRADING), events) == [
        ("firing", "01-15T11:41", ""),
        ("resolved", "01-15T12:01", "closed"),
        ("firing", "01-16T10:00", ""),
        ("resolved", "01-16T12:01", "closed"),
    ]


def test_a_window_that_reaches_out_of_the_hours_is_not_judged():
    """Nothing from eight to nine is nothing new: the first window of a day is from nine to ten."""
    events = [*mornings(8, 8, 8, hours="08 09 10 11"), *mornings(None, None, None, 8, hours="10 11")]
    assert said(spike(below=0.5, hours=TRADING), events, until="2026-01-15 15:00") == [
        ("firing", "01-15T10:00", ""),
        ("resolved", "01-15T10:31", ""),
    ]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        pytest.param((), [], id="the calendar alone"),
        pytest.param(TRADING, [], id="and beside hours"),
    ],
)
def test_a_closed_day_never_begins_a_fall(hours, expected):
    """Nobody buys where nothing is sold."""
    events = [*mornings(8, 8, 8), *orders("web: 20:00", day="2026-01-15")]
    assert said(spike(below=0.5, hours=hours, closed=CLOSED), events, until="2026-01-15 23:59") == expected
    assert said(spike(below=0.5, hours=hours), events, until="2026-01-15 23:59") != []


def test_a_closed_day_ends_a_fall():
    """One that began in the evening before is over at midnight, as soon as the window touches the closed day."""
    events = [*mornings(8, 8, hours="22 23"), *orders("web: 21:00", day="2026-01-14")]
    fall = Spike(of(ORDERS), 3600, Baseline(days=2), Severity.WARNING, below=0.5, usual_at_least=2, closed=CLOSED)
    assert said(fall, events, until="2026-01-15 12:00") == [
        ("firing", "01-14T23:30", ""),
        ("resolved", "01-15T00:01", "closed"),
    ]


def test_much_on_a_closed_day_is_told():
    """A rise is compared as before; hours say that nothing is judged."""
    events = mornings(8, 8, 8, 30)
    both = spike(above=2.0, below=0.5, closed=CLOSED)
    assert ("firing", "01-15T10:30", "") in said(both, events, until="2026-01-15 20:00")
    assert said(spike(above=2.0, hours=TRADING, closed=CLOSED), events, until="2026-01-15 20:00") == []


def test_deviations_alone_look_both_ways():
    """Of them, too, only a rise counts on a closed day."""
    alone = spike(deviations=2.0, closed=CLOSED)
    assert said(alone, mornings(8, 8, 8, 1), until="2026-01-15 20:00") == []
    assert ("firing", "01-15T10:30", "") in said(alone, mornings(8, 8, 8, 30), until="2026-01-15 20:00")


def test_parts_of_a_combination_outside_of_their_hours():
    """An `all` ends with it, an `any` goes by its other parts, a `not` says nothing either."""
    fall, few = spike(below=0.5, hours=TRADING), when(ORDERS, "below 5", window=3600)
    both = said(All((fall, few), Severity.WARNING), FELL, until="2026-01-15 17:00")
    assert both == [("firing", "01-15T11:31", ""), ("resolved", "01-15T12:01", "closed")]
    either = said(AnyOf((fall, few), Severity.WARNING), FELL, until="2026-01-15 17:00")
    assert either[-1][:2] == ("firing", "01-15T11:31")
    opposite = said(Not(spike(below=0.5, hours=TRADING), Severity.WARNING), FELL, until="2026-01-15 13:00")
    assert opposite[-1] == ("resolved", "01-15T11:31", "")


def test_hours_join_at_midnight_and_end_at_closed_days():
    """[start, end) within one stretch, across midnights and clock changes."""
    always = OpenHours(EVERY_DAY)
    spring = clock("2026-03-28 12:00").timestamp(), clock("2026-03-30 12:00").timestamp()
    assert always.hold(int(spring[0]), int(spring[1]), LONDON)
    around = OpenHours(EVERY_DAY, CLOSED)
    begins, ends = (int(clock(f"2026-01-{day} 00:00").timestamp()) for day in (15, 16))
    assert around.hold(begins - 60, begins, LONDON)
    assert not around.hold(begins - 60, begins + 1, LONDON)
    assert not around.hold(begins, begins + 60, LONDON)
    assert not around.hold(ends - 1, ends + 59, LONDON)
    assert around.hold(ends, ends + 60, LONDON)
