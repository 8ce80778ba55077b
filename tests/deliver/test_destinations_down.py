"""Notify hears which destinations cannot be reached, so that somebody else is told; and when they can again."""

from datetime import timedelta

from delivery_samples import ANNA, DOWN, GONE, START, Kept, record

from lockstep.deliver import BREAKER_AFTER, Deliver
from lockstep.ports import Sent
from lockstep.response.command import DestinationUp


def test_what_is_given_up_is_told():
    """A destination that refuses a message for good: at once, with the delivery and its error in words."""
    kept = Kept().feed(record("d1", ANNA)).cut()
    (delivery,) = kept.stage.due(START)
    kept.stage.failed(delivery, GONE, now=START, jitter=0.5)
    kept.cut()
    (down,) = kept.commands
    assert (down.destination_id, down.delivery_id, down.why) == ("anna", "d1", "webhook/x: HTTP 410")
    assert (down.by, down.way, down.at) == ("deliver", "lockstep", "2026-11-24T12:00:00.000Z")


def test_a_lane_that_only_probes_tells_of_all_that_waits_there():
    """After so many failures in a row, once each; what is delivered then tells that it is up again, over a restart."""
    kept = Kept().feed(record("d1", ANNA), record("d2", ANNA, alert="a2")).cut()
    now = START
    for _ in range(BREAKER_AFTER):
        now += timedelta(minutes=10)
        (delivery,) = kept.stage.due(now)
        kept.stage.failed(delivery, DOWN, now=now, jitter=0.5)
        kept.cut()
    told = {down.id: down for down in kept.commands}  # the same id again is applied once
    of = [(down.delivery_id, down.is_given_up) for down in told.values()]
    assert of == [("d1", False), ("d2", False), ("d1", True)]
    stage = Deliver()
    stage.restore(kept.entries)
    stage.confirm()
    kept.stage = stage
    now += timedelta(minutes=1)
    for _ in range(2):
        for delivery in stage.due(now):
            stage.sent(delivery, Sent(), now=now)
    kept.cut()
    *_, up = kept.commands
    assert isinstance(up, DestinationUp)
    assert len([c for c in kept.commands if isinstance(c, DestinationUp)]) == 1
    assert kept.entries == {}
