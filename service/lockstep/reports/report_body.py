"""A report as it travels: the document that programs get, and people's channels, too; the same bytes for all."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from lockstep.reports.renderings.report_markdown import markdown
from lockstep.reports.renderings.report_words import groups
from lockstep.reports.report_record import Report
from lockstep.response.report_due import Kind

MOST_SHORT = 2
"""What one team does that the short form has."""


ReportType = Literal["report.daily", "report.weekly", "report.monthly", "report.hourly"]
_TYPES: Mapping[Kind, ReportType] = {
    "daily": "report.daily",
    "weekly": "report.weekly",
    "monthly": "report.monthly",
    "hourly": "report.hourly",
}


class ReportBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook delivery of a report, and of `GET /v1/reports/…`.

    type: which report it is. timestamp: as of when it was made, RFC 3339. data: the report. markdown: the same as text.
    """

    type: ReportType
    timestamp: str
    data: Report
    markdown: str


def report_document(report: Report) -> dict[str, Any]:
    """A report as programs get it: JSON, with lists where the report has tuples."""
    body = ReportBody(type=_TYPES[report.kind], timestamp=report.at, data=report, markdown=markdown(report))
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return document


def report_in(document: Mapping[str, Any]) -> Report | None:
    """The report of a document; None for another document, or one of a newer version."""
    try:
        return msgspec.convert(document, ReportBody).data
    except msgspec.ValidationError:
        return None


def short_text(report: Report) -> str:
    """How it stands, and what each team does first: for channels that show texts alone."""
    lines = [report.headline]
    for group in groups(report):
        for task in group.tasks[:MOST_SHORT]:
            lines.append(f"{group.head}: {task.act}{f' · {task.due}' if task.due else ''}")
    return "\n".join(lines)
