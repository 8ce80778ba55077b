"""/v1/oncall: who is on call now and next, and who stands in."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from pydantic import Field

from lockstep.adapters.http.caller import Role, path_value
from lockstep.adapters.http.openapi import NO_TOKEN, TEXT, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.operations.giving import (
    KEY_PARAMETER,
    CommandForm,
    Giver,
    Instant,
    UntilForm,
    answered,
    responses,
)
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, body_of, query_of
from lockstep.adapters.response_board import ResponseBoard
from lockstep.errors import RuleError
from lockstep.notify.oncall.schedules import Schedule
from lockstep.notify.route import Routing
from lockstep.response.command import EndOverride, PutOverride
from lockstep.response.standing import Override
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.text.time_units import DAY_S

MOST_DAYS = 60

_WHO = {"type": ["string", "null"], "description": "The receiver; null: nobody, it is a gap"}
_INSTANT = {"type": ["string", "null"], "description": "RFC 3339 in UTC; null: not within a year"}
ON_CALL = object_of(
    "Who is on call",
    {
        "schedules": list_of(
            "By name",
            object_of(
                "One schedule",
                {
                    "name": {**TEXT, "description": "As routing.yml names it"},
                    "zone": {**TEXT, "description": "Its time zone"},
                    "who": _WHO,
                    "until": _INSTANT,
                    "next": _WHO,
                    "shifts": list_of(
                        "The next `days`, gaps among them",
                        object_of("One shift", {"who": _WHO, "starts": _INSTANT, "ends": _INSTANT}),
                    ),
                    "overrides": list_of("Who stands in now or later", {"$ref": "#/components/schemas/Override"}),
                },
            ),
        )
    },
)


class OnCallQuery(Form):
    """How far ahead."""

    days: int = Field(7, ge=0, le=MOST_DAYS, description="How many days of shifts are shown")


class OverrideForm(UntilForm):
    """Who stands in; `until` or `for` has to be there."""

    schedule: str = Field(min_length=1, max_length=100, description="The schedule's name")
    who: str = Field(min_length=1, max_length=100, description="The receiver that is on call instead")
    starts: Instant | None = Field(None, description="From when on; without: now")


class OnCallOperations:
    """Schedules and those who stand in."""

    def __init__(self, responses: ResponseBoard, *, giver: Giver, routing: Callable[[], Routing]) -> None:
        """routing: in force; raises RuleError while there is none."""
        self._responses, self._giver, self._routing = responses, giver, routing

    @answers(
        Operation(
            "GET",
            "/v1/oncall",
            "Who is on call now, until when, and who is next",
            {
                200: answer("Every schedule", {"$ref": "#/components/schemas/OnCall"}),
                400: error("Too many days"),
                401: NO_TOKEN,
            },
            query=OnCallQuery,
        )
    )
    async def _on_call(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, OnCallQuery)
        try:
            schedules: Sequence[Schedule] = list(self._routing().schedules.values())
        except RuleError:
            schedules = []
        rows = [self._shown(schedule, query.days) for schedule in sorted(schedules, key=lambda s: s.name)]
        return web.json_response({"schedules": rows})

    @answers(
        Operation(
            "POST",
            "/v1/oncall/overrides",
            "Somebody stands in for whoever is on call",
            responses(),
            parameters=[KEY_PARAMETER],
            form=OverrideForm,
            role=Role.RESPONDER,
        )
    )
    async def _stand_in(self, request: web.BaseRequest) -> web.Response:
        form = await body_of(request, OverrideForm)
        given = self._giver.head(request, form)
        starts = self._giver.clock() if form.starts is None else form.starts
        ends = form.ends(starts)
        if ends is None:
            raise Refusal(400, 'until when? say {"for": "8h"} or `until`')
        override = Override(
            id=given.id,
            schedule=form.schedule,
            who=form.who,
            starts=rfc3339_of(starts),
            ends=ends,
            by=given.by,
        )
        answer = await self._giver.give(PutOverride(override=override, **given.head))
        return answered(answer, override=self._stands(override.id))

    @answers(
        Operation(
            "DELETE",
            "/v1/oncall/overrides/{id}",
            "Whoever stands in no longer does",
            responses(s404="No such override"),
            parameters=[KEY_PARAMETER],
            role=Role.RESPONDER,
        )
    )
    async def _end(self, request: web.BaseRequest) -> web.Response:
        number = path_value(request, "id")
        if self._stands(number) is None:
            raise Refusal(404, f"no override '{number[:100]}' is known; /v1/oncall lists those that are")
        head = self._giver.head(request, CommandForm(by="")).head
        answer = await self._giver.give(EndOverride(override_id=number, **head))
        return answered(answer, override=self._stands(number))

    def _stands(self, number: str) -> Override | None:
        return next((o for o in self._responses.overrides(every=True) if o.id == number), None)

    def _shown(self, schedule: Schedule, days: int) -> dict[str, Any]:
        now = self._giver.clock().timestamp()
        overrides = self._responses.overrides(every=True)
        change = schedule.next_change(now, overrides)
        shifts = schedule.shifts(now, now + days * DAY_S, overrides) if days else ()
        return {
            "name": schedule.name,
            "zone": str(schedule.zone),
            "who": schedule.on_call(now, overrides),
            "until": _instant(change),
            "next": None if change is None else schedule.on_call(change, overrides),
            "shifts": [{"who": s.who, "starts": _instant(s.start), "ends": _instant(s.end)} for s in shifts],
            "overrides": [msgspec.to_builtins(o) for o in self._responses.overrides() if o.schedule == schedule.name],
        }


def _instant(at: float | None) -> str | None:
    return None if at is None else rfc3339_of(datetime.fromtimestamp(at, UTC))
