"""An import and a service that goes live at the same moment: whoever says so first, and never both."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from lockstep.adapters.import_log import ImportLog
from lockstep.adapters.stream import open_broker
from lockstep.event.imports import ROLES, TOPIC, MarkKind, mark_of
from lockstep.ports import Broker, Record
from lockstep.settings import Settings, load_settings
from lockstep.tools.importing.gathered import Gathered
from lockstep.tools.importing.publication import ImportConflict, Publication, RolePlan
from lockstep.tools.importing.status import role_statuses
from lockstep.worker.required_topics import SAMPLES, prepare

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ORDERS = ROLES.index("orders")
MOST_CALLS = 60
"""Of the broker, by whichever side is interrupted."""


def order(number: object, minute: int) -> bytes:
    time = (NOW - timedelta(days=1) + timedelta(minutes=minute)).isoformat()
    data = {"order_id": str(number), "total": 10, "lines": []}
    event = {"specversion": "1.0", "id": f"o{number}", "source": "/shop", "type": "order.placed", "time": time}
    return json.dumps({**event, "data": data}).encode()


class Interrupted:
    """A broker: before the call with a number, something else happens as a whole. happened: whether it did."""

    def __init__(self, broker: Broker, call: int, act: Callable[[], Awaitable[None]]) -> None:
        self._broker, self._left, self._act = broker, call, act
        self.happened = False

    def put_off(self) -> None:
        """Until the call after this one."""
        self._left = 1

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._broker, name)
        if name == "read":  # an iterator: what is in it is asked for at once
            return method

        async def called(*arguments: Any) -> Any:
            if self._left == 0:
                self.happened = True
                await self._act()
            self._left -= 1
            return await method(*arguments)

        return called


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(broker=f"sqlite:///{tmp_path}/shop.db")


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[Any]:
    opened = open_broker(settings, clock=lambda: NOW)
    await opened.start()
    await prepare(settings, opened)
    yield opened
    await opened.stop()


class Importer:
    """One `lockstep import` of orders."""

    def __init__(self, broker: Any, settings: Settings, folder: Path, *values: bytes) -> None:
        self._publication = Publication(broker, settings.topics, SAMPLES, clock=lambda: NOW)
        self._gathered = Gathered(Path(mkdtemp(dir=folder)), now=NOW)
        self._gathered.add(values, ["file"] * len(values))
        self.plans: list[RolePlan] = []

    async def run(self, *, ends: bool = True) -> RolePlan:
        self.plans = await self._publication.plan(self._gathered)
        await self._publication.publish(self._gathered, self.plans, rate=0, ends=ends, progress=lambda _: None)
        return self.plans[0]


def imports(broker: Any) -> ImportLog:
    return ImportLog(broker, SAMPLES, clock=lambda: NOW)


async def log(broker: Broker) -> list[str]:
    """`?` asked, `<` begun, `>` ended, `!` served, else the id of an event."""
    signs = {MarkKind.ASKED: "?", MarkKind.BEGUN: "<", MarkKind.ENDED: ">", MarkKind.SERVED: "!"}
    start, end = (await broker.bounds(TOPIC))[ORDERS]
    return [
        signs[mark.kind] if (mark := mark_of(value)) is not None else json.loads(value or b"")["id"]
        async for batch in broker.read(TOPIC, ORDERS, start, end)
        for value in batch.values
    ]


@pytest.mark.parametrize("interrupted", ["the import", "the service"])
async def test_an_import_and_the_first_live_batch(
    broker: Broker, settings: Settings, tmp_path: Path, interrupted: str
) -> None:
    """Wherever the one comes between two steps of the other: the live events wait, or nothing is imported."""
    outcomes = set()
    for call in range(MOST_CALLS):
        again = load_settings(broker=f"sqlite:///{tmp_path}/{interrupted[-7:]}{call}.db")
        opened: Any = open_broker(again, clock=lambda: NOW)
        await opened.start()
        await prepare(again, opened)
        await opened.publish([Record("orders", order("live", 600))])
        went_live: list[bool] = []
        done: list[RolePlan] = []

        async def go_live(with_broker: Any, went_live: list[bool] = went_live) -> None:
            went_live.append(await imports(with_broker).goes_live("orders"))

        async def bring_in(with_broker: Any, again: Settings = again, done: list[RolePlan] = done) -> None:
            done.append(await Importer(with_broker, again, tmp_path, order(1, 3)).run(ends=False))

        first, second = (bring_in, go_live) if interrupted == "the import" else (go_live, bring_in)
        outer = Interrupted(opened, call, lambda second=second, opened=opened: second(opened))  # type: ignore[misc]
        await first(outer)
        if not outer.happened:
            await second(opened)
        (plan,), (is_live,) = done, went_live
        has_events = "o1" in await log(opened)
        assert has_events == bool(plan.new)
        assert is_live != has_events, await log(opened)
        if is_live:
            assert plan.why.startswith("the service has judged live events of orders already")
            assert not plan.stretches
        assert await imports(opened).holds_up("orders") == has_events  # for good: also for the worker after this one
        assert await imports(opened).goes_live("orders") == is_live
        outcomes.add(is_live)
        await opened.stop()
        if not outer.happened:
            break
    else:
        raise AssertionError("it makes more calls than were tried")
    assert outcomes == {True, False}


@pytest.mark.parametrize("interrupted", ["the import", "the service"])
async def test_a_second_import_and_the_first_reader(tmp_path: Path, interrupted: str) -> None:
    """One that has ended is read as over, or goes on with the next one, and never both."""
    outcomes = set()
    for call in range(MOST_CALLS):
        settings = load_settings(broker=f"sqlite:///{tmp_path}/{interrupted[-7:]}{call}.db")
        opened: Any = open_broker(settings, clock=lambda: NOW)
        await opened.start()
        await prepare(settings, opened)
        await Importer(opened, settings, tmp_path, order(1, 3)).run()
        ends_from: list[int] = []
        done: list[RolePlan] = []

        async def read(with_broker: Any, ends_from: list[int] = ends_from) -> None:
            ends_from.append(await imports(with_broker).note_reader("orders"))

        async def bring_in(with_broker: Any, settings: Settings = settings, done: list[RolePlan] = done) -> None:
            done.append(await Importer(with_broker, settings, tmp_path, order(2, 4)).run())

        first, second = (bring_in, read) if interrupted == "the import" else (read, bring_in)
        outer = Interrupted(opened, call, lambda second=second, opened=opened: second(opened))  # type: ignore[misc]
        await first(outer)
        if not outer.happened:
            await second(opened)
        (plan,), records = done, await log(opened)
        ends = [offset for offset, record in enumerate(records) if record == ">" and offset >= ends_from[0]]
        assert len(ends) == 1, (ends_from, records)
        assert "o2" not in records[ends[0] :], records
        assert bool(plan.new) == ("o2" in records)
        outcomes.add(bool(plan.new))
        await opened.stop()
        if not outer.happened:
            break
    else:
        raise AssertionError("it makes more calls than were tried")
    assert outcomes == {True, False}


async def test_an_import_that_was_only_asked_for(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """Its process died before it began: live events wait, until the same command or `--end`; nothing else is lost."""

    async def die() -> None:
        raise KeyboardInterrupt

    await Importer(broker, settings, tmp_path, order(1, 3)).run()
    for call in range(MOST_CALLS):
        with pytest.raises(KeyboardInterrupt):
            await Importer(Interrupted(broker, call, die), settings, tmp_path, order(2, 4)).run()
        if (await log(broker))[-1] == "?":
            break
    assert await imports(broker).holds_up("orders")
    (waits,) = await imports(broker).open_imports({"orders": "orders"})
    assert (waits.waiting, waits.written_at) == (0, NOW)
    plan = await Importer(broker, settings, tmp_path, order(2, 4)).run()
    assert plan.new == 1
    assert await log(broker) == ["?", "<", "o1", ">", "?", "<", "o2", ">"]


async def test_one_that_was_asked_for_too_late_holds_nothing_up(
    broker: Broker, settings: Settings, tmp_path: Path
) -> None:
    """Also where a service said that it reads the role long before: a new worker finds that out."""
    await Importer(broker, settings, tmp_path, order(1, 3)).run(ends=False)
    await imports(broker).note_reader("orders")
    await Importer(broker, settings, tmp_path, *(order(n, n + 3) for n in range(2, 200))).run()
    late = Publication(broker, settings.topics, SAMPLES, clock=lambda: NOW)
    await late._mark(["orders"], MarkKind.ASKED)  # it planned before the first import had ended
    assert (await log(broker))[-2:] == [">", "?"]
    state = await imports(broker).state("orders")
    assert state is not None
    assert not state.standing.is_open
    assert state.standing.is_served


async def test_two_imports_of_one_role(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """The second one sees that the first goes on, and is refused before it has written anything."""

    async def publish_on() -> None:
        await broker.publish([Record(TOPIC, order("more", 900), partition=ORDERS)])

    await Importer(broker, settings, tmp_path, order(1, 3)).run(ends=False)
    watching = Interrupted(broker, 12, publish_on)
    with pytest.raises(ImportConflict) as raised:
        await Importer(watching, settings, tmp_path, order("other", 950)).run()
    assert str(raised.value) == (
        "another import of orders goes on beside this one, and their order would be lost; let one of them end, then "
        "give this command again: it goes on from there"
    )
    assert await log(broker) == ["?", "<", "o1", "omore"]


@pytest.mark.parametrize(
    ("written", "said", "last"),
    [
        pytest.param("an event", "another import of orders goes on beside this one", "o1999", id="an event"),
        pytest.param("its end", "the import of orders was ended by another command", ">", id="its end"),
    ],
)
async def test_who_is_overtaken_stops(
    broker: Broker, settings: Settings, tmp_path: Path, written: str, said: str, last: str
) -> None:
    """What others write between two of its own requests is seen by the one that follows."""
    values = [order(n, n // 4) for n in range(5_000)]

    async def act() -> None:
        if "<" not in await log(broker):
            interrupted.put_off()
        elif written == "its end":
            await Publication(broker, settings.topics, SAMPLES, clock=lambda: NOW).end()
        else:
            await broker.publish([Record(TOPIC, order("more", 900), partition=ORDERS)])

    interrupted = Interrupted(broker, 0, act)
    with pytest.raises(ImportConflict, match=said):
        await Importer(interrupted, settings, tmp_path, *values).run()
    assert (await log(broker))[-1] == last


async def test_status(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """How the import of each kind stands, and how many live events wait."""

    async def said(now: datetime = NOW) -> list[tuple[str, int]]:
        statuses = await role_statuses(broker, {"orders": "orders"}, SAMPLES, clock=lambda: now)
        return [(each.sentence, each.waiting) for each in statuses]

    assert await said() == [("none yet", 0)]
    await Importer(broker, settings, tmp_path, order(1, 3)).run(ends=False)
    await broker.publish([Record("orders", order("live", 600))])
    assert await said() == [("goes on", 1)]
    assert await said(NOW + timedelta(hours=2)) == [("open, stands still for 2 hours", 1)]
    await Publication(broker, settings.topics, SAMPLES, clock=lambda: NOW).end()
    assert await said() == [("ended, no service has read all of it yet", 0)]
