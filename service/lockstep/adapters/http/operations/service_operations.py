"""The worker itself: whether it is alive and ready, its metrics, and the document of all operations."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from aiohttp import web

from lockstep.adapters.http.openapi import NO_TOKEN, Operation, answer, answers
from lockstep.event.imports import OpenImport
from lockstep.text.rfc3339 import rfc3339_of


class Status(Protocol):
    """Whether the worker is alive and ready, and why not."""

    ready: bool
    ready_reason: str
    live: bool
    live_reason: str


class ServiceOperations:
    """What is asked of a worker."""

    def __init__(
        self,
        *,
        status: Callable[[], Status],
        imports: Callable[[], Sequence[OpenImport]],
        metrics: Callable[[], Awaitable[bytes]],
        document: Callable[[], dict[str, Any]],
    ) -> None:
        """imports: those that have not ended. document: of OpenAPI, of all operations."""
        self._status, self._imports, self._metrics, self._document = status, imports, metrics, document

    @answers(
        Operation(
            "GET",
            "/healthz",
            "Alive?",
            {200: answer("Yes"), 503: answer("No, and why")},
            is_open=True,
        )
    )
    async def _healthz(self, request: web.BaseRequest) -> web.Response:
        status = self._status()
        body = {"live": status.live, "reason": status.live_reason}
        return web.json_response(body, status=200 if status.live else 503)

    @answers(
        Operation(
            "GET",
            "/readyz",
            "Ready?",
            {200: answer("Yes; and for which imports live events wait"), 503: answer("No, and why")},
            is_open=True,
        )
    )
    async def _readyz(self, request: web.BaseRequest) -> web.Response:
        status = self._status()
        body: dict[str, Any] = {"ready": status.ready, "reason": status.ready_reason}
        if unfinished := self._imports():
            # No reason to restart a worker, or to send it no events: these wait for whoever imports.
            body["imports"] = [_unfinished(each) for each in unfinished]
        return web.json_response(body, status=200 if status.ready else 503)

    @answers(
        Operation(
            "GET",
            "/metrics",
            "For Prometheus",
            {200: {"description": "Text"}},
            is_open=True,
        )
    )
    async def _show_metrics(self, request: web.BaseRequest) -> web.Response:
        return web.Response(
            body=await self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    @answers(
        Operation(
            "GET",
            "/v1/openapi.json",
            "This document",
            {200: answer("OpenAPI 3.1"), 401: NO_TOKEN},
        )
    )
    async def _openapi(self, request: web.BaseRequest) -> web.Response:
        return web.json_response(self._document())


def _unfinished(unfinished: OpenImport) -> dict[str, Any]:
    """An import that has not ended, as /readyz tells of it."""
    return {
        "import": unfinished.role,
        "topic": unfinished.topic,
        "events_waiting": unfinished.waiting,
        "last_record_at": rfc3339_of(unfinished.written_at),
        "reached": None if unfinished.reached is None else rfc3339_of(unfinished.reached),
        "way_out": "give the same `lockstep import` again to go on with it, or `lockstep import --end`",
    }
