"""Scores detections as the Numenta Anomaly Benchmark does, from its paper (Lavin and Ahmad 2015, arXiv 1510.03336).

    python tests/anomaly/nab_score.py [FOLDER]

A folder holds `<category>/<series>.csv` with the columns timestamp and value, and `labels.json` (or the benchmark's own
`combined_windows.json`): series → windows. Without an argument `LOCKSTEP_NAB_DATA` names it, else ../shared/data/nab.
All series share one threshold, the best one for the profile, as in the benchmark; what the service ships is shown, too.
A detection is the beginning of an alarm, as the service would tell it.
"""

import csv
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from shop_series import alarms

from lockstep.measure.anomaly_detector import SENSITIVITY, Detector, Reading

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "nab"


class Profile(NamedTuple):
    """What a false detection and a missed window cost; one found in time gains 1."""

    false: float
    missed: float


PROFILES = {"standard": Profile(0.11, 1.0), "few false": Profile(0.22, 1.0), "few missed": Profile(0.11, 2.0)}


@dataclass(frozen=True)
class Scored:
    """A series after a detector. spans: windows as first and last row; learning: rows that nobody counts."""

    name: str
    readings: Sequence[Reading]
    spans: Sequence[tuple[int, int]]

    @property
    def category(self) -> str:
        return self.name.split("/")[0]

    @property
    def learning(self) -> int:
        return math.floor(0.15 * min(len(self.readings), 5000))

    def alarms(self, bar: float) -> list[int]:
        """The rows at which an alarm begins, after the learning part."""
        return [i for i in _alarms(tuple(self.readings), bar) if i >= self.learning]


@lru_cache(maxsize=4096)
def _alarms(readings: tuple[Reading, ...], bar: float) -> tuple[int, ...]:
    return tuple(alarms(readings, bar))


def place_score(position: float) -> float:
    """The worth of a detection: nearly 1 at a window's left edge (-1), 0 at its right one (0), -1 long after it."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def series_score(scored: Scored, threshold: float, profile: Profile) -> float:
    """The unscaled score of one series: every detection outside of windows costs, in each window the first gains."""
    spans = sorted(scored.spans)
    found = dict.fromkeys(range(len(spans)), -profile.missed)
    lost = 0.0
    for row in scored.alarms(threshold):
        inside = next((n for n, (left, right) in enumerate(spans) if left <= row <= right), None)
        if inside is not None:
            left, right = spans[inside]
            if found[inside] == -profile.missed:
                found[inside] = place_score(-(right - row + 1) / (right - left + 1)) / place_score(-1)
            continue
        before = [span for span in spans if span[1] < row]
        if before:
            left, right = before[-1]
            lost += profile.false * place_score((row - right) / max(1, right - left))
        else:
            lost -= profile.false
    return sum(found.values()) + lost


def score(corpus: Sequence[Scored], threshold: float, profile: Profile) -> float | None:
    """0 for saying nothing, 100 for finding each window at its beginning; None without windows."""
    windows = sum(len(s.spans) for s in corpus)
    if not windows:
        return None
    gained = sum(series_score(s, threshold, profile) for s in corpus)
    return 100 * (gained + profile.missed * windows) / ((1 + profile.missed) * windows)


def best_threshold(corpus: Sequence[Scored], profile: Profile) -> float:
    """The threshold with the best score for all, in steps of a twentieth; beyond 3.7 is nothing."""
    return max((n / 20 for n in range(44, 76)), key=lambda t: score(corpus, t, profile) or 0.0)


def counted(scored: Scored, threshold: float) -> tuple[int, int]:
    """(windows found, detections outside of them)."""
    rows = scored.alarms(threshold)
    found = sum(any(left <= i <= right for i in rows) for left, right in scored.spans)
    return found, sum(not any(left <= i <= right for left, right in scored.spans) for i in rows)


# ---- data -----------------------------------------------------------------------------------------------------------


def folder_of(given: str | None = None) -> Path | None:
    """Where the data is, None where it is not."""
    folder = Path(given or os.environ.get("LOCKSTEP_NAB_DATA") or DEFAULT)
    return folder if any((folder / name).is_file() for name in LABELS) else None


LABELS = ("labels.json", "combined_windows.json")


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def detected(rows: Iterable[tuple[int, float]]) -> list[Reading]:
    """The readings of our detector, which sees one row after the other and only time and value of it."""
    detector = Detector()
    return [detector.observe(at, at, value) for at, value in rows]


def corpus_of(folder: Path) -> list[Scored]:
    """Every series of a folder, scored."""
    labels = json.loads(next(folder / n for n in LABELS if (folder / n).is_file()).read_text())
    found = []
    for name, windows in sorted(labels.items()):
        with (folder / name).open(newline="") as stream:
            rows = [(_moment(r["timestamp"]), float(r["value"])) for r in csv.DictReader(stream)]
        spans = []
        for begin, end in windows:
            inside = [i for i, (at, _) in enumerate(rows) if _moment(begin) <= at <= _moment(end)]
            spans.append((inside[0], inside[-1]))
        found.append(Scored(name, detected(rows), spans))
    return found


def report(corpus: Sequence[Scored]) -> str:
    """Scores of each category and of all, at the best threshold and at those that the service ships."""
    lines = []
    for name, profile in PROFILES.items():
        best = best_threshold(corpus, profile)
        lines.append(f"{name}, threshold {best:.1f}")
        lines += _rows(corpus, best, profile)
    for name, bar in SENSITIVITY.items():
        lines.append(f"standard, sensitivity {name} ({bar:g})")
        lines += _rows(corpus, bar, PROFILES["standard"])
    return "\n".join(lines)


def _rows(corpus: Sequence[Scored], threshold: float, profile: Profile) -> list[str]:
    categories = sorted({s.category for s in corpus})
    groups = [(c, [s for s in corpus if s.category == c]) for c in categories] + [("all", list(corpus))]
    lines = []
    for name, members in groups:
        value = score(members, threshold, profile)
        counts = [counted(s, threshold) for s in members]
        windows = sum(len(s.spans) for s in members)
        shown = "    –" if value is None else f"{value:5.1f}"
        found, false = sum(f for f, _ in counts), sum(n for _, n in counts)
        lines.append(f"  {name:24s} {shown}   found {found:2d} of {windows:2d}   false {false}")
    return lines


def main() -> None:
    folder = folder_of(sys.argv[1] if len(sys.argv) > 1 else None)
    if folder is None:
        print("skipped: no benchmark data; name its folder as the argument or in LOCKSTEP_NAB_DATA")
        return
    print(report(corpus_of(folder)))


if __name__ == "__main__":
    main()
