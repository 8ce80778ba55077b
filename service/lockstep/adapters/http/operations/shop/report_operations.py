"""/v1/reports: the reports that were written."""

from typing import Literal

import msgspec
from aiohttp import web
from pydantic import Field

from lockstep.adapters.http.caller import path_value
from lockstep.adapters.http.openapi import NO_TOKEN, TEXT, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, query_of
from lockstep.adapters.report_views.report_board import ReportBoard
from lockstep.response.report_due import Kind

MOST = 400
REPORTS = object_of(
    "Which reports there are",
    {
        "reports": list_of(
            "The newest first of each kind",
            object_of(
                "One report",
                {
                    "id": {**TEXT, "description": "For ever the same, `daily/2026-11-30`"},
                    "at": {**TEXT, "format": "date-time", "description": "As of when it was made"},
                    "title": {**TEXT, "description": "What it is"},
                    "headline": {**TEXT, "description": "The one sentence of it"},
                },
            ),
        ),
        "due": list_of("Those that are due and not written yet", {**TEXT, "description": "The id"}),
    },
)


class ReportsQuery(Form):
    """Which are listed."""

    kind: Kind | None = Field(None, description="Of this kind alone")
    most: int = Field(30, ge=1, le=MOST, description="At most so many")


class ReportQuery(Form):
    """In which form."""

    form: Literal["json", "markdown"] = Field("json", alias="as", description="`markdown`: as text")


class ReportOperations:
    """What both teams were sent."""

    def __init__(self, board: ReportBoard) -> None:
        self._board = board

    @answers(
        Operation(
            "GET",
            "/v1/reports",
            "Which reports were written",
            {
                200: answer("The newest", {"$ref": "#/components/schemas/Reports"}),
                400: error("Which field is wrong"),
                401: NO_TOKEN,
            },
            query=ReportsQuery,
        )
    )
    async def _list(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, ReportsQuery)
        reports = [self._board.report(number) for number in self._board.ids(query.kind)[: query.most]]
        rows = [{"id": r.id, "at": r.at, "title": r.title, "headline": r.headline} for r in reports if r is not None]
        return web.json_response({"reports": rows, "due": [due.id for due in self._board.due()]})

    @answers(
        Operation(
            "GET",
            "/v1/reports/{kind}/{name}",
            "One report, as webhooks got it",
            {
                200: {
                    "description": "The report",
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/ReportBody"}},
                        "text/markdown": {"schema": TEXT},
                    },
                },
                400: error("Which field is wrong"),
                401: NO_TOKEN,
                404: error("No such report"),
            },
            query=ReportQuery,
        )
    )
    async def _one(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, ReportQuery)
        number = f"{path_value(request, 'kind')}/{path_value(request, 'name')}"
        document = self._board.document(number)
        if document is None:
            raise Refusal(404, f"no report '{number[:100]}' is known; /v1/reports lists those that are")
        if query.form == "markdown":
            return web.Response(text=str(document["markdown"]), content_type="text/markdown")
        return web.Response(body=msgspec.json.encode(document), content_type="application/json")
