"""/v1/alerts and /v1/explain: what is pending or firing, and why."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.explain_answer import labels_from
from lockstep.adapters.http.openapi import NO_TOKEN, TEXT, Operation, answer, answers, error
from lockstep.adapters.http.refusal import Refusal
from lockstep.errors import RuleError

STATES = ("pending", "firing", "resolved", "all")
"""What /v1/alerts can be asked for."""


class AlertOperations:
    """What is known of alerts."""

    def __init__(self, board: AlertBoard, explain: Callable[[str, dict[str, str]], dict[str, Any]]) -> None:
        """explain: (rule or id, labels) → the answer of /v1/explain; raises RuleError for what is not there."""
        self._board, self._explained = board, explain

    @answers(
        Operation(
            "GET",
            "/v1/alerts",
            "What is pending or firing now, since when, with its numbers",
            {200: answer("The alerts"), 400: error("No such state"), 401: NO_TOKEN},
            parameters=[
                {"name": "rule", "in": "query", "schema": TEXT},
                {"name": "state", "in": "query", "schema": {"enum": list(STATES)}},
            ],
        )
    )
    async def _alerts(self, request: web.BaseRequest) -> web.Response:
        rule = request.query.get("rule")
        state = request.query.get("state")
        if state not in (None, *STATES):
            raise Refusal(400, f"state is one of {', '.join(STATES)}")
        every = state == "all"
        alerts = self._board.alerts(rule=rule, every=every)
        if state and not every:
            alerts = [t for t in alerts if _state(t.state.value) == state]
        body = [{**msgspec.to_builtins(t), "state": _state(t.state.value), "since": t.started_at} for t in alerts]
        return web.json_response({"alerts": body})

    @answers(
        Operation(
            "GET",
            "/v1/explain",
            "Why a rule fires or does not, for the groups that this worker judges",
            {
                200: answer("The verdict with every number that it read, and where the alert stands"),
                400: error("Nothing was asked for"),
                401: NO_TOKEN,
                404: error("No such rule, label or id"),
            },
            parameters=[
                {
                    "name": "what",
                    "in": "query",
                    "required": True,
                    "description": "A rule's name, or the id of an alert, an episode or a transition",
                    "schema": TEXT,
                },
                {
                    "name": "label",
                    "in": "query",
                    "description": "`sku=A-1`; may stand several times",
                    "schema": {"type": "array", "items": TEXT},
                },
            ],
        )
    )
    async def _explain(self, request: web.BaseRequest) -> web.Response:
        what = request.query.get("what")
        if not what:
            raise Refusal(400, "what? write ?what=RULE&label=sku=A-1")
        try:
            answer = self._explained(what, labels_from(request.query.getall("label", [])))
        except RuleError as error:
            raise Refusal(404, str(error)) from error
        return web.json_response(answer)


def _state(name: str) -> str:
    """The state that a transition leads to."""
    return {"severity": "firing", "cancelled": "inactive"}.get(name, name)
