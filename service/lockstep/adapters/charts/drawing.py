"""The drawing of a chart as SVG: a series with its usual band and limit, the window that was judged, when it fired.

Pure functions from numbers to markup. Colours are classes: a page brings its own sheet, so that light, dark and print
differ there; `standalone` makes a picture of it that needs nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import escape
from math import floor, log10
from zoneinfo import ZoneInfo

from lockstep.adapters.charts.curve import Chart, Point
from lockstep.measure.bucket import ceil_div
from lockstep.text.figures import duration_words, number_text
from lockstep.text.time_units import DAY_S

_STEPS_S = (60, 300, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_CHARACTER = 0.56
"""Width of a character, in parts of its height."""


@dataclass(frozen=True)
class Frame:
    """The sheet, in pixels: the margins around the plot, and how high letters are."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    letter: float = 12.0
    most_times: int = 8
    most_values: int = 4

    @property
    def end(self) -> int:
        return self.width - self.right

    @property
    def floor(self) -> int:
        return self.height - self.bottom


REPORT = Frame(width=960, height=250, left=58, right=18, top=30, bottom=28)
MESSAGE = Frame(width=600, height=310, left=64, right=20, top=74, bottom=36, letter=19.0, most_times=4)
"""So that letters are to be read where it is shown at half of its width, as on a phone."""


@dataclass(frozen=True)
class Scale:
    """Values from [low, high] onto [start, end] of pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / ((self.high - self.low) or 1) * (self.end - self.start)


def drawn(chart: Chart, frame: Frame, zone: ZoneInfo) -> str:
    """What was measured, what was usual, where the limit was, and when it fired: one <svg> of class `chart`."""
    points, begin, ended, unit = chart.points, chart.fired, chart.ended, chart.unit
    times = [p.at for p in points] or [begin - 3600, begin + 3600]
    first, last = min(*times, begin), max(*times, begin)
    if ended is not None:
        last = max(last, ended)
    if last - first < 60:
        first, last = first - 1800, last + 1800
    if chart.steps:
        first, last = first - (last - first) * 0.02, last + (last - first) * 0.04
    x = Scale(first, last, frame.left, frame.end)
    low, high = _value_range(points, chart.value)
    y = Scale(low, high, frame.floor, frame.top)
    finish = x(last if ended is None else ended)
    parts = [
        *_value_axis(y, low, high, unit, frame),
        *_time_axis(x, first, last, zone, frame),
        *_campaigns(chart, x, frame),
        f'<rect class="fires {chart.severity}" x="{x(begin):.1f}" y="{frame.top}" '
        f'width="{max(2.0, finish - x(begin)):.1f}" height="{frame.height - frame.top - frame.bottom}"/>',
        *_band(points, x, y),
        *(line(run, x, y, "usual", steps=False) for run in _runs(points, "baseline")),
        *(line(run, x, y, "limit", steps=chart.steps, until=last) for run in _runs(points, "limit")),
        *(line(run, x, y, "value", steps=chart.steps, until=last) for run in _runs(points, "value")),
        *_window_mark(chart, x, frame),
        f'<line class="mark {chart.severity}" x1="{x(begin):.1f}" x2="{x(begin):.1f}" y1="{frame.top}" '
        f'y2="{frame.floor}"/>',
    ]
    if chart.value is not None:
        px, py = x(chart.told_at), y(chart.value)
        side = "end" if px > frame.width - 10 * frame.letter else "start"
        shift = round(frame.letter * 0.75) * (-1 if side == "end" else 1)
        parts.append(f'<circle class="dot {chart.severity}" cx="{px:.1f}" cy="{py:.1f}" r="{frame.letter * 0.375:g}"/>')
        parts.append(
            f'<text class="told" x="{px + shift:.1f}" y="{max(py - 7, frame.top + frame.letter * 10 / 12):.1f}" '
            f'text-anchor="{side}">{escape(number_text(chart.value, unit))}</text>'
        )
    return (
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(described(chart), quote=True)}">{"".join(parts)}</svg>'
    )


def described(chart: Chart) -> str:
    """For who cannot see it: `62 where 20 is the usual`."""
    reference = f"{number_text(chart.reference, chart.unit)} is the {chart.reference_is}"
    return f"{number_text(chart.value, chart.unit)} where {reference}"


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


def line(
    run: Sequence[tuple[float, float]], x: Scale, y: Scale, name: str, *, steps: bool, until: float | None = None
) -> str:
    """A path through instants and values. name: its class. until: where the last value of steps ends."""
    path = f"M{x(run[0][0]):.1f} {y(run[0][1]):.1f}"
    for at, value in run[1:]:
        path += f"H{x(at):.1f}V{y(value):.1f}" if steps else f"L{x(at):.1f} {y(value):.1f}"
    if steps and until is not None:
        path += f"H{x(until):.1f}"
    return f'<path class="{name}" d="{path}"/>'


def _band(points: Iterable[Point], x: Scale, y: Scale) -> Iterator[str]:
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


def _campaigns(chart: Chart, x: Scale, frame: Frame) -> Iterator[str]:
    """Days of campaigns as a strip along the bottom, with their names where there is room."""
    for each in chart.campaigns:
        start, end = max(x(each.start), frame.left), min(x(each.end), frame.end)
        if end <= start:
            continue
        yield (
            f'<rect class="campaign" x="{start:.1f}" y="{frame.floor - 6}" width="{max(2.0, end - start):.1f}" '
            'height="6"/>'
        )
        most = int((end - start) / (frame.letter * _CHARACTER)) - 2
        if most >= 4:
            name = each.name if len(each.name) <= most else each.name[: most - 1] + "…"
            yield (f'<text class="campaign-name" x="{start + 6:.1f}" y="{frame.floor - 11:.1f}">{escape(name)}</text>')


def _window_mark(chart: Chart, x: Scale, frame: Frame) -> Iterator[str]:
    """The window that was judged, as a bracket above the chart."""
    if chart.window is None:
        return
    start, end = (x(t) for t in chart.window)
    start, top = max(start, frame.left), frame.top
    yield f'<path class="window" d="M{start:.1f} {top - 2}V{top - 8}H{end:.1f}V{top - 2}"/>'
    name = "window" if frame is REPORT else duration_words(chart.window[1] - chart.window[0])
    half = len(name) * frame.letter * _CHARACTER / 2
    middle = min(max((start + end) / 2, frame.left + half), frame.end - half)
    yield f'<text class="window-name" x="{middle:.1f}" y="{top - 12}" text-anchor="middle">{name}</text>'


def _value_axis(y: Scale, low: float, high: float, unit: str, frame: Frame) -> Iterator[str]:
    step = nice_step((high - low) / frame.most_values)
    tick = floor(low / step) * step
    while tick <= high:
        if tick >= low:
            at = y(tick)
            yield f'<line class="grid" x1="{frame.left}" x2="{frame.end}" y1="{at:.1f}" y2="{at:.1f}"/>'
            text = escape(number_text(round(tick, 6), unit))
            base = at + frame.letter / 3
            yield f'<text class="tick" x="{frame.left - 8}" y="{base:.1f}" text-anchor="end">{text}</text>'
        tick += step


def nice_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    if rough <= 0:
        return 1.0
    size = 10.0 ** floor(log10(rough))
    return next(size * n for n in (1, 2, 5, 10) if size * n >= rough * 0.999)


def _time_axis(x: Scale, first: float, last: float, zone: ZoneInfo, frame: Frame) -> Iterator[str]:
    before: datetime | None = None
    taken = -1000.0
    letter = frame.letter / 12
    for at in ticks(first, last, zone, most=frame.most_times):
        local = datetime.fromtimestamp(at, zone)
        begins_day = before is None or local.date() != before.date()
        text = f"{local:%a} {local.day} {local:%b}" if begins_day else f"{local:%H:%M}"
        if begins_day and (local.hour or local.minute):
            text += f" {local:%H:%M}"
        before = local
        px = x(at)
        yield f'<line class="grid" x1="{px:.1f}" x2="{px:.1f}" y1="{frame.top}" y2="{frame.floor}"/>'
        if px - taken < 62 * letter or not frame.left + 8 <= px <= frame.width - 40 * letter:
            continue
        taken = px + (30 * letter if begins_day else 0)
        if frame is not REPORT:  # a day's name is wide there
            px = max(px, len(text) * frame.letter * _CHARACTER / 2 + 4)
        yield f'<text class="tick" x="{px:.1f}" y="{frame.height - 9}" text-anchor="middle">{text}</text>'


def ticks(first: float, last: float, zone: ZoneInfo, *, most: int) -> Iterator[float]:
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


# ---- a picture by itself ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Colours:
    """Of a picture that brings its own."""

    card: str
    ink: str
    soft: str
    grid: str
    value: str
    usual: str
    limit: str
    campaign: str
    critical: str
    warning: str
    info: str


LIGHT = Colours(
    card="#ffffff",
    ink="#101828",
    soft="#475467",
    grid="#e9ecef",
    value="#17324d",
    usual="#2e8b7a",
    limit="#8a6d1f",
    campaign="#7a5af8",
    critical="#b42318",
    warning="#b54708",
    info="#175cd3",
)
DARK = Colours(
    card="#161b26",
    ink="#f5f5f6",
    soft="#cecfd2",
    grid="#2b313c",
    value="#9cc8f2",
    usual="#5fc3ae",
    limit="#e0c063",
    campaign="#a48afb",
    critical="#f97066",
    warning="#fdb022",
    info="#84adff",
)


def standalone(chart: Chart, zone: ZoneInfo, colours: Colours, frame: Frame = MESSAGE) -> str:
    """The chart as an SVG document with a legend, which needs no sheet of its surroundings."""
    fitting = _with_room_for_numbers(chart, frame)
    markup = drawn(chart, fitting, zone)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{frame.width}" height="{frame.height}" '
    sheet = f'<style>{_sheet(colours, frame)}</style><rect class="card" width="{frame.width}" height="{frame.height}"/>'
    opening, _, rest = markup.partition(">")
    return f"{head}{opening.removeprefix('<svg ')}>{sheet}{''.join(_legend(chart, frame))}{rest}"


def _with_room_for_numbers(chart: Chart, frame: Frame) -> Frame:
    low, high = _value_range(chart.points, chart.value)
    step = nice_step((high - low) / frame.most_values)
    texts = (number_text(round(floor(bound / step) * step, 6), chart.unit) for bound in (low, high))
    longest = max(len(text) for text in texts)
    left = min(frame.width // 3, max(frame.left, round(longest * frame.letter * _CHARACTER) + 16))
    return replace(frame, left=left)


def _legend(chart: Chart, frame: Frame) -> Iterator[str]:
    """What each line is, above the plot; only of what is drawn."""
    entries = [("value", "measured")]
    if any(p.baseline is not None for p in chart.points):
        entries.append(("usual", "usual"))
    if any(p.limit is not None for p in chart.points):
        entries.append(("limit", "limit"))
    entries.append((f"fires {chart.severity}", "firing"))
    left, middle = 16.0, frame.letter * 1.3
    for name, text in entries:
        if name.startswith("fires"):
            yield f'<rect class="{name}" x="{left:.1f}" y="{middle - 9:.1f}" width="24" height="14"/>'
        else:
            yield f'<path class="{name}" d="M{left:.1f} {middle - 2:.1f}h26"/>'
        yield f'<text class="legend" x="{left + 33:.1f}" y="{middle + 5:.1f}">{text}</text>'
        left += 33 + len(text) * frame.letter * _CHARACTER + 22


def _sheet(c: Colours, frame: Frame) -> str:
    by_severity = "".join(
        f".fires.{name}{{fill:{colour}}}line.mark.{name}{{stroke:{colour}}}.dot.{name}{{fill:{colour}}}"
        for name, colour in (("critical", c.critical), ("warning", c.warning), ("info", c.info))
    )
    return (
        f"text{{font-family:'DejaVu Sans',sans-serif;font-size:{frame.letter:g}px;fill:{c.soft}}}"
        f".card{{fill:{c.card}}}.grid{{stroke:{c.grid};stroke-width:1}}path{{fill:none}}"
        f"path.value{{stroke:{c.value};stroke-width:3.2;stroke-linejoin:round}}"
        f"path.usual{{stroke:{c.usual};stroke-width:2.6}}"
        f"path.limit{{stroke:{c.limit};stroke-width:2.4;stroke-dasharray:9 6}}"
        f"path.band{{fill:{c.usual};fill-opacity:0.17}}path.window{{stroke:{c.soft};stroke-width:2}}"
        ".fires{fill-opacity:0.13}line.mark{stroke-width:2;stroke-dasharray:4 5}"
        f"{by_severity}.dot{{stroke:{c.card};stroke-width:2.4}}.campaign{{fill:{c.campaign}}}"
        f".campaign-name{{fill:{c.campaign}}}"
        f".told{{fill:{c.ink};font-weight:bold;font-size:{frame.letter * 1.15:g}px;paint-order:stroke;"
        f"stroke:{c.card};stroke-width:5px}}"
    )
