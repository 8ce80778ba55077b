"""The drawing: well-formed, within its sheet, the same everywhere, and quick."""

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from chart_samples import DAYS, FEW, LONDON, RETURNS, SPIKE, STOCK, charts, first_chart
from msgspec.structs import replace

from lockstep.adapters.charts.curve import Chart, Marked, Point
from lockstep.adapters.charts.drawing import DARK, LIGHT, MESSAGE, described, standalone
from lockstep.adapters.charts.png_process import FONTS, png

SVG = "{http://www.w3.org/2000/svg}"
FLAT = Chart(
    points=tuple(Point(60.0 * n, 5.0, None, None, None) for n in range(10)),
    severity="info",
    value=5.0,
    reference=None,
    reference_is="limit",
    told_at=540.0,
    fired=540.0,
)


def _texts(svg: str) -> list[tuple[float, float, str, str]]:
    """(left, right, class, text) of each text, by the width of its letters."""
    placed = []
    for node in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        wide = len(node.text or "") * MESSAGE.letter * 0.62
        x = float(node.attrib["x"])
        left = {"end": x - wide, "middle": x - wide / 2}.get(node.attrib.get("text-anchor", ""), x)
        placed.append((left, left + wide, node.attrib["class"], node.text or ""))
    return placed


@pytest.mark.parametrize("case", [SPIKE, FEW, DAYS, RETURNS, STOCK], ids=["spike", "few", "days", "share", "level"])
def test_every_word_is_on_the_sheet(case):
    """Numbers, times and the legend; also those of money and of percents."""
    for _, chart in charts(*case):
        for unit in ("", "money EUR", "h", "%"):
            if chart is not None:
                texts = _texts(standalone(replace(chart, unit=unit), LONDON, LIGHT))
                assert texts
                assert [t for t in texts if t[0] < -8 or t[1] > MESSAGE.width + 8] == []


def test_what_is_drawn_is_named():
    """Each line has its name above, and no name stands there without its line."""
    for case, names in ((SPIKE, ["measured", "usual", "limit", "firing"]), (FEW, ["measured", "limit", "firing"])):
        texts = _texts(standalone(first_chart(*case), LONDON, LIGHT))
        assert [text for *_, name, text in texts if name == "legend"] == names
    assert next(text for *_, name, text in _texts(standalone(FLAT, LONDON, LIGHT)) if name == "legend") == "measured"


def test_an_end_shows_where_it_fired_and_where_it_ended():
    """The shaded stretch lies between the two."""
    chart = next(c for t, c in charts(*SPIKE) if t.state == "resolved")
    (rect,) = [
        r
        for r in ElementTree.fromstring(standalone(chart, LONDON, LIGHT)).iter(f"{SVG}rect")
        if r.attrib.get("class") == "fires warning" and float(r.attrib["height"]) > 20
    ]
    assert float(rect.attrib["width"]) > 20
    assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= MESSAGE.end + 0.1


@pytest.mark.parametrize("name", ["</text><script>", "&lt;", 'a" onload="x', "حملة الصيف", "夏のセール" * 20, ""])
def test_the_name_of_a_campaign_is_only_a_name(name):
    """Whatever it holds, it is text, and cut where there is no room."""
    chart = replace(FLAT, campaigns=(Marked(name, 60.0, 500.0),))
    svg = standalone(chart, LONDON, DARK)
    (node,) = [n for n in ElementTree.fromstring(svg).iter(f"{SVG}text") if n.attrib["class"] == "campaign-name"]
    assert (node.text or "").removesuffix("…") == name[: len((node.text or "").removesuffix("…"))]
    assert "<script" not in svg
    assert png(svg).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([(0.0, 0.0), (60.0, 0.0)], id="nothing"),
        pytest.param([(0.0, -5.0), (60.0, -90.0)], id="below zero"),
        pytest.param([(0.0, 1e15), (60.0, 1e300)], id="beyond all numbers"),
        pytest.param([(0.0, None), (60.0, 1e-9)], id="next to nothing"),
        pytest.param([(0.0, 1.0)], id="one point"),
        pytest.param([(0.0, 1.0), (86400.0 * 400, 2.0)], id="a year"),
    ],
)
def test_odd_numbers_are_drawn(points):
    """Whatever was measured."""
    chart = replace(
        FLAT,
        points=tuple(Point(at, value, None, None, None) for at, value in points),
        value=points[-1][1],
        told_at=points[-1][0],
        fired=points[-1][0],
    )
    assert png(standalone(chart, LONDON, LIGHT)).startswith(b"\x89PNG")


def test_a_picture_is_sharp_and_small():
    """Twice the pixels of a phone's width, and far below what a relay takes."""
    picture = png(standalone(first_chart(*SPIKE), LONDON, LIGHT))
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (960, 496)
    assert 5_000 < len(picture) < 60_000


def test_letters_come_from_the_files_beside_it():
    """The same picture on a machine without fonts; what they are licensed under lies with them."""
    svg = standalone(first_chart(*FEW), LONDON, LIGHT)
    without = re.sub(r"<text.*?</text>", "", svg)
    assert png(svg) != png(without)
    assert len(FONTS) == 2
    assert (Path(FONTS[0]).parent / "LICENSE").read_text().strip()


def test_it_is_described_for_who_cannot_see_it():
    """The text beside the picture."""
    assert described(first_chart(*SPIKE)) == "20 where 5 is the usual"
    assert described(first_chart(*FEW)) == "19 where 20 is the limit"
