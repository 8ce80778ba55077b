"""What a mail's `unsubscribe` does: one recipient hears no more of one rule for a while, but for what is critical.

It is a silence for that destination alone, seen by everybody among the others, in the audit, and ended by the same
page. Mail programs ask for it with one POST and nothing else (RFC 8058); a GET, which mail scanners send, only shows
the page.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from lockstep.adapters.http.body import read_body
from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.pages.alert_pages import STALE, AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import LARGEST_FORM, moment_text
from lockstep.adapters.links import Link, Purpose
from lockstep.labels import stable_id
from lockstep.notify.quiet.matchers import Matcher
from lockstep.response.command import EndSilence, PutSilence
from lockstep.response.standing import Silence
from lockstep.text.days import day_text
from lockstep.text.label_words import rule_in_words

LASTS = timedelta(days=30)
_ONE_CLICK = b"One-Click"


class MutePages:
    """`/mute/TOKEN`."""

    def __init__(self, alert_pages: AlertPages) -> None:
        """alert_pages: who knows links, visitors and the door."""
        self._of = alert_pages

    @page("GET", "/mute/{token}", "Asks whether a rule is to be muted")
    async def _ask(self, request: web.BaseRequest) -> web.Response:
        link = self._of.link(request, Purpose.MUTE)
        return await self._show(request, link)

    @page(
        "POST",
        "/mute/{token}",
        "Mutes a rule for a recipient, or ends that, by the form of the page or as RFC 8058 has it",
    )
    async def _mute(self, request: web.BaseRequest) -> web.Response:
        link = self._of.link(request, Purpose.MUTE)
        raw = await read_body(request, most=LARGEST_FORM)
        if b"List-Unsubscribe" in raw and _ONE_CLICK in raw:
            # No cookie, no form of ours, no question: the link itself is the proof.
            hour = self._of.known.clock().strftime("%Y-%m-%dT%H")
            await self._of.give(request, self._silence(link, stable_id("one-click", link.about, link.who, hour)))
            return await self._show(request, link)
        given = self._of.fields_of(request, raw)
        if given is None:
            return self._of.pages.notice("Not from here", STALE, depth=1, status=403)
        form_id = self._of.visitors.form_id(given.get("form", ""), _about(link))
        if form_id is None:
            return await self._show(request, link, said=STALE, status=400)
        if given.get("do") == "unmute":
            end = EndSilence(
                id=stable_id(form_id, "unmute"),
                by=link.who,
                way="link",
                at=moment_text(self._of.known.clock()),
                silence_id=silence_id(link),
            )
            return await self._of.give(request, end)
        return await self._of.give(request, self._silence(link, stable_id(form_id, "mute")))

    def _silence(self, link: Link, command_id: str) -> PutSilence:
        now = self._of.known.clock()
        matchers = (
            Matcher("rule", "=", link.about),
            Matcher("destination", "=", link.who),
            Matcher("severity", "!=", "critical"),
        )
        silence = Silence(
            id=silence_id(link),
            matchers=tuple(str(matcher) for matcher in matchers),
            starts=moment_text(now),
            ends=moment_text(now + LASTS),
            author=link.who,
            comment="muted by the link of a mail",
            created_at=moment_text(now),
        )
        return PutSilence(id=command_id, by=link.who, way="link", at=moment_text(now), silence=silence)

    async def _show(self, request: web.BaseRequest, link: Link, *, said: str = "", status: int = 200) -> web.Response:
        standing = self._of.known.responses.silence(silence_id(link))
        moment, zone = self._of.known.clock(), self._of.known.writer.zone
        now = moment_text(moment)
        is_muted = standing is not None and standing.ended_at is None and standing.starts <= now < standing.ends
        values = {
            "rule": rule_in_words(link.about),
            "who": link.who,
            **await self._of.said(request, said, status),
            "form": self._of.visitors.form(_about(link)),
            "is_muted": is_muted,
            "until": _day(standing.ends if standing is not None and is_muted else moment_text(moment + LASTS), zone),
        }
        return self._of.pages.page("mute", values, depth=1, status=status)


def silence_id(link: Link) -> str:
    """The id of what mutes a rule for a recipient: one, however often it is asked for."""
    return stable_id("mute", link.channel, link.who, link.about)


def _about(link: Link) -> str:
    return f"mute/{silence_id(link)}"


def _day(moment: str, zone: ZoneInfo) -> str:
    return day_text(datetime.fromisoformat(moment).astimezone(zone).date())
