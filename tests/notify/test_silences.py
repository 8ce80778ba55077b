"""Silences: what one hushes, for how long, what is said of its end, and that none is lost by a restart."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from alert_samples import LONDON, NOON
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.errors import CommandError
from lockstep.notify.pipeline.hooks import Applied, Happened
from lockstep.notify.quiet.silences import (
    KEPT_S,
    MOST_HITS,
    MOST_OVER,
    MOST_SILENCES,
    Silences,
    read_silence,
    stretch_of,
)
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.response.command import EndSilence, PutSilence, TakeBack
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, Silence
from lockstep.rule.condition.kinds import Severity
from lockstep.text.rfc3339 import rfc3339_of

WEB = {"rule": "OrderDrop", "severity": "critical", "team": "marketing", "channel": "web"}
SHOP = {**WEB, "channel": "shop"}


def silence(begin: float = 0, end: float = 60, *, number: str = "s1", **changed: Any) -> Silence:
    """Anna's, of the channel web; begin, end: minutes after NOON."""
    values: dict[str, Any] = {
        "matchers": ("channel=web",),
        "starts": rfc3339_of(NOON + timedelta(minutes=begin)),
        "ends": rfc3339_of(NOON + timedelta(minutes=end)),
        "author": "Anna",
        "comment": "summer campaign",
    }
    return Silence(id=number, **{**values, **changed})


class Run:
    """The part as notify drives it; `restarts` makes a new one of its entries after every step."""

    def __init__(self, *, restarts: bool = False, fires: tuple[dict[str, str], ...] = ()) -> None:
        self.fires, self.restarts = fires, restarts
        self.entries: dict[bytes, bytes] = {}
        self.part = self._new()
        self.commands = 0
        self.applied: list[Applied] = []

    def _new(self) -> Silences:
        part = Silences(LONDON, lambda: self.fires)
        part.restore(self.entries)
        return part

    def put(self, minute: float, wanted: Silence, by: str = "Anna") -> str:
        return self._apply(minute, lambda **of: PutSilence(silence=wanted, by=by, **of))

    def end(self, minute: float, number: str = "s1", by: str = "Ben") -> str:
        return self._apply(minute, lambda **of: EndSilence(silence_id=number, by=by, **of))

    def _apply(self, minute: float, command: Any) -> str:
        self.commands += 1
        at = NOON + timedelta(minutes=minute)
        applied = self.part.apply(command(id=str(self.commands), way="page", at=rfc3339_of(at)), at.timestamp())
        self.applied.append(applied)
        self._cut()
        return ("" if applied.applied else "refused: ") + applied.why

    def tick(self, minute: float) -> Happened:
        happened = self.part.tick((NOON + timedelta(minutes=minute)).timestamp())
        self._cut()
        return happened

    def why(self, facts: dict[str, str] = WEB) -> str | None:
        hush = self.part.hushed(facts, Severity.CRITICAL, NOON.timestamp(), RouteOptions())
        self._cut()
        return None if hush is None else hush.why

    def _cut(self) -> None:
        for key, value in self.part.cut().items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        if self.restarts:
            self.part = self._new()


@pytest.fixture(params=[False, True], ids=["runs on", "restarts after every step"])
def run(request: pytest.FixtureRequest) -> Run:
    return Run(restarts=request.param)


def test_one_from_beginning_to_end(run):
    """It hushes what it matches from the tick at its beginning to that at its end, and says how many that were."""
    assert run.put(-5, silence()) == (
        "Anna made a silence of channel=web from Tue 24 Nov 2026 12:00 GMT until Tue 24 Nov 2026 13:00 GMT: "
        "summer campaign"
    )
    assert run.tick(-1) == Happened()
    assert run.why() is None
    assert run.tick(0) == Happened()
    assert run.why() == "silenced by Anna until Tue 24 Nov 2026 13:00 GMT: summer campaign"
    assert run.why(SHOP) is None
    assert run.tick(59) == Happened()
    happened = run.tick(60)
    assert run.why() is None
    (ended,) = happened.ended
    assert ended.why == "the silence of Anna (summer campaign) is over"
    assert ended.again(WEB)
    assert not ended.again(SHOP)
    assert [s.hits for s in happened.standing] == [1]
    (answer,) = happened.answers
    assert answer.why == "the silence of Anna (summer campaign) is over: it kept 1 alert quiet"
    assert (answer.command.by, answer.command.silence_id, answer.decided_at) == (
        "lockstep",
        "s1",
        "2026-11-24T13:00:00Z",
    )
    assert happened.notices == []
    assert run.tick(61) == Happened()


def test_one_that_matched_nothing_says_so(run):
    """On the audit topic, and to people where they hear of its end."""
    run.put(-5, silence(told=True, matchers=("channel=wbe",)))
    run.tick(0)
    assert run.why() is None
    happened = run.tick(61)
    assert [a.why for a in happened.answers] == ["the silence of Anna (summer campaign) is over: it matched nothing"]
    assert [n.text for n in happened.notices] == [
        "The silence of Anna (summer campaign) is over. It was for alerts with channel=wbe and matched nothing. "
        "What still fires is told."
    ]


def test_what_fires_when_it_begins_is_matched(run):
    """Also where nothing is to be told of it meanwhile."""
    run.fires = (WEB, {**WEB, "team": "operations"}, {**WEB, "rule": "Other"}, SHOP)
    run.put(0, silence())
    run.tick(0)
    assert run.tick(60).standing[0].hits == 2


def test_an_alert_counts_once_to_how_many_addresses_ever_it_is_told(run):
    run.put(0, silence())
    run.tick(0)
    for address in ("anna@example.com", "ben@example.com"):
        assert run.why({"destination": address, **WEB})
    assert run.tick(60).standing[0].hits == 1


def test_people_hear_when_it_begins_and_ends(run):
    """Where that is wanted, with ids that a replay does not change."""
    run.put(-5, silence(told=True, matchers=("channel=web", 'rule=~"Order.*"')))
    (begins,) = run.tick(0).notices
    assert begins.headline == "Silence until Tue 24 Nov 2026 13:00 GMT: summer campaign"
    assert begins.text == (
        'Anna wants nothing to be told of alerts with channel=web and rule=~"Order.*" until Tue 24 Nov 2026 13:00 GMT. '
        "What still fires then is told."
    )
    (ends,) = run.tick(60).notices
    assert ends.headline == "Silence over: summer campaign"
    assert begins.id != ends.id
    assert begins.teams == ends.teams == ()


def test_only_its_team_hears_of_it(run):
    """Where it says which."""
    run.put(-5, silence(told=True, matchers=("channel=web", "team=marketing")))
    assert [n.teams for n in (*run.tick(0).notices, *run.tick(60).notices)] == [("marketing",), ("marketing",)]


def test_ended_early(run):
    """By somebody, who is named."""
    run.put(0, silence())
    run.tick(0)
    run.why()
    assert run.end(30) == "Ben ended the silence of Anna (summer campaign), which kept 1 alert quiet"
    (stands,) = run.applied[-1].standing
    assert stands.ended_at == "2026-11-24T12:30:00Z"
    happened = run.tick(30)
    assert [e.why for e in happened.ended] == ["Ben ended the silence of Anna (summer campaign)"]
    assert [s.hits for s in happened.standing] == [1]
    assert happened.answers == []
    assert run.why() is None
    assert run.tick(60) == Happened()
    assert run.end(61) == "refused: the silence 's1' is over already; there is nothing to do"


def test_ended_before_it_began(run):
    """It never does."""
    run.put(-10, silence())
    run.end(-5)
    assert run.tick(1) == Happened()
    assert run.why() is None


def test_replaced(run):
    """What it hushes no longer is told; what it goes on to hush is not."""
    run.put(0, silence(matchers=("rule=OrderDrop",)))
    run.tick(0)
    assert run.why(SHOP)
    assert run.put(10, silence(end=120), by="Ben").startswith("Ben changed a silence of channel=web until")
    happened = run.tick(10)
    (ended,) = happened.ended
    assert ended.why == "the silence of Anna (summer campaign) was changed"
    assert ended.again(SHOP)
    assert not ended.again(WEB)
    assert run.why(SHOP) is None
    assert run.why(WEB)
    assert run.tick(60) == Happened()
    assert len(run.tick(120).ended) == 1


def test_replaced_by_one_that_holds_later(run):
    """What it hushed is told until then."""
    run.put(0, silence(end=120))
    run.tick(0)
    run.put(10, silence(30, 120))
    (ended,) = run.tick(10).ended
    assert ended.why == "the silence of Anna (summer campaign) was changed to hold later"
    assert ended.again(WEB)
    assert run.why() is None
    run.tick(30)
    assert run.why()


def test_one_that_recurs(run):
    """Each time it begins, hushes and ends; its hits add up."""
    run.put(-5, silence(rrule="FREQ=DAILY;COUNT=2", told=True))
    day = 24 * 60
    for shift in (0, day):
        assert len(run.tick(shift).notices) == 1
        assert run.why()
        happened = run.tick(shift + 60)
        assert [len(happened.ended), len(happened.notices), len(happened.answers)] == [1, 1, 1]
        assert run.why() is None
    assert happened.standing[0].hits == 2
    assert run.end(day + 61).startswith("refused: the silence 's1' is over already")


def test_weekends_are_those_of_the_zone(run):
    """From Saturday's midnight to Monday's in New York, whatever the shop's zone."""
    weekend = silence(
        starts="2026-11-28T00:00:00-05:00",
        ends="2026-11-30T00:00:00-05:00",
        rrule="FREQ=WEEKLY;BYDAY=SA",
        zone="America/New_York",
    )
    run.put(0, weekend)
    run.tick(_minutes("2026-11-28T04:59:00Z"))
    assert run.why() is None
    run.tick(_minutes("2026-11-28T05:00:00Z"))
    assert run.why() == "silenced by Anna until Mon 30 Nov 2026 00:00 EST: summer campaign"
    run.tick(_minutes("2027-03-14T12:00:00Z"))  # on which clocks go forward there
    assert run.why() == "silenced by Anna until Mon 15 Mar 2027 00:00 EDT: summer campaign"
    run.tick(_minutes("2027-03-15T04:00:00Z"))
    assert run.why() is None


def _minutes(moment: str) -> float:
    return (datetime.fromisoformat(moment) - NOON).total_seconds() / 60


def test_the_one_that_ends_last_is_named(run):
    """Whichever came first."""
    run.put(0, silence(end=90, author="Ben", number="b"))
    run.put(0, silence(end=60, number="a"))
    run.tick(0)
    assert run.why().startswith("silenced by Ben")


def test_two_that_end(run):
    """What one still hushes is not told because another has ended: notify asks again, and hears of that one."""
    run.put(0, silence(end=60, number="a"))
    run.put(0, silence(end=90, number="b"))
    run.tick(0)
    assert len(run.tick(60).ended) == 1
    assert run.why() == "silenced by Anna until Tue 24 Nov 2026 13:30 GMT: summer campaign"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"id": "a b"}, "is no silence's id; use up to 64 letters"),
        ({"matchers": ()}, "there is no matcher; write one like"),
        ({"matchers": ("sku",)}, "'sku' is no matcher, it has no value"),
        ({"matchers": ("sku=~[",)}, "'[' is no pattern"),
        ({"comment": " "}, "it has no comment; say why"),
        ({"comment": "x" * (LONGEST_COMMENT + 1)}, "its comment is no plain text of at most 1,000"),
        ({"author": "x" * (LONGEST_NAME + 1)}, "its author is no plain text of at most 100"),
        ({"comment": "a\x1b[2J"}, "its comment is no plain text"),
        ({"zone": "Mars/Olympus"}, "'Mars/Olympus' is no time zone; write one like Europe/London"),
        ({"starts": "2026-11-24T12:00:00"}, "starts '2026-11-24T12:00:00' is no instant; write one like"),
        ({"ends": "tomorrow"}, "ends 'tomorrow' is no instant"),
        ({"ends": "2026-11-24T11:00:00Z"}, "it ends before it begins"),
        ({"starts": "2026-11-23T12:00:00Z", "ends": "2026-11-24T11:00:00Z"}, "it would be over already"),
        ({"starts": "2025-11-01T12:00:00Z", "ends": "2026-11-25T11:00:00Z"}, "it is longer than a year"),
        ({"rrule": "FREQ=HOURLY"}, "has no FREQ of"),
        (
            {"starts": "2025-11-01T12:00:00Z", "ends": "2025-11-01T13:00:00Z", "rrule": "FREQ=DAILY"},
            "more than a year ago",
        ),
    ],
)
def test_refused(run, changed, says):
    """With what is wrong and the way out; nothing changes."""
    said = run.put(0, msgspec.structs.replace(silence(), **changed))
    assert said.startswith("refused: ")
    assert says in said
    assert run.entries == {}


def test_other_commands_are_none_of_its(run):
    """They are others' to answer."""
    command = TakeBack(id="1", by="Anna", way="page", at="2026-11-24T12:00:00Z", alert_id="a")
    assert run.part.apply(command, NOON.timestamp()) is None


def test_one_that_is_over_is_not_changed(run):
    """A new one has a beginning of its own."""
    run.put(0, silence())
    run.tick(60)
    assert run.put(61, silence(end=120)) == "refused: the silence 's1' is over; make a new one"
    assert run.end(61, "s2") == "refused: there is no silence 's2'; list them to find its id"


def test_there_are_only_so_many():
    """Of those that are not over, and of those that are."""
    run = Run()
    for n in range(MOST_SILENCES):
        assert "refused" not in run.put(0, silence(number=f"s{n}"))
    assert (
        run.put(0, silence(number="more")) == "refused: there are 500 silences already; end one that is needed no more"
    )
    for n in range(MOST_SILENCES):
        run.end(1, f"s{n}")
    run.put(1, silence(number="more"))
    run.end(2, "more")
    assert run.tick(2).gone == ["silence/s0"]
    assert len(run.entries) == MOST_OVER


def test_old_ones_are_forgotten(run):
    """With their entry, and what stands of them."""
    run.put(0, silence())
    run.tick(0)
    run.tick(60)
    assert run.tick(60 + KEPT_S / 60 - 1).gone == []
    assert run.tick(60 + KEPT_S / 60).gone == ["silence/s1"]
    assert run.entries == {}


def test_hits_are_bounded():
    """So is what is stored of them."""
    run = Run()
    run.put(0, silence(end=600, matchers=("rule=R",)))
    run.tick(0)
    for n in range(MOST_HITS + 5):
        run.why({"rule": "R", "severity": "info", "team": "t", "sku": str(n)})
    assert run.tick(600).answers[0].why.endswith("it kept 1,000 or more alerts quiet")
    assert len(next(iter(run.entries.values()))) < 20_000


def test_a_clock_that_is_put_back(run):
    """Neither ends one that holds nor lets one hold again that is over."""
    run.put(-5, silence(told=True))
    assert len(run.tick(1).notices) == 1
    assert run.tick(-2) == Happened()
    assert run.why()
    assert len(run.tick(60).notices) == 1
    assert run.tick(55) == Happened()
    assert run.why() is None
    assert run.tick(60) == Happened()


def test_a_time_that_was_over_when_it_was_made_never_holds(run):
    """Not for a clock that was put back into it, nor for who starts there."""
    run.put(60, silence(0, 30, rrule="FREQ=DAILY"))
    assert run.tick(60) == Happened()
    assert run.tick(10) == Happened()
    assert run.why() is None
    run.put(70, silence(0, 30, rrule="FREQ=DAILY", comment="another"))
    run.tick(70)
    run.tick(10)
    assert run.why() is None


def test_times_that_overlap(run):
    """The one that ends last holds, from its beginning on."""
    run.put(0, silence(0, 30 * 60, rrule="FREQ=DAILY"))
    run.tick(0)
    assert run.why() == "silenced by Anna until Wed 25 Nov 2026 18:00 GMT: summer campaign"
    assert run.tick(25 * 60) == Happened()
    assert run.why() == "silenced by Anna until Thu 26 Nov 2026 18:00 GMT: summer campaign"


def test_a_stored_one_that_can_no_longer_be_read_ends():
    """A zone that a later version does not know must not keep notify from starting."""
    run = Run()
    run.put(0, silence(zone="Europe/London"))
    run.tick(0)
    ((key, value),) = run.entries.items()
    run.entries = {key: value.replace(b"Europe/London", b"Europe/Narnia")}
    run.part = run._new()
    happened = run.tick(1)
    assert [e.why for e in happened.ended] == ["the silence of Anna (summer campaign) can no longer be read"]
    assert run.why() is None
    assert [s.ended_at for s in happened.standing] == ["2026-11-24T12:01:00Z"]


@pytest.mark.parametrize(
    ("changed", "minute", "expected"),
    [
        ({}, -5, (0, 60)),
        ({}, 5, (0, 60)),
        ({}, 60, None),
        ({"ended_at": "2026-11-24T12:01:00Z"}, 5, None),
        ({"rrule": "FREQ=DAILY"}, 61, (1440, 1500)),
    ],
)
def test_stretch_of(changed, minute, expected):
    """When a listed one holds, or will."""
    stretch = stretch_of(silence(**changed), (NOON + timedelta(minutes=minute)).timestamp(), LONDON)
    noon = NOON.timestamp()
    assert (None if stretch is None else ((stretch.begin - noon) / 60, (stretch.end - noon) / 60)) == expected


@given(
    st.builds(
        Silence,
        **dict.fromkeys(("id", "starts", "ends", "author", "comment", "rrule", "zone"), st.text(max_size=30)),
        matchers=st.tuples(st.text(max_size=20)),
    )
)
def test_any_silence_is_read_or_refused(wanted):
    """Whatever a program sends, nothing else is raised."""
    try:
        read_silence(wanted, LONDON)
    except CommandError as refused:
        said = str(refused)
    else:
        said = "read"
    assert said


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("ab"), st.integers(-30, 90), st.integers(1, 200), st.booleans()),
        st.tuples(st.just("end"), st.sampled_from("ab")),
        st.tuples(st.just("ask")),
        st.tuples(st.just("pass"), st.integers(-20, 90)),
    ),
    max_size=25,
)


def _play(steps: list[Any], restarts: set[int]) -> list[Any]:
    """What a part says over these steps; it is made anew of its entries after those of `restarts`."""
    run, minute, said = Run(), 0.0, []
    for n, step in enumerate(steps):
        match step:
            case "put", number, begin, length, recurs:
                rrule = "FREQ=DAILY" if recurs else ""
                said.append(
                    run.put(minute, silence(minute + begin, minute + begin + length, number=number, rrule=rrule))
                )
            case "end", number:
                said.append(run.end(minute, number))
            case ("ask",):
                said.append(run.why())
            case "pass", minutes:
                minute += minutes
                happened = run.tick(minute)
                said.append([(e.why, e.again(WEB), e.again(SHOP)) for e in happened.ended])
                said.append((happened.standing, happened.gone, happened.answers, happened.notices))
        if n in restarts:
            run.part = run._new()
    return said


@settings(max_examples=200, deadline=None)
@given(STEPS, st.sets(st.integers(0, 25)))
def test_a_restart_anywhere_changes_nothing(steps, restarts):
    """The same commands, times and questions: the same is said, also with a clock that goes back."""
    assert _play(steps, restarts) == _play(steps, set())


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_what_is_hushed_is_told_of(steps):
    """Whatever somebody was told is hushed, an end says so before it no longer is: nothing stays unsaid for ever."""
    run, minute, hushed = Run(), 0.0, False
    for step in steps:
        match step:
            case "put", number, begin, length, recurs:
                rrule = "FREQ=DAILY" if recurs else ""
                run.put(minute, silence(minute + begin, minute + begin + length, number=number, rrule=rrule))
            case "end", number:
                run.end(minute, number)
            case "pass", minutes:
                minute += minutes
                ended = run.tick(minute).ended
                now_hushed = run.why() is not None
                assert not hushed or now_hushed or any(e.again(WEB) for e in ended)
                hushed = now_hushed
