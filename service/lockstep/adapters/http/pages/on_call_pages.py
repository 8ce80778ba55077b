"""The page of who is on call, now and next, where somebody takes a shift."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import FormFault, moment_text
from lockstep.adapters.http.pages.forms.sent_form import SentForm, form_answer
from lockstep.adapters.http.pages.forms.stretch_forms import stretch_from
from lockstep.adapters.http.pages.visitor import Visitor
from lockstep.errors import RuleError
from lockstep.notify.oncall.schedules import Schedule
from lockstep.notify.route import Routing
from lockstep.response.command import EndOverride, PutOverride
from lockstep.response.standing import Override
from lockstep.text.short_time import short_time
from lockstep.text.time_units import DAY_S

DAYS = 7
MOST_SHIFTS = 60


class OnCallPages:
    """`/oncall`."""

    def __init__(self, alert_pages: AlertPages, routing: Callable[[], Routing]) -> None:
        """alert_pages: who knows visitors and the door. routing: in force; raises RuleError while there is none."""
        self._of, self._routing = alert_pages, routing

    @page("GET", "/oncall", "Who is on call, for people")
    async def _list(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="oncall")
        return await self._show(request, visitor)

    @page("POST", "/oncall", "Stand in for whoever is on call, or end that, by a form of the page")
    async def _change(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="oncall")
        show = partial(self._show, request, visitor)
        return await form_answer(
            self._of, request, visitor, about="oncall", do=lambda sent: self._done(request, sent), show=show
        )

    async def _done(self, request: web.BaseRequest, sent: SentForm) -> web.Response:
        return await self._of.give(request, self._command(sent))

    def _command(self, sent: SentForm) -> PutOverride | EndOverride:
        """What a form asks for. Raises FormFault."""
        given, now = sent.given, self._of.known.clock()
        by = sent.by("did it")
        if number := given.get("end", "")[:100]:
            return EndOverride(override_id=number, **sent.head("end", number))
        schedule = self._schedules().get(given.get("schedule", ""))
        if schedule is None:
            raise FormFault("There is no such schedule any more; look again.")
        who = given.get("who", "")
        if who not in self._receivers():
            raise FormFault("Choose who is on call instead.")
        starts, ends = stretch_from(given, schedule.zone, now)
        head = sent.head(schedule.name, who, given.get("starts", ""), ends)
        override = Override(id=head["id"], schedule=schedule.name, who=who, starts=starts, ends=ends, by=by)
        return PutOverride(override=override, **head)

    def _schedules(self) -> Mapping[str, Schedule]:
        try:
            return self._routing().schedules
        except RuleError:
            return {}

    def _receivers(self) -> list[str]:
        try:
            return sorted(self._routing().destinations)
        except RuleError:
            return []

    async def _show(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        *,
        given: Mapping[str, str] | None = None,
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        """given: what was filled in, which this page has no place for: it has a form for each schedule."""
        values = {
            **await self._of.said(request, said, status),
            "schedules": [self._shown(one) for _, one in sorted(self._schedules().items())],
            "receivers": self._receivers(),
            "form": self._of.visitors.form("oncall"),
        }
        return self._of.pages.page("oncall", values, depth=0, visitor=visitor, here="On call", status=status)

    def _shown(self, schedule: Schedule) -> dict[str, Any]:
        now, zone = self._of.known.clock().timestamp(), schedule.zone
        every = self._of.known.responses.overrides(every=True)
        change = schedule.next_change(now, every)
        shifts = list(schedule.shifts(now, now + DAYS * DAY_S, every))[:MOST_SHIFTS]
        return {
            "name": schedule.name,
            "zone": str(zone),
            "who": schedule.on_call(now, every),
            "until": None if change is None else self._time(change, zone),
            "next": None if change is None else schedule.on_call(change, every),
            "shifts": [
                {"starts": self._time(s.start, zone), "ends": self._time(s.end, zone), "who": s.who} for s in shifts
            ],
            "overrides": [
                {"id": o.id, "who": o.who, "by": o.by, "when": self._stretch(o, zone)}
                for o in self._of.known.responses.overrides()
                if o.schedule == schedule.name
            ],
        }

    def _time(self, at: float, zone: ZoneInfo) -> str:
        return short_time(_text(at), zone, self._of.known.clock())

    def _stretch(self, override: Override, zone: ZoneInfo) -> str:
        """`until 18:00`, or `Wed 22 Jul 11:50 to Thu 23 Jul 11:50` of one that is still to come."""
        now = self._of.known.clock()
        ends = short_time(override.ends, zone, now)
        if datetime.fromisoformat(override.starts) <= now:
            return f"until {ends}"
        return f"from {short_time(override.starts, zone, now)} to {ends}"


def _text(at: float) -> str:
    return moment_text(datetime.fromtimestamp(at, UTC))
