"""Timelines on both brokers: what was published is read back by alert and by the broker's own time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from lockstep.adapters.timeline.topic_reader import AccountReader
from lockstep.judge.publish import ALERTS
from lockstep.notify.message import Writer
from lockstep.ports import Broker, Record, TopicSpec
from lockstep.transition import Transition, TransitionName, encode


def fired(alert_id: str) -> Transition:
    """An alert that fired at nine."""
    return Transition(
        transition_id=f"{alert_id}-1",
        alert_id=alert_id,
        episode_id=f"{alert_id}-e",
        number=1,
        rule="LowStock",
        labels={"sku": alert_id},
        state=TransitionName.FIRING,
        at="2026-03-02T09:00:00Z",
        started_at="2026-03-02T09:00:00Z",
        severity="warning",
        value=3.0,
        baseline=None,
        ratio=None,
        limit=20.0,
        window_start=None,
        window_end=None,
        so_far=False,
        watermark="2026-03-02T09:00:00Z",
        rule_version="v1",
    )


async def test_an_account_is_read_by_alert_and_by_time(broker: Broker, clock, unique: Callable[[str], str]) -> None:
    """On Kafka the time is the broker's; on a file it is the clock that was handed in. Nothing of another alert, and
    nothing of before or after; topics that are not there yet are left out."""
    await broker.declare([TopicSpec(ALERTS, 1, retention_s=3600)])
    one, other = unique("one"), unique("other")
    before = min(datetime.now(UTC), clock()) - timedelta(seconds=60)
    records = [Record(ALERTS, encode(fired(name)), name.encode(), 0) for name in (one, other, one)]
    await broker.publish(records)
    reader = AccountReader(broker, dict, Writer(ZoneInfo("Europe/London")))
    account = await reader.of_alert(one)
    assert account is not None
    assert [entry.what for entry in account.entries] == [
        f"began to fire, warning: LowStock, {one}: 3, the limit is 20"
    ]  # what was published again is told once
    assert {t.alert_id for t in await reader.episodes()} >= {one, other}
    of_all = await reader.between(before, None)
    assert [entry.alert_id for entry in of_all.entries if entry.alert_id in (one, other)] == [one, other]
    assert (await reader.between(None, before - timedelta(days=400))).entries == ()
