"""One run of the benchmark: how much is measured, the figures so far, and what the person at the terminal sees."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from tests.bench.brokers import Progress as Share
from tests.bench.figures import LINES, Figures

FEWEST = 2_000
"""With fewer events none of the rules would fire."""


class Session:
    """size: what the numbers of events are multiplied with, 1 or less. rounds: how often what is compared is measured.

    brokers: those that are measured, of `kafka` and `sqlite`.
    """

    def __init__(
        self, console: Console, *, size: float = 1, rounds: int = 3, brokers: Sequence[str] = ("kafka", "sqlite")
    ) -> None:
        self.figures = Figures()
        self.rounds, self.brokers = rounds, brokers
        self._console, self._size = console, size

    def count(self, events: int) -> int:
        """So many events, or fewer in a small run."""
        return max(FEWEST, round(events * self._size))

    def seconds(self, seconds: float) -> float:
        """So long, or shorter in a small run."""
        return max(1.0, seconds * self._size)

    def add(self, key: str, value: float) -> None:
        self.figures.add(key, value)

    def leave_out(self, key: str, reason: str) -> None:
        """Something that was asked for and cannot be measured here."""
        self.figures.missing[key] = reason
        self._console.print(f"[yellow]not measured[/] {key}: {reason}", highlight=False)

    def note(self, key: str, note: str) -> None:
        """Something that is to be known of a figure."""
        self.figures.notes[key] = note
        self._console.print(f"[yellow]{key}[/]: {note}", highlight=False)

    def say(self, *keys: str) -> None:
        """Show the newest figure of each key at once: a long run is worth following."""
        for key in keys:
            line = LINES[key]
            value = line.shown(self.figures.rounds[key][-1])
            self._console.print(f"  {line.what.strip()}: [bold]{value}[/] {line.unit}", highlight=False)

    @contextmanager
    def step(self, what: str) -> Iterator[Share]:
        """A bar while something runs; what it gives is told the share that is done, where that is known."""
        began = time.perf_counter()
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bars:
            task = bars.add_task(what, total=None)
            yield lambda share: bars.update(task, total=1.0, completed=min(share, 1.0))
        if not self._console.is_terminal:
            self._console.print(f"{what}: {time.perf_counter() - began:.1f} s", highlight=False)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as name:
        yield Path(name)
