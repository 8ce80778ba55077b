"""The pictures of messages: what the judge told of a change, drawn in light and in dark; small charts of reports."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from lockstep.adapters.charts.board import ChartBoard, found_in_time
from lockstep.adapters.charts.drawing import DARK, LIGHT, described, standalone
from lockstep.adapters.charts.painter import Painter
from lockstep.adapters.charts.sparkline import sparkline_drawing
from lockstep.notification import Item, Picture
from lockstep.reports.cell_text import curve_name, curve_words
from lockstep.reports.report_body import report_in
from lockstep.reports.report_record import Report

log = structlog.get_logger("lockstep.charts")

WAIT_S = 1.0
"""How long a chart that is not published yet is waited for; messages to people have waited ten times that already."""
AT_MOST_S = 4.0
"""How long a message waits for a picture, whatever happens."""
MOST_KEPT = 32
"""Pictures that are kept, for the other people who are told the same."""
MOST_REPORTS = 4
"""Reports whose pictures are kept, likewise."""


class DrawnPictures:
    """ports.Pictures over the published charts."""

    def __init__(self, board: ChartBoard, painter: Painter, zone: ZoneInfo, *, at_most_s: float = AT_MOST_S) -> None:
        self._board, self._painter, self._zone = board, painter, zone
        self._at_most_s = at_most_s
        self._known: OrderedDict[str, Picture] = OrderedDict()
        self._reports: OrderedDict[str, Mapping[str, Picture]] = OrderedDict()
        self._turn = asyncio.Lock()

    async def of(self, item: Item) -> Picture | None:
        """The picture of an item; None where there is none to show, or none in time. Raises nothing."""
        return await self.drawn(item.chart) if isinstance(item.chart, str) else None

    async def drawn(self, transition_id: str) -> Picture | None:
        """The picture of a change, likewise."""
        known = self._known.get(transition_id)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._at_most_s):
                picture = await self._drawn(transition_id)
        except TimeoutError:
            log.warning("a chart was not there in time; the message goes without")
            return None
        except Exception:
            log.exception("a chart broke; the message goes without")
            return None
        return picture

    async def _drawn(self, transition_id: str) -> Picture | None:
        chart = await found_in_time(self._board, transition_id, wait_s=WAIT_S)
        if chart is None:
            return None
        async with self._turn:  # a team and its colleagues are told at one time: the first one draws for all
            picture = self._known.get(transition_id)
            if picture is not None:
                return picture
            light = await self._painter.png(standalone(chart, self._zone, LIGHT))
            if light is None:
                return None
            dark = await self._painter.png(standalone(chart, self._zone, DARK))
            picture = self._known[transition_id] = Picture(light=light, dark=dark, alt=described(chart))
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return picture

    async def of_report(self, document: Mapping[str, Any]) -> Mapping[str, Picture]:
        """By `curve_name`, those of which there is something to draw; none where not all come in time."""
        report = report_in(document)
        if report is None:
            return {}
        key = report.id + report.at
        known = self._reports.get(key)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._at_most_s), self._turn:
                pictures = self._reports.get(key) or await self._small_charts(report)
        except TimeoutError:
            log.warning("the charts of a report were not there in time; the mail has them in letters")
            return {}
        except Exception:
            log.exception("the charts of a report broke; the mail has them in letters")
            return {}
        self._reports[key] = pictures
        while len(self._reports) > MOST_REPORTS:
            self._reports.popitem(last=False)
        return pictures

    async def _small_charts(self, report: Report) -> Mapping[str, Picture]:
        pictures = {}
        for section in report.sections:
            for figure in section.figures:
                drawing = sparkline_drawing(figure.curve, usual=figure.usual)
                png = await self._painter.png(drawing) if drawing else None
                if png is not None:
                    alt = curve_words(figure, ZoneInfo(report.zone))
                    pictures[curve_name(section, figure)] = Picture(light=png, dark=None, alt=alt)
        return pictures

    async def close(self) -> None:
        """End the process that draws."""
        await self._painter.close()
