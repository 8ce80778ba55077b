"""The read model of what people did, and the door for commands, on both brokers.

Notify's part is played by a cut of the test: what it publishes is what the board has to understand.
"""

import asyncio
from uuid import uuid4

import msgspec
import pytest

from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.response_board import MOST_ANSWERS, ResponseBoard
from lockstep.errors import CommandUnanswered
from lockstep.judge.publish import ALERTS
from lockstep.ports import Cut, Record, TopicSpec
from lockstep.response.command import AUDIT, COMMANDS, Acknowledge, AddNote, Answer, decode_command
from lockstep.response.decision import DECISIONS, Decision, Reason
from lockstep.response.standing import RESPONSE_STATE, Handling, Override, Silence, key_of
from lockstep.transition import Transition, TransitionName, encode

AT = "2026-03-02T09:00:00Z"
"""The clock's instant."""


@pytest.fixture
async def topics(broker):
    """Their names cannot be chosen: what other tests published on a broker that they share is of other ids."""
    await broker.declare(
        [
            TopicSpec(ALERTS, 1, retention_s=3600),
            TopicSpec(DECISIONS, 1, retention_s=3600),
            TopicSpec(AUDIT, 1, retention_s=3600),
            TopicSpec(COMMANDS, 1, retention_s=3600),
            TopicSpec(RESPONSE_STATE, 1, compacted=True),
        ]
    )


def _transition(alert, *, episode="e1", number=1, state=TransitionName.FIRING):
    return Transition(
        transition_id=f"{alert}-{episode}-{number}",
        alert_id=alert,
        episode_id=episode,
        number=number,
        rule="LowStock",
        labels={"sku": "A-1"},
        state=state,
        at=AT,
        started_at=AT,
        severity="warning",
        value=12.0,
        baseline=None,
        ratio=None,
        limit=20.0,
        window_start=None,
        window_end=None,
        so_far=False,
        watermark=None,
        rule_version="1",
        past=True,  # a service that a later test starts on a broker that they share tells nobody of it
    )


def _decision(alert, *, episode="e1", receiver="ops"):
    return Decision(
        alert_id=alert,
        episode_id=episode,
        transition_id="t",
        rule="LowStock",
        labels={"sku": "A-1"},
        severity="warning",
        state="firing",
        at=AT,
        outcome="told",
        reason=Reason.FIRST,
        why="the first of its group",
        receiver=receiver,
    )


def _acknowledge(alert, *, command=None, by="Anna"):
    return Acknowledge(id=command or uuid4().hex, by=by, way="api", at=AT, alert_id=alert, episode_id="e1")


def _answer(command, *, applied=True, why="Anna has LowStock, sku A-1"):
    return Answer(id=command.id, command=command, applied=applied, why=why, decided_at=AT)


def _record(topic, value, key=None):
    return Record(topic, msgspec.json.encode(value), key, 0)


def _standing(value):
    return _record(RESPONSE_STATE, value, key_of(value).encode())


async def _notify(broker, stop):
    """Answers every command that comes, in one cut with what stands by it, as notify does."""
    stage = f"notify-{uuid4().hex[:8]}"
    await broker.declare([TopicSpec(f"lockstep.{stage}-state", 1, compacted=True)])
    own = broker.own(stage, 0)
    await own.recover()
    position = (await broker.bounds(COMMANDS))[0][1]
    while not stop.is_set():
        for batch in await broker.news({(COMMANDS, 0): position}, wait_s=0.1):
            records = []
            for value in batch.values:
                command = decode_command(value)
                if not isinstance(command, Acknowledge):
                    records.append(_record(AUDIT, _answer(command, applied=False, why="its episode is over")))
                    continue
                handling = Handling(alert_id=command.alert_id, episode_id="e1", acknowledged_by=command.by)
                records += [_record(AUDIT, _answer(command)), _standing(handling)]
            position = batch.next
            await own.cut(Cut(records, {b"k": b"v"}), {(COMMANDS, 0): position})
    await own.close()


@pytest.fixture
async def notify(broker, topics):
    """Somebody who answers commands."""
    stop = asyncio.Event()
    answering = asyncio.create_task(_notify(broker, stop))
    await asyncio.sleep(0)
    yield
    stop.set()
    await answering


async def test_what_people_did_is_shown_to_them_at_once(broker, topics, notify, clock, unique):
    """Ten in a row read their own write, on the worker that they asked and, soon, on another one."""
    board, other = ResponseBoard(broker, clock=clock), ResponseBoard(broker, clock=clock)
    following = [asyncio.create_task(b.follow()) for b in (board, other)]
    door = CommandDoor(broker, board)
    # The one who answers begins at the end of the commands: the first may have been given before that.
    async with asyncio.timeout(60):
        while not (await _given(door, unique("warm"))).applied:
            pass
    for number in range(10):
        alert = unique(f"a{number}")
        answer = await door.give(_acknowledge(alert))
        assert (answer.applied, answer.why) == (True, "Anna has LowStock, sku A-1")
        handling = board.handling(alert)
        assert handling is not None
        assert handling.acknowledged_by == "Anna"
        assert [type(event) for event in board.timeline(alert)] == [Answer]
    async with asyncio.timeout(30):
        while other.handling(alert) is None:
            await asyncio.sleep(0.01)
    for task in following:
        task.cancel()


async def _given(door, alert):
    while True:
        try:
            return await door.give(_acknowledge(alert), within_s=1.0)
        except CommandUnanswered:
            continue


async def test_a_command_waits_for_notify_to_know_the_alert(broker, topics, notify, clock, unique):
    """Who reads of an alert and answers at once is not told that there is none: it is given when notify has decided."""
    alert = unique("alert")
    board = ResponseBoard(broker, clock=clock)
    following = asyncio.create_task(board.follow())
    door = CommandDoor(broker, board)
    async with asyncio.timeout(60):
        while not (await _given(door, unique("warm"))).applied:
            pass
    await broker.publish([Record(ALERTS, encode(_transition(alert)), None, 0)])
    end = (await broker.bounds(COMMANDS))[0][1]
    giving = asyncio.create_task(_given(door, alert))
    async with asyncio.timeout(60):
        while not board.transitions(alert):
            await asyncio.sleep(0.01)
    assert (await broker.bounds(COMMANDS))[0][1] == end
    await broker.publish([_record(DECISIONS, _decision(alert))])
    assert (await giving).applied
    following.cancel()


async def test_a_refusal_is_told_in_words(broker, topics, notify, clock, unique):
    """And a board that nobody follows reads by itself, as the command line needs it."""
    door = CommandDoor(broker, ResponseBoard(broker, clock=clock))
    await _given(door, unique("warm"))
    note = AddNote(id=uuid4().hex, by="Anna", way="cli", at=AT, alert_id=unique("a"), text="it is the fair")
    answer = await door.give(note)
    assert (answer.applied, answer.why, answer.command) == (False, "its episode is over", note)


async def test_the_same_id_is_given_once(broker, topics, notify, clock, unique):
    """A second click, or a client that asks again, gets the answer of the first."""
    door = CommandDoor(broker, ResponseBoard(broker, clock=clock))
    await _given(door, unique("warm"))
    alert, command = unique("a"), uuid4().hex
    first = await door.give(_acknowledge(alert, command=command))
    _, end = (await broker.bounds(COMMANDS))[0]
    again = await door.give(_acknowledge(alert, command=command, by="Ben"))
    assert again == first
    assert (await broker.bounds(COMMANDS))[0][1] == end


async def test_nobody_who_answers_is_not_waited_for_for_ever(broker, topics, clock, unique):
    """The command stays on the log, and the message says so."""
    _, before = (await broker.bounds(COMMANDS))[0]
    with pytest.raises(CommandUnanswered, match="it is kept"):
        await CommandDoor(broker, ResponseBoard(broker, clock=clock)).give(_acknowledge(unique("a")), within_s=0.2)
    assert (await broker.bounds(COMMANDS))[0][1] > before


async def test_a_timeline_is_in_the_order_in_which_it_happened(broker, topics, clock, unique):
    """What changed, what was decided of it, what people did; each transition once; of one episode or of all."""
    alert, other = unique("a"), unique("b")
    command = _acknowledge(alert)
    first, second = _transition(alert), _transition(alert, episode="e2")
    await broker.publish([_record(DECISIONS, _decision(alert)), Record(ALERTS, encode(first), None, 0)])
    clock.move(seconds=1)
    await broker.publish([Record(ALERTS, encode(first), None, 0), _record(AUDIT, _answer(command))])
    clock.move(seconds=1)
    await broker.publish([Record(ALERTS, encode(second), None, 0), _record(DECISIONS, _decision(other))])
    board = ResponseBoard(broker, clock=clock)
    await board.refresh()
    assert board.timeline(alert) == [first, _decision(alert), _answer(command), second]
    assert board.timeline(alert, "e1") == [first, _decision(alert), _answer(command)]
    assert board.timeline(alert, "e2") == [second]
    assert board.decisions(alert) == [_decision(alert)]
    assert board.decisions(alert, "e2") == []
    assert board.transitions(alert) == [first, second]
    assert board.timeline(unique("never")) == []


async def test_what_stands_is_the_latest_of_each(broker, topics, clock, unique):
    """Silences and overrides that are over are left out unless asked for; what was taken back does not stand."""
    alert, one, two, gone = unique("a"), unique("s1"), unique("s2"), unique("s3")
    spring = {"starts": "2026-03-02T08:00:00Z", "author": "Anna", "comment": "the fair", "matchers": ("sku=A",)}
    holds, over = Silence(id=one, ends="2026-03-02T10:00:00Z", **spring), Silence(id=two, ends=AT, **spring)
    weekly = Silence(id=unique("s4"), ends=AT, rrule="FREQ=WEEKLY", **spring)
    override = Override(id=unique("o"), schedule="day", who="ben", starts=AT, ends="2026-03-03T09:00:00Z", by="Anna")
    handling = Handling(alert_id=alert, episode_id="e1", acknowledged_by="Anna")
    ended = Silence(id=gone, ends="2026-03-02T10:00:00Z", ended_at=AT, **spring)
    taken_back = Handling(alert_id=unique("b"), episode_id="e1", snoozed_by="Ben")
    values = (holds, over, weekly, override, handling, ended, taken_back)
    await broker.publish([_standing(value) for value in values])
    await broker.publish([Record(RESPONSE_STATE, None, key_of(taken_back).encode(), 0)])
    board = ResponseBoard(broker, clock=clock)
    await board.refresh()
    ours = {one, two, gone, weekly.id}
    assert {s.id for s in board.silences()} & ours == {one, weekly.id}
    assert {s.id for s in board.silences(every=True)} & ours == ours
    assert board.silence(one) == holds
    assert override in board.overrides()
    clock.move(days=2)
    assert override not in board.overrides()
    assert override in board.overrides(every=True)
    assert board.handling(alert) == handling
    assert board.handling(taken_back.alert_id) is None


async def test_memory_is_bounded(broker, topics, clock, unique):
    """The oldest go first, also where they are of another alert; what cannot be read is left out."""
    alert, newer = unique("a"), unique("b")
    record = _record(DECISIONS, _decision(alert))
    await broker.publish([Record(DECISIONS, b"{", None, 0), *[record] * 30])
    await broker.publish([_record(DECISIONS, _decision(newer, receiver=f"r{n}")) for n in range(10)])
    board = ResponseBoard(broker, clock=clock, most_bytes=20 * (len(record.value) + 220))
    await board.refresh()
    assert 5 < len(board.decisions(alert)) < 15
    assert [d.receiver for d in board.decisions(newer)] == [f"r{n}" for n in range(10)]
    assert MOST_ANSWERS > 1_000


async def test_news_are_handed_on_as_they_come(broker, topics, unique):
    """One question for several topics, answered by the first that has something; none within the time is none."""
    ends = {(t, 0): (await broker.bounds(t))[0][1] for t in (AUDIT, DECISIONS)}
    asking = asyncio.create_task(broker.news(ends, wait_s=30))
    await asyncio.sleep(0.05)
    await broker.publish([Record(DECISIONS, b"{}", None, 0)])
    async with asyncio.timeout(20):
        (batch,) = await asking
    assert (batch.topic, list(batch.values)) == (DECISIONS, [b"{}"])
    ends[DECISIONS, 0] = batch.next
    assert await broker.news(ends, wait_s=0.05) == []


async def test_a_worker_without_the_topics_waits_for_them(sqlite_settings, clock):
    """As a command on a broker that no service has begun to use."""
    from lockstep.adapters.stream import open_broker

    opened = open_broker(sqlite_settings, clock=clock)
    await opened.start()
    board = ResponseBoard(opened, clock=clock)
    await board.refresh()
    assert (board.silences(), board.answer("c"), board.timeline("a")) == ([], None, [])
    await opened.stop()
