"""The OpenAPI document of the server: what can be asked, what is answered."""

from typing import Any

from lockstep import VERSION
from lockstep.adapters.http.body import ENCODINGS
from lockstep.adapters.ingest.receipts import Outcome

STATES = ("pending", "firing", "resolved", "all")
"""What /v1/alerts can be asked for."""


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}


def _object(description: str, properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "description": description, "properties": properties, "required": required}


def _list(description: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": items}


def _schemas() -> dict[str, Any]:
    """What answers are made of."""
    element = {**_COUNT, "description": "Which event of the body, from 0: element of an array, or line"}
    meanings = {
        Outcome.ACCEPTED: "Events that the broker has and that count",
        Outcome.DUPLICATE: "Events whose id and source came before in their partition, in this chunk of records or the "
        "one before; only the first of them is looked at",
        Outcome.FUTURE: "Events whose time is too far ahead of the broker's clock: not counted, but listed by "
        "`lockstep dead events`",
        Outcome.UNKNOWN: "Events of a type that is not ours: counted here and ignored",
    }
    return {
        "Receipt": _object(
            "What became of the events of one POST; the four counts add up to all of them. What comes too late for a "
            "window that is closed is known later: `lockstep dead events`",
            {
                **{outcome.value: {**_COUNT, "description": meanings[outcome]} for outcome in Outcome},
                "events": _list(
                    "Those that do not count, the first 100",
                    _object(
                        "One event that does not count",
                        {
                            "element": element,
                            "outcome": {
                                "enum": [o.value for o in Outcome if o is not Outcome.ACCEPTED],
                                "description": "What became of it, as above",
                            },
                            "message": {**_TEXT, "description": "Why, and what to do"},
                        },
                    ),
                ),
            },
        ),
        "Error": _object(
            "Every answer from 400 on",
            {
                "error": {**_TEXT, "description": "What is wrong, and what to do"},
                "errors": _list(
                    "For events that were refused: each fault, the first 100",
                    _object(
                        "One fault of one event",
                        {
                            "element": element,
                            "field": {
                                **_TEXT,
                                "description": "Such as `data.lines.0.quantity`; empty for the whole event",
                            },
                            "reason": {**_TEXT, "description": "One word: json, envelope, data or number"},
                            "message": {**_TEXT, "description": "For people"},
                        },
                    ),
                ),
            },
            "errors",
        ),
    }


def _answer(description: str, schema: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": schema or {"type": "object"}}},
    }
    if headers:
        answer["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": _TEXT} for name, text in headers.items()
        }
    return answer


def _error(description: str, **headers: str) -> dict[str, Any]:
    return _answer(description, {"$ref": "#/components/schemas/Error"}, **headers)


_NO_TOKEN = _error("No token, or another one", WWW_Authenticate="`Bearer`, as RFC 6750 says")
_ANY_ERROR = _error("Anything else: 404 for another path, 405 with `Allow` for another method, 431 for long headers")
_PACKED = {
    "name": "Content-Encoding",
    "in": "header",
    "description": "How the body is packed",
    "schema": {"enum": list(ENCODINGS), "default": "identity"},
}


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of this server."""
    event = {"type": "object", "description": "A CloudEvent, as `events/<type>.schema.json` describes it"}
    events = {
        "application/cloudevents+json": {"schema": event},
        "application/cloudevents-batch+json": {"schema": {"type": "array", "items": event}},
        "application/x-ndjson": {"schema": {**_TEXT, "description": "One CloudEvent a line"}},
        "application/json": {
            "schema": {"description": "Any of these; with `ce-` headers the data of one event, in binary mode"}
        },
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Lockstep", "version": VERSION},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/events": {
                "post": {
                    "summary": "Publish one event or many; answers when the broker has them: what became of each",
                    "parameters": [_PACKED],
                    "requestBody": {"required": True, "content": events},
                    "responses": {
                        "202": _answer("The broker has them", {"$ref": "#/components/schemas/Receipt"}),
                        "400": _error("Which element and which field is wrong; nothing was published"),
                        "401": _NO_TOKEN,
                        "413": _error("More than 1 MiB (1,048,576 bytes), as it came or unpacked"),
                        "415": _error("No CloudEvents, or packed in another way", Accept_Encoding="What is taken"),
                        "503": _error("The broker does not answer"),
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
                        "200": _answer("The alerts"),
                        "400": _error("No such state"),
                        "401": _NO_TOKEN,
                    },
                }
            },
            "/v1/rules": {
                "get": {
                    "summary": "The rules in force, since when, and which files were refused why",
                    "responses": {"200": _answer("The rules"), "401": _NO_TOKEN},
                }
            },
            "/v1/rules/reload": {
                "post": {
                    "summary": "Look at the folder of rules now; also takes back one that was replaced",
                    "responses": {
                        "200": _answer("What changed, in words, and what is in force"),
                        "401": _NO_TOKEN,
                        "422": _error(
                            "A file was refused, `files` says why; the last good version of it stays in force"
                        ),
                        "503": _error("The broker does not answer"),
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
                        "200": _answer("The verdict with every number that it read, and where the alert stands"),
                        "400": _error("Nothing was asked for"),
                        "401": _NO_TOKEN,
                        "404": _error("No such rule, label or id"),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "security": [],
                    "summary": "Alive?",
                    "responses": {"200": _answer("Yes"), "503": _answer("No, and why")},
                }
            },
            "/readyz": {
                "get": {
                    "security": [],
                    "summary": "Ready?",
                    "responses": {"200": _answer("Yes"), "503": _answer("No, and why")},
                }
            },
            "/metrics": {
                "get": {"security": [], "summary": "For Prometheus", "responses": {"200": {"description": "Text"}}}
            },
        },
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = _ANY_ERROR
    return document
