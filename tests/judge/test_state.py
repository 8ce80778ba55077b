"""What a judge stores: entries that are read back as they were written, and what is refused."""

from dataclasses import replace

import pytest
from rooms import past_of, runtime_of, second, tell_flow
from shorthand import LONDON, ORDERS, STOCK, plan, rule, when

from lockstep.alert import Alert, State, apply_verdict
from lockstep.errors import StateError
from lockstep.judge.histories import Histories, Kept
from lockstep.judge.judge import Judge
from lockstep.judge.publish import OpenCut
from lockstep.judge.state import (
    META,
    JudgeCounts,
    Meta,
    StoredAlert,
    StoredWatches,
    alert_key,
    watches_key,
)
from lockstep.measure.history import BUCKETS_PER_BLOCK, pack, unpack
from lockstep.measure.sample import Partial
from lockstep.rule.condition.kinds import Severity
from lockstep.rule.condition.view import Kind, Verdict
from lockstep.text.rfc3339 import SECOND

MADE = replace(rule(when(ORDERS, "above 5", window=300), hold=60), version="v1", since_s=1_000)
PLACE = {"partitions": 4, "source_ids": {"orders": "id"}, "sources": [["orders", 0]], "topics": [["orders", 5]]}
META_NOW = Meta(
    chunk_size=16, known={("R", "v1"): (60, True), ("S", "v2"): (None, False)}, counts=JudgeCounts(1, 2, 3, 4), **PLACE
)


def test_meta_is_read_as_it_was_written():
    assert Meta.decode(META_NOW.encode()) == META_NOW


def test_visits_are_no_part_of_the_state():
    """They are of one run."""
    counted = replace(META_NOW, counts=JudgeCounts(1, 2, 3, 4, visits=9))
    assert Meta.decode(counted.encode()) == META_NOW


def test_an_unknown_format_is_refused():
    """With a way out."""
    parts = unpack(META_NOW.encode())
    with pytest.raises(StateError, match="stored state has format 6, this program knows 5; use the version that wrote"):
        Meta.decode(pack([6, *parts[1:]]))


def test_a_judge_of_another_number_of_partitions_is_refused():
    with pytest.raises(StateError, match="has 1 partitions, the stored state was made with 4; set LOCKSTEP_SAMPLES"):
        Judge(plan(MADE), zone=LONDON).restore({META: META_NOW.encode()})


def test_an_alert_is_read_as_it_was_written():
    """With what its rule was like, so that a later program can tell whether it goes on."""
    alert = Alert("id")
    apply_verdict(alert, MADE, Verdict(Kind.BREACH, Severity.CRITICAL, 7.0, limit=5.0, counts={"n": 7.0}), 60 * SECOND)
    assert alert.state is State.PENDING
    stored = StoredAlert(
        rule="R",
        edition="v1@1000",
        labels=("web",),
        names=["channel"],
        key=["channel"],
        level_only=False,
        begun=True,
        alert=alert,
    )
    assert StoredAlert.decode(alert_key(MADE, ("web",)), stored.encode()) == stored


def test_what_detectors_learned_is_read_as_it_was_written():
    stored = StoredWatches(rule="R", edition="v1@1000", labels=("web",), names=["channel"], states={"key": [1, [2]]})
    assert StoredWatches.decode(watches_key(MADE, ("web",)), stored.encode()) == stored


# ---- histories ----------------------------------------------------------------------------------------------------

BOTH = runtime_of(rule(when(ORDERS, "above 5", window=300)))
SERIES = {s.id: s for s in (ORDERS, STOCK)}


def stored_of(histories: Histories, before: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
    """What is kept after a cut."""
    entries: dict[bytes, bytes | None] = {**(before or {})}
    histories.store(entries)
    return {key: value for key, value in entries.items() if value is not None}


def restored(entries: dict[bytes, bytes]) -> Histories:
    again = Histories(SERIES, {ORDERS.id: Kept(buckets_s=600)}, JudgeCounts())
    again.restore(entries)
    return again


def test_histories_are_read_as_they_were_written():
    """Flows with their open partials, and a second cut writes nothing."""
    past = past_of(BOTH, flows={ORDERS: "12:00 12:07 17:00"})
    entries = stored_of(past.histories)
    again = restored(entries)
    key = (ORDERS.id, ("web",))
    assert [again.flows[key].value(second(m), second("18:00")) for m in ("12:00", "12:01", "17:01")] == [
        3 * SECOND,
        2 * SECOND,
        None,
    ]
    assert stored_of(again) == stored_of(past.histories) == {}
    tell_flow(past, ORDERS, [second("17:00")], upto=9)  # a replay is told again
    again.take_partial(("orders", 0), (0, 0, 9), _partial("17:00"), closed=None)
    assert again.flows[key].value(second("12:00"), second("18:00")) == 3 * SECOND


def _partial(minute: str) -> Partial:
    return Partial(ORDERS.id, ("web",), [(second(minute), 1)])


def test_what_is_of_a_series_that_is_no_more_is_removed():
    past = past_of(BOTH, flows={ORDERS: "12:00"})
    entries = stored_of(past.histories)
    without = Histories({}, {}, JudgeCounts())
    without.restore(entries)
    assert without.flows == {}
    assert stored_of(without, entries) == {}


@pytest.mark.parametrize(("memory_s", "kept"), [(0, []), (10 * 86_400, [(ORDERS.id, ("web",))])])
def test_what_no_rule_needs_expires(memory_s, kept):
    """Whole blocks, as far as all rules have judged; a group stays as long as its last event is remembered."""
    histories = Histories(SERIES, {ORDERS.id: Kept(buckets_s=600, memory_s=memory_s)}, JudgeCounts())
    histories.take_partial(("orders", 0), (0, 0, 9), _partial("12:00"), closed=None)
    before = stored_of(histories)
    block_s = BUCKETS_PER_BLOCK * ORDERS.bucket_s
    histories.expire({ORDERS.id: second("12:00") + 600})
    assert stored_of(histories, before) == before
    histories.expire({ORDERS.id: second("12:00") + 600 + block_s})
    again = restored(stored_of(histories, before))
    assert list(again.flows) == kept
    assert [history.last_start for history in again.flows.values()] == [None for _ in kept]


# ---- the open cut -------------------------------------------------------------------------------------------------


def test_a_cut_has_what_changed_since_the_last():
    """An alert that is forgotten is removed; one that comes back after that is written."""
    runtime = runtime_of(MADE)
    histories = past_of(runtime).histories
    group = runtime.group(("web",))
    key = alert_key(MADE, ("web",))
    cut = OpenCut()
    cut.alert_changed(group)
    cut.meta_changed()
    assert cut.close(histories, lambda: META_NOW).entries.keys() == {key, META}
    cut.alert_changed(group)
    cut.forget_alert(group)
    assert cut.close(histories, lambda: META_NOW).entries == {key: None}
    cut.forget_alert(group)
    cut.alert_changed(group)
    entries = cut.close(histories, lambda: META_NOW).entries
    assert entries[key] is not None
    assert StoredAlert.decode(key, entries[key]).alert == group.alert
    assert not cut.close(histories, lambda: META_NOW)
