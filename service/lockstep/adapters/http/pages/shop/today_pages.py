"""`/today`: one page for both teams, live; also large, for a screen on the wall."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.operations.silenced import Silenced
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.board_view import board_view
from lockstep.adapters.http.pages.pages import HEADERS, LIVE_HEADERS
from lockstep.adapters.http.pages.shop.live_updates import LiveUpdates, Parts
from lockstep.adapters.http.pages.shop.today_tiles import TILES_OF_PRODUCTS, rank, tiles_about
from lockstep.adapters.http.pages.shop.today_view import Firing, today_view
from lockstep.adapters.http.refusal import Refusal
from lockstep.rule.condition.kinds import Rule, series_of_condition
from lockstep.shop.whole_shop import Shop
from lockstep.transition import Transition, TransitionName


@dataclass(frozen=True)
class ShopSource:
    """What the page reads. shop: as it is known now. is_kept: whether facts of it are made. changes: another value
    whenever the shop, an alert or what people did is another one."""

    shop: Callable[[], Shop]
    is_kept: Callable[[], bool]
    changes: Callable[[], object]


class TodayPages:
    """The page, its events, and its script."""

    def __init__(self, alert_pages: AlertPages, source: ShopSource, *, calendar_token: Callable[[], str]) -> None:
        """alert_pages: who knows visitors and alerts. calendar_token: of the calendar's address; "" where there is
        none."""
        self._of, self._source, self._calendar_token = alert_pages, source, calendar_token
        self.live = LiveUpdates(self._parts, self._changes)

    def _changes(self) -> tuple[object, datetime]:
        """What the page was made of, and the minute: `in 3 hours` and `by now` go on without any event."""
        return self._source.changes(), self._of.known.clock().replace(second=0, microsecond=0)

    @page(
        "GET",
        "/today",
        "One page for both teams: what is wrong and who does what, the shop's day against usual and forecast",
    )
    async def _today(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="today")
        made = self.live.now()
        values: dict[str, Any] = {
            "parts": made.parts,
            "version": made.version,
            "is_wall": _is_wall(request),
            "calendar": self._calendar_token(),
        }
        return self._of.pages.page("today", values, depth=0, visitor=visitor, here="Today", headers=LIVE_HEADERS)

    @page("GET", "/today/live", "Parts of the page of today that have changed, as server-sent events")
    async def _live(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._of.visitors.by_login(request) is None:
            raise Refusal(
                401, "log in on the page itself, or send a Bearer token", headers={"WWW-Authenticate": "Bearer"}
            )
        response = web.StreamResponse(headers=HEADERS)
        if _is_wall(request):
            # Nobody is at a screen on the wall who could give the token again each week.
            self._of.visitors.renew_login(request, response)
        return await self.live.answer(request, response)

    @page("GET", "/live.js", "Keeps a page up to date")
    async def _script(self, request: web.BaseRequest) -> web.Response:
        headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=self._of.pages.script, content_type="text/javascript", headers=headers)

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _parts(self) -> Parts:
        known = self._of.known
        now, responses, rules = known.clock(), known.responses, known.rules()
        alerts = list(known.board.latest_of_each())
        board = board_view(
            alerts,
            rules,
            known.writer,
            handling=responses.handling,
            decisions=responses.decisions,
            silenced=Silenced(responses.silences(), now, known.writer.zone).whole,
            now=now,
        )
        firing = Firing(board, worst_of_tile=_worst_of_tile(alerts, rules))
        view = today_view(self._source.shop(), firing, now=now, is_kept=self._source.is_kept())
        return self._of.pages.parts("today", {"view": view}, depth=0)


def _is_wall(request: web.BaseRequest) -> bool:
    return request.query.get("screen") == "wall"


def _worst_of_tile(alerts: Iterable[Transition], rules: Mapping[str, Rule]) -> dict[str, str]:
    """Key of a tile → the worst severity of an alert that fires about it, by what its rule reads."""
    worst: dict[str, str] = {}
    for transition in alerts:
        rule = rules.get(transition.rule)
        if transition.state not in (TransitionName.FIRING, TransitionName.SEVERITY) or rule is None:
            continue
        about = tiles_about(series_of_condition(rule.condition))
        # What one product brings is not the state of the whole shop's traffic.
        for tile in about & TILES_OF_PRODUCTS if "sku" in transition.labels else about:
            if tile not in worst or rank(transition.severity) < rank(worst[tile]):
                worst[tile] = transition.severity
    return worst
