"""/calendar.ics: the shop's calendar for the calendar programs of both teams, by a signed address or a token."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from aiohttp import web
from pydantic import Field

from lockstep.adapters.http.calendar_feed.ical import DutyShift, calendar_feed
from lockstep.adapters.http.caller import Role, caller_of
from lockstep.adapters.http.openapi import TEXT, Operation, answers, error
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, query_of
from lockstep.adapters.links import LinkFault, Purpose, SignedLinks
from lockstep.notify.route import Routing
from lockstep.response.standing import Override
from lockstep.shop.whole_shop import Shop
from lockstep.text.time_units import WEEK_S

SHIFTS_BACK_S, SHIFTS_AHEAD_S = 5 * WEEK_S, 8 * WEEK_S
MOST_SHIFTS = 500
SHOP = "shop"
"""What the link of a calendar is about."""


class CalendarQuery(Form):
    """Who asks, and what is wanted beside."""

    token: str = Field("", max_length=2_000, description="Of the address that the page of today shows")
    oncall: bool = Field(False, description="Also who is on call, eight weeks ahead")


class CalendarOperations:
    """Writes the calendar."""

    def __init__(
        self,
        shop: Callable[[], Shop],
        links: SignedLinks,
        *,
        shifts: Callable[[], Iterable[DutyShift]],
        clock: Callable[[], datetime],
    ) -> None:
        """shifts: who is on call from now on."""
        self._shop, self._links, self._shifts, self._clock = shop, links, shifts, clock

    @answers(
        Operation(
            "GET",
            "/calendar.ics",
            "Campaigns, holidays, closed days, capacity and expected deliveries as iCalendar, to subscribe to",
            {
                200: {"description": "The calendar", "content": {"text/calendar": {"schema": TEXT}}},
                304: {"description": "It is as it was"},
                401: error("Neither a signed address nor a token"),
            },
            query=CalendarQuery,
            is_open=True,
        )
    )
    async def _calendar(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, CalendarQuery)
        if caller_of(request).role < Role.VIEWER:
            try:
                self._links.read(Purpose.CALENDAR, query.token)
            except LinkFault as fault:
                raise Refusal(
                    401,
                    "this is no address of a calendar of ours; copy it from the page /today, or send a Bearer token",
                    headers={"WWW-Authenticate": "Bearer"},
                ) from fault
        shifts = self._shifts() if query.oncall else ()
        body = calendar_feed(self._shop(), now=self._clock(), shifts=shifts, name="Shop calendar")
        tag = f'"{sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="text/calendar", charset="utf-8", headers=headers)


def shifts_ahead(routing: Routing, overrides: Sequence[Override], now: datetime) -> list[DutyShift]:
    """Who is on call now and in the next weeks, those who stand in included."""
    now_s = now.timestamp()
    duties: list[DutyShift] = []
    for name, schedule in sorted(routing.schedules.items()):
        # From so far back that the one that goes on is whole: an event is known by its beginning.
        shifts = list(schedule.shifts(now_s - SHIFTS_BACK_S, now_s + SHIFTS_AHEAD_S, overrides))
        duties += [
            DutyShift(name, shift.who, datetime.fromtimestamp(shift.start, UTC), datetime.fromtimestamp(shift.end, UTC))
            for shift in (shifts[1:] or shifts)
            if shift.who and shift.end > now_s
        ]
    return duties[:MOST_SHIFTS]
