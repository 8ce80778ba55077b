"""Campaigns for both teams: plan one, read what it is answered, confirm it or object."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web
from pydantic import ValidationError

from lockstep.adapters.http.openapi import TEXT, Operation, answers
from lockstep.adapters.http.operations.campaigns.campaign_operations import CampaignForm, CampaignOperations
from lockstep.adapters.http.pages.alert_pages import STALE, AlertPages
from lockstep.adapters.http.pages.forms import FormFault, moment_text
from lockstep.adapters.http.pages.visitor import Visitor, clean_name
from lockstep.adapters.http.refusal import Refusal
from lockstep.errors import BrokerError
from lockstep.labels import stable_id
from lockstep.response.command import ReplyToPlan
from lockstep.response.standing import LONGEST_COMMENT, PlanStanding
from lockstep.shop.facts import PlanFacts
from lockstep.shop.plan_answer import PlanAnswer
from lockstep.text.figures import time_text
from lockstep.text.one_line import flat

_HTML = {"description": "HTML", "content": {"text/html": {"schema": TEXT}}}
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
WORDS = {"yes": "Yes: it can be done", "change": "Change it", "no": "No: not as it is planned"}
EDGES = {"yes": "info", "change": "warning", "no": "critical"}


class CampaignPages:
    """`/campaigns`."""

    def __init__(self, alert_pages: AlertPages, campaigns: CampaignOperations) -> None:
        """alert_pages: who knows visitors and the door. campaigns: who knows plans and answers."""
        self._of, self._campaigns = alert_pages, campaigns

    @answers(Operation("GET", "/campaigns", "Campaigns, for people", {200: _HTML, 401: _HTML}, is_open=True))
    async def _list(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.visitors.by_login(request)
        if visitor is None:
            return self._of.ask_to_log_in(request, to="campaigns")
        return await self._show(request, visitor)

    @answers(
        Operation(
            "POST",
            "/campaigns",
            "Plan a campaign, confirm one or object to it, by a form of the page",
            {200: _HTML, 303: {"description": "Done, or on its way"}, 400: _HTML, 401: _HTML, 403: _HTML},
            (),
            {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
            is_open=True,
        )
    )
    async def _change(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.visitors.by_login(request)
        if visitor is None:
            return self._of.ask_to_log_in(request, to="campaigns")
        given = await self._of.form_of(request)
        if given is None or not visitor.can_act:
            return self._of.pages.notice("Not from here", STALE, depth=0, status=403)
        form_id = self._of.visitors.form_id(given.get("form", ""), "campaigns")
        if form_id is None:
            return await self._show(request, visitor, given=given, said=STALE, status=400)
        name = clean_name(given.get("name", ""))
        by = visitor.name or name
        try:
            if not by:
                raise FormFault("Say who you are, so that others see who did it.")
            if given.get("do") == "plan":
                answered = await self._plan(request, visitor, given)
            else:
                answered = await self._of.give(request, self._reply(given, form_id, by))
        except (FormFault, Refusal) as fault:
            return await self._show(request, visitor, given=given, said=str(fault), status=400)
        except BrokerError:
            said = "The log cannot be reached, so nothing was done. Try again in a moment."
            return await self._show(request, visitor, given=given, said=said, status=400)
        if name and not visitor.name:
            self._of.visitors.remember_name(answered, by)
        return answered

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

    def _reply(self, given: Mapping[str, str], form_id: str, by: str) -> ReplyToPlan:
        """What a button asks for; sent twice it is the same command. Raises FormFault."""
        do, campaign = given.get("do", ""), given.get("campaign", "")[:100]
        number = given.get("number", "")
        if do not in ("confirm", "object") or not number.isdecimal():
            raise FormFault("This button is not known; load the page again.")
        note = flat(given.get("note", ""))[:LONGEST_COMMENT]
        return ReplyToPlan(
            id=stable_id(form_id, do, campaign, number, note),
            by=by,
            way="page",
            at=moment_text(self._of.known.clock()),
            campaign=campaign,
            number=int(number),
            reply="confirmed" if do == "confirm" else "objected",
            note=note,
        )

    async def _show(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        *,
        given: Mapping[str, str] | None = None,
        fresh: dict[str, Any] | None = None,
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        """fresh: a campaign that was announced this moment, which the shop's facts do not have yet."""
        refused = status != 200
        if not said:
            said, refused = await self._of.outcome(request)
        shown = self._campaigns.shown()
        if fresh is not None:
            shown = [fresh, *(c for c in shown if c["plan"]["campaign"] != fresh["plan"]["campaign"])]
        values: dict[str, Any] = {
            "said": said,
            "said_refused": refused,
            "rows": [self._row(one) for one in shown],
            "form": self._of.visitors.form("campaigns"),
            "given": {**_EMPTY, **(given or {})},
            "words": WORDS,
            "edges": EDGES,
        }
        return self._of.pages.page("campaigns", values, depth=0, visitor=visitor, here="Campaigns", status=status)

    def _row(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        zone = self._of.known.writer.zone
        plan = msgspec.convert(shown["plan"], PlanFacts)
        standing = msgspec.convert(shown["standing"], PlanStanding | None)
        return {
            "plan": plan,
            "answer": msgspec.convert(shown["answer"], PlanAnswer),
            "standing": standing,
            "starts": time_text(plan.starts, zone),
            "ends": time_text(plan.ends, zone),
            "replied_at": time_text(standing.at, zone) if standing is not None and standing.at else "",
            "is_known": standing is not None and standing.number == plan.number,
        }
