"""The report of a backtest, and the alerts there are, in a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lockstep.adapters.charts.curve import Curve
from lockstep.notify.message import labels_text
from lockstep.notify.message_reason import unit_of
from lockstep.text.figures import number_text, time_text
from lockstep.tools.backtest.replay import Episode
from lockstep.tools.report.page import percent, rate, short
from lockstep.tools.report.report import Changed, Report, fired_at, lasted, moved_words, per_week
from lockstep.transition import Transition

MOST_LISTED = 200
"""Episodes in the table."""
MOST_CHANGES = 20
COLOURS = {"critical": "red", "warning": "yellow", "info": "blue"}
_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, *, top: float | None = None) -> str:
    """Values as a line of blocks, the largest of each column; a blank where there is none, `·` for zero.

    top: what the tallest block stands for; None: the largest value.
    """
    if not values:
        return ""
    width = min(width, len(values))
    columns: list[float | None] = []
    for i in range(width):
        part = [v for v in values[i * len(values) // width : (i + 1) * len(values) // width] if v is not None]
        columns.append(max(part, default=None))
    most = top if top is not None else max((c for c in columns if c is not None), default=0.0)
    return "".join(
        " " if c is None else "·" if c <= 0 or most <= 0 else _BLOCKS[min(7, max(0, round(7 * c / most)))]
        for c in columns
    )


def alerts_table(transitions: Sequence[Transition], zone: ZoneInfo) -> Table:
    """What is pending or firing. transitions: the latest transition of each, in the order of the rows."""
    table = Table(title=f"{len(transitions):,} {'alert' if len(transitions) == 1 else 'alerts'}")
    for name in ("since", "state", "severity", "rule", "labels", "value", "usual or limit"):
        table.add_column(name)
    for t in transitions:
        unit = unit_of(t)
        usual = t.baseline if t.baseline is not None else t.limit
        table.add_row(
            time_text(t.started_at, zone),
            "pending" if t.state.value == "pending" else "firing",
            t.severity,
            t.rule,
            ", ".join(t.labels.values()) or "the whole shop",
            "" if t.fault else number_text(t.value, unit),  # alerts about Lockstep itself have no number to miss
            "" if usual is None else number_text(usual, unit),
        )
    return table


def views(
    report: Report,
    curves: Mapping[str, Curve],
    *,
    zone: ZoneInfo,
    changes: Sequence[Changed] | None,
    working: str,
    width: int,
) -> Iterator[RenderableType]:
    """What to print of a backtest, in order.

    curves: episode id → the numbers around it, drawn where there is room. changes: against another version of the
    rules; None: there is none. working: the hours outside of which somebody is woken, as the reader wrote them. width:
    of the terminal, in characters.
    """
    if report.episodes:
        yield _episodes(report.episodes, curves if width >= 104 else {}, zone)
        if len(report.episodes) > MOST_LISTED:
            yield Text(f"and {len(report.episodes) - MOST_LISTED:,} more; --html FILE shows them", style="dim")
    yield _rules(report)
    for r in report.rules:
        if r.groups > 1:
            noisiest = ", ".join(f"{name} {count:,}" for name, count in r.noisiest)
            more = f" and {r.groups - len(r.noisiest):,} more groups" if r.groups > len(r.noisiest) else ""
            yield Text(f"{r.rule}: most from {noisiest}{more}", style="dim")
    if changes is not None:
        yield from _changes(changes, zone)
    yield from _summary(report, working)


def _table(title: str) -> Table:
    return Table(
        title=title, header_style="bold", box=None, title_justify="left", title_style="bold", padding=(0, 1, 0, 0)
    )


def _when(episode: Episode, zone: ZoneInfo) -> str:
    local = fired_at(episode).astimezone(zone)
    return f"{local:%a} {local.day:2} {local:%b %H:%M}"


def _episodes(episodes: Sequence[Episode], curves: Mapping[str, Curve], zone: ZoneInfo) -> Table:
    table = _table(f"Episodes, times of {zone.key}")
    for name in ("began", "fired for", "severity", "rule"):
        table.add_column(name, no_wrap=True)
    table.add_column("labels", max_width=40)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("usual", justify="right", no_wrap=True)
    if curves:
        table.add_column("around it", no_wrap=True)
    for e in episodes[:MOST_LISTED]:
        length = lasted(e)
        curve = curves.get(e.id)
        table.add_row(
            _when(e, zone),
            "goes on" if length is None else short(length),
            Text(e.severity, COLOURS[e.severity]),
            e.rule,
            labels_text(e.labels),
            number_text(e.value, unit_of(e.announcement)),
            "" if e.baseline is None else number_text(e.baseline, unit_of(e.announcement)),
            *([] if curve is None else [sparkline([p.value for p in curve.points], 24)]),
        )
    return table


def _rules(report: Report) -> Table:
    table = _table("\nRules")
    table.add_column("rule", no_wrap=True)
    for name in ("episodes", "a week"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("by week", no_wrap=True)
    for name in ("typical", "longest", "woke you", *(("precision", "recall") if report.score else ())):
        table.add_column(name, justify="right", no_wrap=True)
    most = float(max((n for r in report.rules for n in r.weekly), default=0))
    for r in report.rules:
        score = (percent(r.score.precision), percent(r.score.recall)) if r.score else ()
        table.add_row(
            r.rule,
            f"{len(r.episodes):,}",
            rate(r.per_week),
            sparkline(r.weekly, 13, top=most),
            short(r.typical),
            short(r.longest),
            f"{sum(r.woken.values()):,}" if r.woken else "–",
            *score,
            style=None if r.episodes else "dim",
        )
    return table


def _changes(changes: Sequence[Changed], zone: ZoneInfo) -> Iterator[RenderableType]:
    table = _table(f"\nWhat would change, times of {zone.key}")
    for name in ("", "rule", "began", "severity", "labels", "what"):
        table.add_column(name)
    for c in changes:
        rows = [(Text("+", "green"), e, "new") for e in c.gained[:MOST_CHANGES]]
        rows += [(Text("−", "red"), e, "gone") for e in c.lost[:MOST_CHANGES]]
        rows += [(Text("~"), after, moved_words(before, after)) for before, after in c.moved[:MOST_CHANGES]]
        for sign, e, what in rows:
            severity = Text(e.severity, COLOURS[e.severity])
            table.add_row(sign, c.rule, _when(e, zone), severity, labels_text(e.labels), what)
        more = len(c.gained) + len(c.lost) + len(c.moved) - len(rows)
        if more:
            table.add_row("", c.rule, f"and {more:,} more", "", "", "")
    if table.row_count:
        yield table
    gained, lost, moved = (sum(len(getattr(c, name)) for c in changes) for name in ("gained", "lost", "moved"))
    same = sum(c.same for c in changes)
    yield Text(f"{gained:,} gained, {lost:,} lost, {moved:,} moved, {same:,} the same")


def _summary(report: Report, working: str) -> Iterator[RenderableType]:
    count, unfired = len(report.episodes), sum(r.unfired for r in report.rules)
    often = per_week(count, report.weeks)
    weekly = "" if often is None else f", {rate(often)} a week"
    yield Text(f"\n{count:,} episode{'' if count == 1 else 's'} fired{weekly}, {unfired:,} ended before they did")
    woken = report.woken
    times = f"{woken.total():,} time{'' if woken.total() == 1 else 's'}"
    yield Text(
        f"would have woken you {times}: {woken['critical']:,} critical, {woken['warning']:,} warning outside {working}"
    )
    if report.score is not None:
        s = report.score
        yield Text(
            f"precision {percent(s.precision)} ({s.right:,} of {s.episodes:,} episodes were right), "
            f"recall {percent(s.recall)} ({s.detected:,} of {s.windows:,} labelled windows were told)"
        )
