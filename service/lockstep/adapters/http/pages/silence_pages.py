"""The page of silences: those that hold, will and did; what a new one would hit, looked at before it is made."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web

from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import FormFault, moment_text
from lockstep.adapters.http.pages.forms.sent_form import SentForm, form_answer
from lockstep.adapters.http.pages.forms.stretch_forms import stretch_from, stretch_words
from lockstep.adapters.http.pages.visitor import Visitor
from lockstep.errors import CommandError
from lockstep.labels import stable_id
from lockstep.notify.quiet.matchers import Matcher, parse_matchers
from lockstep.notify.quiet.preview import Preview
from lockstep.notify.quiet.silences import stretch_of
from lockstep.response.command import EndSilence, PutSilence
from lockstep.response.standing import LONGEST_COMMENT, Silence
from lockstep.text.figures import duration_words
from lockstep.text.one_line import flat

MOST_OVER = 20
"""Silences that are over and still listed, the last ones."""
_EMPTY = {"matchers": "", "comment": "", "starts": "", "ends": "", "name": ""}


@dataclass(frozen=True)
class SilenceRow:
    """when: in words. tone: its colour. can_end: whether there is something to end."""

    id: str
    comment: str
    author: str
    when: str
    matchers: Sequence[str]
    tone: str
    hits: int
    can_end: bool


@dataclass(frozen=True)
class SilenceSection:
    title: str
    empty: str
    rows: Sequence[SilenceRow]


class SilencePages:
    """`/silences`."""

    def __init__(self, alert_pages: AlertPages, preview: Callable[[Sequence[Matcher]], Awaitable[Preview]]) -> None:
        """alert_pages: who knows visitors and the door. preview: what matchers hit."""
        self._of, self._preview = alert_pages, preview

    @page("GET", "/silences", "Silences, for people")
    async def _list(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="silences")
        return await self._show(request, visitor)

    @page("POST", "/silences", "Look at what a silence hits, make it, end one, by a form of the page")
    async def _change(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="silences")
        show = partial(self._show, request, visitor)
        return await form_answer(
            self._of, request, visitor, about="silences", do=lambda sent: self._done(request, visitor, sent), show=show
        )

    async def _done(self, request: web.BaseRequest, visitor: Visitor, sent: SentForm) -> web.Response:
        """What a form asks for. Raises FormFault, CommandError, BrokerError."""
        given, now = sent.given, self._of.known.clock()
        if sent.do == "end":
            number = given.get("silence", "")[:100]
            return await self._of.give(
                request, EndSilence(silence_id=number, **sent.head("end", number, did="ended it"))
            )
        texts = [line.strip() for line in given.get("matchers", "").splitlines() if line.strip()]
        if not texts:
            raise FormFault("Write what it matches, one condition a line, such as rule=LowStock.")
        matchers = parse_matchers(texts)
        comment = flat(given.get("comment", ""))[:LONGEST_COMMENT]
        if not comment:
            raise FormFault("Say why, so that others know.")
        starts, ends = stretch_from(given, self._of.known.writer.zone, now)
        if sent.do != "make":
            return await self._show(request, visitor, given=given, preview=await self._preview(matchers))
        silence = Silence(
            id=stable_id(sent.number, "silence", *texts, comment, starts, ends),
            matchers=tuple(texts),
            starts=starts,
            ends=ends,
            author=sent.by("wants it"),
            comment=comment,
            created_at=sent.at,
        )
        # Pressed twice it is the same silence: of what was filled in, and not of when.
        head = sent.head("make", *texts, comment, given.get("starts", ""), given.get("ends", ""))
        return await self._of.give(request, PutSilence(silence=silence, **head))

    async def _show(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        *,
        given: Mapping[str, str] | None = None,
        preview: Preview | None = None,
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        values: dict[str, Any] = {
            **await self._of.said(request, said, status),
            "sections": self._sections(),
            "form": self._of.visitors.form("silences"),
            "given": {**_EMPTY, **(given or {})},
            "preview": None if preview is None else _shown(preview),
            "zone": self._of.known.writer.zone.key,
        }
        return self._of.pages.page("silences", values, depth=0, visitor=visitor, here="Silences", status=status)

    def _sections(self) -> list[SilenceSection]:
        now, zone = self._of.known.clock(), self._of.known.writer.zone
        holds: list[SilenceRow] = []
        waits: list[SilenceRow] = []
        over: list[SilenceRow] = []
        for silence in self._of.known.responses.silences(every=True):
            try:
                stretch = stretch_of(silence, now.timestamp(), zone)
            except CommandError:  # of a newer version
                stretch = None
            if stretch is None:
                when = stretch_words(silence.starts, silence.ended_at or silence.ends, zone)
                over.append(_row(silence, when, "pending", can_end=False))
                continue
            begin, end = (moment_text(datetime.fromtimestamp(at, now.tzinfo)) for at in (stretch.begin, stretch.end))
            again = ", and again and again" if silence.rrule else ""
            is_on = stretch.begin <= now.timestamp()
            left = f", {duration_words(round(stretch.end - now.timestamp()))} left" if is_on else ""
            row = _row(silence, f"{stretch_words(begin, end, zone)}{again}{left}", "info" if is_on else "pending")
            (holds if is_on else waits).append(row)
        sections = [
            SilenceSection("Hold now", "Nothing is silenced.", holds),
            SilenceSection("Come later", "", waits),
            SilenceSection("Over", "", over[: -MOST_OVER - 1 : -1]),
        ]
        return [section for section in sections if section.rows or section.empty]


def _row(silence: Silence, when: str, tone: str, *, can_end: bool = True) -> SilenceRow:
    return SilenceRow(
        id=silence.id,
        comment=silence.comment,
        author=silence.author,
        when=when,
        matchers=silence.matchers,
        tone=tone,
        hits=silence.hits,
        can_end=can_end,
    )


def _shown(preview: Preview) -> dict[str, Any]:
    """What a preview says, as the template shows it."""
    hits = [
        {
            "tone": hit.severity,
            "severity": hit.severity,
            "about": ", ".join([hit.rule, *(f"{name} {value}" for name, value in hit.labels.items())]),
            "fires": hit.fires,
            "times": f"{hit.times} time{'s' if hit.times != 1 else ''} in 7 days",
        }
        for hit in preview.hits
    ]
    return {"sentence": preview.sentence, "critical": preview.critical, "remarks": preview.remarks, "hits": hits}
