"""Schemas: everything that Lockstep publishes about its own formats, made from the models that it runs on.

`generate` gives relative path → text; a test holds the committed files to it.
"""

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import msgspec
from pydantic import SecretStr

from lockstep import VERSION
from lockstep.adapters.convert import form as mapping_form
from lockstep.adapters.http.operations import openapi
from lockstep.adapters.http.record_schemas import components, described, plain
from lockstep.adapters.rule_files import pack_heads, shipped_packs
from lockstep.adapters.sql import source_file
from lockstep.calendar import calendar_file
from lockstep.event import MODELS, TYPES
from lockstep.judge.publish import ALERT_STATE, ALERTS
from lockstep.measure.dead_events import TOPIC as DEAD_EVENTS
from lockstep.notify import payload, route
from lockstep.notify.heartbeat import heartbeat_json_schema
from lockstep.notify.programs.campaign_documents import campaign_json_schema
from lockstep.notify.programs.promotion_hooks import promotion_json_schema
from lockstep.reports.report_body import ReportBody
from lockstep.response.attempt import ATTEMPTS, Attempt
from lockstep.response.command import AUDIT, COMMANDS, Answer, Command
from lockstep.response.decision import DECISIONS, Decision
from lockstep.response.standing import RESPONSE_STATE, Standing
from lockstep.rule.language import form as rule_model
from lockstep.rule.language import shop_file
from lockstep.rule.language.shop_file import ShopSays
from lockstep.settings import Settings
from lockstep.shop.shop_settings import ShopSettings
from lockstep.tools.ruletest import file_form as ruletest_model
from lockstep.transition import Transition

BASE = "https://lockstep.example/schemas/"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
ENVIRONMENT = "../deploy/lockstep.env.example"

EXAMPLE_DATA: Mapping[str, Mapping[str, Any]] = {
    "order.placed": {
        "order_id": "o-1",
        "total": 49.9,
        "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 20}, {"sku": "B-2", "quantity": 1, "unit_price": 9.9}],
        "customer": "c-7",
        "channel": "web",
        "campaign": "spring",
        "country": "GB",
        "currency": "GBP",
        "gift_wrap": True,
        "shipping_method": "express",
        "shipping": 0,
        "location": "WH1",
    },
    "order.cancelled": {
        "order_id": "o-1",
        "total": 49.9,
        "channel": "web",
        "reason": "too slow",
        "currency": "GBP",
        "location": "WH1",
    },
    "order.shipped": {
        "order_id": "o-1",
        "hours_to_ship": 7.5,
        "cost": 3.2,
        "channel": "web",
        "carrier": "post",
        "location": "WH1",
    },
    "order.delivered": {"order_id": "o-1", "days": 2, "late": False, "channel": "web", "carrier": "post"},
    "order.returned": {
        "order_id": "o-1",
        "lines": [{"sku": "A-1", "quantity": 1, "reason": "too small"}],
        "total": 20,
        "channel": "web",
        "campaign": "spring",
        "currency": "GBP",
    },
    "order.refunded": {
        "order_id": "o-1",
        "total": 5,
        "channel": "web",
        "campaign": "spring",
        "reason": "late",
        "currency": "GBP",
    },
    "payment.failed": {
        "order_id": "o-2",
        "total": 49.9,
        "method": "card",
        "provider": "payco",
        "reason": "declined",
        "customer": "c-7",
        "channel": "web",
        "country": "GB",
        "currency": "GBP",
    },
    "feedback.received": {"theme": "sizing", "sku": "A-1", "order_id": "o-1", "channel": "mail", "rating": 2},
    "traffic.session": {
        "visitor": "v-1",
        "channel": "search",
        "campaign": "spring",
        "landing": "/a-1",
        "sku": "A-1",
        "country": "GB",
        "count": 3,
    },
    "product.viewed": {"sku": "A-1", "visitor": "v-1", "channel": "search", "campaign": "spring", "country": "GB"},
    "cart.updated": {
        "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 20}],
        "action": "added",
        "cart_id": "k-5",
        "total": 40,
        "visitor": "v-1",
        "customer": "c-7",
        "channel": "web",
        "campaign": "spring",
        "country": "GB",
        "currency": "GBP",
    },
    "checkout.started": {
        "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 20}],
        "checkout_id": "h-3",
        "total": 43.9,
        "visitor": "v-1",
        "customer": "c-7",
        "channel": "web",
        "campaign": "spring",
        "country": "GB",
        "currency": "GBP",
    },
    "ad.clicked": {
        "channel": "search",
        "campaign": "spring",
        "sku": "A-1",
        "visitor": "v-1",
        "country": "GB",
        "count": 12,
    },
    "traffic.spend": {"amount": 12.5, "channel": "search", "campaign": "spring"},
    "stock.level": {"sku": "A-1", "available": -2, "location": "WH1", "on_hand": 3, "reserved": 5, "held": 0},
    "stock.receipt": {
        "sku": "A-1",
        "quantity": 100,
        "expected_on": "2026-12-01",
        "status": "delayed",
        "location": "WH1",
        "purchase_order": "po-3",
    },
    "stock.lot": {"sku": "A-1", "lot": "L-9", "quantity": 12, "expires_on": "2027-01-31", "location": "WH1"},
    "supplier.updated": {"supplier": "s-1", "lead_time_days": 14, "sku": "A-1"},
    "source.heartbeat": {"name": "erp", "topic": "plans"},
    "product.listed": {
        "sku": "A-1",
        "price": 20,
        "category": "mugs",
        "supplier": "s-1",
        "channel": "web",
        "currency": "GBP",
    },
    "price.changed": {"sku": "A-1", "price": 15, "previous": 20, "channel": "web", "currency": "GBP"},
    "campaign.planned": {
        "campaign": "spring",
        "starts": "2026-11-27T00:00:00+00:00",
        "ends": "2026-11-30T23:59:59Z",
        "skus": ["A-1", "B-2"],
        "channels": ["web"],
        "expected_sessions": 9000,
        "expected_orders": 300,
        "discount": 0.2,
        "cancelled": False,
    },
    "capacity.declared": {
        "starts": "2026-11-24T00:00:00Z",
        "ends": "2026-11-25T00:00:00Z",
        "orders_per_day": 400,
        "work_units_per_day": 520,
    },
}
"""event type → data with every field that the contract names."""


def example_event(kind: str) -> dict[str, Any]:
    """A whole valid event of a type."""
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/shop",
        "type": kind,
        "time": "2026-11-24T09:30:00Z",
        "data": dict(EXAMPLE_DATA.get(kind, {})),
    }


def generate() -> dict[str, str]:
    """Path relative to the schema folder → content, of every generated file."""
    documents: dict[str, Any] = {f"events/{kind}.schema.json": _event_schema(kind) for kind in TYPES}
    documents["alert.schema.json"] = _alert_schema()
    documents |= {f"{kind}.schema.json": _record_schema(kind) for kind in RECORDS}
    documents["webhook.schema.json"] = plain(payload.webhook_json_schema())
    documents["report.schema.json"] = _report_schema()
    documents["heartbeat.schema.json"] = plain(heartbeat_json_schema())
    documents["campaign.schema.json"] = plain(campaign_json_schema())
    documents["promotion.schema.json"] = plain(promotion_json_schema())
    documents["rules.schema.json"] = plain(rule_model.json_schema())
    documents["pack.schema.json"] = plain(rule_model.pack_json_schema())
    documents["shop.schema.json"] = plain(shop_file.json_schema(pack_heads(shipped_packs(), ShopSays(ShopSettings()))))
    documents["calendar.schema.json"] = plain(calendar_file.json_schema())
    documents["routing.schema.json"] = plain(route.json_schema())
    documents["sources.schema.json"] = plain(source_file.json_schema())
    documents["mapping.schema.json"] = plain(mapping_form.json_schema())
    documents["ruletest.schema.json"] = plain(ruletest_model.json_schema())
    documents["asyncapi.json"] = _asyncapi()
    documents["openapi.json"] = openapi()
    files = {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}
    return {**files, ENVIRONMENT: _environment()}


def write(folder: Path) -> list[str]:
    """Write every file that differs; returns their paths. Schemas of types that are gone are removed."""
    changed = differences(folder)
    files = generate()
    for name in changed:
        path = folder / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def differences(folder: Path) -> list[str]:
    """Paths of the files that are missing, differ from the models or describe what is gone."""
    files = generate()
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    changed = [name for name, text in files.items() if _text(folder / name) != text]
    return sorted([*changed, *(there - files.keys())])


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _event_schema(kind: str) -> dict[str, Any]:
    schema = plain(MODELS[kind].model_json_schema())
    return {
        "$schema": DRAFT,
        "$id": f"{BASE}events/{kind}.schema.json",
        **schema,
        "title": kind,
        "examples": [example_event(kind)],
    }


def _alert_schema() -> dict[str, Any]:
    (data,), definitions = msgspec.json.schema_components([Transition], ref_template="#/$defs/{name}")
    text = {"type": "string"}
    return {
        "$schema": DRAFT,
        "$id": f"{BASE}alert.schema.json",
        "title": "Lockstep transition",
        "description": "One change of an alert, as a CloudEvent on `lockstep.alerts` and `lockstep.alert-state`.",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0", "description": "The version of CloudEvents"},
            "id": {**text, "description": "The transition's id: the same however often it is published"},
            "source": {"const": "lockstep", "description": "Who says it"},
            "type": {
                **text,
                "pattern": r"^lockstep\.alert\.(pending|firing|severity|resolved|cancelled)$",
                "description": "`lockstep.alert.` and data.state",
            },
            "time": {**text, "format": "date-time", "description": "When it happened, in event time"},
            "subject": {**text, "description": "The alert's id; also the record's key"},
            "datacontenttype": {"const": "application/json", "description": "The form of data"},
            "data": {**data, "description": "The transition itself"},
        },
        "required": ["specversion", "id", "source", "type", "time", "subject", "data"],
        "$defs": {name: described(part) for name, part in plain(definitions).items()},
    }


RECORDS: Mapping[str, tuple[str, tuple[type, ...], str]] = {
    "command": (COMMANDS, get_args(Command), "What somebody asks for, whichever way it came"),
    "answer": (AUDIT, (Answer,), "What became of a command, with who gave it and when; kept for 400 days"),
    "attempt": (ATTEMPTS, (Attempt,), "What became of one try of a delivery; a worker that dies may leave one out"),
    "decision": (DECISIONS, (Decision,), "Why a destination was told of an alert, waits, or was not told"),
    "standing": (
        RESPONSE_STATE,
        get_args(Standing),
        "What stands of what people did, compacted by `handling/ALERT_ID`, `silence/ID`, …",
    ),
}
"""Name of a record → its topic, what it may be, and what the topic holds."""


def _report_schema() -> dict[str, Any]:
    """JSON Schema of the body of a webhook delivery that is a report."""
    return {
        "$schema": DRAFT,
        "$id": f"{BASE}report.schema.json",
        "title": "Lockstep report",
        "description": "The body of a webhook delivery of a report, and a record of `lockstep.reports`.",
        "$ref": "#/$defs/ReportBody",
        "$defs": components([ReportBody], ref="#/$defs/{name}"),
    }


def _record_schema(name: str) -> dict[str, Any]:
    topic, kinds, text = RECORDS[name]
    definitions = components(kinds, ref="#/$defs/{name}")
    refs = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]
    return {
        "$schema": DRAFT,
        "$id": f"{BASE}{name}.schema.json",
        "title": f"Lockstep {name}",
        "description": f"{text}: a record of `{topic}`.",
        **({"oneOf": refs} if len(refs) > 1 else refs[0]),
        "$defs": definitions,
    }


# ---- AsyncAPI --------------------------------------------------------------------------------------------------------

_TOPIC_TEXT = {
    "orders": "Orders, what becomes of them and what customers say",
    "traffic": "Visits, what they look at and put into carts, and what is spent on them",
    "inventory": "Stock, receipts, lots, suppliers and prices; key levels by sku, so that its values stay in order",
    "plans": "Campaigns and capacity: what the shop knows in advance",
}


def _asyncapi() -> dict[str, Any]:
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    names = {role: Settings.model_fields[f"topic_{role}"].default for role in _TOPIC_TEXT}
    for role, topic in names.items():
        kinds = [kind for kind, event_type in TYPES.items() if event_type.role == role]
        for kind in kinds:
            messages[kind] = _message(kind, f"./events/{kind}.schema.json", (MODELS[kind].__doc__ or "").strip())
        channels[role] = _channel(topic, _TOPIC_TEXT[role], kinds)
        operations[f"read-{role}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{role}"}}
    messages["alert"] = _message("alert", "./alert.schema.json", "One change of an alert")
    messages["dead-event"] = _dead_message()
    ours = {
        "alerts": (ALERTS, "alert", "Every transition, in order, kept for 30 days"),
        "alert-state": (
            ALERT_STATE,
            "alert",
            "The latest transition of every alert, compacted by the alert's id; readers keep the highest number of an "
            "episode",
        ),
        "dead-events": (DEAD_EVENTS, "dead-event", "Events that could not be counted, as they came"),
    }
    for kind, (topic, _, text) in RECORDS.items():
        messages[kind] = _message(kind, f"./{kind}.schema.json", text, content_type="application/json")
        ours[topic.removeprefix("lockstep.")] = (topic, kind, text)
    for name, (topic, kind, text) in ours.items():
        channels[name] = _channel(topic, text, [kind])
        operations[f"publish-{name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lockstep",
            "version": VERSION,
            "description": "What Lockstep reads from a shop and what it publishes. Names of input topics are settings.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _channel(topic: str, text: str, kinds: list[str]) -> dict[str, Any]:
    return {
        "address": topic,
        "description": text,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds},
    }


def _message(
    name: str, schema: str, text: str, *, content_type: str = "application/cloudevents+json"
) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": text,
        "contentType": content_type,
        "payload": {"schemaFormat": "application/schema+json;version=2020-12", "schema": {"$ref": schema}},
    }


def _dead_message() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "name": "dead-event",
        "title": "dead-event",
        "summary": "The original bytes of an event, with the reason in headers",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {
                "format": {**text, "const": "1", "description": "The version of these headers"},
                "topic": {**text, "description": "Where the event lay"},
                "partition": {**text, "description": "In which partition"},
                "offset": {**text, "description": "At which offset; for `late` the last of several"},
                "reason": {**text, "description": "One word: json, envelope, data, number, future, tombstone or late"},
                "detail": {**text, "description": "For people: which field, and what is wrong with it"},
            },
            "required": ["format", "topic", "partition", "offset", "reason", "detail"],
        },
        "payload": {"description": "The record's value as it came; none for a tombstone"},
    }


# ---- settings --------------------------------------------------------------------------------------------------------


def _environment() -> str:
    """Every setting with its default, commented out, as a file for `docker --env-file` or systemd."""
    lines = [
        "# Settings of Lockstep, with their defaults. Made by `lockstep schema`; copy it, then uncomment what you set."
    ]
    for name, field in Settings.model_fields.items():
        lines += ["", f"# {field.description}", f"#LOCKSTEP_{name.upper()}={_value(field.default)}"]
    lines += [
        "",
        "# What rule files call {secret: NAME}: the value itself, or the file that holds it",
        "#LOCKSTEP_SECRET_NAME=",
        "#LOCKSTEP_SECRET_NAME_FILE=",
    ]
    return "\n".join(lines) + "\n"


def _value(default: Any) -> str:
    match default:
        case None | SecretStr():
            return ""
        case bool():
            return str(default).lower()
        case Enum():
            return str(default.value)
        case _:
            return str(default)
