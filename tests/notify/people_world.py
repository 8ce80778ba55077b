"""A world in which anything may happen to alerts and the people who hear of them, and what it knows by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from alert_samples import plan, rule, transition
from hypothesis import strategies as st
from msgspec.structs import replace
from timeline import Timeline, ack, moment, routing, silence

from lockstep.response.command import (
    Close,
    Command,
    DestinationDown,
    DestinationUp,
    EndOverride,
    EndSilence,
    PutOverride,
    Snooze,
    TakeBack,
)
from lockstep.response.standing import Override
from lockstep.rule.condition.kinds import Flapping, Severity

MAIL, CHAT, BEN, LEAD = "anna@example.com", "#ops", "ben@example.com", "lead@example.com"
CARA, DAN, HOOK = "cara@example.com", "dan@example.com", "http://127.0.0.1:9/h"
PEOPLE = (MAIL, CHAT, BEN, LEAD, CARA, DAN)
SPIKE, STOCK, DOWN, RESTLESS = "OrderSpike", "LowStock", "ShopDown", "Restless"
NAMES = (SPIKE, STOCK, DOWN, RESTLESS)
CHANNELS = ("web", "app", "shop")
MOST_STOCK = 2
"""Alerts of LowStock that are told one by one (`max_alerts`)."""
RULES = plan(
    rule(),
    rule(STOCK, teams=("operations",), max_alerts=MOST_STOCK),
    rule(DOWN, teams=("operations",)),
    rule(RESTLESS, teams=("operations",), flapping=Flapping(3, 1800)),
)
MUTED = (1200.0, 2400.0)
"""Of BEN, in seconds after noon: 12:20 to 12:40 in London."""
STORM_S = 60.0
INHIBITED = (SPIKE, STOCK)
"""Rules whose alerts, unless they are critical, nobody hears of while ShopDown fires on the same channel."""

_CALM = f"""
schedules: {{day: {{zone: Europe/London, rotations: [{{who: [cara, dan], every: 1h, from: "2026-11-24 09:30"}}]}}}}
escalations: {{watch: {{steps: [{{after: 5m, to: "oncall:day"}}, {{after: 10m, to: lead}}], repeat: 1}}}}
mute_times: {{lunch: [{{zone: Europe/London, times: ["12:20-12:40"]}}]}}
inhibitions:
  - {{source: [rule={DOWN}], target: ['rule=~"{"|".join(INHIBITED)}"', severity!=critical], equal: [channel]}}
routes:
  - {{match: severity=info, to: [mail], group_wait: 60s, short_lived: skip}}
  - {{match: channel=web, to: ben, mute: lunch, group_wait: 0s, repeat_interval: 10m, continue: true}}
  - match: rule={STOCK}
    to: [chat, hook]
    group_by: [channel]
    group_interval: 2m
    ack_timeout: 5m
    fallback: [mail]
  - {{match: rule={DOWN}, to: chat, group_wait: 0s, escalation: watch, continue: true}}
  - {{match: channel=shop, to: ["oncall:day", mail], group_wait: 20s, repeat_interval: 15m}}
  - {{to: [team]}}
"""
CALM, STORMY, EACH_ALONE, PLAIN = (
    routing(_CALM),
    routing(f"storms: {{above: 2, per: {STORM_S:g}s}}\n{_CALM}"),
    routing("routes: [{to: [mail, chat], group_by: ['...'], repeat_interval: 30m}]"),
    routing(),
)
ROUTES = (CALM, STORMY, EACH_ALONE, PLAIN)
"""A reload may bring each of them."""
STEPS_OF_ESCALATION = 4
"""Of `watch`, both rounds."""

Step = tuple[Any, ...]
_NAME, _CHANNEL = st.sampled_from(NAMES), st.sampled_from(CHANNELS)
_CHANGE = st.tuples(st.just("alert"), _NAME, _CHANNEL, st.integers(0, 3))
_WAIT = st.tuples(st.just("wait"), st.sampled_from([1, 9, 40, 130, 700, 4000]))
STEP = st.one_of(
    [
        _CHANGE,
        _CHANGE,
        _WAIT,
        _WAIT,
        st.tuples(st.just("jump"), st.sampled_from([-400, -30, 90, 5000])),
        st.tuples(
            st.just("silence"),
            _CHANNEL,
            st.sampled_from([60, 900, 5000, 100_000]),
            st.sampled_from([-300, 0, 0, 200]),
            st.sampled_from(["", "", "FREQ=DAILY", "FREQ=DAILY;COUNT=2"]),
            st.integers(0, 5),
        ),
        st.tuples(st.just("end silence"), st.integers(0, 3)),
        st.tuples(
            st.sampled_from(["ack", "snooze", "close", "take back"]), _NAME, _CHANNEL, st.sampled_from([30, 600, 3000])
        ),
        st.tuples(st.sampled_from(["down", "up"]), st.sampled_from([CHAT, BEN])),
        st.tuples(st.just("storm"), st.integers(0, 3)),
        st.tuples(st.just("flap"), _CHANNEL, st.integers(2, 7), st.sampled_from([1, 45, 400])),
        st.tuples(st.just("stand in"), st.sampled_from(["cara", "dan"]), st.sampled_from([60, 4000])),
        st.tuples(st.just("end of stand-in"), st.integers(0, 2)),
        st.just(("restart",)),
        st.just(("take over",)),
    ]
)
STEPS = st.lists(STEP, max_size=24)
RELOADS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, len(ROUTES) - 1)), max_size=2)


@dataclass
class Quiet:
    """That nothing of a channel is told: by a silence, or while ShopDown fires there.

    begin, end: seconds after noon. since, until: how many messages had gone out when it began and was ended.
    """

    channel: str
    begin: float
    end: float
    since: int
    until: float = inf

    def holds(self, number: int, at: float) -> bool:
        """Whether it held when a message went out, which was that one and at that time."""
        return self.since <= number < self.until and self.begin < at < self.end


@dataclass
class World:
    """What the test knows of the world by itself.

    open: (rule, channel) → (episode, severity, number). news: (episode, state) of all that began, got worse or ended.
    expected: (destination's id, episode) of whom the routes led to when it began or got worse. silences: those of
    `silenced` that stand, by their number. answered: alerts that somebody ever did something about.
    """

    run: Timeline
    open: dict[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict)
    silenced: list[Quiet] = field(default_factory=list)
    silences: list[Quiet] = field(default_factory=list)
    inhibited: list[Quiet] = field(default_factory=list)
    news: list[tuple[str, str]] = field(default_factory=list)
    expected: set[tuple[str, str]] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    episodes: int = 0
    commands: int = 0
    stand_ins: int = 0

    def play(self, step: Step) -> None:
        match step:
            case ("alert", name, channel, kind):
                self._alert(name, channel, kind)
            case ("storm", kind):
                for name in NAMES:
                    for channel in CHANNELS:
                        self._alert(name, channel, kind)
            case ("flap", channel, times, seconds):
                for _ in range(times):
                    self._alert(RESTLESS, channel, 1 if (RESTLESS, channel) not in self.open else 0)
                    self.run.step(seconds)
            case ("wait", seconds):
                for _ in range(4):
                    self.run.step(seconds / 4)
            case ("jump", seconds):
                self.run.step(seconds)
            case ("restart",):
                self.run.die()
            case ("take over",):
                self.run.is_doomed = not self.run.is_doomed
            case ("silence" | "end silence", *_):
                self._silence(step)
            case ("stand in" | "end of stand-in", *_):
                self._stand_in(step)
            case ("down" | "up" as which, target):
                self._reach(target, is_down=which == "down")
            case ("ack" | "snooze" | "close" | "take back" as which, name, channel, seconds):
                self._respond(which, name, channel, seconds)

    # ---- alerts ---------------------------------------------------------------------------------------------------

    def _alert(self, name: str, channel: str, kind: int) -> None:
        """0 ends it, 1 makes it worse, 2 less bad, 3 critical; one that is not open begins."""
        known = self.open.get((name, channel))
        if known is None:
            self.episodes += 1
            self._tell(name, channel, "firing", f"e{self.episodes}", kind % 3 + 1)
            return
        episode, rank, _ = known
        if kind == 0 or (kind == 1 and rank == 3) or (kind == 2 and rank == 1):
            self._tell(name, channel, "resolved", episode, rank)
        elif kind != 3 or rank < 3:
            after = rank + 1 if kind == 1 else rank - 1 if kind == 2 else 3
            self._tell(name, channel, "severity", episode, after, before=rank)

    def _tell(self, name: str, channel: str, state: str, episode: str, rank: int, *, before: int = 0) -> None:
        """A transition comes."""
        number = self.open.get((name, channel), ("", 0, 0))[2] + 1
        severity = Severity(rank).word
        more = {} if not before else {"previous_severity": Severity(before).word}
        if state == "resolved":
            del self.open[name, channel]
        else:
            self.open[name, channel] = episode, rank, number
        if rank > before:
            self.news.append((episode, state))
        if state != "resolved" and rank > before:
            facts = {"rule": name, "channel": channel, "severity": severity}
            self.expected |= {(d, episode) for d in self.hearing(name, facts)}
        if name == DOWN and state == "firing":
            self.inhibited.append(Quiet(channel, -inf, inf, len(self.run.told)))
        if name == DOWN and state == "resolved":
            for quiet in self.inhibited:
                if quiet.channel == channel:
                    quiet.until = min(quiet.until, len(self.run.told))
        self.run.feed(
            transition(
                state,
                channel,
                rule=name,
                minute=round(self.run.at / 60),
                episode_id=episode,
                number=number,
                severity=severity,
                **more,
            )
        )

    def hearing(self, name: str, facts: dict[str, str]) -> Iterable[str]:
        """The ids of the destinations to which the routes lead, but for whoever is on call."""
        teams = next(r.teams for r in RULES.rules if r.name == name)
        return (hearer.destination.id for hearer in self.run.routing.hearers(teams, facts))

    # ---- people ---------------------------------------------------------------------------------------------------

    def _given(self, kind: type[Command], *, by: str = "Ben", way: str = "api", **more: Any) -> None:
        self.commands += 1
        self.run.feed(kind(id=f"c{self.commands}", by=by, way=way, at=moment(self.run.at), **more))

    def _silence(self, step: Step) -> None:
        match step:
            case ("silence", channel, seconds, after, rrule, replaces):
                # It is a new one, or replaces an earlier one, which then no longer holds.
                number, begin = min(replaces, len(self.silences)), self.run.at + after
                quiet = Quiet(channel, begin, begin + seconds, len(self.run.told))
                more = {"rrule": rrule} if rrule else {}
                put = silence(f"channel={channel}", at=begin, ends=begin + seconds, number=f"s{number}", **more)
                self.commands += 1
                self.run.feed(replace(put, id=f"c{self.commands}"))
                if self.run.answers[-1]["applied"]:  # else it would be over already, or what it replaces is
                    for earlier in self.silences[number : number + 1]:
                        earlier.until = min(earlier.until, quiet.since)
                    self.silences[number : number + 1] = [quiet]
                    self.silenced.append(quiet)
            case ("end silence", number) if number < len(self.silences):
                quiet = self.silences[number]
                quiet.until = min(quiet.until, len(self.run.told))
                self._given(EndSilence, silence_id=f"s{number}")

    def _stand_in(self, step: Step) -> None:
        match step:
            case ("stand in", who, seconds):
                at = self.run.at
                override = Override(
                    id=f"o{self.stand_ins}", schedule="day", who=who, starts=moment(at), ends=moment(at + seconds)
                )
                self.stand_ins += 1
                self._given(PutOverride, override=override)
            case ("end of stand-in", number) if number < self.stand_ins:
                self._given(EndOverride, override_id=f"o{number}")

    def _reach(self, target: str, *, is_down: bool) -> None:
        destination = next(d for d in self.run.routing.by_id.values() if d.target == target)
        more = {"destination_id": destination.id, "by": "deliver", "way": "lockstep"}
        if is_down:
            self._given(DestinationDown, why="HTTP 503", **more)
        else:
            self._given(DestinationUp, **more)

    def _respond(self, which: str, name: str, channel: str, seconds: float) -> None:
        alert, until = alert_of(name, channel), moment(self.run.at + seconds)
        self.answered.add(alert)
        match which:
            case "ack":
                self.commands += 1
                self.run.feed(ack(alert, at=self.run.at, number=f"c{self.commands}", until=until))
            case "snooze":
                self._given(Snooze, alert_id=alert, until=until)
            case "close":
                self._given(Close, alert_id=alert)
            case _:
                self._given(TakeBack, alert_id=alert)


def alert_of(name: str, channel: str) -> str:
    """An alert's id."""
    return transition(rule=name, channel=channel).alert_id


def played(
    steps: Sequence[Step],
    reloads: Sequence[tuple[int, int]] = (),
    *,
    routes: int = 0,
    restarts: bool = False,
    dies_at: Iterable[int] = (),
) -> World:
    """A world after the steps, and after so long a rest that everything is over that holds people's messages back.

    restarts: after each cut another worker goes on. dies_at: steps at which one does, and for that step's records loses
    the partition once more, with what it had decided.
    """
    world = World(Timeline(ROUTES[routes], rules=RULES, restarts=restarts))
    doomed = set(dies_at)
    for n, step in enumerate(steps):
        for at, which in reloads:
            if at == n:
                world.run.reload(ROUTES[which])
        if n in doomed:
            world.run.die()
            world.run.is_doomed = True
            world.play(step)
            world.run.is_doomed = False
        else:
            world.play(step)
    world.run.is_doomed = False
    for _ in range(18):
        world.run.step(900)
    for number in range(len(world.silences)):
        world.play(("end silence", number))
    for seconds in (900, 900, 900, 45, 45, 45, 45):  # what is repeated may wait for a summary
        world.run.step(seconds)
    return world
