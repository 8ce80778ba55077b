"""Alerts about Lockstep itself: a refused rule file is told with its fault, and named by its file alone."""

import json
from datetime import datetime, timedelta

import pytest
from alert_samples import LONDON, NOON, ROUTING, batch, plan, rule, transition
from jsonschema import Draft202012Validator

from lockstep.labels import stable_id
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.message import Writer
from lockstep.notify.payload import webhook_json_schema
from lockstep.notify.route import Routing
from lockstep.notify.self_alerts import (
    LAPSE,
    REFUSED,
    SAID_AGAIN,
    OwnAlerts,
    behind_due,
    behind_rule,
    mended_transition,
    own_rule,
    refusal_of,
    refused_otherwise,
    refused_transition,
)
from lockstep.ports import Destination
from lockstep.tools.report.terminal_tables import alerts_table
from lockstep.transition import Refusal, Transition, TransitionName, decode, encode

TEAMS = ("marketing", "operations")
FAULT = "rules/stock.yml:4:7: rule 'LowStock': unknown key 'at_mots'; did you mean 'at_most'? [LS110]"


def refused(*faults: str, over: bool = False) -> Transition:
    told = refused_transition("rules/stock.yml", Refusal(faults or (FAULT,)), now=NOON)
    return mended_transition(told, now=NOON) if over else told


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        pytest.param((FAULT,), FAULT, id="one"),
        pytest.param((FAULT, "b", "c"), f"{FAULT} (and 2 more)", id="three"),
    ],
)
def test_the_fault_is_told_and_no_label(faults, told):
    """Every team reads what is wrong; who groups, routes or silences by labels sees the file alone."""
    transition = decode(encode(refused(*faults)))
    assert transition.labels == {"file": "rules/stock.yml"}
    assert transition.fault == told
    item = Writer(LONDON).item(transition, own_rule(TEAMS), TEAMS)
    assert item.headline == "rules/stock.yml was refused"
    assert set(item.texts.values()) == {
        f"The rules in force stay as they were. Mend the file and save it: {told}",
    }
    assert (item.why, item.more) == ((), "")


def test_ids_are_of_the_file_and_its_faults():
    """The same alert whatever is wrong with the file, another episode for another fault, one that its end shares."""
    one, other, over = refused(), refused("another"), refused(over=True)
    assert one.alert_id == other.alert_id == over.alert_id == stable_id("alert", REFUSED, "rules/stock.yml")
    assert one.episode_id == over.episode_id == stable_id("episode", one.alert_id, FAULT)
    assert one.episode_id != other.episode_id
    assert one.transition_id == stable_id("transition", one.episode_id, 1)


def test_a_webhook_has_no_explanation_of_it():
    """No rule judged: `explanation` is null."""
    body = Writer(LONDON).webhook(refused(), own_rule(TEAMS), TEAMS)
    Draft202012Validator(webhook_json_schema()).validate(body)
    assert body["data"]["explanation"] is None
    assert FAULT in body["data"]["text"]


# ---- whom it concerns ------------------------------------------------------------------------------------------------


def _rules():
    ann = rule("LowStock", ("operations",), owner="Ann", place="rules/stock.yml:3")
    bob = rule("SoldOut", ("operations",), owner="Bob", place="rules/stock.yml:9")
    more = rule("NoStock", ("operations",), owner="Ann", place="rules/stock.yml:12")
    return [ann, bob, more, rule("OrderSpike", ("marketing", "operations"), owner="Cy", place="rules/orders.yml:3")]


@pytest.mark.parametrize(
    ("file", "teams", "owners", "instead"),
    [
        pytest.param(
            "stock.yml",
            ("operations",),
            ("Ann", "Bob"),
            "its last good version, from the first start on, with LowStock, SoldOut, NoStock",
            id="of its last good rules",
        ),
        pytest.param("new.yml", (), (), "nothing of this file, and all others as they are", id="nobody's yet"),
    ],
)
def test_whom_a_file_concerns(file, teams, owners, instead):
    """Those who hear of the rules that it held, and those who look after them, each once."""
    found = refusal_of(file, [FAULT], _rules(), is_new=file == "new.yml", since=None)
    assert (found.teams, found.owners, found.in_force) == (teams, owners, instead)


@pytest.mark.parametrize(
    ("teams", "owners", "told", "said"),
    [
        pytest.param(("marketing",), ("Ann", "Bob"), {"anna"}, "(owners: Ann, Bob)", id="its teams, and whom to ask"),
        pytest.param((), (), {"anna", "hook", "ops"}, FAULT, id="all teams where none is known"),
        pytest.param(("gone",), ("Ann",), {"anna", "hook", "ops"}, "(owners: Ann)", id="nothing reaches its team"),
    ],
)
def test_who_hears_of_it(teams, owners, told, said):
    """The teams of the file's rules hear that it is refused, and that it is so no more."""
    rules = plan(*_rules(), own_rule(tuple(ROUTING.teams)))
    stage = Notify(rules, ROUTING, zone=LONDON)
    begins = refused_transition("stock.yml", Refusal((FAULT,), owners, teams), now=NOON)
    for offset, one in enumerate((begins, mended_transition(begins, now=NOON + timedelta(hours=2)))):
        now = NOON + timedelta(hours=offset)
        stage.feed(batch(one, start=offset))
        stage.tick(now)
        stage.tick(now + timedelta(seconds=10))
        sent = [json.loads(r.value) for r in stage.cut().records if r.topic == DELIVERIES]
        assert {d["destination"]["id"] for d in sent} == told
        words = json.dumps([d["body"] for d in sent])
        assert said in words if not offset else "all clear after 2 hours" in words


# ---- when it begins and ends -----------------------------------------------------------------------------------------


class Workers:
    """Workers over one topic; each reads what all have published."""

    def __init__(self, *names: str) -> None:
        self.now, self.alone = NOON, len(names) == 1
        self.told: dict[str, Transition] = {}
        self.published: list[tuple[str, str]] = []
        self.heard: dict[str, object] = {}
        self.refused: dict[str, dict[str, Refusal]] = {}
        self.own: dict[str, OwnAlerts] = {}
        for name in names:
            self.start(name)

    def start(self, name: str, **refused: str) -> None:
        """A worker (again) with what its folder is refused for: file → fault."""
        self.own[name] = OwnAlerts(alone=self.alone)
        self.heard |= {(name, alert): self.now for alert in self.told}
        self.edit(name, **refused)

    def stop(self, name: str) -> None:
        del self.own[name]

    def edit(self, name: str, **refused: str) -> None:
        self.refused[name] = {file: Refusal((fault,)) for file, fault in refused.items()}

    def run(self, seconds: float, *, looked: bool = True) -> list[tuple[str, str]]:
        """What becomes of the alerts meanwhile."""
        before = len(self.published)
        for _ in range(int(seconds)):
            self.now += timedelta(seconds=1)
            for name, own in self.own.items():
                heard = {alert: at for (who, alert), at in self.heard.items() if who == name}
                new, again = own.due(self.refused[name], self.told.values(), heard, looked=looked, now=self.now)
                self.told |= {t.alert_id: t for t in new}
                self.published += [(t.labels["file"], t.state.value) for t in new]
                self.heard |= {(who, t.alert_id): self.now for who in self.own for t in (*new, *again)}
        return self.published[before:]


BEGUN, ENDED = ("stock", "firing"), ("stock", "resolved")
MINUTE = LAPSE.total_seconds() + 1


def test_one_worker_ends_what_it_left_open():
    """Mended while it was stopped: over at the next start. Still broken: it goes on, told once."""
    one = Workers("one")
    one.edit("one", stock="a")
    assert one.run(5) == [BEGUN]
    one.start("one", stock="a")
    assert one.run(100) == []
    one.start("one")
    assert one.run(3, looked=False) == []
    assert one.run(3) == [ENDED]
    assert one.run(100) == []


def test_another_fault_is_the_same_trouble_and_the_same_again_is_another_episode():
    """Broken, otherwise, mended and broken again: whoever drops repeats by id hears of each."""
    one = Workers("one")
    heard = []
    for fault, told in (("a", [BEGUN]), ("b", [BEGUN]), (None, [ENDED]), ("b", [BEGUN])):
        one.edit("one", **({} if fault is None else {"stock": fault}))
        assert one.run(5) == told
        heard += one.told.values()
    assert len({t.transition_id for t in heard}) == 4
    first, otherwise, over, again = heard
    assert first.episode_id == otherwise.episode_id == over.episode_id != again.episode_id
    assert [(t.number, t.fault, t.started_at) for t in (otherwise, over)] == [
        (2, "b", first.started_at),
        (3, "b", first.started_at),
    ]


def test_a_fault_that_changes_is_one_trouble_with_one_end():
    """People hear of it once, edited where a message can be, and of its end, also after a restart; programs of all."""
    chat = Destination("chat", "slack", "#shop", "chat", {"token": "SLACK_TOKEN"})
    routing = Routing(
        {"mail": (ROUTING.by_id["anna"],), "hook": (ROUTING.by_id["hook"],), "chat": (chat,)},
        dict.fromkeys(TEAMS, ("mail", "hook", "chat")),
    )
    begins = refused_transition("stock.yml", Refusal(("the first fault",)), now=NOON)
    otherwise = refused_otherwise(begins, Refusal(("the second fault",)), now=NOON + timedelta(hours=1))
    over = mended_transition(otherwise, now=NOON + timedelta(hours=2))
    kept: dict[bytes, bytes] = {}
    told: dict[str, list[tuple[str, str]]] = {"anna": [], "hook": [], "chat": []}
    for offset, one in enumerate((begins, begins, otherwise, otherwise, over)):
        stage = Notify(plan(own_rule(TEAMS)), routing, zone=LONDON)
        stage.restore(kept)
        now = datetime.fromisoformat(one.at)
        stage.feed(batch(one, start=offset))
        stage.tick(now)
        stage.tick(now + timedelta(seconds=40))
        cut = stage.cut()
        kept = {key: value for key, value in {**kept, **cut.entries}.items() if value is not None}
        for delivery in (json.loads(r.value) for r in cut.records if r.topic == DELIVERIES):
            words = json.dumps(delivery["body"])
            fault = next((n for n in ("first", "second") if f"the {n} fault" in words), "none")
            if (delivery["state"], fault) not in told[delivery["destination"]["id"]]:
                told[delivery["destination"]["id"]].append((delivery["state"], fault))
    assert told == {
        "anna": [("firing", "first"), ("resolved", "none")],
        "chat": [("firing", "first"), ("firing", "second"), ("resolved", "none")],
        "hook": [("firing", "first"), ("firing", "second"), ("resolved", "none")],
    }
    assert not [e for e in kept if e.startswith(b"\x1fepisode\x1f")]


def test_a_worker_that_starts_leaves_what_another_still_refuses():
    """However often a good one starts, the alert lives as long as somebody refuses the file."""
    two = Workers("one", "two")
    two.edit("two", stock="a")
    assert two.run(2) == [BEGUN]
    for _ in range(3):
        two.start("one")
        assert two.run(3 * MINUTE) == []
    two.edit("two")
    assert two.run(MINUTE + SAID_AGAIN.total_seconds()) == [ENDED]


def test_two_workers_that_refuse_a_file_tell_it_once():
    """Also for different faults each says its own once; it is over when both have it in order."""
    two = Workers("one", "two")
    for name in ("one", "two"):
        two.edit(name, stock="a")
    assert two.run(200) == [BEGUN]
    two.edit("one", stock="b")
    assert two.run(200) == [BEGUN]
    two.edit("one")
    assert two.run(200) == []
    two.edit("two")
    assert two.run(200) == [ENDED]


def test_what_a_worker_left_open_that_never_comes_back():
    """The others end it, a minute after they last heard of it."""
    two = Workers("one", "two")
    two.edit("two", stock="a")
    assert two.run(2) == [BEGUN]
    two.stop("two")
    assert two.run(MINUTE - 20) == []
    assert two.run(30) == [ENDED]
    two.start("two", stock="a")
    assert two.run(2) == [BEGUN]
    assert next(iter(two.told.values())).state is TransitionName.FIRING


def test_alerts_of_a_file_or_without_a_limit_miss_no_data():
    """`no data` is for what should have had some; a refused rule file and an absence have no number to compare."""
    found = [
        transition(value=None, baseline=None, limit=20.0),
        transition(channel="app", value=0.0, baseline=None, limit=None),
        refused_transition("rules/stock.yml", Refusal(("fault",)), now=NOON),
        *behind_due({("orders", 0): "Event time is behind"}, [("orders", 0)], [], now=NOON),
    ]
    table = alerts_table(found, LONDON)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert table.title == "4 alerts"
    assert columns["labels"] == ["web", "app", "rules/stock.yml", "orders, 0"]
    assert columns["value"] == ["no data", "0", "", ""]
    assert columns["usual or limit"] == ["20", "", "", ""]


def test_event_time_that_caught_up_leaves_nothing_to_take_back():
    """Its end says what is true of the rules again."""
    (begun,) = behind_due({("orders", 0): "Event time is behind"}, [], [], now=NOON)
    (over,) = behind_due({}, [("orders", 0)], [begun], now=NOON + timedelta(minutes=5))
    item = Writer(LONDON).item(over, behind_rule(TEAMS), TEAMS)
    assert item.headline == "all clear after 5 minutes: EventTimeBehind, orders, 0, event time has caught up"
    assert set(item.texts.values()) == {"Rules on this topic judge the present again."}
