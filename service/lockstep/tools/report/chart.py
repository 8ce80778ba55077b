"""Charts as inline SVG: an episode's series (drawn as in messages), rules on a timeline, bars of weeks.

Pure functions from numbers to markup. Colours are the page's (CSS classes), so that light, dark and print differ there.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from lockstep.adapters.charts import drawing
from lockstep.adapters.charts.curve import Chart, Curve
from lockstep.adapters.charts.drawing import REPORT, Scale, drawn, line
from lockstep.measure.bucket import ceil_div
from lockstep.notify.message_reason import unit_of
from lockstep.rule.condition.kinds import Severity
from lockstep.text.time_units import DAY_S
from lockstep.tools.backtest.replay import Episode
from lockstep.tools.report.report import Report, Window, ended_at, fired_at

ROW = 30
NAME = 190
MOST_ROWS = 60
COLUMNS = 740


# ---- one episode -----------------------------------------------------------------------------------------------------


def episode_chart(episode: Episode, curve: Curve, zone: ZoneInfo) -> str:
    """What was measured around an episode, what was usual, where the limit was, and when it fired."""
    shown, ended = episode.announcement, ended_at(episode)
    window = None
    if shown.window_start is not None and shown.window_end is not None:
        start, end = (datetime.fromisoformat(t).timestamp() for t in (shown.window_start, shown.window_end))
        window = start, end
    fired = fired_at(episode).timestamp()
    chart = Chart(
        points=tuple(curve.points),
        steps=curve.steps,
        unit=unit_of(shown),
        severity=episode.severity,
        value=shown.value,
        reference=shown.limit if shown.baseline is None else shown.baseline,
        reference_is="limit" if shown.baseline is None else "usual",
        limit=shown.limit,
        told_at=fired,
        fired=fired,
        ended=None if ended is None else ended.timestamp(),
        window=window,
    )
    return drawn(chart, REPORT, zone)


# ---- all rules -------------------------------------------------------------------------------------------------------


def timeline(report: Report, zone: ZoneInfo) -> str:
    """Every episode of every rule on one time axis; what stands closer than a pixel is one mark."""
    rules = report.rules[:MOST_ROWS]
    if report.first is None or report.last is None or not rules:
        return ""
    first, last = report.first.timestamp(), max(report.last.timestamp(), report.first.timestamp() + 3600)
    x = Scale(first, last, NAME, NAME + COLUMNS)
    height = ROW * len(rules) + 34
    parts = [*_calendar_axis(x, first, last, height, zone), *_truth_marks(report.windows, x, height)]
    for i, rule in enumerate(rules):
        top = 8 + ROW * i
        quiet = "" if rule.episodes else " quiet"
        name = escape(rule.rule if len(rule.rule) <= 26 else rule.rule[:25] + "…")
        parts.append(f'<text class="row{quiet}" x="{NAME - 12}" y="{top + 15}" text-anchor="end">{name}</text>')
        parts.append(
            f'<line class="lane" x1="{NAME}" x2="{NAME + COLUMNS}" y1="{top + 11}" y2="{top + 11}"/>'
            f'<text class="count{quiet}" x="{NAME + COLUMNS + 10}" y="{top + 15}">{len(rule.episodes):,}</text>'
        )
        parts += _marks(rule.episodes, x, top, last)
    more = len(report.rules) - len(rules)
    note = f'<p class="note">and {more:,} rules with fewer episodes</p>' if more else ""
    return (
        f'<svg class="timeline" viewBox="0 0 {NAME + COLUMNS + 54} {height}" role="img" '
        f'aria-label="Episodes of each rule over time">{"".join(parts)}</svg>{note}'
    )


def _marks(episodes: Sequence[Episode], x: Scale, top: int, last: float) -> Iterator[str]:
    """Lengths as marks of at least three pixels; overlapping ones of one severity become one, so they are few."""
    for severity in (each.word for each in sorted(Severity)):
        merged: list[list[float]] = []
        for episode in episodes:
            if episode.severity != severity:
                continue
            ended = ended_at(episode)
            begin = x(fired_at(episode).timestamp())
            end = max(begin + 3.5, x(min(last, ended.timestamp() if ended else last)))
            if merged and begin <= merged[-1][1] - 2.5:
                merged[-1][1] = max(merged[-1][1], end)
                merged[-1][2] += 1
            else:
                merged.append([begin, end, 1])
        for begin, end, count in merged:
            name = f"<title>{count:.0f} × {severity}</title>" if count > 1 else ""
            yield (
                f'<rect class="mark {severity}" x="{begin:.1f}" y="{top + 2}" width="{end - begin:.1f}" '
                f'height="18" rx="1.5">{name}</rect>'
            )


def _truth_marks(windows: Iterable[Window], x: Scale, height: int) -> Iterator[str]:
    merged: list[list[float]] = []
    for window in sorted(windows, key=lambda w: w.start):
        begin, end = max(x.start, x(window.start.timestamp())), min(x.end, x(window.end.timestamp()))
        if end < x.start or begin > x.end:
            continue
        if merged and begin <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    for begin, end in merged:
        yield (
            f'<rect class="truth" x="{begin - 1:.1f}" y="2" width="{max(end - begin + 2, 3):.1f}" '
            f'height="{height - 28}"/>'
        )


def _calendar_axis(x: Scale, first: float, last: float, height: int, zone: ZoneInfo) -> Iterator[str]:
    """Months where there are several, else days."""
    span_days = (last - first) / DAY_S
    if span_days <= 75:
        ticks = list(drawing.ticks(first, last, zone, most=9))
    else:
        ticks = []
        local = datetime.fromtimestamp(first, zone)
        year, month = local.year, local.month
        every = max(1, round(span_days / 30 / 12))
        while True:
            year, month = year + (month + every - 1) // 12, (month + every - 1) % 12 + 1
            at = datetime(year, month, 1, tzinfo=zone).timestamp()
            if at > last:
                break
            ticks.append(at)
    for at in ticks:
        local = datetime.fromtimestamp(at, zone)
        px = x(at)
        yield f'<line class="grid" x1="{px:.1f}" x2="{px:.1f}" y1="2" y2="{height - 24}"/>'
        if span_days <= 3:
            text = f"{local:%a %H:%M}"
        elif span_days <= 75:
            text = f"{local.day} {local:%b}"
        else:
            text = f"{local:%b %Y}" if local.month == 1 or at == ticks[0] else f"{local:%b}"
        yield f'<text class="tick" x="{px:.1f}" y="{height - 8}" text-anchor="middle">{text}</text>'


def week_bars(weekly: Sequence[int], most: int) -> str:
    """A small bar for each week; many weeks are put together."""
    group = ceil_div(len(weekly), 60) or 1
    counts = [sum(weekly[i : i + group]) for i in range(0, len(weekly), group)]
    width = 6
    top = max(most * group, 1)
    bars = "".join(
        f'<rect class="{"bar" if n else "no-bar"}" x="{i * width}" '
        f'y="{24 - max(1.5, 24 * min(n, top) / top) if n else 23:.1f}" width="{width - 1.5}" '
        f'height="{max(1.5, 24 * min(n, top) / top) if n else 1:.1f}"/>'
        for i, n in enumerate(counts)
    )
    wide = max(len(counts) * width, width)
    return f'<svg class="weeks" viewBox="0 0 {wide} 24" width="{wide}" height="24" aria-hidden="true">{bars}</svg>'


def spark(curve: Curve) -> str:
    """The curve in the size of a word."""
    points = [(p.at, p.value) for p in curve.points if p.value is not None]
    if len(points) < 2:
        return ""
    values = [v for _, v in points]
    x = Scale(points[0][0], points[-1][0], 1, 119)
    y = Scale(min(0.0, *values), max(*values, 1e-9), 22, 2)
    path = line([(at, v) for at, v in points], x, y, "value", steps=curve.steps)
    return f'<svg class="spark" viewBox="0 0 120 24" width="120" height="24" aria-hidden="true">{path}</svg>'
