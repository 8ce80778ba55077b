"""The scorer follows the benchmark's paper; the detector reaches its mark on the series that are here."""

import pytest
from nab_score import PROFILES, Scored, best_threshold, corpus_of, counted, folder_of, place_score, score

from lockstep.measure.anomaly_detector import SENSITIVITY, Reading

STANDARD = PROFILES["standard"]
YEAR_S = 365 * 86_400
"""So long that no alarm is held against the next."""


def _series(*alarms: int, spans=((100, 199),), rows=1_000) -> Scored:
    """A series with incidents at these rows; the learning part is 150 rows."""
    surprises = [9.0 if row in alarms else 0.0 for row in range(rows)]
    readings = [Reading(row * YEAR_S, s, None, True, 0.0, is_learning=False) for row, s in enumerate(surprises)]
    return Scored("a/b.csv", readings, spans)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        pytest.param(-1, 0.9866, id="the left edge"),
        pytest.param(-0.5, 0.8483, id="the middle"),
        pytest.param(0, 0.0, id="the right edge"),
        pytest.param(1, -0.9866, id="a window's length later"),
        pytest.param(4, -1.0, id="long after"),
    ],
)
def test_place(position, expected):
    """A detection is worth the more the earlier it comes in its window."""
    assert place_score(position) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        pytest.param((), 0.0, id="saying nothing is 0"),
        pytest.param((300,), 100.0, id="at the left edge is 100"),
        pytest.param((350,), 92.99, id="in the middle"),
        pytest.param((300, 340, 380), 100.0, id="only the first in a window counts"),
        pytest.param((10, 149, 300), 100.0, id="the learning part is free"),
        pytest.param((200, 300), 94.5, id="a false one before any window costs 0.11"),
        pytest.param((300, 900), 94.5, id="and one long after"),
        pytest.param((300, 400), 99.84, id="one just after a window costs next to nothing"),
    ],
)
def test_score(alarms, expected):
    """One window of rows 300 to 399."""
    found = score([_series(*alarms, spans=((300, 399),))], SENSITIVITY["medium"], STANDARD)
    assert found == pytest.approx(expected, abs=0.2)


@pytest.fixture(scope="module")
def corpus():
    folder = folder_of()
    if folder is None:
        pytest.skip("no benchmark data: set LOCKSTEP_NAB_DATA to a folder of series with labels.json")
    return corpus_of(folder)


def test_above_70_without_look_ahead(corpus):
    """With one set of parameters for all; also at the bar that is shipped as the default."""
    best = best_threshold(corpus, STANDARD)
    assert (score(corpus, best, STANDARD) or 0) > 75
    assert (score(corpus, SENSITIVITY["medium"], STANDARD) or 0) > 65


def test_nothing_is_said_of_series_without_anomaly(corpus):
    """At the default sensitivity, and at the lower one; from the very first row."""
    clean = [s for s in corpus if not s.spans]
    assert clean
    assert [counted(s, SENSITIVITY["medium"]) for s in clean] == [(0, 0)] * len(clean)
