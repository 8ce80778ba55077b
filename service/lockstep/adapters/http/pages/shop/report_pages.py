"""The pages of reports: those that were written, and one of them."""

from aiohttp import web
from markupsafe import Markup

from lockstep.adapters.http.caller import path_value
from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.pages import HEADERS
from lockstep.adapters.http.pages.visitor import Visitor
from lockstep.adapters.links import Purpose
from lockstep.adapters.report_views.report_board import ReportBoard
from lockstep.adapters.report_views.report_html import report_page
from lockstep.adapters.report_views.report_sheet import page_sheet
from lockstep.reports.cell_text import short_moment
from lockstep.reports.report_record import Report
from lockstep.response.report_due import KINDS

MOST = 14
"""Reports of a kind that are listed, the newest."""
_TITLES = {"daily": "Daily", "weekly": "Weekly agendas", "monthly": "Months", "hourly": "Hours of the launch"}


class ReportPages:
    """`/reports`, each of them, and one by the link of a message, `/report/TOKEN`."""

    def __init__(self, alert_pages: AlertPages, board: ReportBoard) -> None:
        """alert_pages: who knows visitors."""
        self._of, self._board = alert_pages, board

    @page("GET", "/reports", "Reports, for people")
    async def _list(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="reports")
        zone = self._of.known.writer.zone
        sections = []
        for kind in KINDS:
            reports = [r for r in map(self._board.report, self._board.ids(kind)[:MOST]) if r is not None]
            rows = [(r.id, r.title, r.headline, short_moment(r.at, zone)) for r in reports]
            if rows or kind == "daily":
                sections.append((_TITLES[kind], rows))
        values = {"sections": sections, "due": [due.id for due in self._board.due()]}
        return self._of.pages.page("reports", values, depth=0, visitor=visitor, here="Reports")

    @page("GET", "/reports/{kind}/{name}", "A report, for people")
    async def _one(self, request: web.BaseRequest) -> web.Response:
        number = f"{path_value(request, 'kind')}/{path_value(request, 'name')}"
        visitor = self._of.logged_in(request, to=f"reports/{number}")
        return self._show(number, visitor, depth=2)

    @page("GET", "/report/{token}", "A report by the link of a message, to be read and nothing else")
    async def _by_link(self, request: web.BaseRequest) -> web.Response:
        link = self._of.link(request, Purpose.REPORT)
        return self._show(link.about, self._of.visitors.by_link(request, "", can_act=False), depth=1)

    def _show(self, number: str, visitor: Visitor, *, depth: int) -> web.Response:
        report: Report | None = self._board.report(number)
        if report is None:
            text = "There is none of this name: it was not due yet, or is older than what is kept."
            return self._of.pages.notice("No report", text, depth=depth, status=404)
        values = {"title": report.title, "report": Markup(report_page(report))}  # escaped where it is made
        return self._of.pages.page("report", values, depth=depth, visitor=visitor, here="Reports")

    @page("GET", "/report.css", "The sheet of reports")
    async def _sheet(self, request: web.BaseRequest) -> web.Response:
        headers = {**HEADERS, "Cache-Control": "max-age=300"}
        return web.Response(text=page_sheet(), content_type="text/css", headers=headers)
