"""What the command line prints on: the terminal, bars of progress, and the end with a message."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lockstep.tools.terminal import Terminal, styled

out = Terminal()
err = Terminal(stderr=True)


def fail(message: str, code: int = 2) -> NoReturn:
    """End the command with a line that says why."""
    err.print(styled(("lockstep:", "red"), f" {message}"), soft_wrap=True)
    raise SystemExit(code)


def many(count: int, noun: str) -> str:
    """`1 event`, `2,000 events`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def count_bar(description: str) -> Progress:
    """A bar that counts events, where nobody knows how many there will be."""
    return Progress(
        SpinnerColumn(),
        TextColumn(description, markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} events", markup=False),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


@contextmanager
def share_bar(description: str) -> Iterator[Callable[[int, float | None], None]]:
    """A bar that is told how many events came and which part of all is done."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} events", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(description, total=None, events=0)
        events = 0

        def told(count: int, done: float | None) -> None:
            nonlocal events
            events += count
            bar.update(task, total=None if done is None else 1.0, completed=done or 0.0, events=events)

        yield told
