"""Charts as inline SVG: an episode's series with its usual band and limit, rules on a timeline, bars of weeks.

Pure functions from numbers to markup. Colours are the page's (CSS classes), so that light, dark and print differ there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from math import floor, log10
from zoneinfo import ZoneInfo

from lockstep.measure.bucket import ceil_div
from lockstep.notify.message_reason import unit_of
from lockstep.rule.condition.kinds import Severity
from lockstep.text.figures import number_text
from lockstep.text.time_units import DAY_S
from lockstep.tools.backtest.curves import Curve, Point
from lockstep.tools.backtest.replay import Episode
from lockstep.tools.report.report import Report, Window, ended_at, fired_at

WIDTH, HEIGHT = 960, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 30, 28
ROW = 30
NAME = 190
MOST_ROWS = 60
COLUMNS = 740

_STEPS_S = (60, 300, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600)


@dataclass(frozen=True)
class _Scale:
    """Values from [low, high] onto [start, end] of pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / ((self.high - self.low) or 1) * (self.end - self.start)


# ---- one episode -----------------------------------------------------------------------------------------------------


def episode_chart(episode: Episode, curve: Curve, zone: ZoneInfo) -> str:
    """What was measured around an episode, what was usual, where the limit was, and when it fired."""
    points = curve.points
    shown, unit = episode.announcement, unit_of(episode.announcement)
    begin, end = fired_at(episode).timestamp(), ended_at(episode)
    times = [p.at for p in points] or [begin - 3600, begin + 3600]
    first, last = min(*times, begin), max(*times, begin)
    if end is not None:
        last = max(last, end.timestamp())
    if last - first < 60:
        first, last = first - 1800, last + 1800
    if curve.steps:
        first, last = first - (last - first) * 0.02, last + (last - first) * 0.04
    x = _Scale(first, last, LEFT, WIDTH - RIGHT)
    low, high = _value_range(points, shown.value)
    y = _Scale(low, high, HEIGHT - BOTTOM, TOP)
    finish = x(last if end is None else end.timestamp())
    parts = [
        *_value_axis(y, low, high, unit),
        *_time_axis(x, first, last, zone),
        f'<rect class="fires {episode.severity}" x="{x(begin):.1f}" y="{TOP}" '
        f'width="{max(2.0, finish - x(begin)):.1f}" height="{HEIGHT - TOP - BOTTOM}"/>',
        *_band(points, x, y),
        *(_line(run, x, y, "usual", steps=False) for run in _runs(points, "baseline")),
        *(_line(run, x, y, "limit", steps=curve.steps, until=last) for run in _runs(points, "limit")),
        *(_line(run, x, y, "value", steps=curve.steps, until=last) for run in _runs(points, "value")),
        *_window_mark(episode, x),
        f'<line class="mark {episode.severity}" x1="{x(begin):.1f}" x2="{x(begin):.1f}" y1="{TOP}" '
        f'y2="{HEIGHT - BOTTOM}"/>',
    ]
    if shown.value is not None:
        px, py = x(begin), y(shown.value)
        side = "end" if px > WIDTH - 120 else "start"
        shift = -9 if side == "end" else 9
        parts.append(f'<circle class="dot {episode.severity}" cx="{px:.1f}" cy="{py:.1f}" r="4.5"/>')
        parts.append(
            f'<text class="told" x="{px + shift:.1f}" y="{max(py - 7, TOP + 10):.1f}" text-anchor="{side}">'
            f"{escape(number_text(shown.value, unit))}</text>"
        )
    reference = f"{number_text(_reference(episode), unit)} is the {_reference_word(episode)}"
    said = f"{number_text(shown.value, unit)} where {reference}"
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def _reference(episode: Episode) -> float | None:
    shown = episode.announcement
    return shown.baseline if shown.baseline is not None else shown.limit


def _reference_word(episode: Episode) -> str:
    return "usual" if episode.announcement.baseline is not None else "limit"


def _value_range(points: Iterable[Point], value: float | None) -> tuple[float, float]:
    numbers = [0.0] if value is None else [0.0, value]
    for p in points:
        numbers += [n for n in (p.value, p.baseline, p.limit) if n is not None]
        if p.baseline is not None and p.sigma is not None:
            numbers.append(p.baseline + p.sigma)
    low, high = min(numbers), max(numbers)
    room = (high - low) * 0.12 or 1.0
    return (low if low == 0 else low - room), high + room


def _runs(points: Iterable[Point], name: str) -> Iterator[list[tuple[float, float]]]:
    """Stretches of points without a gap in one of their numbers."""
    run: list[tuple[float, float]] = []
    for point in points:
        value = getattr(point, name)
        if value is not None:
            run.append((point.at, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _line(
    run: list[tuple[float, float]], x: _Scale, y: _Scale, name: str, *, steps: bool, until: float | None = None
) -> str:
    path = f"M{x(run[0][0]):.1f} {y(run[0][1]):.1f}"
    for at, value in run[1:]:
        path += f"H{x(at):.1f}V{y(value):.1f}" if steps else f"L{x(at):.1f} {y(value):.1f}"
    if steps and until is not None:
        path += f"H{x(until):.1f}"
    return f'<path class="{name}" d="{path}"/>'


def _band(points: Iterable[Point], x: _Scale, y: _Scale) -> Iterator[str]:
    """The usual scatter: one sigma to both sides of the baseline, not below the axis."""
    run: list[tuple[float, float, float]] = []
    runs = []
    for p in points:
        if p.baseline is not None and p.sigma:
            run.append((p.at, p.baseline, p.sigma))
        elif run:
            runs.append(run)
            run = []
    for stretch in [*runs, run] if run else runs:
        upper = [f"{x(at):.1f} {y(middle + sigma):.1f}" for at, middle, sigma in stretch]
        lower = [f"{x(at):.1f} {y(max(middle - sigma, y.low)):.1f}" for at, middle, sigma in reversed(stretch)]
        yield f'<path class="band" d="M{"L".join([*upper, *lower])}Z"/>'


def _window_mark(episode: Episode, x: _Scale) -> Iterator[str]:
    """The window that was judged, as a bracket above the chart."""
    shown = episode.announcement
    if shown.window_start is None or shown.window_end is None:
        return
    start, end = (x(datetime.fromisoformat(t).timestamp()) for t in (shown.window_start, shown.window_end))
    start = max(start, LEFT)
    yield f'<path class="window" d="M{start:.1f} {TOP - 2}V{TOP - 8}H{end:.1f}V{TOP - 2}"/>'
    yield f'<text class="window-name" x="{(start + end) / 2:.1f}" y="{TOP - 12}" text-anchor="middle">window</text>'


def _value_axis(y: _Scale, low: float, high: float, unit: str) -> Iterator[str]:
    step = _nice_step((high - low) / 4)
    tick = floor(low / step) * step
    while tick <= high:
        if tick >= low:
            at = y(tick)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            text = escape(number_text(round(tick, 6), unit))
            yield f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'
        tick += step


def _nice_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    if rough <= 0:
        return 1.0
    size = 10.0 ** floor(log10(rough))
    return next(size * n for n in (1, 2, 5, 10) if size * n >= rough * 0.999)


def _time_axis(x: _Scale, first: float, last: float, zone: ZoneInfo) -> Iterator[str]:
    before: datetime | None = None
    taken = -1000.0
    for at in _ticks(first, last, zone, most=8):
        local = datetime.fromtimestamp(at, zone)
        begins_day = before is None or local.date() != before.date()
        text = f"{local:%a} {local.day} {local:%b}" if begins_day else f"{local:%H:%M}"
        if begins_day and (local.hour or local.minute):
            text += f" {local:%H:%M}"
        before = local
        px = x(at)
        yield f'<line class="grid" x1="{px:.1f}" x2="{px:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        if px - taken < 62 or not LEFT + 8 <= px <= WIDTH - 40:
            continue
        taken = px + (30 if begins_day else 0)
        yield f'<text class="tick" x="{px:.1f}" y="{HEIGHT - 9}" text-anchor="middle">{text}</text>'


def _ticks(first: float, last: float, zone: ZoneInfo, *, most: int) -> Iterator[float]:
    """Instants at round local times, at most about `most`."""
    wanted = (last - first) / most
    step = next((s for s in _STEPS_S if s >= wanted), None)
    local = datetime.fromtimestamp(first, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if step is None:
        days = max(1, ceil_div(int(wanted), DAY_S))
        day = midnight
        while day.timestamp() <= last:
            if day.timestamp() >= first:
                yield day.timestamp()
            day = day + timedelta(days=days)  # wall-clock days: a change of the clocks shifts nothing
        return
    naive = midnight.replace(tzinfo=None)
    naive += timedelta(seconds=(local.replace(tzinfo=None) - naive).total_seconds() // step * step)
    seen = first - 1
    while (at := naive.replace(tzinfo=zone).timestamp()) <= last:
        if at > seen and at >= first:
            yield at
            seen = at
        naive += timedelta(seconds=step)


# ---- all rules -------------------------------------------------------------------------------------------------------


def timeline(report: Report, zone: ZoneInfo) -> str:
    """Every episode of every rule on one time axis; what stands closer than a pixel is one mark."""
    rules = report.rules[:MOST_ROWS]
    if report.first is None or report.last is None or not rules:
        return ""
    first, last = report.first.timestamp(), max(report.last.timestamp(), report.first.timestamp() + 3600)
    x = _Scale(first, last, NAME, NAME + COLUMNS)
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


def _marks(episodes: Sequence[Episode], x: _Scale, top: int, last: float) -> Iterator[str]:
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


def _truth_marks(windows: Iterable[Window], x: _Scale, height: int) -> Iterator[str]:
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


def _calendar_axis(x: _Scale, first: float, last: float, height: int, zone: ZoneInfo) -> Iterator[str]:
    """Months where there are several, else days."""
    span_days = (last - first) / DAY_S
    if span_days <= 75:
        ticks = list(_ticks(first, last, zone, most=9))
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
    x = _Scale(points[0][0], points[-1][0], 1, 119)
    y = _Scale(min(0.0, *values), max(*values, 1e-9), 22, 2)
    path = _line([(at, v) for at, v in points], x, y, "value", steps=curve.steps)
    return f'<svg class="spark" viewBox="0 0 120 24" width="120" height="24" aria-hidden="true">{path}</svg>'
