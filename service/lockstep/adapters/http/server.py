"""The HTTP server: events in, alerts out, health and metrics. Without a token it stays on loopback."""

import hmac
import ipaddress
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.explain_answer import labels_from
from lockstep.adapters.http import inbound as webhooks_in
from lockstep.adapters.http.body import ENCODINGS, read_body
from lockstep.adapters.http.first_steps import page
from lockstep.adapters.http.openapi import (
    COUNT,
    ELEMENT,
    NO_TOKEN,
    TEXT,
    Operation,
    answer,
    answers,
    document_of,
    error,
    list_of,
    object_of,
    operations_of,
)
from lockstep.adapters.http.protocol import Handler, Server
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.ingest.receipts import Outcome, Receipts
from lockstep.adapters.ingest.records import MOST_FAULTS, BadEvents, to_records
from lockstep.errors import BrokerError, RuleError, SettingsError
from lockstep.event import LARGEST_EVENT
from lockstep.settings import Settings

STATES = ("pending", "firing", "resolved", "all")
"""What /v1/alerts can be asked for."""

_MEANINGS = {
    Outcome.ACCEPTED: "Events that the broker has and that count",
    Outcome.DUPLICATE: "Events whose id and source came before in their partition, in this chunk of records or the "
    "one before; only the first of them is looked at",
    Outcome.FUTURE: "Events whose time is too far ahead of the broker's clock: not counted, but listed by "
    "`lockstep dead events`",
    Outcome.UNKNOWN: "Events of a type that is not ours: counted here and ignored",
}

_RECEIPT = object_of(
    "What became of the events of one POST; the four counts add up to all of them. What comes too late for a "
    "window that is closed is known later: `lockstep dead events`",
    {
        **{outcome.value: {**COUNT, "description": _MEANINGS[outcome]} for outcome in Outcome},
        "events": list_of(
            "Those that do not count, the first 100",
            object_of(
                "One event that does not count",
                {
                    "element": ELEMENT,
                    "outcome": {
                        "enum": [o.value for o in Outcome if o is not Outcome.ACCEPTED],
                        "description": "What became of it, as above",
                    },
                    "message": {**TEXT, "description": "Why, and what to do"},
                },
            ),
        ),
    },
)
_PACKED = {
    "name": "Content-Encoding",
    "in": "header",
    "description": "How the body is packed",
    "schema": {"enum": list(ENCODINGS), "default": "identity"},
}
_EVENT = {"type": "object", "description": "A CloudEvent, as `events/<type>.schema.json` describes it"}
_EVENTS = {
    "application/cloudevents+json": {"schema": _EVENT},
    "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _EVENT}},
    "application/x-ndjson": {"schema": {**TEXT, "description": "One CloudEvent a line"}},
    "application/json": {
        "schema": {"description": "Any of these; with `ce-` headers the data of one event, in binary mode"}
    },
}

UNFINISHED_S = 1.0
"""How long a stop waits for the end of a request that has not come whole, and then once more until it is cancelled."""


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
        receipts: Receipts,
        board: AlertBoard,
        status: Callable[[], Status],
        metrics: Callable[[], Awaitable[bytes]],
        explain: Callable[[str, dict[str, str]], dict[str, Any]],
        rules: Callable[[], dict[str, Any]],
        reload: Callable[[], Awaitable[dict[str, Any]]],
        count_events: Callable[[Mapping[str, int]], None],
        inbound: webhooks_in.Inbound,
    ) -> None:
        """explain: (rule or id, labels) → the answer of /v1/explain; raises RuleError for what is not there.

        receipts: the door through which events go to the broker.
        rules: which are in force; reload: look at the folder again. Both give the answer of /v1/rules.
        count_events: hears of every POST how many events had which outcome. inbound: the handlers of webhooks.
        """
        check_exposure(settings)
        self._settings, self._board = settings, board
        self._receipts = receipts
        self._count_events = count_events
        self._status, self._metrics, self._explained = status, metrics, explain
        self._rules, self._reload = rules, reload
        self._runner: web.ServerRunner | None = None
        self.port = settings.http_port
        self._routes: dict[str, dict[str, Handler]] = {}
        for owner, operations in ((self, OPERATIONS), (inbound, webhooks_in.OPERATIONS)):
            for handler, operation in operations.items():
                self._routes.setdefault(operation.path, {})[operation.method] = getattr(owner, handler)

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything that can be asked for."""
        return tuple(self._routes)

    async def start(self) -> None:
        self._runner = web.ServerRunner(Server(self._answer), shutdown_timeout=UNFINISHED_S)
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

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if request.path not in _OPEN:
                self._check_token(request)
            return await self._handler(request)(request)
        except Refusal as refusal:
            return refusal.response()

    def _handler(self, request: web.BaseRequest) -> Handler:
        by_method = self._routes.get(request.path)
        if by_method is None:
            raise Refusal(404, "no such path; /v1/openapi.json names them all")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in by_method:
            allowed = ", ".join("GET, HEAD" if name == "GET" else name for name in by_method)
            raise Refusal(405, f"{request.path} takes {allowed}", headers={"Allow": allowed})
        return by_method[method]

    def _check_token(self, request: web.BaseRequest) -> None:
        """Raises Refusal where a token is set and the request does not carry it, as RFC 6750 says."""
        token = self._settings.api_token
        if token is None:
            return
        header = request.headers.get("Authorization")
        if header is None:
            raise Refusal(401, "a Bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
        scheme, _, given = header.partition(" ")
        # Bytes that are no text arrive as lone surrogates.
        sent, right = given.strip().encode("utf-8", "surrogateescape"), token.get_secret_value().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent, right):
            said = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Refusal(401, "another Bearer token is needed; write `Authorization: Bearer TOKEN`", headers=said)

    @answers(
        Operation(
            "POST",
            "/v1/events",
            "Publish one event or many; answers when the broker has them: what became of each",
            {
                202: answer("The broker has them", {"$ref": "#/components/schemas/Receipt"}),
                400: error("Which element and which field is wrong; nothing was published"),
                401: NO_TOKEN,
                408: error("The body has not come whole within a minute"),
                413: error("More than 1 MiB (1,048,576 bytes), as it came or unpacked"),
                415: error("No CloudEvents, or packed in another way", Accept_Encoding="What is taken"),
                503: error("The broker does not answer"),
            },
            parameters=[_PACKED],
            body=_EVENTS,
        )
    )
    async def _events(self, request: web.BaseRequest) -> web.Response:
        raw = await read_body(request, most=LARGEST_EVENT)
        headers = {k.lower(): v for k, v in request.headers.items()}
        try:
            events = to_records(raw, headers, self._settings.topics)
        except BadEvents as error:
            self._count_events({"refused": len({fault["element"] for fault in error.faults})})
            raise Refusal(415 if error.wrong_type else 400, str(error), faults=error.faults) from error
        try:
            receipts = await self._receipts.publish(events)
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        counts = Counter(receipt.outcome for receipt in receipts)
        self._count_events({outcome.value: count for outcome, count in counts.items()})
        odd = [
            {"element": element, "outcome": receipt.outcome.value, "message": receipt.detail}
            for element, receipt in enumerate(receipts)
            if receipt.outcome is not Outcome.ACCEPTED
        ]
        body = {**{outcome.value: counts[outcome] for outcome in Outcome}, "events": odd[:MOST_FAULTS]}
        return web.json_response(body, status=202)

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
                422: error("A file was refused, `files` says why; the last good version of it stays in force"),
                503: error("The broker does not answer"),
            },
        )
    )
    async def _reload_rules(self, request: web.BaseRequest) -> web.Response:
        try:
            answer = await self._reload()
        except RuleError as error:
            raise Refusal(422, str(error)) from error
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        refused = [file["name"] for file in answer["files"] if file["state"] == "refused"]
        if refused:
            said = f"refused, the last good version stays in force: {', '.join(refused)}"
            return web.json_response({"error": said, **answer}, status=422)
        return web.json_response(answer)

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

    @answers(
        Operation(
            "GET",
            "/",
            "A page for people: what to do next where nothing is watched yet, and what can be asked",
            {200: {"description": "HTML", "content": {"text/html": {"schema": TEXT}}}},
            is_open=True,
        )
    )
    async def _page(self, request: web.BaseRequest) -> web.Response:
        is_watching = bool(self._rules()["rules"])
        text = page(self._settings.rules, self._settings.url(self.port), is_watching=is_watching)
        return web.Response(text=text, content_type="text/html")

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
            {200: answer("Yes"), 503: answer("No, and why")},
            is_open=True,
        )
    )
    async def _readyz(self, request: web.BaseRequest) -> web.Response:
        status = self._status()
        body = {"ready": status.ready, "reason": status.ready_reason}
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
        return web.json_response(openapi())


OPERATIONS = operations_of(HttpServer)
"""What can be asked, by the name of the method that answers."""
_ALL = (*OPERATIONS.values(), *webhooks_in.OPERATIONS.values())
_OPEN = frozenset(operation.path for operation in _ALL if operation.is_open)


def openapi() -> dict[str, Any]:
    """The OpenAPI document of this server, made of what its handlers declare."""
    return document_of(_ALL, {"Receipt": _RECEIPT, "Taken": webhooks_in.TAKEN})


def _state(name: str) -> str:
    """The state that a transition leads to."""
    return {"severity": "firing", "cancelled": "inactive"}.get(name, name)
