"""People are not told the same thing again and again: flapping alerts and rules with very many of them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from alert_samples import LONDON, NOON, ROUTING, batch, plan, rule, transition
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.labels import stable_id
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.rule.condition.kinds import Flapping, Rule


class Run:
    """A stage as the runtime drives it; `restarts` makes a new one of its entries after every step."""

    def __init__(self, watched: Rule, *, restarts: bool = False) -> None:
        self.watched, self.restarts = watched, restarts
        self.stage = self._new({})
        self.entries: dict[bytes, bytes] = {}
        self.now, self.offset = NOON, 0
        self.records: list[Any] = []

    def _new(self, entries: dict[bytes, bytes]) -> Notify:
        stage = Notify(plan(self.watched), ROUTING, zone=LONDON)
        stage.restore(entries)
        return stage

    def feed(self, *values: Any) -> "Run":
        self.stage.feed(batch(*values, start=self.offset))
        self.offset += len(values)
        return self.step(0).step(10)

    def step(self, seconds: float) -> "Run":
        self.now += timedelta(seconds=seconds)
        self.stage.tick(self.now)
        cut = self.stage.cut()
        self.records += [r for r in cut.records if r.topic == DELIVERIES]
        for key, value in cut.entries.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        if self.restarts:
            self.stage = self._new(dict(self.entries))
        return self

    def told(self, destination: str = "anna") -> list[dict[str, Any]]:
        found = [json.loads(r.value) for r in self.records]
        return [d["body"] for d in found if d["destination"]["id"] == destination]

    def lines(self) -> list[str]:
        """Every item of every mail: `web firing warning`, with a mark for a note."""
        return [
            f"{i['labels']['channel']} {i['state']} {i['severity']}{'!' if i['note'] else ''}"
            for body in self.told()
            for i in body["items"]
        ]


def blink(n: int, minute: int, **more: Any) -> list[Any]:
    """An episode of two minutes."""
    episode = f"e{n}"
    return [
        transition("firing", minute=minute, episode_id=episode, **more),
        transition("resolved", minute=minute + 1, episode_id=episode, **more),
    ]


FLAPS = rule(flapping=Flapping(3, 3600))


def test_a_flapping_alert_is_told_once_and_how_it_settles():
    """The third firing within the hour is the last that people hear of, until it has been quiet for half an hour."""
    run = Run(FLAPS)
    for n in range(8):
        for each in blink(n, 4 * n):
            run.feed(each)
    assert run.lines() == ["web firing warning", "web resolved warning"] * 2 + ["web firing warning!"]
    assert run.told()[-1]["items"][0]["note"] == (
        "it is flapping, it fired 3 times within 1 hour; you hear of it again when it gets worse, "
        "or when it has kept one state for 30 minutes"
    )
    run.step(1799 - 10)
    assert len(run.told()) == 5
    run.step(1).step(10).step(10)
    assert run.lines()[5:] == ["web resolved warning!"]
    note = "it has stopped flapping: it fired 8 times, and is over for 30 minutes"
    assert run.told()[-1]["items"][0]["note"] == note
    assert len(run.told("hook")) == 16


def test_it_may_settle_firing():
    """The final state is told, whichever it is, and the end of it then as ever."""
    run = Run(FLAPS)
    for n in range(3):
        run.feed(*blink(n, 4 * n))
    run.feed(transition("firing", minute=20, episode_id="last")).step(1800).step(10)
    assert run.lines()[-1] == "web firing warning!"
    run.feed(transition("resolved", minute=55, episode_id="last"))
    assert run.lines()[-1] == "web resolved warning"


def test_worse_is_told_while_it_flaps():
    """A severity above what was told gets through, once."""
    run = Run(FLAPS)
    for n in range(3):
        run.feed(*blink(n, 4 * n))
    before = len(run.lines())
    for n in range(3, 6):
        run.feed(*blink(n, 4 * n, severity="critical"))
    assert run.lines()[before:] == ["web firing critical"]


@pytest.mark.parametrize(
    ("watched", "apart"),
    [
        pytest.param(FLAPS, 31, id="seldom enough"),
        pytest.param(rule(flapping=None), 4, id="a rule that says flapping: false"),
    ],
)
def test_what_does_not_flap_is_told_each_time(watched, apart):
    """Three firings in more than an hour are three messages."""
    run = Run(watched)
    for n in range(4):
        run.feed(*blink(n, apart * n))
    assert len(run.lines()) == 4


def test_other_alerts_of_the_rule_are_told():
    """Flapping is one alert's."""
    run = Run(FLAPS)
    for n in range(5):
        run.feed(*blink(n, 4 * n))
    run.feed(transition("firing", channel="app", minute=21))
    assert run.lines()[-1] == "app firing warning"


CAPPED = rule(max_alerts=2)


def storm(*channels: str, state: str = "firing", **more: Any) -> list[Any]:
    return [transition(state, channel=c, episode_id=f"e-{c}", **more) for c in channels]


def test_the_first_by_severity_are_told_and_the_rest_as_one():
    """Two of five, the critical one among them, and one summary of three."""
    run = Run(CAPPED).feed(*storm("a", "b", "c", "d"), *storm("e", severity="critical"))
    assert run.lines() == ["e firing critical", "a firing warning", "b firing warning"]
    (body,) = run.told()
    assert body["items"][2]["headline"].startswith("OrderSpike: 3 more alerts fire; the most severe: ")
    assert "(max_alerts)" in body["items"][2]["texts"]["marketing"]
    assert len(run.told("hook")) == 5


def test_one_summary_until_none_is_kept_back():
    """More of them say nothing new; what was kept back ends in silence; the next storm has its own summary."""
    run = Run(CAPPED).feed(*storm("a", "b")).feed(*storm("c")).feed(*storm("d", "f"))
    assert [len(b["items"]) for b in run.told()] == [2, 1]
    run.feed(*storm("c", "d", "f", state="resolved", minute=5))
    assert len(run.told()) == 2
    run.feed(*storm("a", state="resolved", minute=6))
    assert run.lines()[-1] == "a resolved warning"
    run.feed(*storm("g", minute=7)).feed(*storm("h", minute=8))
    assert [b["items"][0]["headline"][:32] for b in run.told()[-1:]] == ["OrderSpike: 1 more alert fires; "]


def test_a_critical_one_is_not_kept_back_by_warnings():
    """Two warnings are open; each severity has its own room."""
    run = Run(CAPPED).feed(*storm("a", "b")).feed(*storm("c", "d", "e", severity="critical"))
    assert run.lines()[2:] == ["c firing critical", "d firing critical", "e firing critical"]
    assert run.told()[-1]["items"][2]["headline"].startswith("OrderSpike: 1 more alert fires")


def test_more_than_a_message_holds():
    """A hundred at once: two and a summary of the other 98, and not a word of their ends."""
    names = [f"s{n:03}" for n in range(100)]
    run = Run(CAPPED).feed(*storm(*names))
    (body,) = run.told()
    assert [len(body["items"]), body["more"]] == [3, 98]
    run.feed(*storm(*names, state="resolved", minute=5))
    assert sum(len(b["items"]) for b in run.told()[1:]) == 2


@pytest.mark.parametrize("restarts", [False, True])
def test_an_edit_that_takes_the_limit_away_forgets_who_was_told(restarts):
    """What ended meanwhile would hold its room for ever where the limit comes back."""
    run = Run(CAPPED, restarts=restarts).feed(*storm("a", "b"))
    for watched, told in (
        (rule(), [*storm("a", "b", state="resolved", minute=5)]),
        (CAPPED, [*storm("c", "d", minute=6)]),
    ):
        run.watched = watched
        run.stage = run._new(dict(run.entries))
        run.feed(*told)
    assert run.lines()[-2:] == ["c firing warning", "d firing warning"]


def test_a_rule_without_a_limit_remembers_nobody():
    """A storm of thousands would be written with every cut."""
    run = Run(rule())
    run.stage.feed(batch(*storm(*(f"s{n:03}" for n in range(100)))))
    run.step(0)
    rows = [json.loads(value) for key, value in run.entries.items() if key.startswith(b"OrderSpike")]
    assert [row["open"] for row in rows] == [{"told": {}, "held": {}, "begun": False}] * len(rows)
    assert rows


def test_a_message_of_which_nothing_is_told_is_done_with():
    """Its items do not wait for the next one."""
    run = Run(CAPPED).feed(*storm("a", "b")).feed(*storm("c")).feed(*storm("d"))
    run.step(700)
    (row,) = [json.loads(value) for key, value in run.entries.items() if key == b"OrderSpike\x1fanna"]
    assert (row["items"], row["due"], row["number"]) == ([], None, 2)


STEPS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["warning", "critical"]), st.sampled_from([0, 60, 900, 1900])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(STEPS)
def test_a_restart_after_any_step_changes_nothing(steps):
    """Flapping and caps stand in the state."""
    runs = [Run(rule(max_alerts=1, flapping=Flapping(2, 3600)), restarts=r) for r in (False, True)]
    for run in runs:
        fired: dict[str, str] = {}
        for n, (channel, severity, wait) in enumerate(steps):
            episode = fired.pop(channel, None)
            state = "firing" if episode is None else "resolved"
            if episode is None:
                episode = fired[channel] = stable_id("e", channel, n)
            run.feed(transition(state, channel=channel, severity=severity, minute=n, episode_id=episode)).step(wait)
        run.step(4000).step(10)
    assert [r.value for r in runs[0].records] == [r.value for r in runs[1].records]


@pytest.mark.parametrize("restarts", [False, True])
def test_what_has_settled_says_how_long_it_fired(restarts):
    """Its end was not told when it came; the length is that of the last firing, not of the breach."""
    run = Run(FLAPS, restarts=restarts)
    for n in range(3):
        run.feed(*blink(n, 4 * n))
    last = {"episode_id": "last", "started_at": (NOON + timedelta(minutes=10)).isoformat()}
    run.feed(transition("firing", minute=20, **last), transition("resolved", minute=25, **last)).step(1800).step(10)
    assert run.told()[-1]["items"][0]["headline"].startswith("all clear after 5 minutes. It was: ")
    assert not any(key.startswith(b"\x1ffired") for key in run.entries)


def fired_entries(run: Run) -> list[bytes]:
    return [key for key in run.entries if key.startswith(b"\x1ffired")]


def test_when_it_fired_is_remembered_where_nothing_else_says_it():
    """Only of what fired later than it began, and until its end has been told."""
    run = Run(rule()).feed(transition("firing", minute=0), transition("firing", channel="app", minute=5))
    assert len(fired_entries(run)) == 1
    run.feed(transition("resolved", channel="app", minute=9))
    assert run.told()[-1]["items"][0]["headline"].startswith("all clear after 4 minutes. It was: ")
    assert fired_entries(run) == []


def test_what_an_earlier_episode_did_says_nothing_of_this_one():
    """The end of one that flapped was not told yet when the next one fired at once."""
    run = Run(FLAPS)
    for n in range(3):
        run.feed(*blink(n, 4 * n))
    late = {"episode_id": "late", "started_at": (NOON + timedelta(minutes=12)).isoformat()}
    once = {"episode_id": "once", "started_at": (NOON + timedelta(minutes=30)).isoformat()}
    run.feed(transition("firing", minute=20, **late), transition("resolved", minute=25, **late))
    run.feed(transition("firing", minute=30, **once), transition("resolved", minute=32, **once))
    assert [body["data"]["duration_s"] for body in run.told("hook")[-4:]] == [None, 300, None, 120]
