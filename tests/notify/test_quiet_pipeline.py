"""What people do not hear for now, through all of notify: what is held, what is told when, and why."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from alert_samples import ANNA, HOOK, LONDON, NOON, batch, plan, rule, transition
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.notification import Message
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.quiet.inhibitions import Inhibition
from lockstep.notify.quiet.matchers import parse_matchers
from lockstep.notify.quiet.mute_times import Interval, MuteTime
from lockstep.notify.route import Routing
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.notify.routing.route_tree import Route, RouteTree
from lockstep.response.command import AUDIT, COMMANDS, Command, EndSilence, PutSilence, decode_answer
from lockstep.response.decision import DECISIONS, decode_decision
from lockstep.response.standing import RESPONSE_STATE, Silence, decode_standing
from lockstep.text.rfc3339 import rfc3339_of

RULES = (rule("OrderSpike"), rule("ShopDown"))
HOURS = MuteTime("nights", (Interval(times=((13 * 60, 14 * 60),)),))


def routing(**options: Any) -> Routing:
    """Anna and a program hear of marketing's alerts."""
    route = Route("all", (), ("team",), RouteOptions(**options))
    return Routing(
        {"mail": (ANNA,), "hook": (HOOK,)},
        {"marketing": ("mail", "hook")},
        tree=RouteTree((route,)),
        mute_times={"nights": HOURS},
        inhibitions=(Inhibition(parse_matchers(["rule=ShopDown"]), parse_matchers(["rule=OrderSpike"]), ("channel",)),),
    )


class Run:
    """A stage as the runtime drives it; `restarts` makes a new one of its entries after every step."""

    def __init__(self, wanted: Routing, *, restarts: bool = False) -> None:
        self.routing, self.restarts = wanted, restarts
        self.entries: dict[bytes, bytes] = {}
        self.stage = self.new()
        self.minute, self.offset, self.given = 0.0, 0, 0
        self.records: list[Any] = []

    def new(self) -> Notify:
        stage = Notify(plan(*RULES), self.routing, zone=LONDON)
        stage.restore(self.entries)
        return stage

    def feed(self, *values: Any) -> "Run":
        self._feed(batch(*values, start=self.offset))
        return self.at(self.minute).at(self.minute + 1)

    def give(self, command: type[Command], **fields: Any) -> "Run":
        self.given += 1
        now = rfc3339_of(NOON + timedelta(minutes=self.minute))
        value = command(id=str(self.given), by="Ben", way="page", at=now, **fields)
        self._feed(batch(msgspec.json.encode(value), start=self.offset, topic=COMMANDS))
        return self.at(self.minute)

    def _feed(self, fed: Any) -> None:
        arrived = int((NOON + timedelta(minutes=self.minute)).timestamp() * 1000)
        self.stage.feed(msgspec.structs.replace(fed, timestamps_ms=[arrived] * len(fed.values)))
        self.offset += len(fed.values)
        self._cut()

    def at(self, minute: float) -> "Run":
        self.minute = minute
        self.stage.tick(NOON + timedelta(minutes=minute))
        self._cut()
        return self

    def _cut(self) -> None:
        cut = self.stage.cut()
        self.records += cut.records
        for key, value in cut.entries.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        if self.restarts:
            self.stage = self.new()

    def _of(self, topic: str) -> Sequence[Any]:
        return [r for r in self.records if r.topic == topic]

    def mails(self) -> list[str]:
        """What Anna was told: `web firing, shop resolved: the reason`, since the last call."""
        fresh = [json.loads(r.value) for r in self._of(DELIVERIES)]
        self.records = [r for r in self.records if r.topic != DELIVERIES]
        bodies = [d["body"] for d in fresh if d["destination"]["id"] == "anna"]
        return [
            f"{', '.join('{} {}'.format(i['labels'].get('channel', i['headline']), i['state']) for i in b['items'])}"
            f": {b.get('reason', '')}"
            for b in bodies
        ]

    def reasons(self) -> list[str]:
        """What was decided of Anna since the last call: `web told first`."""
        decisions = [decode_decision(r.value) for r in self._of(DECISIONS)]
        self.records = [r for r in self.records if r.topic != DECISIONS]
        return [
            f"{d.labels['channel']} {d.outcome} {d.reason}: {d.why}"
            for d in decisions
            if d.destination_id in ("anna", "")
        ]

    def answers(self) -> list[str]:
        return [decode_answer(r.value).why for r in self._of(AUDIT)]

    def stands(self) -> dict[str, Any]:
        return {r.key.decode(): None if r.value is None else decode_standing(r.value) for r in self._of(RESPONSE_STATE)}


def silence(begin: float = 0, end: float = 60, **changed: Any) -> Silence:
    return Silence(
        **{
            "id": "s1",
            "matchers": ("channel=web",),
            "starts": rfc3339_of(NOON + timedelta(minutes=begin)),
            "ends": rfc3339_of(NOON + timedelta(minutes=end)),
            "author": "Ben",
            "comment": "campaign",
            **changed,
        }
    )


@pytest.fixture(params=[False, True], ids=["runs on", "restarts after every step"])
def make(request: pytest.FixtureRequest) -> Any:
    return lambda **options: Run(routing(**options), restarts=request.param)


def test_a_silence(make):
    """Nothing is told in it, the reason of that is written, and what still fires is told when it ends."""
    run = make().give(PutSilence, silence=silence())
    assert run.answers() == ["Ben made a silence of channel=web until Tue 24 Nov 2026 13:00 GMT: campaign"]
    run.feed(transition(), transition(channel="shop"))
    assert [m.partition(":")[0] for m in run.mails()] == ["shop firing"]
    run.at(59)
    assert run.mails() == []
    run.at(60)
    assert [m.partition(":")[0] for m in run.mails()] == ["web firing"]
    assert run.stands()["silence/s1"].hits == 1
    assert run.answers()[-1] == "the silence of Ben (campaign) is over: it kept 1 alert quiet"


def test_what_began_and_ended_in_a_silence(make):
    """Is not told, and is recorded."""
    run = make().give(PutSilence, silence=silence()).feed(transition())
    run.feed(transition("resolved", minute=5))
    run.at(61)
    assert run.mails() == []
    said = run.reasons()
    assert any("not_told silenced: silenced by Ben until Tue 24 Nov 2026 13:00 GMT: campaign" in line for line in said)
    assert any("not_told short_lived" in line for line in said)


def test_what_was_told_before_a_silence(make):
    """Is told once more when it ends, and its end is told where it ends later."""
    run = make().feed(transition())
    assert len(run.mails()) == 1
    run.give(PutSilence, silence=silence(1))
    run.at(61)
    assert [m.partition(":")[0] for m in run.mails()] == ["web firing"]
    run.feed(transition("resolved", minute=62))
    assert [m.partition(":")[0] for m in run.mails()] == ["web resolved"]


def test_a_silence_that_is_ended_early(make):
    """Tells at once what it held."""
    run = make().give(PutSilence, silence=silence()).feed(transition())
    assert run.mails() == []
    run.give(EndSilence, silence_id="s1")
    run.at(run.minute + 1)
    assert [m.partition(":")[0] for m in run.mails()] == ["web firing"]
    assert run.stands()["silence/s1"].ended_at is not None


def test_programs_hear_everything(make):
    """Whatever is silent."""
    run = make().give(PutSilence, silence=silence()).feed(transition(), transition("resolved", minute=1))
    hooks = [json.loads(r.value)["state"] for r in run.records if r.topic == DELIVERIES]
    assert hooks == ["firing", "resolved"]


def test_people_hear_of_a_silence(make):
    """When it begins and ends, if that is wanted."""
    run = make().give(PutSilence, silence=silence(told=True)).at(1)
    (begins,) = run.mails()
    assert "Silence until Tue 24 Nov 2026 13:00 GMT: campaign" in begins
    run.at(60).at(61)
    over = [json.loads(r.value)["body"] for r in run._of(DELIVERIES)][-1]
    message = msgspec.convert(over, Message)
    assert message.subject == "Silence over: campaign"
    assert message.about(message.items[0]) == "Lockstep"
    assert [part.team for part in message.items[0].team_parts] == [""]


def test_an_inhibition(make):
    """Of what follows from something that fires nothing is told until that is over."""
    run = make().feed(transition(rule="ShopDown"), transition())
    assert [m.partition(":")[0] for m in run.mails()] == ["web firing"]
    assert any("web not_told inhibited: inhibited: ShopDown, channel web fires" in line for line in run.reasons())
    run.feed(transition("resolved", rule="ShopDown", minute=5)).at(run.minute + 1)
    assert sorted(m.partition(":")[0] for m in run.mails()) == ["web firing", "web resolved"]


def test_an_inhibitor_that_comes_while_the_group_waits(make):
    """Counts: what is asked is what fires when the message goes out."""
    run = make(group_wait_s=60.0)
    run.stage.feed(batch(transition()))
    run.at(0.5)
    run._feed(batch(transition(rule="ShopDown"), start=1))
    run.at(1).at(2)
    assert [m.partition(":")[0] for m in run.mails()] == ["web firing"]
    assert any("inhibited" in line for line in run.reasons())


def test_a_mute_time(make):
    """What was held comes as one digest when it is over; what is critical passes."""
    run = make(mute=("nights",)).at(60)
    run.feed(transition(minute=60), transition(channel="shop", minute=60), transition(rule="ShopDown", minute=60))
    run.feed(transition(channel="app", minute=61, severity="critical"))
    assert [m.partition(":")[0] for m in run.mails()] == ["app firing"]
    assert any(
        "web waits muted: muted until Tue 24 Nov 2026 14:00 GMT (mute time nights)" in line for line in run.reasons()
    )
    run.feed(transition("resolved", channel="shop", minute=70))
    run.at(119)
    assert run.mails() == []
    run.at(120)
    (digest,) = run.mails()
    assert sorted(digest.partition(":")[0].split(", ")) == ["shop fired and resolved", "web firing"]


def test_a_mute_time_that_is_edited_away():
    """After the restart what it held is told."""
    run = Run(routing(mute=("nights",))).at(60)
    run.feed(transition(minute=60))
    assert run.mails() == []
    run.routing = routing()
    run.stage = run.new()
    run.at(62).at(63)
    assert [m.partition(":")[0] for m in run.mails()] == ["web firing"]


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"), st.sampled_from(["channel=web", "rule=OrderSpike"]), st.integers(0, 40), st.integers(1, 60)
        ),
        st.just(("end",)),
        st.tuples(
            st.just("feed"),
            st.sampled_from(["OrderSpike", "ShopDown"]),
            st.sampled_from(["web", "shop"]),
            st.sampled_from(["warning", "critical"]),
        ),
        st.tuples(st.just("pass"), st.integers(1, 45)),
    ),
    max_size=14,
)


def _play(steps: list[Any], restarts: set[int]) -> tuple[Run, list[str]]:
    run = Run(routing(mute=("nights",)))
    firing: dict[tuple[str, str], int] = {}
    for n, step in enumerate(steps):
        match step:
            case "put", matcher, begin, length:
                number = f"s{n}"
                wanted = silence(run.minute + begin, run.minute + begin + length, id=number, matchers=(matcher,))
                run.give(PutSilence, silence=wanted)
            case ("end",):
                run.give(EndSilence, silence_id=f"s{n - 1}")
            case "feed", name, channel, severity:
                count = firing[name, channel] = firing.get((name, channel), -1) + 1
                state = "resolved" if count % 2 else "firing"
                episode = f"{name}-{channel}-{count // 2}"
                run.feed(
                    transition(
                        state,
                        channel,
                        minute=int(run.minute),
                        rule=name,
                        severity=severity,
                        episode_id=episode,
                        number=count,
                    )
                )
            case "pass", minutes:
                run.at(run.minute + minutes)
        if n in restarts:
            run.stage = run.new()
    run.at(run.minute + 1)
    texts = [f"{r.topic} {r.key} {r.value if r.value is None else r.value.decode()}" for r in run.records]
    return run, texts


@settings(max_examples=40, deadline=None)
@given(STEPS, st.sets(st.integers(0, 14)))
def test_a_restart_anywhere_changes_nothing(steps, restarts):
    """The same deliveries, decisions, answers and standings, to the byte."""
    assert _play(steps, restarts)[1] == _play(steps, set())[1]


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_when_all_is_over_what_fires_was_told(steps):
    """Days later no silence and no mute time holds: Anna knows of each alert that fires and that nothing inhibits."""
    run, _ = _play(steps, set())
    run.at(3 * 24 * 60 - 60).at(3 * 24 * 60)
    knows: dict[str, str] = {}
    for record in run._of(DELIVERIES):
        delivery = json.loads(record.value)
        if delivery["destination"]["id"] == "anna":
            knows.update({i["episode_id"]: i["state"] for i in delivery["body"]["items"] if i.get("episode_id")})
    fed: dict[tuple[str, str], int] = {}
    for step in steps:
        if step[0] == "feed":
            fed[step[1], step[2]] = fed.get((step[1], step[2]), 0) + 1
    open_now = {key for key, count in fed.items() if count % 2}
    for name, channel in open_now:
        if not (name == "OrderSpike" and ("ShopDown", channel) in open_now):
            assert knows.get(f"{name}-{channel}-{fed[name, channel] // 2}") in ("firing", "severity")
