"""What a watch stored is taken back by a later program, also what the first one stored, or it is a clear error."""

import sys
from array import array
from math import exp
from pathlib import Path

import pytest

from lockstep.errors import StateError
from lockstep.measure.anomaly_detector import KINDS, SENSITIVITY, Detector, Incidents, Reading, Statistic
from lockstep.measure.history import unpack
from lockstep.rule.condition.kind.anomaly import FORMAT, Watch
from lockstep.rule.condition.view import Kind
from lockstep.rule.condition.when import anomalies_of

sys.path.append(str(Path(__file__).parents[1] / "judge"))
from stored_shop import plan, stored

AT_S = 1_800_000_000


def first_watches():
    """(condition, what the first program stored of it), of a shop after four weeks; both were judged by the hour."""
    conditions = {c.key: c for rule in plan().rules for c in anomalies_of(rule.condition)}
    entries = [entry for part in stored() for entry in part.items()]
    rows = [unpack(value)[1] for key, value in entries if key[:1] == b"w"]
    return [(conditions[key], state) for row in rows for key, state in row]


def test_the_first_format_is_read():
    """All that was learned is there, the tails as exponential as they were; it is stored in the later format."""
    watches = first_watches()
    assert watches
    for condition, state in watches:
        watch = Watch(condition)
        watch.restore(condition, state)
        later_format, ((bucket_s, _, *later),) = watch.state()
        assert (later_format, bucket_s) == (FORMAT, 3_600)
        upto, (kind, _, *numbers), since, detector, _, apart = state
        assert later[:4] == [upto, [kind, *numbers], 0.0, since]
        assert later[6] == apart == {}
        assert later[4][:4] == detector[:4]
        count, low, high, *_ = detector[4]
        assert later[4][4][:3] == [count, low, high]
        middle = [(a + b) / 2 for a, b in zip(array("d", low), array("d", high), strict=True)]
        assert list(array("d", later[4][4][3])) == middle
        again = Watch(condition)
        again.restore(condition, watch.state())
        assert again.state() == watch.state()


@pytest.mark.parametrize(
    ("said", "worth", "kind"),
    [
        pytest.param(["breach", True, 3.0, 9.0, 0, 3_600, {"surprise": 4.0}, ""], 3.25, Kind.BREACH, id="open"),
        pytest.param(["clear", False, 3.0, 9.0, 0, 3_600, {"surprise": 0.0}, ""], 0.0, Kind.CLEAR, id="clear"),
        pytest.param(
            ["clear", False, 3.0, None, 0, 3_600, {"learned": 1}, "x"], 0.0, Kind.CLEAR, id="ended by an edit"
        ),
        pytest.param(["unjudged", False, 3.0, None, 0, 3_600, {"learned": 9}, "x"], 0.0, Kind.UNJUDGED, id="learning"),
        pytest.param(["no_data", False, None, None, 0, 3_600, {}, ""], 3.25, Kind.NO_DATA, id="no data"),
    ],
)
def test_the_second_format_is_read(said, worth, kind):
    """Its verdict was decided for the one condition that asked; it is the same now."""
    condition, first = first_watches()[0]
    watch = Watch(condition)
    watch.restore(condition, first)
    (lane,) = watch.state()[1]
    incidents = Incidents().state()
    incidents[0] = worth
    watch.restore(condition, [2, 3_600, said, 0, lane[6], incidents, {}])
    verdict = watch.verdict(condition)
    assert (verdict.kind, verdict.severity) == (kind, condition.severity if kind is Kind.BREACH else None)
    assert [verdict.value, verdict.baseline, 0, 3_600, verdict.counts, verdict.baseline_of] == said[2:]


def test_the_third_format_is_read():
    """It had no past, which begins with the next bucket; all else is there."""
    condition, first = first_watches()[0]
    watch = Watch(condition)
    watch.restore(condition, first)
    stored_format, lanes = watch.state()
    third = [lane[:-1] for lane in lanes]
    again = Watch(condition)
    again.restore(condition, [3, third])
    assert again.past() == []
    assert again.state() == [stored_format, lanes]


def _incidents_of_format_1(*, is_open: bool) -> Incidents:
    """Two alarms of 6, 600 values ago, and one of 9 just now."""
    past = array("d", [2.0 * exp(-0.2) + 1.0] * 13 + [1.0] * 6 + [0.0])
    incidents = Incidents()
    incidents.restore_first([is_open, 1, 0, 9.0, 0.0, past.tobytes()], AT_S)
    return incidents


@pytest.mark.parametrize(("surprise", "alike"), [(5.0, 2.64), (8.0, 2.64), (11.0, 1.0), (1e3, 0.0)])
@pytest.mark.parametrize("rises", [False, True])
def test_past_alarms_of_the_first_format_count(surprise, alike, rises):
    """On either side, as nothing said on which they were."""
    reading = Reading(AT_S + 3_600, surprise, Statistic.VALUE, rises, 0.0, is_learning=False)
    assert _incidents_of_format_1(is_open=False).alike(reading) == pytest.approx(alike, abs=0.01)


def test_what_is_open_stays_open():
    """Until it is over: at each sensitivity."""
    incidents, worth = _incidents_of_format_1(is_open=True), []
    for i in range(3):
        worth.append(incidents.worth)
        incidents.take(Reading(AT_S + 3_600 * i, 0.0, None, True, 0.0, is_learning=False))
    assert [w >= max(SENSITIVITY.values()) for w in [*worth, incidents.worth]] == [True, True, False, False]


def test_an_unknown_format_is_refused():
    """In words that say what to do."""
    condition, _ = first_watches()[0]
    state = Watch(condition).state()
    with pytest.raises(StateError, match="an anomaly's stored state has format 9, this program knows 4"):
        Watch(condition).restore(condition, [9, *state[1:]])


def test_the_state_of_tails_has_a_place_for_each():
    """Both sides of each statistic have three quantiles."""
    tails = Detector().state()[4]
    assert [len(q) for q in tails[1:4]] == [8 * 2 * KINDS] * 3
