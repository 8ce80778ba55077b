"""/v1/timeline: who knew what when, of an alert or of a stretch of time, as JSON or Markdown."""

from datetime import UTC, datetime
from typing import Literal

from aiohttp import web
from pydantic import Field

from lockstep.adapters.http.openapi import NO_TOKEN, TEXT, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, query_of
from lockstep.adapters.timeline.account import Account, as_json
from lockstep.adapters.timeline.markdown import as_markdown
from lockstep.adapters.timeline.topic_reader import AccountReader
from lockstep.errors import BrokerError

_WHEN = {**TEXT, "format": "date-time"}
TIMELINE = object_of(
    "Who knew what when; what each line was made of stays on the public topics",
    {
        "title": {**TEXT, "description": "What it is about"},
        "zone": {**TEXT, "description": "The shop's time zone"},
        "starts": {**TEXT, "description": "From when on; empty: without a bound"},
        "ends": {**TEXT, "description": "Until when; empty: without a bound"},
        "known_since": {**TEXT, "description": "From when on everything of it is still kept; empty: all is"},
        "remarks": list_of("What cannot be said, and why", TEXT),
        "heard": list_of(
            "Who knew of it, the first first",
            object_of(
                "A receiver, or a person",
                {
                    "who": {**TEXT, "description": "Its name"},
                    "at": {**_WHEN, "description": "The first time"},
                    "how": {**TEXT, "description": "Whether they were told, or acted"},
                    "after": {**TEXT, "description": "How long after it began, in words"},
                },
            ),
        ),
        "entries": list_of(
            "Oldest first",
            object_of(
                "One thing that happened",
                {
                    "at": {**_WHEN, "description": "When it became known"},
                    "happened_at": {**TEXT, "description": "When it happened, where that was a minute earlier or more"},
                    "kind": {
                        "enum": ["alert", "told", "waits", "not_told", "person", "plan", "receipt", "capacity"],
                        "description": "What it is",
                    },
                    "what": {**TEXT, "description": "The sentence"},
                    "alert_id": {**TEXT, "description": "Of which alert; empty: of the whole shop"},
                    "episode_id": {**TEXT, "description": "Of which episode"},
                    "rule": {**TEXT, "description": "The rule's name"},
                    "labels": {"type": "object", "additionalProperties": TEXT, "description": "What it is about"},
                    "who": list_of("The receivers, or the person", TEXT),
                },
            ),
        ),
        "format": {"type": "integer", "description": "Number of the form"},
    },
)


class TimelineQuery(Form):
    """Of what, and in which form."""

    alert: str = Field("", max_length=100, description="The alert's id; without: of all that happened")
    episode: str = Field("", max_length=100, description="Of this episode; without: of the last one")
    every: bool = Field(False, description="Of all episodes of the alert that are still kept")
    from_: str = Field("", alias="from", max_length=50, description="From when on, `2026-11-24T09:30:00Z`")
    to: str = Field("", max_length=50, description="Until when")
    format: Literal["json", "md"] = Field("json", description="`json`, or `md` for Markdown")


class TimelineOperations:
    """Reads topics back."""

    def __init__(self, reader: AccountReader) -> None:
        self._reader = reader

    @answers(
        Operation(
            "GET",
            "/v1/timeline",
            "Who knew what when, without blame: of an alert, or of all that became known between two instants",
            {
                200: {
                    "description": "The timeline",
                    "content": {
                        "application/json": answer("", {"$ref": "#/components/schemas/Timeline"})["content"][
                            "application/json"
                        ],
                        "text/markdown": {"schema": TEXT},
                    },
                },
                400: error("Neither an alert nor a stretch of time"),
                401: NO_TOKEN,
                404: error("Nothing is known of such an alert any more"),
                503: error("The broker does not answer"),
            },
            query=TimelineQuery,
        )
    )
    async def _timeline(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, TimelineQuery)
        return exported(await wanted(self._reader, query), query.format)


async def wanted(reader: AccountReader, query: TimelineQuery) -> Account:
    """The account that a query asks for. Raises Refusal."""
    starts, ends = _moment(query.from_, "from"), _moment(query.to, "to")
    if query.alert and (starts or ends):
        raise Refusal(400, "an alert has its own stretch of time; leave `from` and `to` out, or the alert")
    if starts is not None and ends is not None and ends <= starts:
        raise Refusal(400, "to: it is not after `from`")
    try:
        if not query.alert:
            if starts is None and ends is None:
                raise Refusal(400, "of what? give `alert`, or `from` and `to`")
            return await reader.between(starts, ends)
        review = await reader.of_alert(query.alert, query.episode, every=query.every)
    except BrokerError as fault:
        raise Refusal(503, str(fault)) from fault
    if review is None:
        raise Refusal(404, f"nothing is known of '{query.alert}' any more; alerts are kept for a time alone")
    return review


def exported(review: Account, form: str) -> web.Response:
    """An account as a file to keep."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if form == "md":
        name = {"Content-Disposition": 'attachment; filename="timeline.md"'}
        return web.Response(text=as_markdown(review), content_type="text/markdown", headers={**headers, **name})
    return web.Response(body=as_json(review), content_type="application/json", headers=headers)


def _moment(text: str, name: str) -> datetime | None:
    """Raises Refusal."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise Refusal(400, f"{name}: '{text}' is no time; write 2026-11-24T09:30:00Z") from fault
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
