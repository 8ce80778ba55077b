"""The page of actions: what somebody is to do, to be added, given to somebody and closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from aiohttp import web

from lockstep.adapters.http.openapi import page
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.forms.alert_forms import FormFault
from lockstep.adapters.http.pages.forms.sent_form import SentForm, form_answer
from lockstep.adapters.http.pages.visitor import Visitor
from lockstep.labels import stable_id
from lockstep.response.command import AddAction, AssignAction, CloseAction, Command
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, Action
from lockstep.text.figures import duration_words
from lockstep.text.one_line import flat
from lockstep.text.time_units import DAY_S

MOST_CLOSED = 20
"""Closed actions that are still listed, the last ones."""
_EMPTY = {"text": "", "assignee": "", "due": "", "name": ""}


@dataclass(frozen=True)
class ActionRow:
    """age: for how long it is open, in words. is_late: whether its day has passed. page: of its alert; "" for none."""

    id: str
    text: str
    assignee: str
    due: str
    about: str
    age: str
    is_late: bool
    alert_id: str
    closed: str


class ActionPages:
    """`/actions`."""

    def __init__(self, alert_pages: AlertPages) -> None:
        """alert_pages: who knows visitors and the door."""
        self._of = alert_pages

    @page("GET", "/actions", "Actions, for people")
    async def _list(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="actions")
        return await self._show(request, visitor)

    @page("POST", "/actions", "Add an action, give it to somebody, close it, by a form of the page")
    async def _change(self, request: web.BaseRequest) -> web.Response:
        visitor = self._of.logged_in(request, to="actions")
        show = partial(self._show, request, visitor)
        return await form_answer(
            self._of, request, visitor, about="actions", do=lambda sent: self._done(request, sent), show=show
        )

    async def _done(self, request: web.BaseRequest, sent: SentForm) -> web.Response:
        return await self._of.give(request, self._command(sent))

    def _command(self, sent: SentForm) -> Command:
        """What a form asks for. Raises FormFault."""
        given = sent.given
        if number := given.get("take", "")[:64]:
            return AssignAction(action_id=number, to=sent.by("does it"), **sent.head("take", number))
        if number := given.get("close", "")[:64]:
            return CloseAction(action_id=number, **sent.head("close", number))
        number = given.get("action", "")[:64]
        text, to = flat(given.get("text", ""))[:LONGEST_COMMENT], flat(given.get("assignee", ""))[:LONGEST_NAME]
        due = given.get("due", "").strip()
        head = sent.head(sent.do, number, text, to, due)
        match sent.do:
            case "assign":
                return AssignAction(action_id=number, to=to, **head)
            case "add":
                if not text:
                    raise FormFault("Write what is to be done.")
                action = Action(id=stable_id("action", head["id"])[:12], text=text, assignee=to, due=due)
                return AddAction(action=action, **head)
            case _:
                raise FormFault("This button is not known; load the page again.")

    async def _show(
        self,
        request: web.BaseRequest,
        visitor: Visitor,
        *,
        given: Mapping[str, str] | None = None,
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        actions = self._of.known.responses.actions(every=True)
        still = sorted((a for a in actions if not a.closed_at), key=_urgency)
        closed = sorted((a for a in actions if a.closed_at), key=lambda a: a.closed_at or "", reverse=True)
        values: dict[str, Any] = {
            **await self._of.said(request, said, status),
            "rows": self._rows(still),
            "unowned": sum(not action.assignee for action in still),
            "closed": self._rows(closed[:MOST_CLOSED]),
            "form": self._of.visitors.form("actions"),
            "given": {**_EMPTY, **(given or {})},
        }
        return self._of.pages.page("actions", values, depth=0, visitor=visitor, here="Actions", status=status)

    def _rows(self, actions: Sequence[Action]) -> list[ActionRow]:
        now, zone = self._of.known.clock(), self._of.known.writer.zone
        today = now.astimezone(zone).date().isoformat()
        rows = []
        for action in actions:
            age_s = (now - datetime.fromisoformat(action.created_at)).total_seconds() if action.created_at else 0
            rows.append(
                ActionRow(
                    id=action.id,
                    text=action.text,
                    assignee=action.assignee,
                    due=_day(action.due),
                    about=action.about,
                    age=duration_words(age_s - age_s % DAY_S if age_s >= DAY_S else age_s),
                    is_late=bool(action.due) and action.due < today,
                    alert_id=action.alert_id,
                    closed="" if action.closed_at is None else f"done, says {action.closed_by}",
                )
            )
        return rows


def _urgency(action: Action) -> tuple[str, bool, str]:
    """What is due first comes first, and of that what is nobody's yet."""
    return action.due or "9999", bool(action.assignee), action.created_at


def _day(text: str) -> str:
    if not text:
        return ""
    day = date.fromisoformat(text)
    return f"{day:%a} {day.day} {day:%b}"
