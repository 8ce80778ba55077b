"""Queries and bodies as pydantic models: read and checked by them, and described by them in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any, TypeVar

import pydantic
from aiohttp import web

from lockstep.adapters.http.body import read_body
from lockstep.adapters.http.refusal import Refusal
from lockstep.text.requirement import must

LARGEST_BODY = 64 << 10
"""Bytes of a body that is no event."""
MOST_FAULTS = 100
JSON = "application/json"


class Form(pydantic.BaseModel):
    """A query or a body. What it does not name is refused: a typo must not read as if nothing had been asked."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


F = TypeVar("F", bound=Form)


def query_of(request: web.BaseRequest, form: type[F]) -> F:
    """The query of a request. Raises Refusal with every fault."""
    given: dict[str, Any] = {}
    twice: list[str] = []
    lists = _lists(form)
    for name in dict.fromkeys(request.query):
        values = request.query.getall(name)
        if name in lists:
            given[name] = values
            continue
        given[name] = values[-1]
        if len(values) > 1:
            twice.append(name)
    if twice:
        faults = [{"field": name, "message": "stands there more than once"} for name in twice]
        raise _refused("the query", faults)
    try:
        return form.model_validate(given)
    except pydantic.ValidationError as error:
        raise _refused("the query", _faults(error)) from error


async def body_of(request: web.BaseRequest, form: type[F]) -> F:
    """The JSON body of a request. Raises Refusal with every fault.

    It has to be sent as JSON, `{}` where nothing is to be said: a page of another site can make a browser send anything
    else to this machine without asking first.
    """
    if request.content_type != JSON:
        raise Refusal(415, f"send JSON (Content-Type: {JSON}), {{}} where there is nothing to say")
    raw = await read_body(request, most=LARGEST_BODY)
    try:
        return form.model_validate_json(raw or b"{}")
    except pydantic.ValidationError as error:
        raise _refused("the body", _faults(error)) from error


def _lists(form: type[Form]) -> set[str]:
    """The names of those that may stand several times."""
    properties = form.model_json_schema()["properties"]
    return {name for name, schema in properties.items() if schema.get("type") == "array"}


def _faults(error: pydantic.ValidationError) -> list[dict[str, str]]:
    return [
        {"field": ".".join(map(str, fault["loc"])), "message": _said(fault)}
        for fault in error.errors(include_url=False, include_input=False)[:MOST_FAULTS]
    ]


def _said(fault: Any) -> str:
    match fault["type"]:
        case "value_error":
            return str(fault["msg"]).removeprefix("Value error, ")
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known here; /v1/openapi.json names what is"
        case "json_invalid":
            return "is no JSON"
    return f"must {must(fault['type'], fault.get('ctx', {}))}"


def _refused(what: str, faults: list[dict[str, str]]) -> Refusal:
    said = "; ".join(f"{fault['field'] or what} {fault['message']}" for fault in faults)
    return Refusal(400, f"{what} cannot be taken: {said}", faults=faults)


# ---- for the document ------------------------------------------------------------------------------------------------


def query_parameters(form: type[Form]) -> list[dict[str, Any]]:
    """As OpenAPI writes parameters."""
    schema = _plain(form.model_json_schema())
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            **({"required": True} if name in required else {}),
            "description": part.pop("description", ""),
            "schema": part,
        }
        for name, part in schema["properties"].items()
    ]


def body_content(form: type[Form]) -> dict[str, Any]:
    """As OpenAPI writes the content of a body."""
    return {JSON: {"schema": _plain(form.model_json_schema())}}


def _plain(schema: Any) -> Any:
    """Without titles, and without a null where something is left out."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {name: _plain(part) for name, part in schema.items() if name != "title" or not isinstance(part, str)}
    choices = plain.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices and len(choices) == 2:
        (only,) = [choice for choice in choices if choice != {"type": "null"}]
        rest = {name: part for name, part in plain.items() if name not in ("anyOf", "default")}
        return {**only, **rest}
    return plain
