"""POST /v1/events: events in, and what became of each."""

from collections import Counter
from collections.abc import Callable, Mapping

from aiohttp import web

from lockstep.adapters.http.body import ENCODINGS, read_body
from lockstep.adapters.http.caller import Role
from lockstep.adapters.http.openapi import (
    COUNT,
    ELEMENT,
    NO_ROLE,
    NO_TOKEN,
    TEXT,
    Operation,
    answer,
    answers,
    error,
    list_of,
    object_of,
)
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.ingest.receipts import Outcome, Receipts
from lockstep.adapters.ingest.records import MOST_FAULTS, BadEvents, to_records
from lockstep.errors import BrokerError
from lockstep.event import LARGEST_EVENT

_MEANINGS = {
    Outcome.ACCEPTED: "Events that the broker has and that count",
    Outcome.DUPLICATE: "Events whose id and source came before in their partition, in this chunk of records or the "
    "one before; only the first of them is looked at",
    Outcome.FUTURE: "Events whose time is too far ahead of the broker's clock: not counted, but listed by "
    "`lockstep dead events`",
    Outcome.UNKNOWN: "Events of a type that is not ours: counted here and ignored",
}

RECEIPT = object_of(
    "What became of the events of one POST; the four counts add up to all of them. What comes too late for a "
    "window that is closed is known later: `lockstep dead events`",
    {
        **{outcome.value: {**COUNT, "description": _MEANINGS[outcome]} for outcome in Outcome},
        "events": list_of(
            "Those that do not count, the first 100",
            object_of(
                "One event that does not count",
                {
                    "element": ELEMENT,
                    "outcome": {
                        "enum": [o.value for o in Outcome if o is not Outcome.ACCEPTED],
                        "description": "What became of it, as above",
                    },
                    "message": {**TEXT, "description": "Why, and what to do"},
                },
            ),
        ),
    },
)
_PACKED = {
    "name": "Content-Encoding",
    "in": "header",
    "description": "How the body is packed",
    "schema": {"enum": list(ENCODINGS), "default": "identity"},
}
_EVENT = {"type": "object", "description": "A CloudEvent, as `events/<type>.schema.json` describes it"}
_EVENTS = {
    "application/cloudevents+json": {"schema": _EVENT},
    "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _EVENT}},
    "application/x-ndjson": {"schema": {**TEXT, "description": "One CloudEvent a line"}},
    "application/json": {
        "schema": {"description": "Any of these; with `ce-` headers the data of one event, in binary mode"}
    },
}


class EventOperations:
    """The door for events."""

    def __init__(
        self, topics: Mapping[str, str], receipts: Receipts, count_events: Callable[[Mapping[str, int]], None]
    ) -> None:
        """topics: role → topic. receipts: the door through which events go to the broker. count_events: hears of every
        POST how many events had which outcome."""
        self._topics, self._receipts, self._count_events = topics, receipts, count_events

    @answers(
        Operation(
            "POST",
            "/v1/events",
            "Publish one event or many; answers when the broker has them: what became of each",
            {
                202: answer("The broker has them", {"$ref": "#/components/schemas/Receipt"}),
                400: error("Which element and which field is wrong; nothing was published"),
                401: NO_TOKEN,
                403: NO_ROLE,
                408: error("The body has not come whole within a minute"),
                413: error("More than 1 MiB (1,048,576 bytes), as it came or unpacked"),
                415: error("No CloudEvents, or packed in another way", Accept_Encoding="What is taken"),
                503: error("The broker does not answer"),
            },
            parameters=[_PACKED],
            body=_EVENTS,
            role=Role.EDITOR,
        )
    )
    async def _events(self, request: web.BaseRequest) -> web.Response:
        raw = await read_body(request, most=LARGEST_EVENT)
        headers = {k.lower(): v for k, v in request.headers.items()}
        try:
            events = to_records(raw, headers, self._topics)
        except BadEvents as error:
            self._count_events({"refused": len({fault["element"] for fault in error.faults})})
            raise Refusal(415 if error.wrong_type else 400, str(error), faults=error.faults) from error
        try:
            receipts = await self._receipts.publish(events)
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        counts = Counter(receipt.outcome for receipt in receipts)
        self._count_events({outcome.value: count for outcome, count in counts.items()})
        odd = [
            {"element": element, "outcome": receipt.outcome.value, "message": receipt.detail}
            for element, receipt in enumerate(receipts)
            if receipt.outcome is not Outcome.ACCEPTED
        ]
        body = {**{outcome.value: counts[outcome] for outcome in Outcome}, "events": odd[:MOST_FAULTS]}
        return web.json_response(body, status=202)
