"""A campaign between the teams: each answer is told once, a reply belongs to what was seen, a restart loses nothing."""

import json
from typing import Any

import jsonschema
import pytest
from alert_samples import NOON

from lockstep.errors import StateError
from lockstep.notification import PlanNews
from lockstep.notify.message import notice_message
from lockstep.notify.pipeline.hooks import Applied, Notice
from lockstep.notify.programs.campaign_documents import campaign_json_schema
from lockstep.notify.reporting.plan_replies import KEY, MOST_PLANS, PlanReplies
from lockstep.ports import Destination
from lockstep.response.command import AnswerPlan, ReplyToPlan
from lockstep.response.standing import PlanStanding

T0 = NOON.timestamp()
TEAMS = ("marketing", "operations")


class Run:
    """The part as notify drives it, made anew of its entries after every step."""

    def __init__(self, *, most: int = MOST_PLANS) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.most = most
        self.part = PlanReplies(most=most)
        self.commands = 0
        self.told: list[str] = []
        self.notices: list[Notice] = []

    def _restart(self) -> None:
        for key, value in self.part.cut().items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        self.part = PlanReplies(most=self.most)
        self.part.restore(self.entries)

    def head(self) -> dict[str, Any]:
        self.commands += 1
        return {"id": f"c{self.commands}", "by": "Ben", "way": "page", "at": "2026-11-24T12:00:00Z"}

    def _apply(self, command: AnswerPlan | ReplyToPlan) -> Applied:
        applied = self.part.apply(command, T0 + self.commands)
        assert applied is not None
        self._restart()
        notices = self.part.tick(T0 + self.commands).notices
        self._restart()
        self.told += [notice.headline for notice in notices]
        self.notices += notices
        assert len({notice.id for notice in notices}) == len(notices)
        return applied

    def answer(self, verdict: str, number: int = 1, revision: int = 0) -> Applied:
        asked = AnswerPlan(
            campaign="SPRING", number=number, verdict=verdict, revision=revision, why="310 of 490.", **self.head()
        )
        return self._apply(asked)

    def reply(self, reply: Any, number: int = 1, note: str = "") -> Applied:
        return self._apply(ReplyToPlan(campaign="SPRING", number=number, reply=reply, note=note, **self.head()))

    @property
    def standing(self) -> PlanStanding:
        (stored,) = self.part._plans.values()
        return stored.standing


def test_a_yes_of_what_is_not_all_known_says_so():
    """Nobody starts a campaign because nothing is known that speaks against it."""
    run = Run()
    facts = {"unknown": ["A-1: no stock of it is known."]}
    run._apply(AnswerPlan(campaign="SPRING", number=1, verdict="yes", why="Nothing.", facts=facts, **run.head()))
    assert run.told == ["Campaign SPRING can be done, as far as is known"]


def test_an_answer_is_told_once_and_again_when_it_changes():
    run = Run()
    assert run.answer("yes").applied
    assert not run.answer("yes").applied
    assert run.answer("no").applied
    assert run.told == ["Campaign SPRING can be done", "Campaign SPRING now cannot be done as it is planned"]


def test_other_numbers_under_the_same_verdict_are_told_once():
    """And what a worker says that is behind is not; a reply stands, as the announcement is the same."""
    run = Run()
    run.answer("change")
    run.reply("confirmed")
    assert run.answer("change", revision=1).applied
    for revision in (1, 0):
        assert not run.answer("change", revision=revision).applied
    assert not run.answer("yes", revision=0).applied
    assert run.answer("yes", revision=1).applied
    assert (run.standing.revision, run.standing.reply) == (1, "confirmed")
    assert run.answer("yes", number=2).applied
    assert [run.told[0], *run.told[2:]] == [
        "Campaign SPRING needs a change",
        "Campaign SPRING still needs a change, with other numbers",
        "Campaign SPRING now can be done",
        "Campaign SPRING can be done",
    ]


def test_a_reply_is_told_and_stands_until_the_plan_is_announced_anew():
    run = Run()
    run.answer("yes")
    assert run.reply("confirmed", note="two more packers").applied
    assert (run.standing.reply, run.standing.by) == ("confirmed", "Ben")
    run.answer("change")
    assert run.standing.reply == "confirmed"
    run.answer("yes", number=2)
    assert run.standing.reply == ""
    assert run.told[1] == "Ben confirmed campaign SPRING"


@pytest.mark.parametrize(
    ("reply", "number", "note", "why"),
    [
        ("objected", 1, "", "an objection says why"),
        ("confirmed", 7, "", "announced anew"),
    ],
)
def test_what_is_refused_says_why(reply, number, note, why):
    run = Run()
    run.answer("yes")
    refused = run.reply(reply, number, note)
    assert not refused.applied
    assert why in refused.why


def test_a_reply_to_what_nobody_knows_is_refused():
    refused = Run().part.apply(ReplyToPlan(campaign="X", number=1, reply="confirmed", **Run().head()), T0)
    assert refused is not None
    assert "no campaign 'X'" in refused.why


def test_the_same_reply_again_is_none():
    """Also from somebody else, or with the words that were said; with other words it is one."""
    run = Run()
    run.answer("yes")
    assert run.reply("confirmed", note="two more packers").applied
    for note in ("", "two more packers"):
        refused = run.reply("confirmed", note=note)
        assert (refused.applied, refused.why) == (False, "Ben has confirmed SPRING already")
    assert run.reply("confirmed", note="three more packers").applied
    assert run.reply("objected", note="the flu").applied
    assert run.told[1:] == [*["Ben confirmed campaign SPRING"] * 2, "Ben objected to campaign SPRING"]


def test_who_may_reply_is_asked_for_it():
    """Each notice names its campaign and announcement; who has planned it is not asked, and nobody when it is done."""
    run = Run()
    run.answer("no", number=3)
    run.reply("objected", number=3, note="the flu")
    asked, told = run.notices
    assert asked.plan == PlanNews(campaign="SPRING", number=3, may_reply=True, is_open=True)
    assert told.plan == PlanNews(campaign="SPRING", number=3, may_reply=True, is_open=False)
    assert (asked.severity, told.severity) == ("warning", "warning")
    items = {teams: notice_message(asked, teams).items[0].campaign for teams in [("marketing",), TEAMS, TEAMS[1:]]}
    assert [news is not None and news.may_reply for news in items.values()] == [False, True, True]


def test_a_campaign_that_is_cancelled_is_told_and_nobody_replies():
    run = Run()
    run.answer("yes")
    run.reply("confirmed")
    assert run.answer("cancelled", number=2).applied
    refused = run.reply("objected", number=2, note="too late")
    assert (refused.applied, refused.why) == (False, "SPRING is cancelled: there is nothing to reply")
    assert run.told[-1] == "Campaign SPRING is cancelled"
    assert run.notices[-1].plan == PlanNews(campaign="SPRING", number=2)
    assert run.answer("yes", number=3).applied


def test_programs_get_a_document_each_under_an_id_of_its_own():
    """Of an answer that a version before this one gave, which said less, a whole one all the same."""
    hooks = [Destination(id=name, channel="webhook", target=name, receiver=name) for name in ("a", "b")]
    part, run = PlanReplies(hooks), Run()
    answer = AnswerPlan(campaign="SPRING", number=1, verdict="no", why="310 of 290.", **run.head())
    objected = ReplyToPlan(campaign="SPRING", number=1, reply="objected", note="the flu", **run.head())
    told = [
        document
        for command in (answer, objected)
        for document in (part.apply(command, T0) or Applied(False, "")).documents
    ]
    assert [(d.state, d.destination.id) for d in told] == [
        ("campaign.answered", "a"),
        ("campaign.answered", "b"),
        ("campaign.replied", "a"),
        ("campaign.replied", "b"),
    ]
    assert len({d.id for d in told}) == 4
    assert {d.subject for d in told} == {"campaign/SPRING"}
    for document in told:
        jsonschema.validate(document.body, campaign_json_schema())


def test_a_thousand_campaigns_of_years_do_not_keep_the_next_from_its_answer():
    """The one that was answered longest ago is forgotten."""
    run = Run(most=2)
    for name in ("FIRST", "SECOND", "THIRD"):
        answered = AnswerPlan(campaign=name, number=1, verdict="yes", why="310 of 490.", **run.head())
        assert run._apply(answered).applied
    assert run.told == [f"Campaign {name} can be done" for name in ("FIRST", "SECOND", "THIRD")]
    assert [key.removeprefix(KEY) for key in sorted(run.entries)] == [b"SECOND", b"THIRD"]


def test_an_answer_is_told_in_lines_what_to_do_first():
    """Whoever reads it on a phone sees at once what to do; the reasons stand below it, each in a line of its own."""
    run = Run()
    why = "Wait until more of A-1 is planned.\n22 orders too many on Monday.\nA-1 is out on 2 days."
    run._apply(AnswerPlan(campaign="SPRING", number=1, verdict="no", why=why, **run.head()))
    (item,) = notice_message(run.notices[0], TEAMS).items
    assert [part.whole for part in item.team_parts] == why.split("\n")
    assert [part.stands_out for part in item.team_parts] == [True, False, False]


def test_what_another_version_stored_is_read_or_refused():
    """A version before this one wrote no format; of a later one nobody knows what it means."""
    run = Run()
    run.answer("yes")
    ((key, value),) = run.entries.items()
    row = json.loads(value)
    assert row.pop("format") == 1
    part = PlanReplies()
    part.restore({key: json.dumps(row).encode()})
    reply = ReplyToPlan(campaign="SPRING", number=1, reply="confirmed", **run.head())
    answered = part.apply(reply, T0)
    assert answered is not None
    assert answered.applied
    with pytest.raises(StateError, match=r"lockstep\.notify-state: a campaign of format 99, this version reads 1"):
        PlanReplies().restore({key: json.dumps({**row, "format": 99}).encode()})
