"""A small chart beside a number: its last days as one line, what is usual dashed, the day itself as a dot."""

from collections.abc import Iterator, Sequence
from html import escape

from lockstep.adapters.charts.drawing import Scale, line

WIDTH, HEIGHT, EDGE = 120, 30, 4
_FOR_BOTH = (
    "path{fill:none}.spark-line{stroke:#7a8699;stroke-width:2;stroke-linejoin:round}.spark-dot{fill:#2e90fa}"
    ".spark-usual{stroke:#98a2b3;stroke-width:1;stroke-dasharray:3 3}"
)
"""Colours that are seen on white and on black alike."""


def sparkline(curve: Sequence[int | float | None], *, usual: int | float | None = None, alt: str = "") -> str:
    """One <svg> of class `spark`, whose colours a sheet brings; "" where fewer than two numbers are known.

    curve: one number a day, the oldest first; a day that is not known leaves a gap. alt: what it shows, in words.
    """
    known = [n for n in curve if n is not None]
    if len(known) < 2:
        return ""
    low, high = min(0.0, *known), max(*known, usual or 0.0)
    x = Scale(0, len(curve) - 1, EDGE, WIDTH - EDGE)
    y = Scale(low, high or 1.0, HEIGHT - EDGE, EDGE)
    parts = []
    if usual is not None:
        parts.append(f'<path class="spark-usual" d="M{EDGE} {y(usual):.1f}H{WIDTH - EDGE}"/>')
    parts += [line(run, x, y, "spark-line", steps=False) for run in _runs(curve)]
    last = curve[-1]
    if last is not None:
        parts.append(f'<circle class="spark-dot" cx="{x(len(curve) - 1):.1f}" cy="{y(last):.1f}" r="3"/>')
    said = f' role="img" aria-label="{escape(alt, quote=True)}"' if alt else ' aria-hidden="true"'
    return f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}"{said}>{"".join(parts)}</svg>'


def sparkline_drawing(curve: Sequence[int | float | None], *, usual: int | float | None = None) -> str:
    """The same as a document of its own without a ground, to be made a picture of: a mail shows it in light and in
    dark. "" likewise."""
    drawn = sparkline(curve, usual=usual)
    size = f'xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
    return drawn and drawn.replace("<svg", f"<svg {size}", 1).replace(">", f"><style>{_FOR_BOTH}</style>", 1)


def _runs(curve: Sequence[int | float | None]) -> Iterator[list[tuple[float, float]]]:
    """Stretches of days without a gap."""
    run: list[tuple[float, float]] = []
    for place, number in enumerate(curve):
        if number is not None:
            run.append((place, number))
        elif run:
            yield run
            run = []
    if run:
        yield run
