"""Who is called and who is not once people answer, as an on-call person counts messages."""

import pytest
from alert_samples import transition
from timeline import Timeline, ack, moment

from lockstep.response.command import Close, Snooze

ALERT = transition().alert_id
ANNA, BEN = "anna@example.com", "ben@example.com"
WATCH = """
routes: [{to: [mail, chat], group_wait: 0s, escalation: watch}]
escalations: {watch: {steps: [{after: 0m, to: [mail]}, {after: 5m, to: [ben]}]}}
"""


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            Snooze(id="s", by="Anna", way="api", at=moment(60), alert_id=ALERT, until=moment(900)), id="snooze"
        ),
        pytest.param(Close(id="c", by="Anna", way="api", at=moment(60), alert_id=ALERT), id="close"),
        pytest.param(ack(ALERT, at=60), id="acknowledgement"),
    ],
)
def test_an_answer_of_any_kind_stops_the_escalation(answer, restarts):
    """Also when the others were told of the answer."""
    run = Timeline(WATCH, restarts=restarts).feed(transition()).until(60)
    assert run.feed(answer).until(800).to(BEN) == []


def test_a_snooze_that_is_over_leaves_what_was_left_of_the_wait():
    run = Timeline(WATCH).feed(transition()).until(60)
    run.feed(Snooze(id="s", by="Anna", way="api", at=moment(60), alert_id=ALERT, until=moment(900))).until(1300)
    assert [at for at, _ in run.to(BEN)] == [1140]


def test_the_first_step_does_not_call_who_was_told_a_second_ago():
    run = Timeline(WATCH).feed(transition()).until(250)
    assert run.to(ANNA) == [(0, "web firing")]
    assert "not_told same" in run.why(ANNA)


def test_of_two_answers_at_one_moment_the_later_one_is_told():
    """A message does not say that Anna has it, and below that Ben has."""
    run = Timeline("routes: [{to: chat, group_wait: 0s}]").feed(transition()).until(60)
    run.feed(ack(ALERT, by="Carl", at=60), ack(ALERT, by="Ben", at=60)).until(70)
    (told,) = [t for t in run.told if t.state == "handled"]
    assert told.body["reason"].endswith("Ben has it")
    assert told.body["items"][0]["handled"].startswith("Ben has it")


def test_an_end_in_the_moment_of_an_answer_is_an_end():
    run = Timeline("routes: [{to: chat, group_wait: 0s}]").feed(transition()).until(60)
    run.feed(ack(ALERT, by="Ben", at=60), transition("resolved", minute=1)).until(70)
    assert run.reasons("#ops")[1:] == ["it is over"]


def test_times_are_told_as_people_write_them():
    run = Timeline("routes: [{to: chat, group_wait: 0s}]").feed(transition()).until(60)
    run.feed(Snooze(id="s", by="Anna", way="api", at=moment(60), alert_id=ALERT, until=moment(900))).until(300)
    assert "until Tue 24 Nov 12:15" in run.reasons("#ops")[-1]


def test_a_clock_that_is_put_back_does_not_hold_a_group_for_longer_than_it_waits():
    run = Timeline("routes: [{to: mail, group_wait: 10s}]").feed(transition()).until(5).step(-3600)
    assert [at for at, _ in run.until(-3500).to(ANNA)] == [-3585]


def test_it_is_repeated_where_one_of_the_ways_to_a_destination_says_so():
    """Marketing has no route, and operations has one: they share an address."""
    run = Timeline("routes: [{match: [team=operations], to: mail, group_wait: 0s, repeat_interval: 10m}]")
    assert [round(at, -2) for at, _ in run.feed(transition()).until(1300).to(ANNA)] == [0, 600, 1200]


SHIFTS = """
schedules: {day: {zone: UTC, rotations: [{who: [mail, ben], every: 1h, from: "2026-11-24 11:30"}]}}
routes: [{to: "oncall:day", group_wait: 0s, repeat_interval: 10m}]
"""


@pytest.mark.parametrize("restarts", [False, True])
def test_what_goes_on_over_a_hand_over_is_repeated_to_who_is_on_call_then(restarts):
    """Whoever went off shift hears its end, and nothing else."""
    run = Timeline(SHIFTS, restarts=restarts)
    run.feed(transition()).until(3_100)
    assert run.to(ANNA) == [(0, "web firing"), (600, "web firing"), (1200, "web firing")]
    assert run.to(BEN) == [(1800, "web firing"), (2400, "web firing"), (3000, "web firing")]
    run.feed(transition("resolved")).until(3_120)
    assert run.to(ANNA)[-1][1] == run.to(BEN)[-1][1] == "web resolved"
    assert "not_told same" in run.why(ANNA)


def test_who_is_on_call_again_is_told_again():
    """Shifts of an hour: Anna, Ben, Anna."""
    run = Timeline(SHIFTS).feed(transition()).until(6_010)
    assert [at for at, _ in run.to(ANNA)] == [0, 600, 1200, 5400, 6000]
    assert [at for at, _ in run.to(BEN)] == [1800, 2400, 3000, 3600, 4200, 4800]


def test_what_swings_between_severities_is_told_as_the_worst_once():
    """People who were told that it is critical were not told that it is less: they know all there is."""
    run = Timeline("routes: [{to: mail, group_wait: 0s}]")
    run.feed(transition()).until(5)
    for n in range(3):
        worse = {"severity": "critical", "previous_severity": "warning"}
        run.feed(transition("severity", number=2 + 2 * n, **worse)).until(run.at + 5)
        eased = {"severity": "warning", "previous_severity": "critical"}
        run.feed(transition("severity", number=3 + 2 * n, **eased)).until(run.at + 5)
    assert run.to(ANNA) == [(0, "web firing"), (5, "web severity")]
