"""/v1/rules: which rules are in force, and a reload of them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from aiohttp import web

from lockstep.adapters.command_door import audit_record
from lockstep.adapters.http.caller import Role, caller_of
from lockstep.adapters.http.openapi import NO_ROLE, NO_TOKEN, Operation, answer, answers, error
from lockstep.adapters.http.refusal import Refusal
from lockstep.errors import BrokerError, RuleError
from lockstep.ports import Broker
from lockstep.response.command import ReloadRules
from lockstep.text.rfc3339 import rfc3339_of


class RuleOperations:
    """The rules in force."""

    def __init__(
        self,
        rules: Callable[[], dict[str, Any]],
        reload: Callable[[], Awaitable[dict[str, Any]]],
        *,
        broker: Broker,
        clock: Callable[[], datetime],
    ) -> None:
        """rules: which are in force; reload: look at the folder again. Both give the answer of /v1/rules."""
        self._rules, self._reload = rules, reload
        self._broker, self._clock = broker, clock

    @answers(
        Operation(
            "GET",
            "/v1/rules",
            "The rules in force, since when, and which files were refused why",
            {200: answer("The rules"), 401: NO_TOKEN},
        )
    )
    async def _show_rules(self, request: web.BaseRequest) -> web.Response:
        return web.json_response(self._rules())

    @answers(
        Operation(
            "POST",
            "/v1/rules/reload",
            "Look at the folder of rules now; also takes back one that was replaced",
            {
                200: answer("What changed, in words, and what is in force"),
                401: NO_TOKEN,
                403: NO_ROLE,
                422: error("A file was refused, `files` says why; the last good version of it stays in force"),
                503: error("The broker does not answer"),
            },
            role=Role.EDITOR,
        )
    )
    async def _reload_rules(self, request: web.BaseRequest) -> web.Response:
        now = rfc3339_of(self._clock())
        deed = ReloadRules(id=uuid4().hex, by=caller_of(request).name, way="api", at=now)
        try:
            # Before it is done: a reload that nobody can note is not made.
            await self._broker.publish([audit_record(deed, f"{deed.by} had the folder of rules looked at")])
            answer = await self._reload()
        except RuleError as error:
            raise Refusal(422, str(error)) from error
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        refused = [file["name"] for file in answer["files"] if file["state"] == "refused"]
        if refused:
            said = f"refused, the last good version stays in force: {', '.join(refused)}"
            raise Refusal(422, said, more=answer)
        return web.json_response(answer)
