"""/v1/silences: those that hold, will and did; what one would hit; made, replaced and ended."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from pydantic import Field

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.http.caller import Role, path_value
from lockstep.adapters.http.openapi import NO_TOKEN, TEXT, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.operations.giving import (
    KEY_PARAMETER,
    CommandForm,
    Given,
    Giver,
    Instant,
    UntilForm,
    answered,
    responses,
)
from lockstep.adapters.http.paging import NEXT, Page, page_of
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, body_of, query_of
from lockstep.adapters.response_board import ResponseBoard
from lockstep.errors import CommandError
from lockstep.notify.quiet.matchers import MOST_MATCHERS, Matcher, parse_matchers
from lockstep.notify.quiet.preview import LOOKS_BACK, Preview, preview
from lockstep.notify.quiet.silences import stretch_of
from lockstep.response.command import EndSilence, PutSilence
from lockstep.response.standing import LONGEST_COMMENT, Silence
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.transition import Transition, decode

SILENCE = object_of(
    "A silence, and when it holds",
    {
        "id": {**TEXT, "description": "For ever the same"},
        "matchers": list_of("All of which an alert must meet", TEXT),
        "starts": {**TEXT, "format": "date-time", "description": "Of its first occurrence"},
        "ends": {**TEXT, "format": "date-time", "description": "Of its first occurrence"},
        "author": {**TEXT, "description": "Who wants it"},
        "comment": {**TEXT, "description": "Why"},
        "rrule": {**TEXT, "description": "How it recurs (RFC 5545); empty: once"},
        "zone": {**TEXT, "description": "The IANA zone in which it recurs; empty: the shop's"},
        "told": {"type": "boolean", "description": "Whether people hear when it begins and ends"},
        "hits": {"type": "integer", "description": "Alerts that it has kept quiet, counted when it ends"},
        "state": {"enum": ["holds", "waits", "over"], "description": "Where it stands"},
        "holds_from": {"type": ["string", "null"], "description": "When it holds: now, or next; null: never again"},
        "holds_until": {"type": ["string", "null"], "description": "Until when, then"},
    },
)
SILENCES = object_of(
    "A page of silences, those that begin first at its head",
    {"silences": list_of("The silences", {"$ref": "#/components/schemas/ShownSilence"}), "next": NEXT},
)


class SilencesQuery(Page):
    """Which silences."""

    state: Literal["holds", "waits", "over", "all"] | None = Field(
        None, description="`holds` now, `waits` for its time, `over`, or `all`; without: those that are not over"
    )


class PreviewForm(Form):
    """What a silence would be about."""

    matchers: list[str] = Field(min_length=1, max_length=MOST_MATCHERS, description='`sku=A-1`, `sku=~"KEY-.*"`, …')


class SilenceForm(PreviewForm, UntilForm):
    """A silence to be made; `until` or `for` has to be there."""

    comment: str = Field(min_length=1, max_length=LONGEST_COMMENT, description="Why")
    starts: Instant | None = Field(None, description="From when on; without: now")
    rrule: str = Field("", max_length=500, description="How it recurs: `FREQ=WEEKLY;BYDAY=SA`; empty: once")
    zone: str = Field("", max_length=100, description="The IANA zone in which it recurs; empty: the shop's")
    told: bool = Field(False, description="Whether people hear when it begins and ends")


class SilenceOperations:
    """Silences."""

    def __init__(
        self,
        board: AlertBoard,
        responses: ResponseBoard,
        *,
        giver: Giver,
        teams_of: Callable[[str], Sequence[str]],
        zone: ZoneInfo,
    ) -> None:
        """teams_of: rule → who hears of it. zone: of the shop."""
        self._board, self._responses, self._giver = board, responses, giver
        self._teams_of, self._zone = teams_of, zone

    @answers(
        Operation(
            "GET",
            "/v1/silences",
            "The silences that hold or will, with who wants them and why",
            {
                200: answer("A page of silences", {"$ref": "#/components/schemas/Silences"}),
                400: error("No such state or page"),
                401: NO_TOKEN,
            },
            query=SilencesQuery,
        )
    )
    async def _silences(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, SilencesQuery)
        known = [self._shown(silence) for silence in self._responses.silences(every=True)]
        wanted = ("holds", "waits") if query.state is None else (query.state,)
        rows = [row for row in known if query.state == "all" or row["state"] in wanted]
        shown, following = page_of(rows, query, lambda row: (row["starts"], row["id"]))
        return web.json_response({"silences": shown, "next": following})

    @answers(
        Operation(
            "GET",
            "/v1/silences/{id}",
            "One silence",
            {
                200: answer("It", {"$ref": "#/components/schemas/ShownSilence"}),
                401: NO_TOKEN,
                404: error("No such silence"),
            },
        )
    )
    async def _silence(self, request: web.BaseRequest) -> web.Response:
        return web.json_response(self._shown(self._of(request)))

    @answers(
        Operation(
            "POST",
            "/v1/silences/preview",
            "What a silence with these matchers hits now, and would have hit in the last week; changes nothing",
            {
                200: answer("What it hits", {"$ref": "#/components/schemas/Preview"}),
                400: error("Which matcher cannot be read"),
                401: NO_TOKEN,
                408: error("The body has not come whole within a minute"),
                413: error("More than is taken"),
                415: error("No JSON, or packed in another way", Accept_Encoding="What is taken"),
            },
            form=PreviewForm,
        )
    )
    async def _preview(self, request: web.BaseRequest) -> web.Response:
        form = await body_of(request, PreviewForm)
        seen = await self.previewed(_matchers(form))
        return web.json_response({"sentence": seen.sentence, **msgspec.to_builtins(seen)})

    @answers(
        Operation(
            "POST",
            "/v1/silences",
            "Make a silence",
            responses(),
            parameters=[KEY_PARAMETER],
            form=SilenceForm,
            role=Role.RESPONDER,
        )
    )
    async def _make(self, request: web.BaseRequest) -> web.Response:
        form = await body_of(request, SilenceForm)
        given = self._giver.head(request, form)
        return await self._put(form, given, given.id)

    @answers(
        Operation(
            "PUT",
            "/v1/silences/{id}",
            "Put another silence in the place of one, or make one with an id of one's own",
            responses(),
            parameters=[KEY_PARAMETER],
            form=SilenceForm,
            role=Role.RESPONDER,
        )
    )
    async def _replace(self, request: web.BaseRequest) -> web.Response:
        form = await body_of(request, SilenceForm)
        return await self._put(form, self._giver.head(request, form), path_value(request, "id"))

    @answers(
        Operation(
            "DELETE",
            "/v1/silences/{id}",
            "End a silence now; what still fires is told",
            responses(s404="No such silence"),
            parameters=[KEY_PARAMETER],
            role=Role.RESPONDER,
        )
    )
    async def _end(self, request: web.BaseRequest) -> web.Response:
        silence = self._of(request)
        head = self._giver.head(request, CommandForm(by="")).head
        given = await self._giver.give(EndSilence(silence_id=silence.id, **head))
        return answered(given, silence=self._stands(silence.id))

    # ---- inside ---------------------------------------------------------------------------------------------------

    async def _put(self, form: SilenceForm, given: Given, number: str) -> web.Response:
        now = self._giver.clock()
        starts = now if form.starts is None else form.starts
        # `for` counts from its beginning.
        ends = form.ends(starts)
        if ends is None:
            raise Refusal(400, 'until when? say {"for": "2h"} or `until`')
        _matchers(form)
        silence = Silence(
            id=number,
            matchers=tuple(form.matchers),
            starts=rfc3339_of(starts),
            ends=ends,
            author=given.by,
            comment=form.comment,
            rrule=form.rrule,
            zone=form.zone,
            told=form.told,
        )
        answer = await self._giver.give(PutSilence(silence=silence, **given.head))
        return answered(answer, silence=self._stands(number))

    def _of(self, request: web.BaseRequest) -> Silence:
        number = path_value(request, "id")
        silence = self._responses.silence(number)
        if silence is None:
            raise Refusal(404, f"no silence '{number[:100]}' is known; /v1/silences?state=all lists those that are")
        return silence

    def _stands(self, number: str) -> dict[str, Any] | None:
        silence = self._responses.silence(number)
        return None if silence is None else self._shown(silence)

    def _shown(self, silence: Silence) -> dict[str, Any]:
        now = self._giver.clock()
        row: dict[str, Any] = msgspec.to_builtins(silence)
        del row["kind"], row["format"]
        try:
            stretch = stretch_of(silence, now.timestamp(), self._zone)
        except CommandError:  # of a newer version
            stretch = None
        if stretch is None:
            return {**row, "state": "over", "holds_from": None, "holds_until": None}
        begin, end = (rfc3339_of(datetime.fromtimestamp(at, now.tzinfo)) for at in (stretch.begin, stretch.end))
        state = "holds" if stretch.begin <= now.timestamp() else "waits"
        return {**row, "state": state, "holds_from": begin, "holds_until": end}

    async def previewed(self, matchers: Sequence[Matcher]) -> Preview:
        """What a silence with these matchers hits, for pages as well. Raises BrokerError."""
        now = self._giver.clock()
        published = self._responses.published_since(now - LOOKS_BACK - timedelta(days=1))
        still_open = self._board.open()

        def transitions() -> Iterator[Transition]:
            yield from still_open
            yield from map(decode, published)

        def seen() -> Preview:
            return preview(matchers, transitions(), lambda t: self._teams_of(t.rule), now=now)

        # A week of a busy shop takes a part of a second, in which others ask, too.
        return await asyncio.to_thread(seen)


def _matchers(form: PreviewForm) -> tuple[Matcher, ...]:
    try:
        return parse_matchers(form.matchers)
    except CommandError as error:
        fault = {"field": "matchers", "message": str(error)}
        raise Refusal(400, f"matchers: {error}", faults=[fault]) from error
