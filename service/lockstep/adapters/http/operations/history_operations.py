"""What happened: transitions since a place in their log, why somebody was told or not, and deliveries."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from aiohttp import web
from pydantic import Field

from lockstep.adapters.http.caller import Role, path_value
from lockstep.adapters.http.openapi import NO_TOKEN, TEXT, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.operations.alert_lookup import AlertLookup
from lockstep.adapters.http.operations.giving import (
    KEY_PARAMETER,
    THROUGH,
    CommandForm,
    Giver,
    answered,
    responses,
)
from lockstep.adapters.http.paging import LONGEST_PAGE, NEXT, Page, page_of
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, body_of, query_of
from lockstep.adapters.outbound.dead_deliveries import DeadDeliveries
from lockstep.adapters.response_board import ResponseBoard
from lockstep.deliver import DEAD_DELIVERIES
from lockstep.errors import BrokerError
from lockstep.judge.publish import ALERTS
from lockstep.notify.decide import DELIVERIES
from lockstep.ports import Broker
from lockstep.response.attempt import ATTEMPTS
from lockstep.response.command import Answer, ReplayDelivery
from lockstep.response.decision import Decision
from lockstep.text.rfc3339 import rfc3339

LOOKED_BACK = 5_000
"""Records of each partition of deliveries, from its end, that are looked at."""
LONGEST_WAIT_S = 30.0
_ID = {DELIVERIES: "id", DEAD_DELIVERIES: "id", ATTEMPTS: "delivery_id"}
"""The field by which a record is known."""

WHY = object_of(
    "Why each destination was told of an alert or not",
    {
        "alert_id": {**TEXT, "description": "The alert's"},
        "destinations": list_of(
            "Each with the last word on it first",
            object_of(
                "One destination",
                {
                    "receiver": {**TEXT, "description": "Its name in routing.yml; empty where nobody was found"},
                    "channel": {**TEXT, "description": "By which way"},
                    "destination_id": {**TEXT, "description": "Its id"},
                    "outcome": {"enum": ["told", "waits", "not_told"], "description": "The last one"},
                    "why": {**TEXT, "description": "In words"},
                    "decisions": list_of("Newest first", {"$ref": "#/components/schemas/Decision"}),
                },
            ),
        ),
    },
)
EVENTS = object_of(
    "Transitions in the order of their log",
    {
        "events": list_of("As `alert.schema.json` has them", {"type": "object"}),
        "next": {**TEXT, "description": "Ask with it as `cursor` for what comes next, also where nothing came yet"},
    },
)
DELIVERY = object_of(
    "A delivery",
    {
        "id": {**TEXT, "description": "The same at each attempt"},
        "receiver": {**TEXT, "description": "Whom it is for"},
        "channel": {**TEXT, "description": "By which way"},
        "rule": {**TEXT, "description": "What it tells of"},
        "delivery_state": {
            "enum": ["waits", "failed", "sent", "dead"],
            "description": "`waits` for its first attempt; `failed`, and is tried again; `sent`; or `dead`: given up",
        },
        "state": {**TEXT, "description": "What it tells: firing, severity or resolved"},
        "alerts": list_of("Ids of the alerts that it tells of", TEXT),
        "decided_at": {**TEXT, "format": "date-time", "description": "When it was decided"},
        "attempts": {"type": "integer", "description": "How many were made, as far as they are known"},
        "last_at": {"type": ["string", "null"], "description": "When the last one of them ended"},
        "last_error": {**TEXT, "description": "What its destination said last; empty where it arrived"},
        "reason": {**TEXT, "description": "Why it was given up, in a word; empty where it was not"},
    },
)
DELIVERIES_PAGE = object_of(
    "A page of deliveries, the newest first",
    {"deliveries": list_of("The deliveries", {"$ref": "#/components/schemas/Delivery"}), "next": NEXT},
)


AUDIT_PAGE = object_of(
    "A page of the audit, the newest first",
    {"answers": list_of("As on `lockstep.audit`", {"$ref": "#/components/schemas/Answer"}), "next": NEXT},
)


class AuditQuery(Page):
    """What of the audit."""

    by: str = Field("", max_length=200, description="Only what this person or token did, also one for another")


class EventsQuery(Form):
    """From where on."""

    cursor: str = Field("", max_length=20, pattern=r"^\d*$", description="`next` of the answer before; without: all")
    limit: int = Field(LONGEST_PAGE, ge=1, le=LONGEST_PAGE, description="How many at most")
    wait: float = Field(0, ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for something new")


class WhyQuery(Form):
    """Of which alert, and whom."""

    alert: str = Field(
        min_length=1,
        max_length=200,
        description="The alert's id, or the beginning of one; or its rule, where that has one alert alone",
    )
    receiver: str = Field("", max_length=200, description="Of this receiver alone")
    episode: str = Field("", max_length=100, description="Of this episode alone")


class DeliveriesQuery(Page):
    """Which deliveries."""

    state: Literal["waits", "failed", "sent", "dead"] | None = Field(None, description="Those that stand so")
    receiver: str = Field("", max_length=200, description="Of this receiver alone")
    alert: str = Field("", max_length=100, description="That tell of this alert")


class HistoryOperations:
    """Reads logs and the board."""

    def __init__(self, broker: Broker, responses: ResponseBoard, lookup: AlertLookup, giver: Giver) -> None:
        self._broker, self._responses, self._lookup, self._giver = broker, responses, lookup, giver
        self._dead = DeadDeliveries(broker)

    @answers(
        Operation(
            "GET",
            "/v1/events",
            "Every change of an alert, in order, from a place in their log on; waits for the next one where asked",
            {
                200: answer("What came", {"$ref": "#/components/schemas/Events"}),
                400: error("No such place"),
                401: NO_TOKEN,
                503: error("The broker does not answer"),
            },
            query=EventsQuery,
        )
    )
    async def _events(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, EventsQuery)
        try:
            events, position = await self._read_events(query)
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        return web.json_response({"events": events, "next": str(position)})

    async def _read_events(self, query: EventsQuery) -> tuple[list[Any], int]:
        earliest, end = (await self._broker.bounds(ALERTS))[0]
        position = max(earliest, int(query.cursor or 0))
        if position > end:
            raise Refusal(400, "cursor: it is ahead of the log; take `next` of the answer before")
        if position == end and query.wait:
            for batch in await self._broker.news({(ALERTS, 0): position}, wait_s=query.wait):
                end = max(end, batch.next)
        until = min(end, position + query.limit)
        values: list[bytes | None] = []
        async for batch in self._broker.read(ALERTS, 0, position, until):
            values += batch.values
        return [msgspec.json.decode(value) for value in values if value is not None], until

    @answers(
        Operation(
            "GET",
            "/v1/why",
            "Why each destination was told of an alert, or was not",
            {
                200: answer("The last word for each, and those before", {"$ref": "#/components/schemas/Why"}),
                400: error("No alert was named, or several may be meant: `candidates` has some of them"),
                401: NO_TOKEN,
                404: error("No such alert, or nothing was decided of it, as far as this worker knows"),
                503: error("The broker does not answer"),
            },
            query=WhyQuery,
        )
    )
    async def _why(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, WhyQuery)
        by_destination: dict[tuple[str, str, str], list[Decision]] = {}
        number = query.alert
        if not self._responses.decisions(number):
            number = (await self._lookup.of(number, or_rule=True)).alert_id
        for decision in self._responses.decisions(number, query.episode):
            if not query.receiver or decision.receiver == query.receiver:
                place = decision.receiver, decision.channel, decision.destination_id
                by_destination.setdefault(place, []).append(decision)
        if not by_destination:
            whom = f" for {query.receiver}" if query.receiver else ""
            raise Refusal(404, f"nothing is known to have been decided of '{query.alert}'{whom}")
        destinations = [
            {
                "receiver": receiver,
                "channel": channel,
                "destination_id": destination,
                "outcome": decisions[-1].outcome,
                "why": decisions[-1].why,
                "decisions": [msgspec.to_builtins(decision) for decision in reversed(decisions)],
            }
            for (receiver, channel, destination), decisions in by_destination.items()
        ]
        return web.json_response({"alert_id": number, "destinations": destinations})

    @answers(
        Operation(
            "GET",
            "/v1/commands/{id}",
            "What became of a command",
            {
                200: answer("The answer to it, as on `lockstep.audit`", {"$ref": "#/components/schemas/Answer"}),
                401: NO_TOKEN,
                404: error("It has not been answered, as far as this worker knows"),
            },
        )
    )
    async def _command(self, request: web.BaseRequest) -> web.Response:
        given = self._responses.answer(path_value(request, "id"))
        if given is None:
            raise Refusal(404, "nobody has answered a command with this id, as far as this worker knows")
        return web.json_response(msgspec.to_builtins(given))

    @answers(
        Operation(
            "GET",
            "/v1/audit",
            "Who did what and when, the newest first; the last 10,000 of it",
            {
                200: answer("A page of answers", {"$ref": "#/components/schemas/Audit"}),
                400: error("No such page"),
                401: NO_TOKEN,
            },
            query=AuditQuery,
        )
    )
    async def _audit(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, AuditQuery)
        answers = [a for a in self._responses.answers() if not query.by or _is_by(query.by, a.command.by)]
        shown, following = page_of(answers, query, _latest_first)
        return web.json_response({"answers": msgspec.to_builtins(shown), "next": following})

    @answers(
        Operation(
            "GET",
            "/v1/deliveries",
            "What was to be sent to whom, and what became of it: the last 5,000 of each partition, the newest first",
            {
                200: answer("A page of deliveries", {"$ref": "#/components/schemas/Deliveries"}),
                400: error("No such state or page"),
                401: NO_TOKEN,
                503: error("The broker does not answer"),
            },
            query=DeliveriesQuery,
        )
    )
    async def _deliveries(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, DeliveriesQuery)
        try:
            dead = {row["id"]: row for _, row in await self._last_records(DEAD_DELIVERIES)}
            tried = {row["delivery_id"]: (at_ms, row) for at_ms, row in await self._last_records(ATTEMPTS)}
            decided = await self._last_records(DELIVERIES)
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        latest: dict[str, tuple[int, dict[str, Any]]] = {}
        for at_ms, delivery in decided:
            number = delivery["id"]
            if number in latest:  # replayed: what became of it before is over
                if number in tried and tried[number][0] < at_ms:
                    del tried[number]
                if number in dead and dead[number]["given_up_at"] * 1000 < at_ms:
                    del dead[number]
            latest[number] = at_ms, delivery
        rows = [
            row
            for at_ms, delivery in latest.values()
            if (row := _shown(at_ms, delivery, tried.get(delivery["id"], (0, None))[1], dead.get(delivery["id"])))
            and (query.state is None or row["delivery_state"] == query.state)
            and (not query.receiver or row["receiver"] == query.receiver)
            and (not query.alert or query.alert in row["alerts"])
        ]
        shown, following = page_of(rows, query, _newest_first)
        return web.json_response({"deliveries": shown, "next": following})

    @answers(
        Operation(
            "POST",
            "/v1/deliveries/{id}/replay",
            "Send a delivery that was given up once more, with the id that it had",
            responses(s404="No such delivery was given up"),
            parameters=[KEY_PARAMETER],
            form=CommandForm,
            role=Role.RESPONDER,
        )
    )
    async def _replay(self, request: web.BaseRequest) -> web.Response:
        number, form = path_value(request, "id"), await body_of(request, CommandForm)
        head = self._giver.head(request, form).head
        known = self._giver.repeated(ReplayDelivery(delivery_id=number, receiver="", **head))
        if known is not None:
            return answered(known)
        try:
            dead = next((row for row in await self._dead.all() if row["id"] == number), None)
            if dead is None:
                raise Refusal(404, f"no delivery '{number[:100]}' was given up; /v1/deliveries?state=dead lists them")
            receiver = dead["destination"].get("receiver", "")
            (deed,) = await self._dead.replay(
                [dead], lambda row: ReplayDelivery(delivery_id=number, receiver=receiver, **head)
            )
        except BrokerError as error:
            raise Refusal(503, str(error), headers={"Retry-After": "5"}) from error
        return answered(await self._giver.done(deed))

    async def _last_records(self, topic: str) -> list[tuple[int, dict[str, Any]]]:
        """(when the broker got it in Unix milliseconds, what it says) of the last records of each partition."""
        if not await self._broker.describe([topic]):
            return []
        records: list[tuple[int, dict[str, Any]]] = []
        for partition, (earliest, end) in (await self._broker.bounds(topic)).items():
            start = max(earliest, end - LOOKED_BACK)
            async for batch in self._broker.read(topic, partition, start, end):
                for value, at_ms in zip(batch.values, batch.timestamps_ms, strict=True):
                    try:
                        row = msgspec.json.decode(value or b"")
                        records.append((at_ms, {_ID[topic]: row[_ID[topic]], **row}))
                    except (msgspec.MsgspecError, KeyError, TypeError):
                        continue  # deliver says what is wrong with it
        return records


def _shown(
    at_ms: int, delivery: dict[str, Any], attempt: dict[str, Any] | None, dead: dict[str, Any] | None
) -> dict[str, Any]:
    """attempt: the last one that is known. dead: the record of its end where it was given up."""
    destination = delivery["destination"]
    state = "waits" if attempt is None else str(attempt["outcome"])
    return {
        "id": delivery["id"],
        "receiver": destination.get("receiver", ""),
        "channel": destination.get("channel", ""),
        "rule": delivery["rule"],
        "state": delivery["state"],
        "alerts": delivery["alerts"],
        "decided_at": rfc3339(at_ms * 1000),
        "delivery_state": state if dead is None else "dead",
        "attempts": dead["attempts"] if dead is not None else 0 if attempt is None else attempt["number"],
        "last_at": None if attempt is None else attempt["at"],
        "last_error": dead["last_error"] if dead is not None else "" if attempt is None else attempt["error"],
        "reason": "" if dead is None else dead["reason"],
    }


def _is_by(who: str, by: str) -> bool:
    """Whether a person or a token did it; `Anna through shop-bot` is what both did."""
    return who in (by, *by.rsplit(THROUGH, 1))


def _latest_first(given: Answer) -> tuple[int, str]:
    # A cursor asks for what sorts behind it.
    return -round(datetime.fromisoformat(given.decided_at).timestamp() * 1000), given.id


def _newest_first(row: dict[str, Any]) -> tuple[int, str]:
    # A cursor asks for what sorts behind it.
    return -round(datetime.fromisoformat(row["decided_at"]).timestamp() * 1000), row["id"]
