"""What people do about alerts: applied once, answered, told to the others, and shown in every later message."""

import pytest
from alert_samples import transition
from timeline import Timeline, ack, moment

from lockstep.response.command import AddNote, Assign, Close, DestinationDown, DestinationUp, Snooze, TakeBack, down_id

MAIL, CHAT, BEN = "anna@example.com", "#ops", "ben@example.com"
ALERT = transition().alert_id
ONE = "routes: [{to: chat, group_wait: 0s, repeat_interval: 1m}]"
WORSE = {"severity": "critical", "previous_severity": "warning"}


def _common(number: str, at: float = 30, **more):
    return {"id": number, "by": "Anna", "way": "api", "at": moment(at), "alert_id": ALERT, **more}


def test_a_command_is_applied_once():
    """A second click, or the same idempotency key, changes nothing and is not answered anew, over a restart too."""
    run = Timeline(ONE).feed(transition()).until(30)
    run.feed(ack(ALERT, number="one", at=30)).feed(ack(ALERT, number="one", at=30))
    run.die()
    run.feed(ack(ALERT, number="one", at=30))
    assert [(answer["id"], answer["applied"]) for answer in run.answers] == [("one", True)]
    assert run.standing[f"handling/{ALERT}"]["acknowledged_by"] == "Anna"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param(ack("nobody"), "no alert with this id is open: there is nothing to do", id="unknown"),
        pytest.param(
            ack(ALERT, episode_id="other"),
            "this episode of the alert is over, it has begun anew since: there is nothing to do",
            id="over",
        ),
        pytest.param(ack(ALERT, by=" \n"), "it is not said who; give a name", id="nobody"),
        pytest.param(
            ack(ALERT, by="x" * 101), "the name 'xxxxxxxxxxxxxxxxxxxx…' is longer than 100 characters", id="long"
        ),
        pytest.param(ack(ALERT, until="soon"), "'soon' is no time; write one like 2026-11-24T18:00:00Z", id="no time"),
        pytest.param(
            ack(ALERT, until="2026-11-24T18:00:00"),
            "'2026-11-24T18:00:00' has no zone; write one like 2026-11-24T18:00:00Z",
            id="no zone",
        ),
        pytest.param(ack(ALERT, until=moment(-5)), "'2026-11-24T11:59:55Z' lies in the past", id="past"),
        pytest.param(
            ack(ALERT, until="2029-11-24T11:59:55Z"), "'2029-11-24T11:59:55Z' is more than 366 days away", id="far"
        ),
        pytest.param(
            TakeBack(**_common("c")), "nobody has it, and it is neither snoozed nor closed", id="nothing there"
        ),
        pytest.param(AddNote(**_common("c", text="\t")), "the note is empty", id="an empty note"),
        pytest.param(
            AddNote(**_common("c", text="x" * 1001)), "the note is longer than 1,000 characters", id="a long note"
        ),
        pytest.param(Assign(**_common("c", to="")), "it is nobody's already", id="nobody's already"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(command, expected):
    """It changes nothing, and the answer says why."""
    run = Timeline(ONE).feed(transition()).feed(command)
    (answer,) = run.answers
    assert (answer["applied"], answer["why"][: len(expected)]) == (False, expected)
    assert run.standing == {}


def test_what_stands_is_in_every_later_message():
    """Who has it, whose it is and the last note; a name cannot break its line."""
    run = Timeline(ONE).feed(transition()).until(5)
    run.feed(ack(ALERT, by="Anna\nBcc: x", at=5)).feed(Assign(**_common("a", to="Ben"))).feed(
        AddNote(**_common("n", text="looking"))
    )
    run.feed(transition("severity", minute=1, **WORSE)).until(8)
    *_, worse = [told.body["items"][0] for told in run.told if told.target == CHAT]
    assert (
        worse["handled"] == "Anna Bcc: x has it since Tue 24 Nov 12:00; Ben was asked to take it; Anna wrote: looking"
    )
    assert worse["state"] == "severity"


def test_a_snooze_holds_everything_back_until_its_end():
    """Then what still fires is told again."""
    run = Timeline(ONE).feed(transition()).until(30)
    run.feed(Snooze(**_common("s", until=moment(600)))).until(700)
    assert run.to(CHAT)[:3] == [(0, "web firing"), (30, "web handled"), (600, "web firing")]
    assert "the snooze of Anna is over" in run.reasons(CHAT)[2]


@pytest.mark.parametrize("restarts", [False, True])
def test_an_end_is_told_at_once_whatever_was_done(restarts):
    """Who was told hears inside a snooze, too, that it is over: that ends work. Who was not hears nothing."""
    for command in (Snooze(**_common("s", until=moment(600))), ack(ALERT, at=30, until=moment(600))):
        run = Timeline("routes: [{to: [mail], group_wait: 0s}]", restarts=restarts).feed(transition()).until(30)
        run.feed(command).until(100).feed(transition("resolved", minute=2)).until(700)
        assert run.to("anna@example.com") == [(0, "web firing"), (100, "web resolved")]
    run = Timeline("routes: [{to: [mail], group_wait: 40s}]", restarts=restarts).feed(transition()).until(30)
    run.feed(Snooze(**_common("s", until=moment(600)))).until(100).feed(transition("resolved", minute=2)).until(700)
    assert run.to("anna@example.com") == []
    assert "not_told short_lived" in run.why("anna@example.com")


def test_what_is_worse_breaks_through_a_snooze_and_a_close():
    """It is not snoozed any more then, so its repeats come again."""
    for command in (Snooze(**_common("s", until=moment(6000))), Close(**_common("s"))):
        run = Timeline(ONE).feed(transition()).until(30).feed(command).until(100)
        run.feed(transition("severity", minute=2, **WORSE)).until(170)
        assert run.to(CHAT)[1:] == [(30, "web handled"), (100, "web severity"), (160, "web firing")]
        assert run.standing[f"handling/{ALERT}"]["closed_by"] == ""


def test_what_was_closed_is_over_for_people():
    """Neither repeats nor its end are told; the next episode is news."""
    run = Timeline(ONE).feed(transition()).until(30).feed(Close(**_common("c"))).until(300)
    run.feed(transition("resolved", minute=5)).until(310)
    assert run.standing == {f"handling/{ALERT}": None}
    run.feed(transition(episode_id="next", minute=6)).until(320)
    assert [what for _, what in run.to(CHAT)] == ["web firing", "web handled", "web firing"]
    assert "not_told closed" in run.why(CHAT)
    run = Timeline("routes: [{to: mail, group_wait: 1s}]").feed(transition()).until(30).feed(Close(**_common("c")))
    assert [d.why for d in run.decisions if d.channel == "email"] == [
        "its message waits a moment, so that more of OrderSpike can join it",
        "it has begun",
        "Anna closed it; unless it gets worse, no message follows",
    ]


def test_what_is_taken_back_repeats_again():
    """The others hear that nobody has it any more."""
    run = Timeline(ONE).feed(transition()).until(30).feed(ack(ALERT, at=30)).until(300)
    run.feed(TakeBack(**_common("t", at=300))).until(370)
    assert run.to(CHAT)[2:] == [(300, "web firing"), (360, "web firing")]
    assert run.reasons(CHAT)[2].endswith("has taken back that Anna has it since Tue 24 Nov 12:00")


def test_who_has_not_heard_of_it_hears_it_though_somebody_has_it():
    """An acknowledgement of one team does not hide an alert from another that waits for its group."""
    run = Timeline("routes: [{to: mail, group_wait: 0s, continue: true}, {to: ben, group_wait: 1m}]")
    run.feed(transition()).until(10).feed(ack(ALERT, at=10)).until(100)
    assert run.to(BEN) == [(60, "web firing")]
    assert [told.body["items"][0].get("handled") for told in run.told if told.target == BEN] == [
        "Anna has it since Tue 24 Nov 12:00"
    ]


def test_a_destination_that_is_dead_has_a_fallback():
    """What it was told, and what it would be told while it is dead, is told to others at once; once only."""
    run = Timeline("routes: [{to: chat, group_wait: 0s, fallback: [ben]}]").feed(transition()).until(5)
    chat = next(d for d in run.routing.by_id.values() if d.target == CHAT)
    said = {"by": "deliver", "way": "lockstep", "at": moment(5), "destination_id": chat.id}
    delivery = next(told.id for told in run.told if told.target == CHAT)
    run.feed(DestinationDown(id="d1", why="HTTP 503", delivery_id=delivery, **said)).until(10)
    assert run.to(BEN) == [(5, "web firing")]
    assert run.reasons(BEN) == ["others cannot be reached: slack #ops cannot be reached"]
    run.feed(transition(channel="app", minute=1)).until(20)
    assert run.to(BEN)[1:] == [(10, "app firing")]
    run.feed(DestinationUp(id="u1", **said)).feed(transition(channel="shop", minute=1)).until(30)
    run.feed(transition("resolved", minute=2)).until(40)
    assert run.to(BEN)[2:] == [(30, "web resolved")]


def test_a_delivery_that_was_given_up_is_recorded():
    """Who asks why nothing came finds it; whose fallback heard when its lane began to probe, hears it once."""
    run = Timeline("routes: [{to: chat, group_wait: 0s, fallback: [ben]}]").feed(transition()).until(5)
    chat = next(d for d in run.routing.by_id.values() if d.target == CHAT)
    (delivery,) = [told.id for told in run.told if told.target == CHAT]
    said = {"by": "deliver", "way": "lockstep", "destination_id": chat.id, "why": "HTTP 503", "delivery_id": delivery}
    run.feed(DestinationDown(id=down_id(chat.id, delivery, is_given_up=False), at=moment(5), **said)).until(10)
    number = down_id(chat.id, delivery, is_given_up=True)
    run.feed(DestinationDown(id=number, at=moment(10), is_given_up=True, **said)).until(20)
    assert run.to(BEN) == [(5, "web firing")]
    assert [(d.outcome, d.why, d.delivery_id) for d in run.decisions if d.reason == "dead"] == [
        ("not_told", "it was given up: HTTP 503", delivery)
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_program_that_is_dead_has_a_fallback(restarts):
    """What it was told, and what it would be told while it is dead, is told to people at once."""
    run = Timeline("routes: [{to: hook, fallback: [ben]}]", restarts=restarts).feed(transition()).until(5)
    hook = next(d for d in run.routing.by_id.values() if d.channel == "webhook")
    (delivery,) = [told.id for told in run.told]
    said = {"by": "deliver", "way": "lockstep", "at": moment(5), "destination_id": hook.id, "why": "HTTP 503"}
    run.feed(DestinationDown(id="d1", delivery_id=delivery, is_given_up=True, **said)).until(10)
    assert run.to(BEN) == [(5, "web firing")]
    assert [d.reason for d in run.decisions if d.destination_id == hook.id] == ["each", "dead"]
    run.feed(transition(channel="app")).until(20)
    assert run.to(BEN)[1:] == [(10, "app firing")]
    run.feed(DestinationUp(id="u1", by="deliver", way="lockstep", at=moment(20), destination_id=hook.id)).until(30)
    run.feed(transition(channel="shop")).until(40)
    assert len(run.to(BEN)) == 2


@pytest.mark.parametrize("restarts", [False, True])
def test_a_route_to_programs_alone_has_its_escalation(restarts):
    """It begins when they are told, and is hurried where they cannot be."""
    watch = """
escalations: {watch: {steps: [{after: 2m, to: ben}]}}
routes: [{to: hook, escalation: watch}]
"""
    run = Timeline(watch, restarts=restarts).feed(transition()).until(300)
    assert run.to(BEN) == [(120, "web firing")]
    run = Timeline(watch, restarts=restarts).feed(transition()).until(5)
    hook = next(d for d in run.routing.by_id.values() if d.channel == "webhook")
    said = {"by": "deliver", "way": "lockstep", "at": moment(5), "destination_id": hook.id, "why": "HTTP 503"}
    run.feed(DestinationDown(id="d1", delivery_id=run.told[0].id, **said)).until(60)
    assert [what for _, what in run.to(BEN)] == ["web firing"]


def test_what_is_taken_back_is_escalated_again():
    """Also where only mails were sent, of which none says that it was taken back."""
    run = Timeline(
        """
escalations: {watch: {steps: [{after: 2m, to: ben}]}}
routes: [{to: mail, group_wait: 0s, escalation: watch}]
"""
    )
    run.feed(transition()).until(30).feed(ack(ALERT, at=30)).until(300)
    assert run.to(BEN) == []
    run.feed(TakeBack(**_common("t", at=300))).until(600)
    assert [what for _, what in run.to(BEN)] == ["web firing"]
