"""JSON Schemas of the records that are published, each field with what its docstring says of it."""

import re
from collections.abc import Sequence
from inspect import cleandoc
from typing import Any

import msgspec

COMMON = {
    "kind": "Which record it is",
    "format": "Number of the record's format",
    "id": "For ever the same",
    "by": "The name of the person or token that gave it",
    "way": "How it came; `lockstep`: from a stage of its own",
    "request": "What was asked for under an id that somebody chose, as a digest; empty: nobody chose it",
    "at": "When, RFC 3339 in UTC",
    "alert_id": "The alert's: a rule on these labels",
    "episode_id": "The episode's; empty: the one that was open then",
    "transition_id": "The transition's that was decided on",
    "rule": "The rule's name",
    "labels": "What the alert is about, by name",
    "severity": "One of info, warning, critical",
    "text": "What was written",
    "note": "What was said with it",
    "until": "When it ends, RFC 3339",
    "silence": "The silence as it was asked for",
    "silence_id": "The silence's",
    "override": "Who is to stand in",
    "override_id": "The override's",
    "action": "What somebody is to do",
    "action_id": "The action's",
    "report_id": "The report's",
    "document": "The report",
    "owner": "The team that speaks; empty: both",
    "lines": "Sentences",
    "figures": "Numbers with what they are compared with",
    "tables": "Rows of one kind",
    "columns": "What each cell of a row is",
    "rows": "The most important first",
    "title": "As people read it",
    "covers": "The stretch that it is of, in words",
    "sections": "Its parts, in order",
    "acknowledged_at": "When somebody took it",
    "closed_at": "When somebody said that it is over",
    "snoozed_by": "Who snoozed it; empty: nobody",
    "notes": "What was written about it, oldest first",
    "created_at": "When it was made",
    "schedule": "The schedule's name in routing.yml",
    "ended_at": "When somebody ended it before its time, else null",
    "destination_id": "The destination's",
    "delivery_id": "The delivery's; empty where there is none",
    "outcome": "Whether it was told, waits, or is not told",
    "reason": "Why, as one word",
    "channel": "By which way",
    "receiver": "Its name in routing.yml",
    "to": "The name of the person; empty: nobody",
    "matcher": "As it is written",
    "matches": "How many alerts it alone matches",
}
"""What a field means wherever no docstring says more."""


def components(types: Sequence[type], *, ref: str) -> dict[str, Any]:
    """Name → schema of these structs and of all that they are made of.

    ref: how one refers to another, with `{name}` for its name.
    """
    _, schemas = msgspec.json.schema_components(types, ref_template=ref)
    in_json = msgspec.json.decode(msgspec.json.encode(schemas))  # with lists for tuples, as documents have them
    return {name: described(schema) for name, schema in plain(in_json).items()}


def plain(schema: Any, *, within: str = "") -> Any:
    """Without the titles that only repeat a property's name in capitals."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if within in ("properties", "patternProperties", "$defs"):
        return {name: _untitled(plain(part)) if within != "$defs" else plain(part) for name, part in schema.items()}
    if within in ("default", "const", "enum", "examples"):
        return schema
    return {
        name: cleandoc(part) if name == "description" else plain(part, within=name) for name, part in schema.items()
    }


def _untitled(schema: Any) -> Any:
    return {k: v for k, v in schema.items() if k != "title"} if isinstance(schema, dict) else schema


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """A struct's schema with its fields' descriptions, which stand in its docstring as `field: what it is.`"""
    properties: dict[str, Any] = schema.get("properties", {})
    if not properties:
        return schema
    summary, *rest = schema.get("description", "").split("\n\n")
    name = "|".join(properties)
    # [before, names, text, names, text, …]; several fields may share a text: `start, end: …`.
    parts = re.split(rf"(?:^|(?<=[.;] ))((?:(?:{name}), )*(?:{name})): ", " ".join(rest[-1].split()) if rest else "")
    texts = {field: text for names, text in zip(parts[1::2], parts[2::2], strict=True) for field in names.split(", ")}
    for field, part in properties.items():
        said = texts.get(field)
        if said is None:
            if field in COMMON:
                properties[field] = {**part, "description": COMMON[field]}
            continue
        text = said.strip().removesuffix(".").replace("None", "null").replace('""', "empty").replace("()", "empty")
        properties[field] = {**part, "description": text[:1].upper() + text[1:]}
    return {**schema, "description": summary}
