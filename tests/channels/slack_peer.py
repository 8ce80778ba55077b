"""A Slack of ours: channels with messages, threads, edits and look-ups, with a fault at a chosen place of a call."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

BEFORE, AFTER = "before it is done", "after it is done"


@dataclass
class LocalSlack:
    """channels: id → name. posted: what stands in them, edits included, oldest first.

    at: called at (method, BEFORE or AFTER) of each call; what it raises or returns is the answer, `drop` closes the
    connection. scopes: methods that the bot may not use. asked: how often each method was.
    """

    channels: dict[str, str] = field(default_factory=lambda: {"C0000001": "ops", "C0000002": "other"})
    posted: list[dict[str, Any]] = field(default_factory=list)
    at: Callable[[str, str], Any] = lambda method, place: None
    forbidden: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    epoch: float = 1_795_521_630.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.path.rpartition("/")[2]
        self.asked[method] += 1
        raw = await request.read()
        given = json.loads(raw) if request.content_type == "application/json" and raw else {}
        given = {**request.query, **given, **(await request.post())}
        if method in self.forbidden:
            return web.json_response({"ok": False, "error": "missing_scope"})
        for place in (BEFORE, AFTER):
            fault = self.at(method, place)
            if fault == "drop":
                if request.transport is not None:
                    request.transport.close()
                return web.Response()
            if fault == "hang":
                await asyncio.Event().wait()
            if isinstance(fault, dict):
                return web.json_response(fault)
            if place == BEFORE:
                answer = getattr(self, f"_{method.replace('.', '_')}")(given)
        return web.json_response(answer)

    def texts(self, *, thread: str | None = None) -> list[str]:
        """What is read in the channel, or in a thread."""
        return [m["text"] for m in self.posted if m.get("thread_ts") == thread]

    def _channel(self, name: str) -> str | None:
        return next((i for i, known in self.channels.items() if name in (i, known, f"#{known}")), None)

    def _chat_postMessage(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        channel = self._channel(given["channel"])
        if channel is None:
            return {"ok": False, "error": "channel_not_found"}
        ts = f"{self.epoch + len(self.posted):.6f}"
        # Slack gives attachments an id and a fallback of its own.
        attachments = [{**a, "id": n, "fallback": "[no preview]"} for n, a in enumerate(given.get("attachments", []))]
        self.posted.append({**given, "attachments": attachments, "channel": channel, "ts": ts})
        return {"ok": True, "ts": ts, "channel": channel, "message": {}}

    def _chat_update(self, given: dict[str, Any]) -> dict[str, Any]:
        for message in self.posted:
            if (message["channel"], message["ts"]) == (given["channel"], given["ts"]):
                message.update({k: given[k] for k in ("text", "blocks", "attachments") if k in given})
                message["edited"] = message.get("edited", 0) + 1
                return {"ok": True, "ts": message["ts"], "channel": message["channel"]}
        return {"ok": False, "error": "message_not_found"}

    def _listed(self, given: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
        oldest, latest = float(given.get("oldest", 0)), float(given.get("latest", 1e12))
        inclusive = str(given.get("inclusive", "")).lower() in ("1", "true")
        fits = [
            m
            for m in messages
            if oldest < float(m["ts"]) < latest or (inclusive and float(m["ts"]) in (oldest, latest))
        ]
        if str(given.get("include_all_metadata", "")).lower() not in ("1", "true"):
            fits = [{k: v for k, v in m.items() if k != "metadata"} for m in fits]
        return {"ok": True, "messages": list(reversed(fits))[: int(given.get("limit", 100))], "has_more": False}

    def _conversations_history(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["channel"] not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        of_channel = [m for m in self.posted if m["channel"] == given["channel"]]
        return self._listed(given, [m for m in of_channel if not m.get("thread_ts") or m.get("reply_broadcast")])

    def _conversations_replies(self, given: dict[str, Any]) -> dict[str, Any]:
        return self._listed(given, [m for m in self.posted if given["ts"] in (m["ts"], m.get("thread_ts"))])

    def _conversations_list(self, given: dict[str, Any]) -> dict[str, Any]:
        # One at a time, so that there is more than one page.
        names = list(self.channels.items())
        place = int(given.get("cursor") or 0)
        more = str(place + 1) if place + 1 < len(names) else ""
        page = [{"id": i, "name": n} for i, n in names[place : place + 1]]
        return {"ok": True, "channels": page, "response_metadata": {"next_cursor": more}}


@asynccontextmanager
async def slack_at(slack: LocalSlack) -> AsyncIterator[str]:
    """The base URL of its API, on loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", slack.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()
