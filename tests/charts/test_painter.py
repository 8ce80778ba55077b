"""The process that draws: what it cannot draw costs one picture, within a bound."""

import asyncio
from pathlib import Path

import pytest
from chart_samples import FEW, LONDON, first_chart

from lockstep.adapters.charts.drawing import LIGHT, standalone
from lockstep.adapters.charts.painter import Painter

PATIENT_S = 60.0
"""For machines that are busy; a picture takes some 60 ms, the first one 200."""


@pytest.fixture
def svg() -> str:
    return standalone(first_chart(*FEW), LONDON, LIGHT)


async def test_pictures_come_one_after_the_other(svg):
    """Of one process, whoever asks; and each asks for its own."""
    painter = Painter(drawing_s=PATIENT_S)
    try:
        first, other, again = await asyncio.gather(
            *(painter.png(s) for s in (svg, svg.replace("limit", "border"), svg))
        )
        assert first is not None
        assert first.startswith(b"\x89PNG")
        assert (again == first, other == first) == (True, False)
    finally:
        await painter.close()


async def test_what_is_no_drawing_is_no_picture(svg):
    """The next one is drawn all the same."""
    painter = Painter(drawing_s=PATIENT_S)
    try:
        assert await painter.png("<svg") is None
        assert await painter.png(svg) is not None
    finally:
        await painter.close()


HANGS = "import sys, time\nsys.stdin.buffer.read(4)\ntime.sleep(600)\n"
DIES = "import sys\nsys.stdin.buffer.read(4)\nsys.exit(3)\n"
LIES = "import sys\nsys.stdin.buffer.read(4)\nsys.stdout.buffer.write(b'\\xff' * 9)\nsys.stdout.buffer.flush()\n"


@pytest.mark.parametrize("program", [HANGS, DIES, LIES], ids=["hangs", "dies", "lies"])
async def test_a_process_that_breaks_delays_nobody_beyond_the_bound(program, tmp_path, svg):
    """No picture, soon; and the next one is asked of a new process."""
    broken = tmp_path / "broken.py"
    broken.write_text(program)
    painter = Painter(drawing_s=0.5, program=broken)
    try:
        async with asyncio.timeout(30):
            assert await painter.png(svg) is None
            assert await painter.png(svg) is None
    finally:
        await painter.close()


async def test_a_program_that_is_not_there_is_no_picture(tmp_path, svg):
    """As when the service was updated under it."""
    painter = Painter(drawing_s=PATIENT_S, program=Path(tmp_path / "gone.py"))
    assert await painter.png(svg) is None
    await painter.close()


async def test_who_stops_waiting_takes_no_answer_of_another(svg):
    """A message that is given up in the middle of a drawing leaves the next one its own picture."""
    painter = Painter(drawing_s=PATIENT_S)
    try:
        task = asyncio.create_task(painter.png(svg))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        other = await painter.png(svg.replace("limit", "border"))
        assert other == await painter.png(svg.replace("limit", "border"))
        assert other != await painter.png(svg)
    finally:
        await painter.close()
