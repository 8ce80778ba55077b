"""The OpenAPI document of the server: what can be asked, what is answered."""

from collections.abc import Callable
from typing import Any

from lockstep import VERSION

STATES = ("pending", "firing", "resolved", "all")
"""What /v1/alerts can be asked for."""


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
