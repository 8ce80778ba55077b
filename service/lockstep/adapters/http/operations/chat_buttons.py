"""A button that is pressed in Slack comes in as a command, and the message then says who has it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import aiohttp
import structlog
from aiohttp import web

from lockstep.adapters.channels import Secrets
from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.http.body import read_body
from lockstep.adapters.http.openapi import Operation, answer, answers, error
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.slack_api.markup import escaped
from lockstep.adapters.slack_api.message_blocks import EXPLAIN
from lockstep.adapters.slack_api.message_edit import NOBODY, with_answer
from lockstep.adapters.slack_api.presses import Press, command_of, is_signed, press_of
from lockstep.errors import BrokerError, CommandUnanswered, DeliveryError
from lockstep.response.command import Acknowledge, Answer, ReplyToPlan, Snooze, TakeBack
from lockstep.text.figures import time_text

log = structlog.get_logger("lockstep.pages")

LARGEST_PRESS = 1 << 19
"""Bytes of a request: Slack sends the whole message along."""
WITHIN_S = 1.5
"""How long what somebody did is waited for: Slack wants an answer within three seconds."""
CHANGE_S = 10.0
GOODBYE_S = 1.0
MOST_AT_ONCE = 50
"""Messages that are being changed; of more pressed buttons the command is given and the message left as it is."""
RESPONSES = "hooks.slack.com"
"""Where Slack has messages changed, and nowhere else."""


class ChatButtons:
    """What people press in Slack."""

    def __init__(
        self,
        door: CommandDoor,
        *,
        secrets: Secrets,
        secret_names: Sequence[str],
        explain: Callable[[str], str],
        base_url: str,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
    ) -> None:
        """secret_names: of those that Slack signs with. explain: alert → why it is as it is, in words; "": unknown.
        base_url: of Slack's API, beside which a stand-in of it has its messages changed."""
        self._door, self._secrets, self._secret_names = door, secrets, secret_names
        self._explain, self._zone, self._clock = explain, zone, clock
        self._hosts = {RESPONSES, urlsplit(base_url).hostname}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    @answers(
        Operation(
            "POST",
            "/v1/slack/interactions",
            "A button that was pressed in Slack, signed by Slack",
            {
                200: answer("It is done, or on its way"),
                400: error("Not what Slack sends"),
                401: error("Not signed by Slack with a secret that is set, or more than five minutes ago"),
                408: error("The body has not come whole within a minute"),
                413: error("Larger than what Slack sends"),
                415: error("Packed in another way", Accept_Encoding="What is taken"),
                503: error("The broker does not answer; Slack says so to who has pressed the button"),
            },
            body={"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
            is_open=True,
        )
    )
    async def _pressed(self, request: web.BaseRequest) -> web.Response:
        raw = await read_body(request, most=LARGEST_PRESS)
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not is_signed(raw, headers, self._signing_secrets(), now=self._clock()):
            raise Refusal(401, "not signed by Slack; set LOCKSTEP_SECRET_SLACK_SIGNING to the app's signing secret")
        try:
            press = press_of(raw)
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise Refusal(400, "no button of ours was pressed") from fault
        if press is None:
            return web.json_response({})
        if press.action == EXPLAIN:
            said = self._explain(press.alert_id) or "The worker that has this alert knows more: open its page."
            self._change(
                press, {"response_type": "ephemeral", "replace_original": False, "text": escaped(said)[:3_000]}
            )
            return web.json_response({})
        command = command_of(press, self._clock())
        if command is None:
            return web.json_response({})
        log.info("somebody presses a button", kind=type(command).__name__, by=command.by)
        known: Answer | None = None
        try:
            known = await self._door.give(command, within_s=WITHIN_S)
        except CommandUnanswered:
            pass
        except BrokerError as fault:
            raise Refusal(503, str(fault)) from fault
        self._change(press, self._after(press, known))
        return web.json_response({})

    def _signing_secrets(self) -> list[str]:
        values = []
        for name in self._secret_names:
            try:
                values.append(self._secrets(name))
            except DeliveryError:
                continue
        return values

    def _after(self, press: Press, known: Answer | None) -> dict[str, Any]:
        """What becomes of the message. known: None: nobody has done it yet."""
        if known is None or not known.applied:
            said = "It is on its way: no worker has applied it yet." if known is None else f"Not done: {known.why}"
            return {"response_type": "ephemeral", "replace_original": False, "text": escaped(said)[:3_000]}
        at = time_text(known.decided_at, self._zone)
        if isinstance(known.command, ReplyToPlan):  # both teams are told of it anyway
            return {"response_type": "ephemeral", "replace_original": False, "text": escaped(known.why)[:3_000]}
        match known.command:
            case Acknowledge(by=by):
                said, handled = f"{by} has it since {at}", True
            case Snooze(by=by, until=until):
                said, handled = f"{by} snoozed it until {time_text(until, self._zone)}", True
            case TakeBack():
                said, handled = NOBODY, False
            case _:
                said, handled = known.why, True
        shown = with_answer(press.message, press.alert_id, press.episode_id, said, handled=handled)
        return {
            "replace_original": True,
            "text": shown.text,
            "blocks": shown.blocks,
            "attachments": shown.attachments,
        }

    def _change(self, press: Press, document: dict[str, Any]) -> None:
        """Have Slack change the message, or answer who has pressed; by itself, because Slack waits."""
        address = urlsplit(press.response_url)
        if address.hostname not in self._hosts or len(self._tasks) >= MOST_AT_ONCE:
            return
        task = asyncio.create_task(self._changed(press.response_url, document))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _changed(self, url: str, document: dict[str, Any]) -> None:
        """Raises nothing: what was asked for is done."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=CHANGE_S), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        try:
            async with self._session.post(url, json=document, allow_redirects=False) as answered:
                if answered.status != 200:
                    log.warning("a message in Slack could not be changed", status=answered.status)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as fault:
            log.warning("a message in Slack could not be changed", reason=type(fault).__name__)

    async def changed(self, *, within_s: float = CHANGE_S) -> None:
        """Wait for the messages that are being changed, so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def close(self) -> None:
        await self.changed(within_s=GOODBYE_S)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
