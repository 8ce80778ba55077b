"""The page of silences: what is kept quiet now, later and was; what a new one would keep quiet, looked at first."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web

from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import SNOOZES, FormFault, moment_text
from lockstep.adapters.http.pages.forms.sent_form import SentForm, form_answer
from lockstep.adapters.http.pages.forms.stretch_forms import stretch_from
from lockstep.adapters.http.pages.visitor import Visitor
from lockstep.errors import CommandError
from lockstep.labels import stable_id
from lockstep.notify.quiet.matchers import Matcher, parse_matchers
from lockstep.notify.quiet.preview import Preview
from lockstep.notify.quiet.silences import stretch_of
from lockstep.response.command import EndSilence, PutSilence
from lockstep.response.standing import LONGEST_COMMENT, Silence
from lockstep.text.figures import duration_words, many
from lockstep.text.label_words import alert_in_words, noun_of, rule_in_words
from lockstep.text.one_line import flat
from lockstep.text.short_time import short_time

MOST_OVER = 20
"""Silences that are over and still listed, the last ones."""
MOST_OFFERED = 200
"""Products, channels and campaigns of alerts that the form offers."""
_CHOICES = ("rule", "sku", "channel", "campaign")
"""Labels that the form asks for in words; what is more exact is written as conditions."""
_EMPTY = {
    **dict.fromkeys(_CHOICES, ""),
    "for": "4h",
    "matchers": "",
    "comment": "",
    "starts": "",
    "ends": "",
    "name": "",
}


@dataclass(frozen=True)
class SilenceRow:
    """what: is kept quiet, in words. exactly: its conditions, where words do not say all of them. when: in words. tone:
    its colour. can_end: whether there is something to end."""

    id: str
    what: str
    exactly: Sequence[str]
    comment: str
    author: str
    when: str
    tone: str
    hits: int
    can_end: bool


@dataclass(frozen=True)
class SilenceSection:
    title: str
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
        if number := given.get("end", "")[:100]:
            return await self._of.give(
                request, EndSilence(silence_id=number, **sent.head("end", number, did="ended it"))
            )
        texts = [str(Matcher(name, "=", value)) for name in _CHOICES if (value := flat(given.get(name, "")))]
        texts += [line.strip() for line in given.get("matchers", "").splitlines() if line.strip()]
        if not texts:
            raise FormFault("Say what is kept quiet: a kind of alert, a product, a channel or a campaign.")
        matchers = parse_matchers(texts)
        comment = flat(given.get("comment", ""))[:LONGEST_COMMENT]
        if not comment:
            raise FormFault("Say why, so that others know.")
        starts, ends = self._stretch(given, now)
        if sent.do != "make":
            preview = await self._preview(matchers)
            return await self._show(request, visitor, given=given, preview=preview, until=ends)
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
        head = sent.head("make", *texts, comment, *(given.get(name, "") for name in ("starts", "ends", "for")))
        return await self._of.give(request, PutSilence(silence=silence, **head))

    def _stretch(self, given: Mapping[str, str], now: datetime) -> tuple[str, str]:
        """From when until when: an exact end counts more than for how long. Raises FormFault."""
        span = SNOOZES.get(given.get("for", ""))
        if given.get("ends", "").strip() or span is None:
            return stretch_from(given, self._of.known.writer.zone, now)
        until = f"{(now + span[1]).astimezone(self._of.known.writer.zone):%Y-%m-%dT%H:%M}"
        return stretch_from({**given, "ends": until}, self._of.known.writer.zone, now)

    async def _show(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        *,
        given: Mapping[str, str] | None = None,
        preview: Preview | None = None,
        until: str = "",
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        values: dict[str, Any] = {
            **await self._of.said(request, said, status),
            "sections": self._sections(),
            "form": self._of.visitors.form("silences"),
            "given": {**_EMPTY, **(given or {})},
            "preview": None if preview is None else _shown(preview),
            "until": short_time(until, self._of.known.writer.zone, self._of.known.clock()) if until else "",
            "zone": self._of.known.writer.zone.key,
            "spans": [(name, words) for name, (words, _) in SNOOZES.items()],
            **self._offered(),
        }
        return self._of.pages.page("silences", values, depth=0, visitor=visitor, here="Silences", status=status)

    def _offered(self) -> dict[str, Any]:
        """What can be chosen: kinds of alerts, and what alerts and campaigns were about lately."""
        seen: dict[str, set[str]] = {name: set() for name in _CHOICES}
        for transition in self._of.known.board.latest_of_each():
            for name in seen.keys() & transition.labels.keys():
                seen[name].add(transition.labels[name])
        seen["campaign"] |= self._of.known.plans().keys()
        kinds = sorted((rule_in_words(name), name) for name in self._of.known.rules())
        offered = [
            (f"{name}s", name, noun_of(name), sorted(values)[:MOST_OFFERED])
            for name, values in seen.items()
            if name != "rule"
        ]
        return {"kinds": kinds, "offered": offered}

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
                when = self._span(silence.starts, silence.ended_at or silence.ends)
                over.append(_row(silence, when, "pending", can_end=False))
                continue
            begin, end = (moment_text(datetime.fromtimestamp(at, now.tzinfo)) for at in (stretch.begin, stretch.end))
            again = ", and again and again" if silence.rrule else ""
            is_on = stretch.begin <= now.timestamp()
            left = f"{duration_words(round(stretch.end - now.timestamp()))} left"
            when = f"until {short_time(end, zone, now)}, {left}" if is_on else self._span(begin, end)
            row = _row(silence, f"{when}{again}", "info" if is_on else "pending")
            (holds if is_on else waits).append(row)
        sections = [
            SilenceSection("Quiet now", holds),
            SilenceSection("Quiet later", waits),
            SilenceSection("Over", over[: -MOST_OVER - 1 : -1]),
        ]
        return [section for section in sections if section.rows]

    def _span(self, starts: str, ends: str) -> str:
        """`Wed 22 Jul 11:50 to Fri 24 Jul 11:50`."""
        zone, now = self._of.known.writer.zone, self._of.known.clock()
        return f"{short_time(starts, zone, now)} to {short_time(ends, zone, now)}"


def _row(silence: Silence, when: str, tone: str, *, can_end: bool = True) -> SilenceRow:
    what, exactly = _in_words(silence.matchers)
    return SilenceRow(
        id=silence.id,
        what=what,
        exactly=exactly,
        comment=silence.comment,
        author=silence.author,
        when=when,
        tone=tone,
        hits=silence.hits,
        can_end=can_end,
    )


def _in_words(texts: Sequence[str]) -> tuple[str, Sequence[str]]:
    """(what conditions match, in words, those that words do not say): `Low stock, product A-1`."""
    words: list[str] = []
    exactly: list[str] = []
    for text in texts:
        try:
            (matcher,) = parse_matchers([text])
        except (CommandError, ValueError):  # of a newer version
            exactly.append(text)
            continue
        match matcher.label, matcher.operator:
            case "rule", "=":
                words.insert(0, rule_in_words(matcher.value))
            case "severity", "!=":
                words.append(f"but not {matcher.value} ones")
            case (("destination" | "team" | "receiver"), "="):
                words.append(f"for {flat(matcher.value)} alone")
            case name, "=":
                words.append(f"{noun_of(name)} {flat(matcher.value)}")
            case _:
                exactly.append(text)
    return ", ".join(words) or "Alerts", exactly


def _shown(preview: Preview) -> dict[str, Any]:
    """What a preview says, as the template shows it."""
    hits = [
        {
            "tone": hit.severity,
            "severity": hit.severity,
            "about": alert_in_words(hit.rule, hit.labels),
            "fires": hit.fires,
            "times": f"{many(hit.times, 'time')} in 7 days",
        }
        for hit in preview.hits
    ]
    return {"sentence": _sentence(preview), "critical": preview.critical, "remarks": preview.remarks, "hits": hits}


def _sentence(preview: Preview) -> str:
    """`It keeps 1 alert quiet now; in the last 7 days it would have been 3 of 40.`"""
    if not preview.past and not preview.now:
        return "Nothing of the last 7 days is like this. Is everything written as it should be?"
    past = f"in the last 7 days it would have been {preview.past:,} of {preview.known:,}"
    return f"It keeps {many(preview.now, 'alert') if preview.now else 'no alert'} quiet now; {past}."
