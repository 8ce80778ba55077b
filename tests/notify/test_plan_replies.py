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


def text_to(run: Run, team: str) -> list[str]:
    """The lines of the last notice in a message to this team alone."""
    (item,) = notice_message(run.notices[-1], (team,)).items
    return item.texts[team].split("\n")


def test_a_yes_of_what_is_not_all_known_says_so():
    """Nobody starts a campaign because nothing is known that speaks against it."""
    run = Run()
    cause = "how much of product A-1 there is, is not known"
    words = {"when": "Wed 2 to Fri 4 Dec", "cause": cause}
    facts = {
        "unknown": ["How much of product A-1 there is, is not known."],
        "missing": {"operations": "Say how much of product A-1 there is."},
        "in_words": words,
    }
    run._apply(AnswerPlan(campaign="SPRING", number=1, verdict="yes", why="", facts=facts, **run.head()))
    assert run.told == [f"Campaign SPRING (Wed 2 to Fri 4 Dec) cannot be judged yet: {cause}"]
    assert [text_to(run, team) for team in TEAMS] == [
        [
            "Wait: do not start it before operations have said yes.",
            "Operations have been asked to answer now, as it runs already.",
        ],
        [
            "Answer now, as it runs already: can you do it? Too little is known here to say it for you.",
            "Marketing waits for your answer.",
        ],
    ]


def test_an_answer_is_told_once_and_again_when_it_changes():
    run = Run()
    assert run.answer("yes").applied
    assert not run.answer("yes").applied
    assert run.answer("no").applied
    assert run.told == ["Campaign SPRING looks possible", "Campaign SPRING now cannot be done as planned"]
    assert text_to(run, "marketing")[2] == "It was yes on Tue 24 Nov 12:00."


def test_other_numbers_under_the_same_verdict_are_told_once():
    """And what a worker says that is behind is not; a reply stands, as the announcement is the same."""
    run = Run()
    run.answer("change")
    run.reply("confirmed")
    assert run.answer("change", revision=1).applied
    for revision in (1, 0):
        assert not run.answer("change", revision=revision).applied
    assert not run.answer("yes", revision=0).applied
    assert (run.standing.revision, run.standing.reply) == (1, "confirmed")
    assert run.answer("yes", revision=1).applied
    assert run.answer("yes", number=2).applied
    assert [run.told[0], *run.told[2:]] == [
        "Campaign SPRING needs a change",
        "Campaign SPRING still needs a change",
        "Campaign SPRING now looks possible",
        "Campaign SPRING looks possible",
    ]


def test_a_reply_is_told_and_stands_until_the_answer_is_another_one():
    """Who said yes to what could be done has not agreed to a change of it: both teams hear so, and answer again."""
    run = Run()
    run.answer("yes")
    assert run.reply("confirmed", note="two more packers").applied
    assert (run.standing.reply, run.standing.by) == ("confirmed", "Ben")
    run.answer("change")
    assert run.standing.reply == ""
    assert text_to(run, "operations")[1:3] == [
        "It was yes on Tue 24 Nov 12:00.",
        "The answer of Ben counts no more, as the numbers are others: operations are asked again.",
    ]
    run.reply("confirmed")
    run.answer("change", number=2)
    assert run.standing.reply == ""
    assert run.told[1] == "Operations said yes: campaign SPRING runs as planned"


@pytest.mark.parametrize(
    ("verdict", "reply", "headline", "marketing", "severity"),
    [
        ("yes", "confirmed", "Operations said yes: campaign SPRING runs as planned", "Run it as planned.", "info"),
        (
            *("yes", "objected", "Operations said no: campaign SPRING has to be changed"),
            *("Change the plan now, as it runs, or speak with operations.", "warning"),
        ),
        ("no", "confirmed", "Operations agree: campaign SPRING has to be changed", "Start it on Fri 4 Dec.", "warning"),
        (
            *("change", "objected", "Operations said it can be done: campaign SPRING runs as planned"),
            *("Run it as planned.", "info"),
        ),
    ],
)
def test_a_reply_is_to_the_answer(verdict, reply, headline, marketing, severity):
    """To agree to a no is to have the campaign changed, and to object to it is to run it as it is planned."""
    hook, run = Destination(id="a", channel="webhook", target="a", receiver="a"), Run()
    facts = {"suggestion": "" if verdict == "yes" else "Start it on Fri 4 Dec."}
    run._apply(AnswerPlan(campaign="SPRING", number=1, verdict=verdict, why="Why.", facts=facts, **run.head()))
    run.part = PlanReplies([hook])
    run.part.restore(run.entries)
    applied = run._apply(ReplyToPlan(campaign="SPRING", number=1, reply=reply, note="five pack", **run.head()))
    assert run.told[-1] == headline
    assert run.notices[-1].severity == severity
    assert text_to(run, "marketing") == [marketing, "Ben said so on Tue 24 Nov 12:00: five pack"]
    (document,) = applied.documents
    jsonschema.validate(document.body, campaign_json_schema())
    assert document.body["data"]["as_planned"] == (marketing == "Run it as planned.")


def test_a_reply_to_an_answer_that_stands_no_more_is_refused():
    """A button of an old message says yes to what could be done; by now it cannot."""
    run = Run()
    run.answer("yes")
    run.answer("no")
    late = ReplyToPlan(campaign="SPRING", number=1, reply="confirmed", seen="yes", **run.head())
    refused = run._apply(late)
    assert (refused.applied, refused.why) == (False, "the answer to SPRING is another one now; look at it first")
    assert run.standing.reply == ""


@pytest.mark.parametrize(
    ("reply", "number", "note", "why"),
    [
        ("objected", 1, "", "a no says why"),
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
        assert (refused.applied, refused.why) == (False, "Ben has said so already")
    assert run.reply("confirmed", note="three more packers").applied
    assert run.reply("objected", note="the flu").applied
    assert run.told[1:] == [
        *["Operations said yes: campaign SPRING runs as planned"] * 2,
        "Operations said no: campaign SPRING has to be changed",
    ]


def test_who_may_reply_is_asked_for_it():
    """Each notice names its campaign and announcement; who has planned it is not asked, and nobody when it is done."""
    run = Run()
    run.answer("no", number=3)
    run.reply("objected", number=3, note="the flu")
    asked, told = run.notices
    assert asked.plan == PlanNews(campaign="SPRING", number=3, may_reply=True, is_open=True, verdict="no")
    assert told.plan == PlanNews(campaign="SPRING", number=3, may_reply=True, is_open=False, verdict="no")
    assert (asked.severity, told.severity) == ("warning", "info")
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
    assert run.notices[-1].plan == PlanNews(campaign="SPRING", number=2, verdict="cancelled")
    assert [text_to(run, team)[0] for team in TEAMS] == [
        "Stop its ads and posts.",
        "Nothing is needed for it any more.",
    ]
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
    assert run.told == [f"Campaign {name} looks possible" for name in ("FIRST", "SECOND", "THIRD")]
    assert [key.removeprefix(KEY) for key in sorted(run.entries)] == [b"SECOND", b"THIRD"]


def test_an_answer_is_told_in_lines_what_to_do_first():
    """Whoever reads it on a phone sees at once what to do; the reasons stand below it, each in a line of its own."""
    run = Run()
    lines = ["22 orders too many on Monday.", "Product A-1 is sold out on 2 days."]
    facts = {"suggestion": "Leave out product A-1.", "reply_by": "2026-12-01T08:00:00Z", "in_words": {"lines": lines}}
    run._apply(AnswerPlan(campaign="SPRING", number=1, verdict="no", why="", facts=facts, **run.head()))
    question = "Answer by Tue 1 Dec 08:00: can it run as planned, or should marketing change it?"
    for teams, first in [
        (TEAMS[::-1], [("Marketing", "Leave out product A-1."), ("Operations", question)]),
        (
            ("marketing",),
            [
                ("", "Leave out product A-1."),
                ("", "Unless operations say by Tue 1 Dec 08:00 that it can run as planned."),
            ],
        ),
        (("operations",), [("", question), ("", "Proposal to marketing: Leave out product A-1.")]),
    ]:
        (item,) = notice_message(run.notices[0], teams).items
        assert [(part.team, part.whole) for part in item.team_parts] == [*first, *(("", line) for line in lines)]
        assert [part.stands_out for part in item.team_parts] == [True, len(teams) == 2, False, False]


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
