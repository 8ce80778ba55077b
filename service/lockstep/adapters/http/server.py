"""The HTTP server: events in, alerts out, health and metrics. Without a token it stays on loopback."""

import hmac
import ipaddress
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
from aiohttp import web

from lockstep import VERSION
from lockstep.adapters.follow import AlertBoard
from lockstep.errors import BrokerError, RuleError, SettingsError
from lockstep.event import LARGEST_EVENT
from lockstep.ports import Broker
from lockstep.settings import Settings
from lockstep.tools.explain import labels_from
from lockstep.tools.send import BadEvents, to_records

OPEN = ("/healthz", "/readyz", "/metrics")
STATES = ("pending", "firing", "resolved", "all")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Status(Protocol):
    """Whether the worker is alive and ready, and why not."""

    ready: bool
    ready_reason: str
    live: bool
    live_reason: str


def check_exposure(settings: Settings) -> None:
    """Raises SettingsError when the server would be open to others without a token."""
    if settings.api_token is not None or settings.http_host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(settings.http_host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(
            f"LOCKSTEP_HTTP_HOST: {settings.http_host} is open to others; "
            "set LOCKSTEP_API_TOKEN, or listen on 127.0.0.1"
        )


class HttpServer:
    """Start, then `port` is the one in use."""

    def __init__(
        self,
        settings: Settings,
        *,
        broker: Broker,
        board: AlertBoard,
        status: Callable[[], Status],
        metrics: Callable[[], bytes],
        explain: Callable[[str, dict[str, str]], dict[str, Any]],
        rules: Callable[[], dict[str, Any]],
        reload: Callable[[], Awaitable[dict[str, Any]]],
    ) -> None:
        """explain: (rule or id, labels) → the answer of /v1/explain; raises RuleError for what is not there.

        rules: which are in force; reload: look at the folder again. Both give the answer of /v1/rules.
        """
        check_exposure(settings)
        self._settings, self._broker, self._board = settings, broker, board
        self._status, self._metrics, self._explained = status, metrics, explain
        self._rules, self._reload = rules, reload
        self._runner: web.AppRunner | None = None
        self.port = settings.http_port

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_EVENT + 1)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/v1/alerts", self._alerts)
        app.router.add_get("/v1/explain", self._explain)
        app.router.add_get("/v1/rules", self._show_rules)
        app.router.add_post("/v1/rules/reload", self._reload_rules)
        app.router.add_post("/v1/events", self._events)
        app.router.add_get("/v1/openapi.json", self._openapi)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.http_host, self._settings.http_port)
        try:
            await site.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise SettingsError(
                f"cannot listen on {self._settings.http_host}:{self._settings.http_port}: {why.lower()}; "
                "set LOCKSTEP_HTTP_PORT to a free port"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        token = self._settings.api_token
        if token is not None and request.path not in OPEN:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
                return web.json_response({"error": "a Bearer token is needed"}, status=401)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return web.json_response({"error": error.reason}, status=error.status)

    async def _healthz(self, request: web.Request) -> web.Response:
        status = self._status()
        body = {"live": status.live, "reason": status.live_reason}
        return web.json_response(body, status=200 if status.live else 503)

    async def _readyz(self, request: web.Request) -> web.Response:
        status = self._status()
        body = {"ready": status.ready, "reason": status.ready_reason}
        return web.json_response(body, status=200 if status.ready else 503)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _alerts(self, request: web.Request) -> web.Response:
        rule = request.query.get("rule")
        state = request.query.get("state")
        if state not in (None, *STATES):
            return web.json_response({"error": f"state is one of {', '.join(STATES)}"}, status=400)
        every = state == "all"
        found = self._board.alerts(rule=rule, every=every)
        if state and not every:
            found = [t for t in found if _state(t.state.value) == state]
        body = [{**msgspec.to_builtins(t), "state": _state(t.state.value), "since": t.started_at} for t in found]
        return web.json_response({"alerts": body})

    async def _show_rules(self, request: web.Request) -> web.Response:
        return web.json_response(self._rules())

    async def _reload_rules(self, request: web.Request) -> web.Response:
        try:
            answer = await self._reload()
        except RuleError as error:
            return web.json_response({"error": str(error)}, status=422)
        except BrokerError as error:
            return web.json_response({"error": str(error)}, status=503)
        refused = any(file["state"] == "refused" for file in answer["files"])
        return web.json_response(answer, status=422 if refused else 200)

    async def _explain(self, request: web.Request) -> web.Response:
        what = request.query.get("what")
        if not what:
            return web.json_response({"error": "what? write ?what=RULE&label=sku=A-1"}, status=400)
        try:
            answer = self._explained(what, labels_from(request.query.getall("label", [])))
        except RuleError as error:
            return web.json_response({"error": str(error)}, status=404)
        return web.json_response(answer)

    async def _events(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if len(raw) > LARGEST_EVENT:
            return web.json_response({"error": f"at most {LARGEST_EVENT} bytes"}, status=413)
        headers = {k.lower(): v for k, v in request.headers.items()}
        try:
            records = to_records(raw, headers, self._settings.topics)
        except BadEvents as error:
            return web.json_response({"errors": error.faults}, status=415 if error.wrong_type else 400)
        try:
            await self._broker.publish(records)
        except BrokerError as error:
            return web.json_response({"error": str(error)}, status=503)
        return web.json_response({"accepted": len(records)}, status=202)

    async def _openapi(self, request: web.Request) -> web.Response:
        return web.json_response(openapi())


def _state(name: str) -> str:
    """The state that a transition leads to."""
    return {"severity": "firing", "cancelled": "inactive"}.get(name, name)


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of this server."""
    said = {"application/json": {"schema": {"type": "object"}}}
    events: dict[str, Any] = {
        name: {"schema": {"type": kind}}
        for name, kind in (
            ("application/cloudevents+json", "object"),
            ("application/cloudevents-batch+json", "array"),
        )
    }
    answer: Callable[[str], dict[str, Any]] = lambda text: {"description": text, "content": said}  # noqa: E731 # one line a use
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lockstep", "version": VERSION},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": {
            "/v1/events": {
                "post": {
                    "summary": "Publish one event or a batch; answers when the broker has it",
                    "requestBody": {"required": True, "content": events},
                    "responses": {
                        "202": answer("The broker has them"),
                        "400": answer("Which element and which field is wrong; nothing was published"),
                        "401": answer("No token, or another one"),
                        "413": answer("More than 1 MiB"),
                        "415": answer("No CloudEvents"),
                        "503": answer("The broker does not answer"),
                    },
                }
            },
            "/v1/alerts": {
                "get": {
                    "summary": "What is pending or firing now, since when, with its numbers",
                    "parameters": [
                        {"name": "rule", "in": "query", "schema": {"type": "string"}},
                        {
                            "name": "state",
                            "in": "query",
                            "schema": {"enum": list(STATES)},
                        },
                    ],
                    "responses": {
                        "200": answer("The alerts"),
                        "400": answer("No such state"),
                        "401": answer("No token, or another one"),
                    },
                }
            },
            "/v1/rules": {
                "get": {
                    "summary": "The rules in force, since when, and which files were refused why",
                    "responses": {"200": answer("The rules"), "401": answer("No token, or another one")},
                }
            },
            "/v1/rules/reload": {
                "post": {
                    "summary": "Look at the folder of rules now; also takes back one that was replaced",
                    "responses": {
                        "200": answer("What changed, in words, and what is in force"),
                        "401": answer("No token, or another one"),
                        "422": answer("A file was refused; the last good version of it stays in force"),
                        "503": answer("The broker does not answer"),
                    },
                }
            },
            "/v1/explain": {
                "get": {
                    "summary": "Why a rule fires or does not, for the groups that this worker judges",
                    "parameters": [
                        {
                            "name": "what",
                            "in": "query",
                            "required": True,
                            "description": "A rule's name, or the id of an alert, an episode or a transition",
                            "schema": {"type": "string"},
                        },
                        {
                            "name": "label",
                            "in": "query",
                            "description": "`sku=A-1`; may stand several times",
                            "schema": {"type": "array", "items": {"type": "string"}},
                        },
                    ],
                    "responses": {
                        "200": answer("The verdict with every number that it read, and where the alert stands"),
                        "400": answer("Nothing was asked for"),
                        "401": answer("No token, or another one"),
                        "404": answer("No such rule, label or id"),
                    },
                }
            },
            "/healthz": {"get": {"security": [], "summary": "Alive?", "responses": {"200": answer("Yes")}}},
            "/readyz": {"get": {"security": [], "summary": "Ready?", "responses": {"200": answer("Yes")}}},
            "/metrics": {
                "get": {"security": [], "summary": "For Prometheus", "responses": {"200": {"description": "Text"}}}
            },
        },
    }
