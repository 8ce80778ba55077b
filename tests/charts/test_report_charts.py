"""The small charts of a report: real pictures of the numbers that the page draws, within a bound, in words too."""

import asyncio
from pathlib import Path

import pytest
from chart_samples import LONDON
from report_samples import ACTIONS, NEWS, SIX, sample_shop

from lockstep.adapters.charts.board import ChartBoard
from lockstep.adapters.charts.painter import Painter
from lockstep.adapters.charts.pictures import DrawnPictures
from lockstep.adapters.charts.sparkline import sparkline, sparkline_drawing
from lockstep.adapters.report_views.report_html import report_mail, report_page
from lockstep.adapters.stream.sqlite import SqliteBroker
from lockstep.app import utc_now
from lockstep.reports.cell_text import curve_name
from lockstep.reports.daily import daily
from lockstep.reports.report_body import report_document

PATIENT_S = 60.0
REPORT = daily(sample_shop(campaigns=False), NEWS, ACTIONS, SIX)
DOCUMENT = report_document(REPORT)
CURVES = [curve_name(s, f) for s in REPORT.sections for f in s.figures if sum(n is not None for n in f.curve) > 1]


def pictures(folder: Path, painter: Painter) -> DrawnPictures:
    broker = SqliteBroker(f"sqlite:///{folder}/shop.db", group="lockstep", clock=utc_now)
    return DrawnPictures(ChartBoard(broker), painter, LONDON, at_most_s=PATIENT_S)


async def test_every_curve_is_a_picture_with_its_numbers_in_words(tmp_path):
    """Each once however many get the report, small enough for a mail, and none alike by name."""
    drawn = pictures(tmp_path, Painter(drawing_s=PATIENT_S))
    try:
        first, again = await asyncio.gather(drawn.of_report(DOCUMENT), drawn.of_report(DOCUMENT))
        assert again is first
    finally:
        await drawn.close()
    assert list(first) == CURVES
    assert len(set(CURVES)) == len(CURVES) > 8
    assert all(picture.light.startswith(b"\x89PNG") for picture in first.values())
    assert sum(len(picture.light) for picture in first.values()) < 60_000
    orders = next(f for s in REPORT.sections for f in s.figures if f.name == "orders")
    said = first["yesterday/orders"].alt
    assert said.startswith("Orders, the oldest first: ")
    assert said.endswith(", 128")
    assert len(said.split(", ")) == len(orders.curve) + 1


def test_mail_and_page_draw_the_same_numbers():
    """The mail's picture is made of the line that the page has, and is told in the words that the page tells."""
    page = report_page(REPORT)
    for section in REPORT.sections:
        for figure in section.figures:
            if curve_name(section, figure) in CURVES:
                line = sparkline(figure.curve, usual=figure.usual).partition(">")[2].removesuffix("</svg>")
                assert line in page
                assert line in sparkline_drawing(figure.curve, usual=figure.usual)
    assert page.count('role="img" aria-label="') == len(CURVES)


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "import time\ntime.sleep(600)"], ids=["dies", "hangs"])
async def test_a_process_that_breaks_costs_the_pictures_alone(tmp_path, program):
    """The mail has its charts in letters then."""
    broken = tmp_path / "broken.py"
    broken.write_text(program)
    drawn = pictures(tmp_path, Painter(drawing_s=0.2, program=broken))
    try:
        assert await drawn.of_report(DOCUMENT) == {}
        assert await drawn.of_report({"type": "report.daily", "data": {"of": "a newer version"}}) == {}
    finally:
        await drawn.close()
    assert "<img" not in report_mail(REPORT)
    assert report_mail(REPORT).count('class="r-bars"') == len(CURVES)
