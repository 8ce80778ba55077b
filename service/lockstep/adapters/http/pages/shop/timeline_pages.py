"""The page of who knew what when: of an alert, or of a stretch of time, to read together and to take along."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.operations.timeline_operations import TimelineQuery, exported, wanted
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import FormFault
from lockstep.adapters.http.pages.forms.stretch_forms import stretch_from
from lockstep.adapters.http.pages.happenings import clock_of
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.timeline.account import Account
from lockstep.adapters.timeline.topic_reader import AccountReader
from lockstep.text.short_time import short_time

MOST_SHOWN = 500
"""Lines that the page shows, the newest; the files have more."""


class TimelinePages:
    """`/timeline`."""

    def __init__(self, alert_pages: AlertPages, reader: AccountReader) -> None:
        """alert_pages: who knows visitors."""
        self._of, self._reader = alert_pages, reader

    @page("GET", "/timeline", "Who knew what when, for people")
    async def _show(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="timeline")
        zone, now = self._of.known.writer.zone, self._of.known.clock()
        given = {name: request.query.get(name, "")[:100] for name in ("alert", "episode", "every", "starts", "ends")}
        if not given["alert"] and not given["starts"]:
            local = now.astimezone(zone)
            given["starts"] = f"{local - timedelta(days=1):%Y-%m-%dT%H:%M}"
        said, review = "", None
        try:
            if given["alert"]:
                query = TimelineQuery(alert=given["alert"], episode=given["episode"], every=bool(given["every"]))
            else:
                # Without an end it is all that is known until now; what became known in this minute is part of it.
                ends = given["ends"] or f"{now.astimezone(zone) + timedelta(minutes=1):%Y-%m-%dT%H:%M}"
                starts, until = stretch_from({**given, "ends": ends}, zone, now, is_past=True)
                query = TimelineQuery.model_validate({"from": starts, "to": until})
            review = await wanted(self._reader, query)
        except FormFault as fault:
            said = str(fault)
        except Refusal as refusal:
            said = f"{refusal.message[:1].upper()}{refusal.message[1:]}."
        form = request.query.get("as", "")
        if review is not None and form in ("md", "json"):
            return exported(review, form)
        values = {
            "given": given,
            "said": said,
            "stretch": "Another time" if review is None else _stretch(review, zone, now),
            "zone": zone.key,
            "review": review,
            "rows": [] if review is None else _rows(review, zone),
            "heard": [] if review is None else [(h, " ".join(clock_of(h.at, zone))) for h in review.heard],
            "more": 0 if review is None else max(0, len(review.entries) - MOST_SHOWN),
        }
        return self._of.pages.page(
            "timeline", values, depth=0, visitor=visitor, here="Timeline", status=400 if said else 200
        )


def _stretch(review: Account, zone: ZoneInfo, now: datetime) -> str:
    """`Mon 20 Jul 18:00 until now`: which time is shown, to be changed."""
    if not review.starts or not review.ends:
        return "Another time"
    is_now = datetime.fromisoformat(review.ends) >= now
    ends = "now" if is_now else short_time(review.ends, zone, now)
    return f"From {short_time(review.starts, zone, now)} until {ends}"


def _rows(review: Account, zone: ZoneInfo) -> list[dict[str, str]]:
    rows = []
    for entry in review.entries[-MOST_SHOWN:]:
        day, time = clock_of(entry.at, zone)
        was_day, was_time = clock_of(entry.happened_at, zone) if entry.happened_at else ("", "")
        rows.append(
            {
                "day": day,
                "time": time,
                "kind": entry.kind,
                "what": entry.what,
                "happened": was_time if was_day in ("", day) else f"{was_day} {was_time}",
                "alert_id": entry.alert_id if entry.kind == "alert" else "",
            }
        )
    return rows
