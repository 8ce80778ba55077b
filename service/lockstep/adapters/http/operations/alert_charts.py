"""The charts of alerts over HTTP: those that messages show, drawn anew."""

from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import Field

from lockstep.adapters.charts.board import ChartBoard
from lockstep.adapters.charts.curve import Chart
from lockstep.adapters.charts.drawing import DARK, LIGHT, standalone
from lockstep.adapters.charts.painter import Painter
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form
from lockstep.errors import BrokerError
from lockstep.transition import Transition

MOST_ASKED = 5
"""Transitions of an alert, from its last one back, of which a chart is looked for."""
_HEADERS = {
    "Cache-Control": "private, max-age=60",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class ChartQuery(Form):
    """How it is drawn."""

    theme: Literal["light", "dark"] = Field("light", description="Colours for a light or a dark page")


class AlertCharts:
    """board: None where no charts are drawn."""

    def __init__(self, board: ChartBoard | None, painter: Painter, zone: ZoneInfo) -> None:
        self._board, self._painter, self._zone = board, painter, zone

    async def svg(self, transitions: Sequence[Transition], query: ChartQuery) -> web.Response:
        """Of an alert; transitions: its own, newest first. Raises Refusal where there is nothing to show."""
        drawing = await self._drawing(transitions, query)
        return web.Response(text=drawing, content_type="image/svg+xml", headers=_HEADERS)

    async def png(self, transitions: Sequence[Transition], query: ChartQuery) -> web.Response:
        """The same as a picture. Raises Refusal, also where it cannot be drawn in time."""
        picture = await self._painter.png(await self._drawing(transitions, query))
        if picture is None:
            raise Refusal(503, "it could not be drawn in time; ask again", headers={"Retry-After": "1"})
        return web.Response(body=picture, content_type="image/png", headers=_HEADERS)

    async def _drawing(self, transitions: Sequence[Transition], query: ChartQuery) -> str:
        chart = await self._chart(transitions)
        if chart is None:
            raise Refusal(404, self._why_none(transitions))
        return standalone(chart, self._zone, DARK if query.theme == "dark" else LIGHT)

    async def _chart(self, transitions: Sequence[Transition]) -> Chart | None:
        if self._board is None:
            return None
        try:
            for transition in transitions[:MOST_ASKED]:
                chart = await self._board.find(transition.transition_id, wait_s=0)
                if chart is not None:
                    return chart
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        return None

    def _why_none(self, transitions: Sequence[Transition]) -> str:
        if self._board is None:
            return "charts are off (LOCKSTEP_CHARTS)"
        reasons = (self._board.why_none(transition.transition_id) for transition in transitions[:MOST_ASKED])
        why = next((reason for reason in reasons if reason), "")
        return "there is nothing to show of this alert" + (f": {why}" if why else "")

    async def close(self) -> None:
        """End the process that draws."""
        await self._painter.close()
