"""What the server can be asked, declared beside the handler that answers, and the OpenAPI document made of that."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from lockstep import VERSION
from lockstep.adapters.http.caller import Role
from lockstep.adapters.http.refusal import PROBLEM
from lockstep.adapters.http.typed_requests import Form, body_content, query_parameters

Function = TypeVar("Function", bound=Callable[..., Any])

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked for.

    responses: by status, as `answer` and `error` make them. parameters: as OpenAPI writes them; those of the path and
    of `query` are added. body: media type → content as OpenAPI writes it; None where none is read. query, form: the
    models of the query and of a JSON body. is_open: no token is asked for. role: what the caller must at least be,
    where a token is asked for.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    responses: Mapping[int, Mapping[str, Any]]
    parameters: Sequence[Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None
    query: type[Form] | None = None
    form: type[Form] | None = None
    is_open: bool = False
    role: Role = Role.VIEWER


def answers(operation: Operation) -> Callable[[Function], Function]:
    """Declares the operation that a method of the server answers."""

    def declare(function: Function) -> Function:
        function.operation = operation  # type: ignore[attr-defined] # read by `operations_of`
        return function

    return declare


def page(method: Literal["GET", "POST"], path: str, summary: str) -> Callable[[Function], Function]:
    """Declares a page for people, a form of one, or what it loads: who asks is known by a login or a link, and it is no
    part of the OpenAPI document."""
    return answers(Operation(method, path, summary, {}, is_open=True))


def operations_of(server: type) -> dict[str, Operation]:
    """Name of a method → the operation that it answers, in the order of the class."""
    return {
        name: f.operation for name, f in vars(server).items() if isinstance(getattr(f, "operation", None), Operation)
    }


def object_of(description: str, properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "description": description, "properties": properties, "required": required}


def list_of(description: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": items}


def answer(description: str, schema: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    """A response in JSON. headers: what they say, by name with `_` for `-`."""
    return _response(description, "application/json", schema or {"type": "object"}, headers)


def error(description: str, **headers: str) -> dict[str, Any]:
    """A refusal, as RFC 9457 has it."""
    return _response(description, PROBLEM, {"$ref": "#/components/schemas/Error"}, headers)


def _response(description: str, kind: str, schema: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": description, "content": {kind: {"schema": schema}}}
    if headers:
        response["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": TEXT} for name, text in headers.items()
        }
    return response


ELEMENT = {**COUNT, "description": "Which event of the body, from 0: element of an array, or line"}
ERROR = object_of(
    "Every answer from 400 on: problem details (RFC 9457)",
    {
        "type": {"const": "about:blank", "description": "The status says what kind of problem it is"},
        "title": {**TEXT, "description": "The status in words"},
        "status": {"type": "integer", "description": "The status"},
        "detail": {**TEXT, "description": "What is wrong, and what to do"},
        "error": {**TEXT, "description": "The same as `detail`"},
        "errors": list_of(
            "Each fault of events, of a body or of a query, the first 100",
            object_of(
                "One fault",
                {
                    "element": ELEMENT,
                    "field": {
                        **TEXT,
                        "description": "Such as `data.lines.0.quantity`; empty for the whole of it",
                    },
                    "reason": {**TEXT, "description": "One word: json, envelope, data or number"},
                    "message": {**TEXT, "description": "For people"},
                },
                "element",
                "reason",
            ),
        ),
    },
    "errors",
)
NO_TOKEN = error("No token, or another one", WWW_Authenticate="`Bearer`, as RFC 6750 says")
NO_ROLE = error("The token's role is not enough", WWW_Authenticate="`Bearer` with `insufficient_scope`")
_ANY_ERROR = error("Anything else: 404 for another path, 405 with `Allow` for another method, 431 for long headers")


def document_of(operations: Sequence[Operation], schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The OpenAPI 3.1 document. schemas: what the answers are made of, by name."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described: dict[str, Any] = {"security": []} if operation.is_open else {}
        described["summary"] = operation.summary
        names = re.findall(r"\{(\w+)\}", operation.path)
        parameters = [
            *({"name": name, "in": "path", "required": True, "schema": TEXT} for name in names),
            *operation.parameters,
            *(() if operation.query is None else query_parameters(operation.query)),
        ]
        if parameters:
            described["parameters"] = parameters
        content = operation.body if operation.form is None else body_content(operation.form)
        if content is not None:
            described["requestBody"] = {"required": True, "content": content}
        described["responses"] = {str(status): response for status, response in operation.responses.items()}
        described["responses"]["default"] = _ANY_ERROR
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lockstep", "version": VERSION},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas, "Error": ERROR},
        },
        "security": [{"token": []}],
        "paths": paths,
    }
