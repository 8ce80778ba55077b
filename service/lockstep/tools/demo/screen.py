"""What the demo shows: a bar that runs through the weeks, and above it every alert in the moment it is decided."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from lockstep.notify.fired_since import Fired
from lockstep.notify.message import Writer, labels_text
from lockstep.notify.message_reason import unit_of
from lockstep.rule.condition.kinds import Rule
from lockstep.text.figures import duration_words, number_text
from lockstep.tools.demo.shop import Planted
from lockstep.tools.retail import ZONE
from lockstep.tools.terminal import Terminal, styled
from lockstep.transition import Transition, TransitionName

COLOURS = {"critical": "red", "warning": "yellow", "info": "blue"}
BAR = 20
PARTS = " ▏▎▍▌▋▊▉"


class View:
    """Lines on a console; on a terminal also a moving bar, elsewhere one line a week."""

    def __init__(self, console: Terminal) -> None:
        self._console = console
        self._fired = Fired()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[clock]}", markup=False),
            TextColumn("{task.fields[said]}", style="dim", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            expand=True,
        )
        self._task: TaskID | None = None
        self._week = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def end(self) -> None:
        """No bar moves any more; what is said from here on stays."""
        self._bar.stop()

    def say(self, text: RenderableType) -> None:
        self._console.print(text)

    def begin(self, description: str, total: float) -> None:
        """A new stretch of the replay; total in events."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(description, total=total, clock="", said="")

    def advance(self, events: int, clock: datetime | None, said: str = "") -> None:
        """So many events further; clock: the shop's time now."""
        if self._task is None:
            return
        shown = "" if clock is None else clock.astimezone(ZONE).strftime("%a %d %b %H:%M")
        self._bar.update(self._task, advance=events, clock=shown, said=said)
        if clock is not None and not self._console.is_terminal:
            week = clock.astimezone(ZONE).strftime("week %V of %G")
            if week != self._week:
                self._week = week
                self.say(styled((f"-- {week}", "dim")))

    def planted(self, trouble: Planted) -> None:
        """From here on the shop goes through something."""
        when = _when(trouble.starts)
        self._console.print()
        self._console.print(
            Text.assemble((f"{when}  planted: {trouble.name}", "bold cyan"), (f" ({trouble.what})", "cyan"))
        )

    def alert(self, transition: Transition, rule: Rule | None, texts: Mapping[str, str]) -> None:
        """An alert as it arrived: when, how bad, what, value against usual, and what each team is told."""
        self._fired.hear(transition)
        when = _when(datetime.fromisoformat(transition.at))
        about = f"{transition.rule} · {labels_text(transition.labels)}"
        if transition.state is TransitionName.RESOLVED:
            spent = datetime.fromisoformat(transition.at) - datetime.fromisoformat(self._fired.since(transition))
            lasted = f"fired for {duration_words(spent.total_seconds())}"
            self._console.print(
                Text.assemble((when, "dim"), "  ", (" over     ", "green"), f" {about} ", (lasted, "dim"))
            )
            return
        colour = COLOURS[transition.severity]
        self._console.print()
        self._console.print(
            Text.assemble(
                (when, "dim"), "  ", (f" {transition.severity:8} ", f"bold reverse {colour}"), (f" {about}", "bold")
            )
        )
        self._console.print(Padding(Group(*self._details(transition, rule, texts, colour)), (0, 0, 0, 4), expand=False))

    def _details(self, transition: Transition, rule: Rule | None, texts: Mapping[str, str], colour: str) -> list[Any]:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", min_width=10)
        table.add_column(overflow="fold")
        for name, bar, number in _bars(transition):
            table.add_row(name, Text.assemble((bar, colour if name == "now" else "bright_black"), f" {number}"))
        for team, text in texts.items():
            table.add_row(team, text)
        return [Text(Writer(ZONE).headline(transition, rule), style="italic"), table]

    def summary(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """What was done, as pairs of name and finding."""
        self._console.print()
        self._console.print(Text(title, style="bold"))
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", min_width=12, no_wrap=True)
        table.add_column(overflow="fold")
        for name, finding in rows:
            table.add_row(name, finding)
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def commands(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """What to do next, as pairs of what for and a command: on a line of its own and never wrapped, to be copied."""
        self._console.print()
        self._console.print(Text(title, style="bold"))
        for reason, command in rows:
            self._console.print(Text(f"  {reason}:", style="cyan"))
            self._console.print(Text(f"    {command}"), soft_wrap=True)


def _when(moment: datetime) -> str:
    return moment.astimezone(ZONE).strftime("%a %d %b %H:%M %Z")


def _bars(transition: Transition) -> list[tuple[str, str, str]]:
    """(name, bar, number) of the value and of what it is compared with, on one scale."""
    value = transition.value or 0.0
    usual = transition.baseline if transition.baseline is not None else transition.limit
    if usual is None or not (value or usual):
        return []
    most = max(abs(value), abs(usual))
    name = "usual" if transition.baseline is not None else "limit"
    return [
        ("now", _bar(value / most), number_text(value, unit_of(transition))),
        (name, _bar(usual / most), number_text(usual, unit_of(transition))),
    ]


def _bar(part: float) -> str:
    """A bar of eighths of a character."""
    eighths = round(abs(part) * BAR * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (PARTS[rest] if rest else "")
