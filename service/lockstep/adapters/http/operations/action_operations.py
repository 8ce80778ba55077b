"""/v1/actions: what somebody is to do."""

from functools import partial

import msgspec
from aiohttp import web
from pydantic import Field

from lockstep.adapters.http.caller import Role, path_value
from lockstep.adapters.http.openapi import NO_TOKEN, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.operations.giving import KEY_PARAMETER, CommandForm, Giver, answered, responses
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, body_of, query_of
from lockstep.adapters.response_board import ResponseBoard
from lockstep.labels import stable_id
from lockstep.response.command import AddAction, AssignAction, CloseAction
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, Action

ACTIONS = object_of(
    "What somebody is to do", {"actions": list_of("The oldest first", {"$ref": "#/components/schemas/Action"})}
)


class ActionsQuery(Form):
    """Which are shown."""

    every: bool = Field(False, description="Those that were closed in the last 28 days, too")


class ActionForm(CommandForm):
    """What is to be done."""

    text: str = Field(min_length=1, max_length=LONGEST_COMMENT, description="What is to be done")
    assignee: str = Field("", max_length=LONGEST_NAME, description="Whose it is; empty: nobody's yet")
    due: str = Field("", max_length=10, description="The day by which, `2026-12-04`; empty: none is said")


class AssignActionForm(CommandForm):
    """Whose an action is from now on."""

    to: str = Field(max_length=LONGEST_NAME, description="Whose; empty: nobody's yet")


class CloseActionForm(CommandForm):
    """That an action is done, or dropped."""

    note: str = Field("", max_length=LONGEST_COMMENT, description="What to say with it")


class ActionOperations:
    """Actions of both teams, as reports list them."""

    def __init__(self, board: ResponseBoard, *, giver: Giver) -> None:
        self._board, self._giver = board, giver

    @answers(
        Operation(
            "GET",
            "/v1/actions",
            "What somebody is to do",
            {
                200: answer("The open ones", {"$ref": "#/components/schemas/Actions"}),
                400: error("Which field is wrong"),
                401: NO_TOKEN,
            },
            query=ActionsQuery,
        )
    )
    async def _list(self, request: web.BaseRequest) -> web.Response:
        query = query_of(request, ActionsQuery)
        return web.json_response({"actions": [msgspec.to_builtins(a) for a in self._board.actions(query.every)]})

    @answers(
        Operation(
            "POST",
            "/v1/actions",
            "Add an action",
            responses(),
            parameters=[KEY_PARAMETER],
            form=ActionForm,
            role=Role.RESPONDER,
        )
    )
    async def _add(self, request: web.BaseRequest) -> web.Response:
        form = await body_of(request, ActionForm)
        given = self._giver.head(request, form)
        number = stable_id("action", given.id)[:12]
        action = Action(id=number, text=form.text, assignee=form.assignee, due=form.due)
        applied = await self._giver.give(AddAction(action=action, **given.head))
        return answered(applied, action=self._stands(number))

    @answers(
        Operation(
            "POST",
            "/v1/actions/{id}/assign",
            "Give an action to somebody",
            responses(s404="No such action"),
            parameters=[KEY_PARAMETER],
            form=AssignActionForm,
            role=Role.RESPONDER,
        )
    )
    async def _assign(self, request: web.BaseRequest) -> web.Response:
        form, number = await body_of(request, AssignActionForm), self._known(request)
        applied = await self._giver.applied(request, form, partial(AssignAction, action_id=number, to=form.to))
        return answered(applied, action=self._stands(number))

    @answers(
        Operation(
            "POST",
            "/v1/actions/{id}/close",
            "An action is done, or dropped",
            responses(s404="No such action"),
            parameters=[KEY_PARAMETER],
            form=CloseActionForm,
            role=Role.RESPONDER,
        )
    )
    async def _close(self, request: web.BaseRequest) -> web.Response:
        form, number = await body_of(request, CloseActionForm), self._known(request)
        applied = await self._giver.applied(request, form, partial(CloseAction, action_id=number, note=form.note))
        return answered(applied, action=self._stands(number))

    def _known(self, request: web.BaseRequest) -> str:
        """The action that a request is about. Raises Refusal where there is none."""
        number = path_value(request, "id")
        if self._stands(number) is None:
            raise Refusal(404, f"no action '{number[:100]}' is known; /v1/actions lists those that are open")
        return number

    def _stands(self, number: str) -> Action | None:
        return next((a for a in self._board.actions(every=True) if a.id == number), None)
