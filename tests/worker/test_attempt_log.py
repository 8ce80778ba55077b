"""What became of attempts is noted beside the work: a broker that is away costs nothing but time."""

import msgspec
import pytest

from lockstep.errors import BrokerError
from lockstep.response.attempt import ATTEMPTS, Attempt, decode_attempt
from lockstep.worker.attempt_log import AT_ONCE, MOST_WAITING, AttemptLog


class _Broker:
    """Takes what it is given, or is away."""

    def __init__(self):
        self.is_away, self.taken = False, []

    async def publish(self, records):
        if self.is_away:
            raise BrokerError("away")
        assert {record.topic for record in records} == {ATTEMPTS}
        self.taken.append([decode_attempt(record.value).number for record in records])


def _attempt(number):
    return Attempt(delivery_id="d", number=number, at="2026-03-02T09:00:00Z", outcome="failed", error="no answer")


async def test_what_waited_is_noted_once_and_in_order():
    broker = _Broker()
    noted = AttemptLog(broker)
    broker.is_away = True
    for number in range(AT_ONCE + 1):
        noted.note(_attempt(number))
    with pytest.raises(BrokerError):
        await noted.flush()
    broker.is_away = False
    await noted.flush()
    await noted.flush()
    assert broker.taken == [list(range(AT_ONCE)), [AT_ONCE]]


async def test_the_oldest_are_left_out_where_the_broker_is_away_for_long():
    broker = _Broker()
    noted = AttemptLog(broker)
    for number in range(MOST_WAITING + 5):
        noted.note(_attempt(number))
    await noted.flush()
    numbers = [number for batch in broker.taken for number in batch]
    assert numbers == list(range(5, MOST_WAITING + 5))


def test_an_attempt_is_read_as_it_was_written():
    assert decode_attempt(msgspec.json.encode(_attempt(3))) == _attempt(3)
