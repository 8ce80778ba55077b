"""The drawing: well-formed, within its sheet, the same everywhere, and quick."""

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from chart_samples import (
    CHANGE,
    COVER,
    DAYS,
    FALL,
    FEW,
    LONDON,
    MIXED,
    PROJECTION,
    RETURNS,
    SINCE,
    SPIKE,
    STOCK,
    TODAY,
    charts,
    first_chart,
)
from msgspec.structs import replace

from lockstep.adapters.charts.curve import Chart, Marked, Point, Spot
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


EVERY = {
    "spike": SPIKE,
    "few": FEW,
    "days": DAYS,
    "share": RETURNS,
    "level": STOCK,
    "formula": MIXED,
    "projection": PROJECTION,
    "day": TODAY,
    "cover": COVER,
    "change": CHANGE,
    "fall": FALL,
    "since": SINCE,
}


@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY)
def test_every_word_is_on_the_sheet(case):
    """Numbers, times and the legend; also those of money and of percents."""
    for _, chart in charts(*case):
        for unit in ("", "money EUR", "h", "%"):
            if isinstance(chart, Chart):
                texts = _texts(standalone(replace(chart, unit=unit), LONDON, LIGHT))
                assert texts
                assert [t for t in texts if t[0] < -8 or t[1] > MESSAGE.width + 8] == []


def test_what_is_drawn_is_named():
    """Each line has its name above, and no name stands there without its line."""
    for case, names in (
        (SPIKE, ["measured", "usual", "limit", "firing"]),
        (FEW, ["measured", "limit", "firing"]),
        (PROJECTION, ["measured", "limit", "at this pace", "firing"]),
        (CHANGE, ["measured", "before", "firing"]),
    ):
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
    chart = replace(FLAT, marks=(Marked(name, 60.0, 500.0),))
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
    assert described(first_chart(*PROJECTION)) == "70, at this pace 0 in 9 hours 20 minutes"
    assert described(first_chart(*CHANGE)) == "90, 33 before"
    assert described(FLAT) == "5"


def test_after_now_there_is_what_a_projection_looks_at():
    """Its line begins with what was told and ends at the limit; nothing that was measured stands behind now."""
    chart = first_chart(*PROJECTION)
    svg = ElementTree.fromstring(standalone(chart, LONDON, LIGHT))
    by_class = {node.attrib.get("class"): node for node in svg.iter() if "d" in node.attrib}
    ahead = _places(by_class["ahead"])
    dot = next(n for n in svg.iter(f"{SVG}circle") if n.attrib["class"].startswith("dot"))
    assert ahead[0] == (float(dot.attrib["cx"]), float(dot.attrib["cy"]))
    assert ahead[1][1] == MESSAGE.floor  # 0
    limit = re.findall(r"[MHL]([\d.]+)", by_class["limit"].attrib["d"])
    assert float(limit[-1]) == MESSAGE.end
    assert max(float(x) for x in re.findall(r"[MHL]([\d.]+)", by_class["value"].attrib["d"])) <= ahead[0][0]


def _places(path: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attrib["d"])]


def test_a_level_that_nobody_knew_is_a_gap():
    """No line goes on where it had become stale."""
    points = [
        Point(0.0, 5.0, None, None, None),
        Point(60.0, None, None, None, None),
        Point(90.0, 6.0, None, None, None),
    ]
    svg = ElementTree.fromstring(standalone(replace(FLAT, points=tuple(points), steps=True), LONDON, LIGHT))
    first, second = [n.attrib["d"] for n in svg.iter(f"{SVG}path") if n.attrib.get("class") == "value"][-2:]
    ends, begins = float(first.rpartition("H")[2]), float(re.match(r"M([\d.]+)", second)[1])
    assert ends < begins


def test_a_band_that_leans_to_one_side_is_drawn_as_it_is():
    """Between its own two borders, whatever the line in it is."""
    points = [Point(60.0 * n, 5.0, 5.0, None, None, 4.0, 9.0) for n in range(9)]
    svg = ElementTree.fromstring(standalone(replace(FLAT, points=tuple(points)), LONDON, LIGHT))
    path = next(n.attrib["d"] for n in svg.iter(f"{SVG}path") if n.attrib.get("class") == "band")
    heights = {float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)}
    *_, usual = [n.attrib["d"] for n in svg.iter(f"{SVG}path") if n.attrib.get("class") == "usual"]
    middle = float(re.findall(r"[\d.]+ ([\d.]+)", usual)[-1])
    top, bottom = min(heights), max(heights)
    assert middle - top == pytest.approx(4 * (bottom - middle), rel=0.02)


def test_stretches_of_one_time_lie_above_each_other():
    """A campaign and a holiday in it; what has no room in two lanes is left out."""
    marked = tuple(Marked(name, 60.0, 500.0, kind) for name, kind in (("A sale", "campaign"), ("Easter", "holiday")))
    svg = ElementTree.fromstring(
        standalone(replace(FLAT, marks=(*marked, Marked("Third", 70.0, 400.0, "closed"))), LONDON, LIGHT)
    )
    strips = {n.attrib["class"]: float(n.attrib["y"]) for n in svg.iter(f"{SVG}rect") if n.attrib.get("height") == "6"}
    assert strips == {"campaign": MESSAGE.floor - 6, "holiday": MESSAGE.floor - 14}
    names = [n for n in svg.iter(f"{SVG}text") if n.attrib["class"].endswith("-name")]
    assert [n.text for n in names] == ["A sale", "Easter"]
    assert float(names[1].attrib["x"]) > float(names[0].attrib["x"]) + 5 * MESSAGE.letter * 0.5
    assert names[0].attrib["y"] == names[1].attrib["y"]


def test_what_is_said_above_a_projection_does_not_overlap():
    """The window gives way to how far it looks ahead."""
    chart = replace(first_chart(*TODAY), until=first_chart(*TODAY).told_at + 3600 * 2, ahead=Spot(1.0, 2.0))
    names = [t for t in _texts(standalone(chart, LONDON, LIGHT)) if t[2] == "window-name"]
    assert names
    assert all(left[1] <= right[0] + 12 for left, right in zip(sorted(names), sorted(names)[1:], strict=False))
