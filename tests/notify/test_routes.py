"""Routes: whom an alert goes to, in which groups and how often; the timelines that Alertmanager's users know."""

import pytest
from alert_samples import plan, rule, transition
from timeline import Sender, Timeline, ack, moment, routing, silence

from lockstep.errors import DeliveryError
from lockstep.notify.route import Routing
from lockstep.ports import Destination, Sent
from lockstep.response.command import EndSilence, Snooze

MAIL, CHAT, BEN, HOOK = "anna@example.com", "#ops", "ben@example.com", "http://127.0.0.1:9/h"

TREE = """
routes:
  - match: [severity=critical]
    to: chat
    routes:
      - {match: channel=web, to: ben}
      - {match: 'channel=~"a.*"', continue: true, to: [mail]}
      - {match: channel=app}
  - {match: [severity=info, team=marketing], to: team}
  - {match: channel!~".*", to: ben}
"""


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            {"severity": "critical", "channel": "web"},
            [("severity=critical > channel=web", ("ben",))],
            id="a child that is met takes it from its parent",
        ),
        pytest.param(
            {"severity": "critical", "channel": "shop"},
            [("severity=critical", ("chat",))],
            id="a parent whose children are not met keeps it",
        ),
        pytest.param(
            {"severity": "critical", "channel": "app"},
            [('severity=critical > channel=~"a.*"', ("mail",)), ("severity=critical > channel=app", ("chat",))],
            id="continue goes on, and a child without `to` has its parent's",
        ),
        pytest.param(
            {"severity": "warning", "channel": "web"},
            [("team operations", ("team",))],
            id="what meets none goes to its team",
        ),
        pytest.param({"severity": "warning"}, [('channel!~".*"', ("ben",))], id="a label that is missing"),
    ],
)
def test_the_way_through_the_routes(facts, expected):
    """First match wins, children before their parents."""
    paths = routing(TREE).tree.paths({"rule": "OrderSpike", "team": "operations", **facts})
    assert [(path.route, path.to) for path in paths] == expected


def test_children_inherit_what_they_do_not_say():
    """An empty list takes back what a parent says."""
    tree = routing(
        """
routes:
  - match: severity=critical
    repeat_interval: 4h
    group_by: ['...']
    fallback: [ben]
    routes: [{match: channel=web, group_wait: 0s, fallback: []}]
"""
    ).tree
    child = tree.options("severity=critical > channel=web")
    assert (child.repeat_interval_s, child.group_by, child.group_wait_s) == (14400, ("...",), 0)
    assert child.fallback == ()


# ---- timelines of Alertmanager's acceptance tests ------------------------------------------------------------------


def test_merge():
    """Two alerts of one group within its wait are one message; who fires later waits for the interval."""
    run = Timeline("routes: [{to: mail, group_wait: 10s, group_interval: 60s}]")
    run.feed(transition()).until(3)
    run.feed(transition(channel="app")).until(20)
    run.feed(transition(channel="shop")).until(100)
    assert run.to(MAIL) == [(10, "web firing, app firing"), (70, "shop firing")]
    assert run.reasons(MAIL) == ["2 have begun", "it has begun, too"]


def test_batching_and_all_over():
    """Ends are batched as beginnings are; a group that is over is new when it fires again."""
    run = Timeline("routes: [{to: mail, group_wait: 5s, group_interval: 30s}]")
    run.feed(transition(), transition(channel="app")).until(10)
    run.feed(transition("resolved", minute=1)).until(20)
    run.feed(transition("resolved", "app", minute=1)).until(50)
    run.feed(transition(episode_id="again", minute=2)).until(80)
    assert run.to(MAIL) == [(5, "web firing, app firing"), (35, "web resolved, app resolved"), (55, "web firing")]
    assert run.reasons(MAIL)[1:] == ["all 2 are over", "it has begun"]


def test_repeat_comes_to_the_second():
    """Alertmanager rounds 90 s up to a multiple of the interval; here each alert has a timer of its own."""
    run = Timeline("routes: [{to: mail, group_wait: 0s, group_interval: 60s, repeat_interval: 90s}]")
    run.feed(transition()).until(300)
    assert [at for at, _ in run.to(MAIL)] == [0, 90, 180, 270]
    assert run.reasons(MAIL) == ["it has begun", *["it still goes on"] * 3]
    run.feed(transition("resolved", minute=6)).until(1000)
    assert run.to(MAIL)[4:] == [(330, "web resolved")]


def test_a_repeat_never_stops_for_retention():
    """Alertmanager forgets after 120 hours; here what fires is told for as long as it fires."""
    run = Timeline("routes: [{to: mail, group_wait: 0s, repeat_interval: 24h}]")
    run.feed(transition())
    for _ in range(24 * 7):
        run.step(3600)
    assert len(run.to(MAIL)) == 8


def test_nothing_inside_a_wait_is_lost():
    """Fired, over, and fired again inside one interval: all of it is told, which Alertmanager would not."""
    run = Timeline("routes: [{to: mail, group_wait: 0s, group_interval: 60s}]")
    run.feed(transition()).until(10)
    run.feed(transition("resolved", minute=1)).feed(transition(episode_id="two", minute=2)).until(100)
    assert run.to(MAIL) == [(0, "web firing"), (60, "web firing, web resolved")]


@pytest.mark.parametrize(
    ("said", "expected"),
    [("", ["web fired and resolved"]), ("short_lived: tell,", ["web fired and resolved"]), ("short_lived: skip,", [])],
)
def test_what_was_over_before_it_was_told(said, expected):
    """A note that it came and went, or nothing and a record of that."""
    run = Timeline(f"routes: [{{to: mail, {said} group_wait: 30s}}]")
    run.feed(transition()).until(5).feed(transition("resolved", minute=1)).until(60)
    assert [what for _, what in run.to(MAIL)] == expected
    assert ("not_told short_lived" in run.why(MAIL)) is (expected == [])


def test_reload_tells_nothing_twice():
    """Alertmanager's timers begin anew; these stand in the state, and who was told is not told again."""
    text = "routes: [{to: mail, group_wait: 10s, repeat_interval: 2m}]"
    run = Timeline(text)
    run.feed(transition()).until(5)
    run.reload(text)
    run.until(60)
    run.reload(text)
    run.until(140)
    assert [at for at, _ in run.to(MAIL)] == [10, 130]


def test_reload_that_leaves_an_alert_to_nobody_finds_somebody():
    """The only receiver that knew of it is gone: who hears of such alerts now is told that it fires."""
    run = Timeline("routes: [{to: ben}]")
    run.feed(transition()).until(20)
    run.reload(routing("routes: [{to: chat}]", without="ben"))
    run.until(40).feed(transition("resolved", minute=1)).until(60)
    assert run.to(BEN) == [(10, "web firing")]
    assert [what for _, what in run.to(CHAT)] == ["web firing", "web resolved"]
    assert "not_told nobody" in [f"{d.outcome} {d.reason}" for d in run.decisions]


def test_a_route_that_is_edited_while_an_alert_fires():
    """The new receiver hears of it at once, and its end; the old one hears no more, and is told why on asking."""
    run = Timeline("routes: [{to: ben, group_wait: 30s, repeat_interval: 5m}]").feed(transition()).until(60)
    run.reload(routing("routes: [{to: [chat, hook], group_wait: 30s}, {match: severity=info, to: ben}]"))
    run.until(400).feed(transition("resolved", minute=7)).until(500)
    assert run.to(BEN) == [(30, "web firing")]
    assert run.to(CHAT) == [(61, "web firing"), (430, "web resolved")]
    assert run.reasons(CHAT)[0] == "it goes on already, and you are new among those who are told"
    assert [told.state for told in run.told if told.target.startswith("http")] == ["firing", "resolved"]
    assert [d.why for d in run.decisions if d.outcome == "not_told"] == [
        "routing.yml leads elsewhere since: it is told no more of this alert"
    ]


def test_an_edit_that_leads_an_alert_nowhere_else_tells_nothing():
    """Nor does a restart after a shift, or where an escalation has called somebody to whom no route leads."""
    shifts = """
escalations: {up: {steps: [{after: 1m, to: [ben]}]}}
schedules:
  day: {zone: UTC, rotations: [{who: [mail, chat], every: 1h, from: "2026-11-24 12:00"}]}
routes:
"""
    one = shifts + "  - {to: 'oncall:day', group_wait: 0s, escalation: up}\n"
    run = Timeline(one).feed(transition()).until(120)
    run.step(3600)  # the first shift is over, and nothing repeats
    before = len(run.told), len(run.decisions)
    run.reload(one)
    run.step(10).reload(one + "  - {match: rule=Other, to: hook}\n")
    run.step(10)
    assert (len(run.told), len(run.decisions)) == before
    run.feed(transition("resolved", minute=70)).until(run.at + 20)
    assert [what for _, what in run.to(MAIL)] == [what for _, what in run.to(BEN)] == ["web firing", "web resolved"]


def test_an_edit_is_seen_before_what_came_meanwhile():
    """A change of severity that was on the log before the first tick does not hide that the routes lead elsewhere."""
    run = Timeline("routes: [{to: ben, group_wait: 0s}]").feed(transition()).until(60)
    run.reload(routing("routes: [{to: chat, group_wait: 0s}]"))
    run.feed(transition("severity", minute=2, severity="critical", previous_severity="warning")).until(100)
    assert run.to(BEN) == [(0, "web firing")]
    assert [what for _, what in run.to(CHAT)] == ["web firing"]


def test_a_silence_and_its_end():
    """Nothing while it lasts; what still fires is told the moment it is over, not at the next flush."""
    run = Timeline("routes: [{to: mail, group_wait: 5s, group_interval: 5m}]")
    run.feed(silence("channel=web", at=0, ends=600)).feed(transition(), transition(channel="app")).until(700)
    assert run.to(MAIL) == [(5, "app firing"), (600, "web firing")]
    assert "not_told silenced" in run.why(MAIL)
    assert [(told.at, told.state) for told in run.told if told.target == HOOK] == []


def test_a_silence_that_is_ended_early():
    """Silence delete: the same at once."""
    run = Timeline("routes: [{to: mail, group_wait: 0s}]")
    run.feed(silence("channel=web", at=0, ends=6000)).feed(transition()).until(30)
    assert run.to(MAIL) == []
    run.feed(EndSilence(id="end", by="Ben", way="api", at=moment(30), silence_id="s1")).until(35)
    assert [what for _, what in run.to(MAIL)] == ["web firing"]
    assert run.to(MAIL)[0][0] <= 31


@pytest.mark.parametrize("restarts", [False, True])
def test_a_silence_that_ended_while_the_service_was_down(restarts):
    """What still fires is told at once at the restart, also what was told before; a snooze and a mute time likewise."""
    rules = "mute_times: {lunch: [{zone: Europe/London, times: ['12:00-12:10']}]}\n"
    for quiet in (
        silence("channel=web", at=10, ends=600),
        Snooze(id="s", by="Anna", way="api", at=moment(10), alert_id=transition().alert_id, until=moment(600)),
        None,
    ):
        muted = "mute: lunch, " if quiet is None else ""
        for told_before in (True, False) if quiet is not None else (False,):
            wait = 0 if told_before else 20
            run = Timeline(f"{rules}routes: [{{to: mail, {muted}group_wait: {wait}s}}]", restarts=restarts)
            run.feed(transition()).until(10)
            run.feed(*([quiet] if quiet else [])).until(30)
            assert len(run.to(MAIL)) == told_before
            run.die()
            run.step(3600).step(1)
            assert run.to(MAIL)[told_before:] == [(3630, "web firing")]
            assert run.reasons(MAIL)[-1].endswith("is over") or "muted until" in run.reasons(MAIL)[-1]


def test_an_alert_that_ended_with_its_silence_while_the_service_was_down():
    """Who was told hears the end; who was not hears nothing, and it is recorded what kept it from them."""
    for wait, expected in ((0, ["web firing", "web resolved"]), (20, [])):
        run = Timeline(f"routes: [{{to: mail, group_wait: {wait}s}}]").feed(transition()).until(10)
        run.feed(silence("channel=web", at=10, ends=600)).until(30)
        run.die()
        run.at = 3630
        run.feed(transition("resolved", minute=30)).until(3680)
        assert [what for _, what in run.to(MAIL)] == expected
    assert [d.why for d in run.decisions if d.reason == "short_lived"] == [
        "it was over before anybody was told: silenced by Anna until Tue 24 Nov 2026 12:10 GMT: a campaign"
    ]


def test_what_began_and_ended_in_a_silence_is_not_told():
    """It is recorded as short-lived; webhooks heard both changes at once."""
    run = Timeline("routes: [{to: [mail, hook], group_wait: 0s}]")
    run.feed(silence("channel=web", at=0, ends=600)).feed(transition()).until(30)
    run.feed(transition("resolved", minute=1)).until(700)
    assert run.to(MAIL) == []
    assert "not_told short_lived" in run.why(MAIL)
    assert [told.state for told in run.told if told.target == HOOK] == ["firing", "resolved"]


def test_an_end_inside_a_silence_is_told_when_that_is_over():
    """Who was told that it began hears that it has ended."""
    run = Timeline("routes: [{to: mail, group_wait: 0s}]")
    run.feed(transition()).until(5)
    run.feed(silence("channel=web", at=5, ends=600)).until(30).feed(transition("resolved", minute=1)).until(700)
    assert [what for _, what in run.to(MAIL)] == ["web firing", "web resolved"]
    assert run.to(MAIL)[1][0] == 600


UNREACHABLE = DeliveryError("serverError", "HTTP 503", retryable=True)


def test_retry():
    """A destination that fails is tried again under the same id, also after `group_interval`, which ends Alertmanager's
    attempts; what comes meanwhile follows in its order, and others hear of it in time."""
    run = Timeline("routes: [{to: [mail, chat], group_wait: 1s, group_interval: 10s}]")
    sender = Sender(run, lambda target, at: UNREACHABLE if target == MAIL and at < 60 else Sent())
    run.feed(transition())
    sender.until(20)
    run.feed(transition("severity", severity="critical", previous_severity="warning", minute=1))
    sender.until(30)
    run.feed(transition("resolved", severity="critical", minute=2))
    sender.until(300)
    told = {target: [t.id for t in run.told if t.target == target] for target in (MAIL, CHAT)}
    assert [(at, number) for at, target, number in sender.arrived if target == CHAT] == [
        (1, told[CHAT][0]),
        (21, told[CHAT][1]),
        (31, told[CHAT][2]),
    ]
    tried = [(at, number) for at, target, number in sender.seen if target == MAIL]
    # 5 s, 30 s and 2 minutes behind each failure; then each once, in the order of the alert.
    assert [at for at, number in tried if number == told[MAIL][0]] == [1, 6, 36, 156]
    assert [number for _, target, number in sender.arrived if target == MAIL] == told[MAIL]
    assert len(told[MAIL]) == 3
    assert [t.state for t in run.told if t.target == MAIL] == ["firing", "severity", "resolved"]


def test_retry_that_is_given_up_has_a_fallback():
    """Alertmanager counts a failure and tells nobody; here somebody else hears of it, and of the end."""
    refused = DeliveryError("clientError", "recipient refused (550)", retryable=False)
    run = Timeline("routes: [{to: ben, group_wait: 1s, fallback: [mail]}]")
    sender = Sender(run, lambda target, at: refused if target == BEN else Sent())
    run.feed(transition())
    sender.until(10)
    run.feed(transition("resolved", minute=1))
    sender.until(30)
    assert run.to(MAIL) == [(1, "web firing"), (11, "web resolved")]
    assert run.reasons(MAIL)[0] == "others cannot be reached: email ben@example.com cannot be reached"
    assert [target for _, target, _ in sender.arrived] == [MAIL, MAIL]


INHIBITED = """
inhibitions: [{source: [rule=ShopDown], target: [rule=LowStock, severity!=critical], equal: [channel]}]
routes: [{to: mail, group_wait: 5s, group_interval: 5m}]
"""


@pytest.mark.parametrize("restarts", [False, True])
def test_inhibition(restarts):
    """What follows from another alert is not told while that fires, and at once when it is over, not with its group's
    next flush; after a restart the source is known before anything is told."""
    run = Timeline(INHIBITED, restarts=restarts)
    run.feed(transition(rule="LowStock"), transition(channel="app", rule="LowStock"))
    run.feed(transition(rule="ShopDown")).until(60)
    assert sorted(run.to(MAIL)) == [(5, "app firing"), (5, "web firing")]
    assert {told.body["rule"] for told in run.told if "web" in str(told.body["items"][0]["labels"])} == {"ShopDown"}
    assert [d.why for d in run.decisions if d.reason == "inhibited"] == ["inhibited: ShopDown, channel web fires"]
    run.die()
    run.until(100).feed(transition("resolved", rule="ShopDown", minute=2)).until(200)
    (told,) = [t for t in run.told if t.body["rule"] == "LowStock" and t.at > 5]
    assert (told.at, told.body["reason"]) == (100, "it still goes on: ShopDown, channel web no longer inhibits it")


def test_inhibition_of_what_gets_critical_or_is_over():
    """What becomes critical is no target any more; what began and ended inside is recorded, and not told."""
    run = Timeline(INHIBITED.replace("5m", "5s"))
    run.feed(transition(rule="ShopDown"), transition(rule="ShopDown", channel="app")).until(10)
    run.feed(transition(rule="LowStock"), transition(channel="app", rule="LowStock")).until(20)
    run.feed(transition("severity", rule="LowStock", severity="critical", previous_severity="warning", minute=1))
    run.feed(transition("resolved", "app", rule="LowStock", minute=1)).until(40)
    run.feed(transition("resolved", "app", rule="ShopDown", minute=2)).until(60)
    of_stock = [t for t in run.told if t.body["rule"] == "LowStock"]
    assert [(t.at, t.body["items"][0]["labels"]["channel"], t.body["severity"]) for t in of_stock] == [
        (25, "web", "critical")
    ]
    assert "not_told short_lived" in run.why(MAIL)


def test_resolve_time_out():
    """Alertmanager ends an alert that nobody sends again for five minutes. Here one fires, and is repeated, until its
    rule says otherwise, whatever happens to workers meanwhile."""
    run = Timeline("routes: [{to: mail, group_wait: 0s, repeat_interval: 1h}]")
    run.feed(transition()).until(5)
    for hour in range(1, 7):
        run.die()
        run.step(3600 * hour - run.at)
    assert run.to(MAIL) == [(3600.0 * hour, "web firing") for hour in range(7)]
    # A rule that is taken away, or one whose series is unknown and `no_data: ok`, ends its alerts in so many words.
    run.feed(transition("resolved", minute=360, reason="rule_removed")).until(run.at + 10)
    assert run.to(MAIL)[7:] == [(21600.0, "web resolved")]
    run.step(86_400)
    assert len(run.to(MAIL)) == 8


@pytest.mark.parametrize("restarts", [False, True])
def test_each_alert_of_a_group_is_opened_where_each_is_an_incident(restarts):
    """A mail names the 30 most severe and counts the others; a pager has no incident for what is counted."""
    pager = Destination("pager", "pagerduty", "integration PD", "pager", {"routing_key": "PD"})
    mail = Destination("mail", "email", MAIL, "mail")
    teams = {"marketing": ("pager", "mail"), "operations": ("pager",)}
    run = Timeline(Routing({"pager": (pager,), "mail": (mail,)}, teams), restarts=restarts)
    channels = [f"c{n}" for n in range(70)]
    run.feed(*(transition(channel=channel) for channel in channels)).until(30)
    messages = [told for told in run.told if told.target == pager.target]
    assert [(len(told.body["items"]), told.body["more"]) for told in messages] == [(30, 0), (30, 0), (10, 0)]
    assert len({told.id for told in run.told}) == len(run.told) == 4
    assert {item["labels"]["channel"] for told in messages for item in told.body["items"]} == {*channels}
    run.feed(*(transition("resolved", channel, minute=2) for channel in channels)).until(90)
    ends = [item for told in run.told if told.target == pager.target for item in told.body["items"]][70:]
    assert {item["labels"]["channel"] for item in ends if item["state"] == "resolved"} == {*channels}


@pytest.mark.parametrize("by", ["[channel]", "['...']"])
def test_groups_of_labels(by):
    """Each value of the label has messages of its own, also of several rules."""
    run = Timeline(f"routes: [{{to: mail, group_by: {by}, group_wait: 5s}}]")
    run.feed(transition(), transition(channel="app"), transition(rule="LowStock")).until(20)
    messages = sorted(what for _, what in run.to(MAIL))
    assert messages == (
        ["app firing", "web firing, web firing"] if by == "[channel]" else ["app firing", *["web firing"] * 2]
    )


def test_of_several_rules_the_worst_stands_first_where_one_is_capped():
    """What `max_alerts` leaves of a rule takes its place by how severe it is, and not behind the rule's first."""
    rules = plan(rule(), rule("LowStock", max_alerts=5))
    run = Timeline("routes: [{to: mail, group_by: [sku], group_wait: 5s}]", rules=rules)
    worst = transition(channel="app", rule="LowStock", severity="critical")
    also = transition(channel="web", severity="critical")
    run.feed(transition(channel="shop", rule="LowStock"), worst, also).until(20)
    (message,) = [told.body for told in run.told if told.target == MAIL]
    assert [item["severity"] for item in message["items"]] == ["critical", "critical", "warning"]


def test_a_group_that_is_over_leaves_nothing_behind():
    """Groups of labels are forgotten; ids of their deliveries are never used again."""
    run = Timeline("routes: [{to: mail, group_by: ['...'], group_wait: 0s}]", restarts=True)
    for n in range(3):
        run.feed(transition(episode_id=f"e{n}")).until(10 * n + 3)
        run.feed(transition("resolved", episode_id=f"e{n}", minute=1)).until(10 * n + 10)
    assert len({told.id for told in run.told}) == len(run.told) == 6
    assert not [key for key in run.entries if key.startswith((b"\x1fepisode", b"\x1e"))]


def test_an_acknowledgement_stops_repeats_and_expires():
    """Who has it is shown where a message can be changed, and mailed to nobody; when it expires, what fires is told."""
    run = Timeline("routes: [{to: [mail, chat], group_wait: 0s, repeat_interval: 1m, ack_timeout: 10m}]")
    run.feed(transition()).until(30)
    run.feed(ack(transition().alert_id, at=30)).until(640)
    assert run.to(CHAT) == [(0, "web firing"), (30, "web handled"), (630, "web firing")]
    assert run.to(MAIL) == [(0, "web firing"), (630, "web firing")]
    assert "Anna no longer has it" in run.reasons(MAIL)[1]
    assert "not_told same" in run.why(MAIL)
    standing = [told.body["items"][0].get("standing") for told in run.told if told.target == CHAT]
    assert standing == [None, "acknowledged", None]
    assert "not_told acknowledged" in run.why(MAIL)
    assert run.answers[0]["applied"]
    assert run.answers[0]["why"].startswith("Anna has it until Tue 24 Nov 12:10: OrderSpike, channel web")
