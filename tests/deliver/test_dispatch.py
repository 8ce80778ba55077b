"""The dispatcher: a lane that hangs delays nobody, and nothing that a channel does kills a lane."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from delivery_samples import DOWN, GONE, HOOK, OTHER, SLACK, START, Kept, record
from structlog.testing import capture_logs

from lockstep.adapters.dispatch import Dispatcher, send_test
from lockstep.errors import DeliveryError, SettingsError
from lockstep.notify.route import Routing
from lockstep.ports import DeliveryLike, Destination, Sent


class _Channel:
    """A channel in memory. behaves: what it does for a delivery's id; `hangs` never answers."""

    def __init__(self, **behaves: Exception | str) -> None:
        self.behaves = behaves
        self.took: list[str] = []
        self.began: list[str] = []

    async def send(self, destination: Destination, delivery: DeliveryLike, *, now: datetime) -> Sent:
        self.began.append(delivery.id)
        behaviour = self.behaves.get(delivery.id)
        if behaviour == "hangs":
            await asyncio.Event().wait()
        if isinstance(behaviour, Exception):
            raise behaviour
        self.took.append(delivery.id)
        return Sent()

    async def close(self) -> None:
        """Nothing is open."""


class _Seen:
    """An observer that other tests can ask, and that says when something was attempted."""

    def __init__(self) -> None:
        self.reasons: list[tuple[str, str]] = []
        self.severities: list[str] = []
        self.dead: list[tuple[str, str]] = []
        self.changed = asyncio.Event()

    def attempted(self, channel: str, severity: str, reason: str, seconds: float, since_created_s: float) -> None:
        self.reasons.append((channel, reason))
        self.severities.append(severity)
        self.changed.set()

    def given_up(self, channel: str, reason: str) -> None:
        self.dead.append((channel, reason))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.reasons) < count:
                self.changed.clear()
                await self.changed.wait()


def _dispatcher(
    channel: _Channel, seen: _Seen, *, clock: Callable[[], datetime] = lambda: START, dry_run: bool = False
):
    woken: list[int] = []
    made = Dispatcher(
        {"webhook": channel, "slack": channel},
        clock=clock,
        jitter=lambda: 0.5,
        wake=woken.append,
        observer=seen,
        dry_run=dry_run,
    )
    return made, woken


async def test_a_destination_that_never_answers_delays_nobody():
    """One hangs for ever; the other one's deliveries all arrive, and closing does not wait."""
    channel, seen = _Channel(d0="hangs"), _Seen()
    dispatcher, woken = _dispatcher(channel, seen)
    kept = Kept().feed(record("d0"), *(record(f"d{n}", OTHER, alert=f"a{n}") for n in range(1, 30))).cut()
    dispatcher.dispatch(3, kept.stage)
    await seen.until(29)
    assert channel.took == [f"d{n}" for n in range(1, 30)]
    assert kept.stage.pending == {"webhook": 1}
    assert set(woken) == {3}
    async with asyncio.timeout(1):
        await dispatcher.close()


async def test_a_lane_goes_on_without_waiting_for_the_next_cut():
    """What is durable is attempted one after the other; what came meanwhile waits for its own cut."""
    channel, seen = _Channel(), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    kept = Kept().feed(record("d1"), record("d2")).cut().feed(record("d3"))
    kept.stage.tick(START)
    kept.keep(kept.stage.cut())  # d3 is in a cut that has not become visible
    dispatcher.dispatch(0, kept.stage)  # and now it has
    kept.feed(record("d4"))
    await seen.until(3)
    await dispatcher.drain(5)
    assert channel.took == ["d1", "d2", "d3"]


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        pytest.param(DOWN, "serverError", id="a failure"),
        pytest.param(RuntimeError("a bug in a library"), "other", id="what nobody expected"),
        pytest.param(TimeoutError(), "timeout", id="an end that the channel did not make its own"),
    ],
)
async def test_a_failure_costs_one_attempt(raised, reason):
    """It is tried again later; the same lane's next alert goes on."""
    channel, seen = _Channel(d1=raised), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    kept = Kept().feed(record("d1"), record("d2", alert="a2")).cut()
    dispatcher.dispatch(0, kept.stage)
    await seen.until(2)
    await dispatcher.close()
    assert seen.reasons == [("webhook", reason), ("webhook", "")]
    assert channel.took == ["d2"]
    assert kept.stage.pending == {"webhook": 1}


async def test_what_is_delivered_is_said_once():
    """One line for each message that arrived: who asks "was I told?" finds it."""
    channel, seen = _Channel(), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    kept = Kept().feed(record("d1")).cut()
    with capture_logs() as said:
        dispatcher.dispatch(0, kept.stage)
        await seen.until(1)
        dispatcher.dispatch(0, kept.cut().stage)
    (line,) = said
    assert line == {
        "event": "delivered", "log_level": "info", "channel": "webhook", "delivery": "d1", "receiver": "ops-hook",
        "rule": "OrderSpike", "state": "firing", "attempts": 1,
    }  # fmt: skip


async def test_what_is_given_up_is_said_once():
    """Who reads the log learns which delivery, to whom, and where the dead letters are."""
    channel, seen = _Channel(d1=GONE), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    kept = Kept().feed(record("d1")).cut()
    with capture_logs() as said:
        dispatcher.dispatch(0, kept.stage)
        await seen.until(1)
        dispatcher.dispatch(0, kept.cut().stage)
        dispatcher.dispatch(0, kept.cut().stage)
    assert seen.dead == [("webhook", "clientError")]
    assert [line["event"] for line in said] == [
        "a delivery failed",
        "a delivery was given up; see `lockstep dead deliveries`",
    ]
    assert {k: said[1][k] for k in ("delivery", "receiver", "rule", "state", "attempts", "reason")} == {
        "delivery": "d1",
        "receiver": "ops-hook",
        "rule": "OrderSpike",
        "state": "firing",
        "attempts": 1,
        "reason": "webhook/x: HTTP 410",
    }


TO_PEOPLE = {"subject": "x", "state": "firing", "rule": "x", "severity": "critical", "teams": [], "items": []}


@pytest.mark.parametrize(
    ("body", "severity"),
    [
        pytest.param(TO_PEOPLE, "critical", id="to people"),
        pytest.param({"type": "alert.firing", "data": {"severity": "warning"}}, "warning", id="to a webhook"),
        pytest.param({"n": 1}, "", id="none"),
    ],
)
async def test_how_long_it_took_is_told_by_severity(body, severity):
    """Critical ones are what an on-call promise is about."""
    channel, seen = _Channel(), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    dispatcher.dispatch(0, Kept().feed(record("d1", body=body)).cut().stage)
    await seen.until(1)
    assert seen.severities == [severity]


async def test_a_channel_that_this_worker_lacks_is_told_as_such():
    """A delivery of another version's channel is kept and retried, not lost."""
    seen = _Seen()
    dispatcher, _ = _dispatcher(_Channel(), seen)
    pager = Destination("p", "pager", "x", "pager")
    kept = Kept().feed(record("d1", pager)).cut()
    dispatcher.dispatch(0, kept.stage)
    await seen.until(1)
    await dispatcher.close()
    assert seen.reasons == [("pager", "configuration")]
    assert kept.stage.pending == {"pager": 1}


async def test_a_partition_that_is_given_up_is_left_alone():
    """Its lanes end at once and touch neither the stage nor the other partition's."""
    channel, seen = _Channel(d1="hangs", d2="hangs"), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    mine, other = Kept().feed(record("d1")).cut(), Kept().feed(record("d2", OTHER)).cut()
    dispatcher.dispatch(0, mine.stage)
    dispatcher.dispatch(1, other.stage)
    await asyncio.sleep(0)
    await dispatcher.release(0, mine.stage)
    assert mine.restart().due() == ["d1"]
    assert other.due() == []  # still under way
    await dispatcher.close()


async def test_draining_ends_what_is_under_way_and_begins_nothing():
    """A clean stop leaves no attempt whose outcome nobody knows."""
    channel, seen = _Channel(), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    kept = Kept().feed(record("d1"), record("d2")).cut()
    dispatcher.dispatch(0, kept.stage)
    await dispatcher.drain(5)
    dispatcher.dispatch(0, kept.stage)
    await asyncio.sleep(0)
    assert channel.took == ["d1"]
    assert kept.cut().restart().due() == ["d2"]


async def test_what_was_drained_for_new_rules_goes_on_with_them():
    """The stages are made anew when rules change; what waited is attempted by the new ones."""
    channel, seen = _Channel(), _Seen()
    dispatcher, _ = _dispatcher(channel, seen)
    before = Kept().feed(record("d1"), record("d2")).cut()
    await dispatcher.drain(5)
    dispatcher.dispatch(0, before.stage)
    assert channel.began == []
    dispatcher.resume()
    dispatcher.dispatch(0, before.restart().stage)
    await seen.until(2)
    assert channel.took == ["d1", "d2"]


async def test_a_dry_run_decides_and_sends_nothing():
    """Every delivery counts as made."""
    channel, seen = _Channel(), _Seen()
    dispatcher, _ = _dispatcher(channel, seen, dry_run=True)
    kept = Kept().feed(record("d1"), record("d2", SLACK)).cut()
    dispatcher.dispatch(0, kept.stage)
    await seen.until(2)
    assert channel.began == []
    assert kept.stage.pending == {}


ROUTING = Routing({"ops": (HOOK, SLACK)}, {"operations": ("ops",)})
LONDON = ZoneInfo("Europe/London")


async def test_a_test_message_reaches_each_destination_of_a_receiver():
    """One line each, with what went wrong where something did; of an address the host, as its path may be a token."""
    good = _Channel()
    failing = DeliveryError("authError", "slack/#ops: invalid_auth", retryable=True)

    class _Failing(_Channel):
        async def send(self, destination: Destination, delivery: DeliveryLike, *, now: datetime) -> Sent:
            raise failing

    results = await send_test("ops", ROUTING, {"webhook": good, "slack": _Failing()}, clock=lambda: START, zone=LONDON)
    assert results == [
        ("webhook 127.0.0.1:1", ""),
        ("slack #ops", "slack/#ops: invalid_auth"),
    ]
    assert len(good.took) == 1


async def test_a_test_of_an_unknown_receiver_says_which_there_are():
    """The way out is in the message."""
    with pytest.raises(SettingsError, match=r"no receiver 'opps' in routing.yml; did you mean 'ops'\?"):
        await send_test("opps", ROUTING, {}, clock=lambda: START, zone=LONDON)
