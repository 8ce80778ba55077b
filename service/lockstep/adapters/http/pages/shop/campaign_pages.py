"""Campaigns for both teams: plan one, read what it is answered and what to do about it, reply to the answer."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.operations.campaigns.campaign_operations import (
    CampaignForm,
    CampaignOperations,
    ShownCampaign,
)
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import FormFault
from lockstep.adapters.http.pages.forms.sent_form import SentForm, form_answer
from lockstep.adapters.http.pages.pages import seen_at
from lockstep.adapters.http.pages.visitor import Visitor
from lockstep.adapters.links import Link, Purpose
from lockstep.response.command import MOST_DIGITS, ReplyToPlan
from lockstep.response.standing import LONGEST_COMMENT
from lockstep.shop.plans.plan_words import (
    CANCELLED_TO_DOS,
    VERDICTS,
    Asked,
    PlanAnswer,
    PlanDay,
    answer_by,
    asked_of_both,
    by_text,
    cause_of,
    day_name,
    headline,
    is_as_planned,
    reply_headline,
    reply_to_dos,
    reply_words,
    sum_text,
)
from lockstep.text.figures import clock_text
from lockstep.text.one_line import flat

_EMPTY = {
    "campaign": "",
    "starts": "",
    "ends": "",
    "skus": "",
    "expected_orders": "",
    "expected_sessions": "",
    "note": "",
    "name": "",
}
_EDGES = {"yes": "over", "info": "info", "change": "warning", "no": "critical"}
MOST_BARS, MOST_PRODUCTS = 14, 50
"""Days and products of a campaign that its card shows."""


class CampaignPages:
    """`/campaigns`, and one campaign by the link of a message, `/reply/TOKEN`."""

    def __init__(self, alert_pages: AlertPages, campaigns: CampaignOperations) -> None:
        """alert_pages: who knows visitors and the door. campaigns: who knows plans and answers."""
        self._of, self._campaigns = alert_pages, campaigns

    @page("GET", "/campaigns", "Campaigns, for people")
    async def _list(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="campaigns")
        return await self._show(request, visitor)

    @page("POST", "/campaigns", "Plan a campaign, or reply to the answer to one, by a form of the page")
    async def _change(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="campaigns")
        show = partial(self._show, request, visitor)
        return await form_answer(
            self._of, request, visitor, about="campaigns", do=lambda sent: self._done(request, visitor, sent), show=show
        )

    async def _done(self, request: web.BaseRequest, visitor: Visitor, sent: SentForm) -> web.Response:
        """What a form asks for. Raises FormFault, Refusal, BrokerError."""
        if sent.do == "plan":
            sent.by("plans it")
            return await self._plan(request, visitor, sent.given)
        return await self._of.give(request, _reply(sent, sent.given.get("campaign", "")))

    # ---- by the link of a message -----------------------------------------------------------------------------------

    @page("GET", "/reply/{token}", "A campaign with what it is answered now, by the link of a message")
    async def _by_link(self, request: web.BaseRequest) -> web.Response:
        link = self._of.link(request, Purpose.REPLY)
        return await self._show_one(request, self._visitor(request, link), link)

    @page("POST", "/reply/{token}", "Reply to the answer to a campaign, as the link's recipient")
    async def _reply_by_link(self, request: web.BaseRequest) -> web.Response:
        link = self._of.link(request, Purpose.REPLY)
        visitor = self._visitor(request, link)
        return await form_answer(
            self._of,
            request,
            visitor,
            about=_about(link),
            do=lambda sent: self._replied(request, sent, link),
            show=partial(self._show_one, request, visitor, link),
            depth=1,
        )

    async def _replied(self, request: web.BaseRequest, sent: SentForm, link: Link) -> web.Response:
        if sent.do == "name":
            sent.by("did it")
            return seen_at("?")
        return await self._of.give(request, _reply(sent, link.about))

    def _visitor(self, request: web.BaseRequest, link: Link) -> Visitor:
        """Who came by a link: whoever it was not sent to by name only looks."""
        return self._of.visitors.by_link(request, link.who, can_act=bool(link.who))

    async def _show_one(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        link: Link,
        *,
        given: Mapping[str, str] | None = None,
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        shown = self._campaigns.shown_of(link.about)
        if shown is None:
            text = "It ended long ago, or this worker has not read of it yet; then open the link again in a minute."
            return self._of.pages.notice("This campaign is not known here", text, depth=1, status=404)
        values: dict[str, Any] = {
            **await self._of.said(request, said, status),
            "row": self._row(shown),
            "is_newer": link.episode_id != str(shown.plan.number),
            "form": self._of.visitors.form(_about(link)),
            "given": {**_EMPTY, **(given or {})},
        }
        return self._of.pages.page("campaign", values, depth=1, visitor=visitor, status=status)

    # ---- planning ---------------------------------------------------------------------------------------------------

    async def _plan(self, request: web.BaseRequest, visitor: Visitor, given: Mapping[str, str]) -> web.Response:
        """Announce what the form says. Raises FormFault."""
        zone = self._of.known.writer.zone
        try:
            form = CampaignForm.model_validate(
                {
                    "campaign": flat(given.get("campaign", "")),
                    "starts": datetime.fromisoformat(given.get("starts", "")).replace(tzinfo=zone),
                    "ends": datetime.fromisoformat(given.get("ends", "")).replace(tzinfo=zone),
                    "skus": [sku for part in given.get("skus", "").split(",") if (sku := flat(part))],
                    "expected_orders": given.get("expected_orders") or None,
                    "expected_sessions": given.get("expected_sessions") or None,
                }
            )
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"])) or "the plan"
            raise FormFault(f"{where}: {fault['msg'].removeprefix('Value error, ')}") from error
        except ValueError as error:
            raise FormFault("Say when it starts and ends, a day and a time each.") from error
        shown = await self._campaigns.announce(form)
        return await self._show(request, visitor, fresh=shown, said=f"{form.campaign} is announced to both teams.")

    async def _show(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        *,
        given: Mapping[str, str] | None = None,
        fresh: ShownCampaign | None = None,
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        """fresh: a campaign that was announced this moment, which the shop's facts do not have yet."""
        shown = self._campaigns.shown()
        if fresh is not None:
            shown = [fresh, *(c for c in shown if c.plan.campaign != fresh.plan.campaign)]
        values: dict[str, Any] = {
            **await self._of.said(request, said, status),
            "rows": [self._row(one) for one in shown],
            "form": self._of.visitors.form("campaigns"),
            "given": {**_EMPTY, **(given or {})},
        }
        return self._of.pages.page("campaigns", values, depth=0, visitor=visitor, here="Campaigns", status=status)

    def _row(self, shown: ShownCampaign) -> dict[str, Any]:
        """A campaign as `campaign_card.html` shows it. is_asked: whether operations can reply to what it shows."""
        zone, plan, given, now = self._of.known.writer.zone, shown.plan, shown.answer, self._of.known.clock()
        standing = shown.standing if shown.standing is not None and shown.standing.number == plan.number else None
        is_over = datetime.fromisoformat(plan.ends) < now
        is_known = standing is not None and standing.verdict == given.verdict
        known = [day for day in given.days if day.capacity is not None]
        by = by_text(answer_by(plan.starts, now), zone)
        to_dos: tuple[Asked | None, Asked | None] = (None, None)
        said, replied, edge = given.headline, "", _EDGES["info" if given.is_open else given.verdict]
        if plan.cancelled:
            said, to_dos = headline(plan.campaign, "cancelled", when=given.when), _asked(CANCELLED_TO_DOS)
        elif is_over:
            said = f"Campaign {plan.campaign} ({given.when}) is over"
        elif is_known and standing is not None and standing.reply:
            to_dos = _asked(reply_to_dos(standing, zone))
            replied = reply_headline(standing)
            edge = _EDGES["yes" if is_as_planned(standing.verdict, standing.reply) else "change"]
        else:
            to_dos = asked_of_both(
                given.verdict, by=by, proposal=given.suggestion, instead=given.instead, missing=given.missing
            )
        return {
            "plan": plan,
            "answer": given,
            "standing": standing,
            "headline": said,
            "replied": replied,
            "replied_at": clock_text(standing.at, zone) if standing is not None and standing.at else "",
            "marketing": to_dos[0],
            "operations": to_dos[1],
            "starts": clock_text(plan.starts, zone),
            "ends": clock_text(plan.ends, zone),
            "by": by,
            "edge": edge,
            "days": [_bar(day) for day in known[:MOST_BARS]],
            "more_days": max(0, len(known) - MOST_BARS),
            "products": sorted(given.products, key=lambda p: (-p.short, not p.enough_until))[:MOST_PRODUCTS],
            "more_products": max(0, len(given.products) - MOST_PRODUCTS),
            "notes": _notes(given),
            "words": reply_words(given.verdict),
            "question": "Can you do it?" if given.verdict == "yes" else "Is that right?",
            "is_asked": is_known and not plan.cancelled and not is_over,
            "is_known": is_known,
            "is_over": is_over,
        }


def _asked(to_dos: tuple[str, str]) -> tuple[Asked, Asked]:
    return Asked(to_do=to_dos[0]), Asked(to_do=to_dos[1])


def _bar(day: PlanDay) -> dict[str, Any]:
    """A day whose capacity is known as a bar of what is expected and a mark of what can be shipped, of 100; and what it
    shows in words."""
    can, most = day.capacity or 0, max(day.expected or 0, day.capacity or 0) or 1
    words = sum_text(day) if day.expected is not None else "how many orders: not known"
    return {
        "name": day_name(day),
        "expected": None if day.expected is None else round(100 * day.expected / most, 1),
        "capacity": round(100 * can / most, 1),
        "words": f"{words}; {can:,} can be shipped",
        "too_many": max(0, -(day.room or 0)),
    }


def _notes(given: PlanAnswer) -> list[str]:
    """What neither headline, days nor products say."""
    lines = [*given.clashes, *given.late_receipts, *given.unknown, given.compared]
    return [line for line in lines if line and cause_of([line]) != given.cause]


def _reply(sent: SentForm, campaign: str) -> ReplyToPlan:
    """What a button asks for. Raises FormFault."""
    number, note = sent.given.get("number", ""), flat(sent.given.get("note", ""))[:LONGEST_COMMENT]
    if sent.do not in ("confirm", "object") or not number.isdecimal() or len(number) > MOST_DIGITS:
        raise FormFault("This button is not known; load the page again.")
    return ReplyToPlan(
        **sent.head(sent.do, campaign, number, note),
        campaign=campaign,
        number=int(number),
        reply="confirmed" if sent.do == "confirm" else "objected",
        note=note,
        seen=sent.given.get("seen", "") if sent.given.get("seen", "") in VERDICTS else "",
    )


def _about(link: Link) -> str:
    """What a form of a link's page is for."""
    return f"campaign/{link.about}"
