"""Whatever happens in whatever order: who has to hear hears it once, and who does not hear has a reason for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from alert_samples import plan, rule, transition
from hypothesis import given, settings
from hypothesis import strategies as st
from timeline import Timeline, ack, moment, routing, silence

from lockstep.notify.decide import DELIVERIES
from lockstep.response.command import Close, DestinationDown, DestinationUp, EndSilence, Snooze, TakeBack
from lockstep.response.decision import DECISIONS
from lockstep.rule.condition.kinds import Severity

MAIL, CHAT, BEN, HOOK = "anna@example.com", "#ops", "ben@example.com", "http://127.0.0.1:9/h"
PEOPLE = (MAIL, CHAT, BEN)
RULES = plan(rule(), rule("LowStock", teams=("operations",)))
MUTED = (1200.0, 2400.0)
"""Of BEN, in seconds after noon: 12:20 to 12:40 in London."""

ROUTES = [
    routing(
        """
mute_times: {lunch: [{zone: Europe/London, times: ["12:20-12:40"]}]}
routes:
  - {match: severity=info, to: [mail], group_wait: 60s, short_lived: skip}
  - {match: channel=web, to: ben, mute: lunch, group_wait: 0s, repeat_interval: 10m, continue: true}
  - {match: rule=LowStock, to: [chat, hook], group_by: [channel], group_interval: 2m, ack_timeout: 5m, fallback: [mail]}
  - {to: [team]}
"""
    ),
    routing("routes: [{to: [mail, chat], group_by: ['...'], repeat_interval: 30m}]"),
    routing(),
]
"""The first is in force at the beginning; a reload may bring each of them."""

CHANNELS = ("web", "app")
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("alert"), st.sampled_from(["OrderSpike", "LowStock"]), st.sampled_from(CHANNELS), st.integers(0, 3)
        ),
        st.tuples(st.just("wait"), st.sampled_from([1, 9, 40, 130, 700, 4000])),
        st.tuples(st.just("jump"), st.sampled_from([-400, -30, 90, 5000])),
        st.tuples(st.just("silence"), st.sampled_from(CHANNELS), st.sampled_from([60, 900, 5000])),
        st.tuples(st.just("end silence"), st.integers(0, 3)),
        st.tuples(
            st.sampled_from(["ack", "snooze", "close", "take back"]),
            st.sampled_from(["OrderSpike", "LowStock"]),
            st.sampled_from(CHANNELS),
            st.sampled_from([30, 600]),
        ),
        st.tuples(st.sampled_from(["down", "up"]), st.sampled_from([CHAT, BEN])),
        st.just(("restart",)),
    ),
    max_size=20,
)
RELOADS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), max_size=2)


@dataclass
class World:
    """What the test knows of the world by itself.

    open: (rule, channel) → (episode, severity, number). silenced: (channel, begin, end, how much had been told when it
    was made, and when it was ended). news: (episode, state) of all that began, got worse or ended.
    """

    run: Timeline
    open: dict[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict)
    silenced: list[tuple[str, float, float, int, float]] = field(default_factory=list)
    news: list[tuple[str, str]] = field(default_factory=list)
    episodes: int = 0
    commands: int = 0

    def play(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("alert", name, channel, kind):
                self._alert(name, channel, kind)
            case ("wait", seconds):
                for _ in range(4):
                    self.run.step(seconds / 4)
            case ("jump", seconds):
                self.run.step(seconds)
            case ("silence", channel, length):
                number = f"s{len(self.silenced)}"
                self.silenced.append((channel, self.run.at, self.run.at + length, len(self.run.told), inf))
                self.run.feed(silence(f"channel={channel}", at=self.run.at, ends=self.run.at + length, number=number))
            case ("end silence", number) if number < len(self.silenced):
                channel, begin, end, since, until = self.silenced[number]
                self.silenced[number] = channel, begin, end, since, min(until, len(self.run.told))
                ended = EndSilence(id=self._id(), by="Ben", way="api", at=moment(self.run.at), silence_id=f"s{number}")
                self.run.feed(ended)
            case ("down" | "up" as which, target):
                destination = next(d for d in self.run.routing.by_id.values() if d.target == target)
                common = {"id": self._id(), "by": "deliver", "way": "lockstep", "at": moment(self.run.at)}
                self.run.feed(
                    DestinationDown(**common, destination_id=destination.id, why="HTTP 503")
                    if which == "down"
                    else DestinationUp(**common, destination_id=destination.id)
                )
            case ("restart",):
                self.run.die()
            case ("ack" | "snooze" | "close" | "take back" as which, name, channel, seconds):
                self._respond(which, name, channel, seconds)

    def _id(self) -> str:
        self.commands += 1
        return f"c{self.commands}"

    def _alert(self, name: str, channel: str, kind: int) -> None:
        known = self.open.get((name, channel))
        minute = round(self.run.at / 60)
        if known is None:
            self.episodes += 1
            severity = Severity(kind % 3 + 1)
            self.open[name, channel] = f"e{self.episodes}", severity, 1
            self.news.append((f"e{self.episodes}", "firing"))
            self.run.feed(
                transition(
                    rule=name, channel=channel, minute=minute, episode_id=f"e{self.episodes}", severity=severity.word
                )
            )
            return
        episode, rank, number = known
        before = Severity(rank).word
        if kind == 0 or (kind == 1 and rank == 3) or (kind == 2 and rank == 1):
            del self.open[name, channel]
            more = {"severity": before}
            state = "resolved"
            self.news.append((episode, state))
        else:
            severity = Severity(rank + 1 if kind == 1 else max(1, rank - 1) if kind == 2 else 3)
            self.open[name, channel] = episode, severity, number + 1
            more = {"severity": severity.word, "previous_severity": before}
            state = "severity"
            if severity > rank:
                self.news.append((episode, state))
        self.run.feed(
            transition(state, channel, rule=name, minute=minute, episode_id=episode, number=number + 1, **more)
        )

    def _respond(self, which: str, name: str, channel: str, seconds: float) -> None:
        alert = transition(rule=name, channel=channel).alert_id
        common = {"id": self._id(), "by": "Anna", "way": "api", "at": moment(self.run.at), "alert_id": alert}
        until = moment(self.run.at + seconds)
        if which == "ack":
            self.run.feed(ack(alert, at=self.run.at, number=common["id"], until=until))
        elif which == "snooze":
            self.run.feed(Snooze(**common, until=until))
        else:
            self.run.feed(Close(**common) if which == "close" else TakeBack(**common))


def played(
    steps: list[Any], reloads: Sequence[tuple[int, int]] = (), *, restarts: bool = False, routes: int = 0
) -> World:
    """A world after the steps, and after so long a rest that everything is over that holds people's messages back."""
    world = World(Timeline(ROUTES[routes], rules=RULES, restarts=restarts))
    for n, step in enumerate(steps):
        for at, which in reloads:
            if at == n:
                world.run.reload(ROUTES[which])
        world.play(step)
    for _ in range(18):
        world.run.step(900)
    return world


@settings(deadline=None, max_examples=40)
@given(steps=STEPS)
def test_cut_and_resumed_anywhere_the_same_is_decided(steps):
    """After each cut another worker goes on: deliveries and decisions are the same, byte for byte."""
    steps = [step for step in steps if step != ("restart",)]
    resumed, whole = (
        [(topic, value) for topic, value in played(steps, restarts=r).run.published if topic in (DELIVERIES, DECISIONS)]
        for r in (True, False)
    )
    assert resumed == whole


@settings(deadline=None, max_examples=60)
@given(steps=STEPS, reloads=RELOADS)
def test_who_has_to_hear_hears_it_once(steps, reloads):
    """Beginnings, what is worse, and ends: each once a destination, and no end without a beginning."""
    run = played(steps, reloads).run
    assert len({told.id for told in run.told}) == len(run.told)
    knows: dict[tuple[str, str], int] = defaultdict(int)
    for told in run.told:
        for item in told.body.get("items", ()):
            key = told.target, item["episode_id"]
            rank = Severity.of(item["severity"])
            if item["state"] == "resolved":
                assert knows.pop(key, 0), f"an end without a beginning, or twice: {key}"
            elif item["state"] == "severity":
                assert 0 < knows[key] < rank, f"not worse than what was told: {key}"
                knows[key] = rank
            elif item["state"] == "firing":
                knows[key] = rank
    first = [
        (d.destination_id, d.episode_id)
        for d in run.decisions
        if d.outcome == "told" and d.reason in ("first", "new_alerts")
    ]
    assert len(first) == len(set(first)), "a beginning was told twice"


@settings(deadline=None, max_examples=60)
@given(steps=STEPS)
def test_nothing_critical_is_unsaid_and_every_silence_has_its_reason(steps):
    """When all that held messages back is over, who should know of a critical alert does; the rest has a last word."""
    world = played(steps)
    run = world.run
    last: dict[tuple[str, str], Any] = {}
    heard: dict[tuple[str, str], int] = {}
    for decision in run.decisions:
        key = decision.destination_id, decision.episode_id
        last[key] = decision
        if decision.outcome == "told":
            heard[key] = max(heard.get(key, 0), Severity.of(decision.severity))
    assert {d.outcome for d in last.values()} <= {"told", "not_told"}, "something still waits"
    assert all(d.why for d in run.decisions)
    for (name, channel), (episode, rank, _) in world.open.items():
        if rank < Severity.CRITICAL:
            continue
        standing = run.standing.get(f"handling/{transition(rule=name, channel=channel).alert_id}") or {}
        teams = next(r.teams for r in RULES.rules if r.name == name)
        facts = {"rule": name, "channel": channel, "severity": "critical"}
        for hearer in run.routing.hearers(teams, facts):
            key = hearer.destination.id, episode
            assert standing.get("closed_by") or heard.get(key) == Severity.CRITICAL, (name, channel, last.get(key))


@settings(deadline=None, max_examples=60)
@given(steps=STEPS)
def test_no_message_to_who_is_not_to_hear(steps):
    """Nothing of a silenced channel while it is silenced, nothing to Ben at lunch but what is critical."""
    world = played(steps)
    for n, told in enumerate(world.run.told):
        for item in told.body.get("items", ()):
            for channel, begin, end, since, until in world.silenced:
                is_silenced = since <= n < until and begin < told.at < end
                assert not (is_silenced and item["labels"].get("channel") == channel), (told.at, told.target)
            if told.target == BEN and MUTED[0] <= told.at < MUTED[1]:
                assert item["severity"] == "critical" or item["state"] == "handled"


@settings(deadline=None, max_examples=30)
@given(steps=STEPS)
def test_programs_hear_every_change_at_once(steps):
    """Whatever is silenced, muted, acknowledged or grouped."""
    world = played([step for step in steps if step[0] not in ("down", "up")], routes=2)
    heard = [(told.episodes[0], told.state) for told in world.run.told if told.target == HOOK]
    assert heard == world.news
