"""The published schemas say what the models do: generated, valid, and true of what Lockstep takes and sends."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lockstep.adapters.rule_files import read_document
from lockstep.event import TYPES, known_paths, parse_event
from lockstep.notify.message import Writer
from lockstep.settings import Settings
from lockstep.tools.published_schemas import EXAMPLE_DATA, differences, example_event, generate, write
from lockstep.transition import Transition, TransitionName, as_cloudevent

REPOSITORY = Path(__file__).parents[2]
RULES = REPOSITORY / "rules"
SCHEMAS = REPOSITORY / "schemas"
DOCUMENTS = {name: json.loads(text) for name, text in generate().items() if name.endswith(".schema.json")}

TRANSITION = Transition(
    transition_id="t-1",
    alert_id="a-1",
    episode_id="e-1",
    number=1,
    rule="OrderSpike",
    labels={"channel": "web"},
    state=TransitionName.FIRING,
    at="2026-11-24T09:30:00Z",
    started_at="2026-11-24T09:25:00Z",
    severity="warning",
    value=42.0,
    baseline=20.0,
    ratio=2.1,
    limit=None,
    window_start="2026-11-24T09:15:00Z",
    window_end="2026-11-24T09:30:00Z",
    so_far=False,
    watermark="2026-11-24T09:30:00Z",
    rule_version="v1",
)


def test_committed_schemas_are_the_generated_ones() -> None:
    """Whoever changes a model runs `lockstep schema` and commits what it wrote."""
    assert differences(SCHEMAS) == []


def test_a_total_has_a_currency() -> None:
    """Sums of it over several currencies are refused, whichever type of event carries it."""
    with_total = {kind for kind in TYPES if "total" in known_paths(kind)}
    assert with_total == {kind for kind in with_total if "currency" in known_paths(kind)}
    assert {"order.placed", "order.cancelled", "order.returned", "order.refunded"} <= with_total


def test_write_mends_what_differs_and_removes_what_is_gone(tmp_path: Path) -> None:
    """A folder of anything becomes the generated one, and only what differs is written."""
    folder = tmp_path / "schemas"
    assert sorted(write(folder)) == sorted(generate())
    (folder / "webhook.schema.json").write_text("{}")
    (folder / "events" / "cart.filled.schema.json").write_text("{}")
    (folder / "README.md").write_text("ours")
    assert differences(folder) == ["events/cart.filled.schema.json", "webhook.schema.json"]
    assert write(folder) == ["events/cart.filled.schema.json", "webhook.schema.json"]
    assert differences(folder) == []
    assert (folder / "README.md").exists()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_schema_is_one(name: str) -> None:
    """JSON Schema 2020-12, with an id that ends in its own path and a title."""
    document = DOCUMENTS[name]
    Draft202012Validator.check_schema(document)
    assert document["$id"].endswith(f"/schemas/{name}")
    assert document["title"]


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_examples_hold_by_schema_and_by_contract(kind: str) -> None:
    """The example shows every field of the contract, and both accept it."""
    example = example_event(kind)
    assert DOCUMENTS[f"events/{kind}.schema.json"]["examples"] == [example]
    Draft202012Validator(DOCUMENTS[f"events/{kind}.schema.json"]).validate(example)
    parse_event(json.dumps(example).encode())
    assert set(EXAMPLE_DATA[kind]) | {"count"} == {path for path in known_paths(kind) if "." not in path}


def test_what_the_readme_says_of_the_types_is_true() -> None:
    """Its table names each, on its topic, with the fields that it asks for; its examples are events."""
    readme = (SCHEMAS / "README.md").read_text()
    rows = re.findall(r"^\| ?(\w*) \| `([a-z.]+)` \| [^|]+ \| ([^|]*)\|$", readme, re.MULTILINE)
    assert {kind: re.findall(r"`(\w+)`", asked) for _, kind, asked in rows} == {
        kind: [name for name, field in of.data.model_fields.items() if field.is_required()]
        for kind, of in TYPES.items()
    }
    topics = [(topic, TYPES[kind].role) for topic, kind, _ in rows]
    assert [topic for topic, _ in topics if topic] == list(dict.fromkeys(role for _, role in topics))
    (examples,) = re.findall(r"```json data\n(.*?)```", readme, re.DOTALL)
    for kind, data in json.loads(examples).items():
        event = {**example_event(kind), "data": data}
        Draft202012Validator(DOCUMENTS[f"events/{kind}.schema.json"]).validate(event)
        parse_event(json.dumps(event).encode())


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param("order.placed", {"total": "49.90"}, id="a number as text"),
        pytest.param("order.placed", {"total": 1e13}, id="a number too large"),
        pytest.param("order.placed", {"lines": [{"sku": "A", "quantity": -1, "unit_price": 1}]}, id="less than none"),
        pytest.param("traffic.session", {"count": 0}, id="a count of nothing"),
        pytest.param("stock.receipt", {"status": "lost"}, id="an unknown status"),
        pytest.param("cart.updated", {"action": "emptied"}, id="something else that is done to a cart"),
        pytest.param("order.refunded", {"total": -5}, id="money back below zero"),
        pytest.param("stock.lot", {"expires_on": "31.01.2027"}, id="a day written another way"),
    ],
)
def test_schema_refuses_what_the_contract_refuses(kind: str, change: dict[str, Any]) -> None:
    """A producer who checks against the schema hears of it before we do."""
    example = example_event(kind)
    example["data"] |= change
    with pytest.raises(ValidationError):
        Draft202012Validator(DOCUMENTS[f"events/{kind}.schema.json"]).validate(example)


def test_what_is_published_and_sent_holds_by_its_schema() -> None:
    """Subscribers may rely on the schemas."""
    Draft202012Validator(DOCUMENTS["alert.schema.json"]).validate(as_cloudevent(TRANSITION))
    body = Writer(ZoneInfo("Europe/London")).webhook(TRANSITION, None, ("marketing", "operations"))
    Draft202012Validator(DOCUMENTS["webhook.schema.json"]).validate(body)
    del body["data"]["alert_id"]
    with pytest.raises(ValidationError):
        Draft202012Validator(DOCUMENTS["webhook.schema.json"]).validate(body)


@pytest.mark.parametrize("path", sorted([*RULES.glob("*.yml"), *RULES.glob("packs/*.yml")]), ids=lambda path: path.name)
def test_shipped_rule_files_hold_by_the_editors_schema(path: Path) -> None:
    """An editor that uses the schema underlines nothing in what we ship."""
    document, faults = read_document(path)
    assert document is not None, faults
    special = path.stem if path.stem in ("routing", "calendar", "shop") else "rules"
    special = "pack" if path.parent.name == "packs" else special
    schema = DOCUMENTS[f"{special}.schema.json"]
    Draft202012Validator(schema).validate(json.loads(json.dumps(document.data)))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)


def test_asyncapi_points_at_what_exists_and_names_every_type() -> None:
    """Every reference leads somewhere, every event type is on the topic of its role."""
    document = json.loads(generate()["asyncapi.json"])
    for reference in _references(document):
        if reference.startswith("#/"):
            node = document
            for step in reference[2:].split("/"):
                node = node[step]
        else:
            assert reference.removeprefix("./") in DOCUMENTS
    for kind, event_type in TYPES.items():
        assert kind in document["channels"][event_type.role]["messages"]


def test_every_setting_stands_in_the_example_file() -> None:
    """What can be set can be found, with its default."""
    text = generate()["../deploy/lockstep.env.example"]
    for name in Settings.model_fields:
        assert f"\n#LOCKSTEP_{name.upper()}=" in text
    assert "#LOCKSTEP_HTTP_PORT=8480\n" in text
    assert "#LOCKSTEP_KAFKA_LEAN=true\n" in text


def _fields(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, schema) of every property, however deep."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict) and not path.endswith(("/properties", "/default", "/examples")):
            yield from ((f"{path}/properties/{name}", part) for name, part in properties.items())
        for key, part in node.items():
            yield from _fields(part, f"{path}/{key}")
    elif isinstance(node, list):
        for number, part in enumerate(node):
            yield from _fields(part, f"{path}/{number}")


@pytest.mark.parametrize("name", sorted(n for n in generate() if n.endswith(".json")))
def test_every_field_is_described(name: str) -> None:
    """Who subscribes reads what a field means where it stands; a type alone says nothing of unit and edges."""
    silent = [path for path, part in _fields(json.loads(generate()[name]), "") if not part.get("description")]
    assert silent == []


def test_the_descriptions_of_a_transition_are_those_of_its_docstring() -> None:
    """One place says what a field is, and nothing of it is cut off."""
    described = DOCUMENTS["alert.schema.json"]["$defs"]["Transition"]["properties"]
    assert described["so_far"]["description"] == "Decided before the window had closed"
    assert described["baseline_of"]["description"] == (
        "Which stretches the baseline is of, and why not better ones: `the last 7 days, because only 2 weeks are "
        "known`; empty where there is none"
    )
    assert described["window_start"]["description"] == described["window_end"]["description"]
