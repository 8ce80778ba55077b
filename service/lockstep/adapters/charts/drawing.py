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
from lockstep.text.figures import duration_words, measured_text, number_text, usual_text
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
    first, now, last = _time_range(chart)
    x = Scale(first, last, frame.left, frame.end)
    low, high = _value_range(chart)
    y = Scale(low, high, frame.floor, frame.top)
    finish = x(now if ended is None else ended)
    parts = [
        *_value_axis(y, low, high, unit, frame),
        *_time_axis(x, first, last, zone, frame),
        *_marks(chart, x, frame),
        f'<rect class="fires {chart.severity}" x="{x(begin):.1f}" y="{frame.top}" '
        f'width="{max(2.0, finish - x(begin)):.1f}" height="{frame.height - frame.top - frame.bottom}"/>',
        *_band(points, x, y),
        *(line(run, x, y, "usual", steps=False) for run, _ in _runs(points, "baseline")),
        *_limit(chart, x, y, now, last),
        *(line(run, x, y, "value", steps=chart.steps, until=end or now) for run, end in _runs(points, "value")),
        *_ahead(chart, x, y),
        *_brackets(chart, x, frame),
        f'<line class="mark {chart.severity}" x1="{x(begin):.1f}" x2="{x(begin):.1f}" y1="{frame.top}" '
        f'y2="{frame.floor}"/>',
        *_before(chart, x, y, frame),
    ]
    if chart.value is not None:
        px, py = x(chart.told_at), y(chart.value)
        side = "end" if px > frame.width - 10 * frame.letter else "start"
        shift = round(frame.letter * 0.75) * (-1 if side == "end" else 1)
        parts.append(f'<circle class="dot {chart.severity}" cx="{px:.1f}" cy="{py:.1f}" r="{frame.letter * 0.375:g}"/>')
        parts.append(
            f'<text class="told" x="{px + shift:.1f}" y="{max(py - 7, frame.top + frame.letter * 10 / 12):.1f}" '
            f'text-anchor="{side}">{escape(measured_text(chart.value, unit, chart.limit))}</text>'
        )
    return (
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(described(chart), quote=True)}">{"".join(parts)}</svg>'
    )


def described(chart: Chart) -> str:
    """For who cannot see it: `62 where 20 is the usual`, `35, 90 before`, `12, at this pace 0 in 2 days`."""
    value = measured_text(chart.value, chart.unit, chart.limit)
    if chart.reference is None:
        return value
    in_words = {"usual": usual_text, "before": measured_text}.get(chart.reference_is, number_text)
    reference = in_words(chart.reference, chart.unit)
    if chart.reference_is == "before":
        return f"{value}, {reference} before"
    if chart.ahead is not None and chart.ahead.value == chart.reference:
        return f"{value}, at this pace {reference} in {duration_words(chart.ahead.at - chart.told_at)}"
    return f"{value} where {reference} is the {chart.reference_is}"


def _time_range(chart: Chart) -> tuple[float, float, float]:
    """(from when, now, up to when) is shown: after now there is what a projection looks at."""
    times = [p.at for p in chart.points] or [chart.fired - 3600, chart.fired + 3600]
    first, now = min(*times, chart.fired), max(*times, chart.fired)
    if chart.ended is not None:
        now = max(now, chart.ended)
    if chart.until is not None:
        return first, now, max(now, chart.until)
    if now - first < 60:
        first, now = first - 1800, now + 1800
    if chart.steps:
        first, now = first - (now - first) * 0.02, now + (now - first) * 0.04
    return first, now, now


def _value_range(chart: Chart) -> tuple[float, float]:
    numbers = [0.0, *(spot.value for spot in (chart.before, chart.ahead) if spot is not None)]
    if chart.value is not None:
        numbers.append(chart.value)
    for p in chart.points:
        numbers += [n for n in (p.value, p.baseline, p.limit) if n is not None]
        if p.usual is not None:
            numbers.append(p.usual[1])
    low, high = min(numbers), max(numbers)
    room = (high - low) * 0.12 or 1.0
    return (low if low == 0 else low - room), high + room


def _runs(points: Iterable[Point], name: str) -> Iterator[tuple[list[tuple[float, float]], float | None]]:
    """Stretches of points without a gap in one of their numbers, each with when its gap begins; None for the last."""
    run: list[tuple[float, float]] = []
    for point in points:
        value = getattr(point, name)
        if value is not None:
            run.append((point.at, value))
        elif run:
            yield run, point.at
            run = []
    if run:
        yield run, None


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
    """Between which values it is usual, not below the axis."""
    run: list[tuple[float, float, float]] = []
    runs = []
    for p in points:
        if p.usual is not None:
            run.append((p.at, *p.usual))
        elif run:
            runs.append(run)
            run = []
    for stretch in [*runs, run] if run else runs:
        upper = [f"{x(at):.1f} {y(high):.1f}" for at, _, high in stretch]
        lower = [f"{x(at):.1f} {y(max(low, y.low)):.1f}" for at, low, _ in reversed(stretch)]
        yield f'<path class="band" d="M{"L".join([*upper, *lower])}Z"/>'


def _limit(chart: Chart, x: Scale, y: Scale, now: float, last: float) -> Iterator[str]:
    """The limit, of a projection as far as it looks."""
    for run, gap in _runs(chart.points, "limit"):
        if chart.until is not None and gap is None:
            run.append((last, run[-1][1]))
        yield line(run, x, y, "limit", steps=chart.steps, until=gap or (now if chart.until is None else last))


def _ahead(chart: Chart, x: Scale, y: Scale) -> Iterator[str]:
    """Where the value gets to at its pace."""
    if chart.ahead is not None and chart.value is not None:
        yield line([(chart.told_at, chart.value), (chart.ahead.at, chart.ahead.value)], x, y, "ahead", steps=False)
        yield f'<circle class="ring" cx="{x(chart.ahead.at):.1f}" cy="{y(chart.ahead.value):.1f}" r="5"/>'


def _before(chart: Chart, x: Scale, y: Scale, frame: Frame) -> Iterator[str]:
    """What the value is compared with, where that is what it was."""
    if chart.before is None:
        return
    px, py = x(chart.before.at), y(chart.before.value)
    is_first = px < frame.left + 10 * frame.letter
    side, shift = ("start", 11.0) if is_first else ("end", -11.0)
    yield f'<circle class="ring" cx="{px:.1f}" cy="{py:.1f}" r="{frame.letter * 0.32:g}"/>'
    yield (
        f'<text class="before" x="{px + shift:.1f}" y="{max(py - 7, frame.top + frame.letter * 10 / 12):.1f}" '
        f'text-anchor="{side}">{escape(measured_text(chart.before.value, chart.unit))}</text>'
    )


MARK_HEIGHT, MARK_GAP = 6, 2
MOST_LANES = 2
"""Stretches of the calendar that lie above each other; a further one of the same time is left out."""


def _marks(chart: Chart, x: Scale, frame: Frame) -> Iterator[str]:
    """Days of the calendar as strips along the bottom; above them their names, one beside the other, where there is
    room."""
    lanes = [float("-inf")] * MOST_LANES
    named: list[tuple[float, float, str, str]] = []
    for mark in chart.marks:
        start, end = max(x(mark.start), frame.left), min(x(mark.end), frame.end)
        lane = next((n for n, taken in enumerate(lanes) if taken <= start + 0.5), None)
        if end <= start or lane is None:
            continue
        lanes[lane] = end
        kind = "campaign" if mark.kind == "campaign" else "holiday"
        top = frame.floor - MARK_HEIGHT - lane * (MARK_HEIGHT + MARK_GAP)
        yield (
            f'<rect class="{kind}" x="{start:.1f}" y="{top}" width="{max(2.0, end - start):.1f}" '
            f'height="{MARK_HEIGHT}"/>'
        )
        named.append((start, end, kind, mark.name))
    base = frame.floor - (MARK_HEIGHT + MARK_GAP) * sum(taken > float("-inf") for taken in lanes) - 3
    taken = float("-inf")
    for start, end, kind, whole in named:
        begin, character = max(start + 6, taken + frame.letter), frame.letter * _CHARACTER
        most = int((end - begin) / character) - 1
        if most >= 4:
            name = whole if len(whole) <= most else whole[: most - 1] + "…"
            taken = begin + len(name) * character
            yield f'<text class="{kind}-name" x="{begin:.1f}" y="{base:.1f}">{escape(name)}</text>'


def _brackets(chart: Chart, x: Scale, frame: Frame) -> Iterator[str]:
    """Above the chart the window that was judged, and how far a projection looks ahead, which has the room first."""
    end = float(frame.end)
    if chart.until is not None:
        length = chart.until - chart.told_at
        rounded = round(length / 3600) * 3600 if length > 3 * 3600 else length
        name = f"next {duration_words(rounded)}"
        yield _bracket(chart.told_at, chart.until, x, frame)
        left, text = _centred(name, x(chart.told_at), x(chart.until), end, frame)
        yield text
        end = left - frame.letter
    if chart.window is not None:
        name = "window" if frame is REPORT else duration_words(chart.window[1] - chart.window[0])
        yield _bracket(*chart.window, x, frame)
        left, text = _centred(name, max(x(chart.window[0]), frame.left), x(chart.window[1]), end, frame)
        if left >= frame.left - 1:
            yield text


def _bracket(begins: float, ends: float, x: Scale, frame: Frame) -> str:
    start, end, top = max(x(begins), frame.left), x(ends), frame.top
    return f'<path class="window" d="M{start:.1f} {top - 2}V{top - 8}H{end:.1f}V{top - 2}"/>'


def _centred(name: str, start: float, end: float, most: float, frame: Frame) -> tuple[float, str]:
    """(where it begins, a name over the middle of a bracket), which ends at `most` at the latest."""
    half = len(name) * frame.letter * _CHARACTER / 2
    middle = min(max((start + end) / 2, frame.left + half), most - half)
    return middle - half, (
        f'<text class="window-name" x="{middle:.1f}" y="{frame.top - 12}" text-anchor="middle">{name}</text>'
    )


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
    low, high = _value_range(chart)
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
    if chart.ahead is not None:
        entries.append(("ahead", "at this pace"))
    if chart.before is not None:
        entries.append(("ring", "before"))
    entries.append((f"fires {chart.severity}", "firing"))
    left, middle = 16.0, frame.letter * 1.3
    for name, text in entries:
        if name.startswith("fires"):
            yield f'<rect class="{name}" x="{left:.1f}" y="{middle - 9:.1f}" width="24" height="14"/>'
        elif name == "ring":
            yield f'<circle class="ring" cx="{left + 14:.1f}" cy="{middle - 2:.1f}" r="6"/>'
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
        f".campaign-name{{fill:{c.campaign}}}.holiday{{fill:{c.soft}}}.holiday-name{{fill:{c.soft}}}"
        f".campaign-name,.holiday-name,.before{{paint-order:stroke;stroke:{c.card};stroke-width:5px}}"
        f"path.ahead{{stroke:{c.value};stroke-width:3.2;stroke-dasharray:2 7;stroke-linecap:round}}"
        f".ring{{fill:{c.card};stroke:{c.value};stroke-width:2.6}}.before{{fill:{c.ink}}}"
        f".told{{fill:{c.ink};font-weight:bold;font-size:{frame.letter * 1.15:g}px;paint-order:stroke;"
        f"stroke:{c.card};stroke-width:5px}}"
    )
