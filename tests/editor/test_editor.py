"""Rule files in an editor: a real YAML language server completes keys, explains them and underlines typos."""

import json
import os
import re
from pathlib import Path

import pytest
from language_server import ROOT, LanguageServer, installed

pytestmark = pytest.mark.xdist_group("editor")
"""One server for all of them."""

RULES = "# yaml-language-server: $schema=../schemas/rules.schema.json\n"
ROUTING = "# yaml-language-server: $schema=../schemas/routing.schema.json\n"
CALENDAR = "# yaml-language-server: $schema=../schemas/calendar.schema.json\n"
SHOP = "# yaml-language-server: $schema=../schemas/shop.schema.json\n"
PACK = "# yaml-language-server: $schema=../schemas/pack.schema.json\n"
MAPPING = "# yaml-language-server: $schema=../schemas/mapping.schema.json\n"
TESTS = "# yaml-language-server: $schema=../schemas/ruletest.schema.json\n"
HANDBOOK = re.findall(r"```yaml( test)?\n(.*?)```", (ROOT / "rules" / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def server():
    try:
        script = installed()
    except LookupError as error:
        said = f"no YAML language server for the tests: {error}"
        if os.environ.get("CI", "").lower() == "true" and "no node" not in said:
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    running = LanguageServer(script)
    yield running
    running.close()


def _at(text, mark="|"):
    """The text without its mark, and the place where the mark stood."""
    before, _, after = text.partition(mark)
    return before + after, {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}


def _completed(server, name, text):
    """What the editor offers at the mark: label → documentation."""
    text, position = _at(text)
    uri = server.open(name, text)
    found = server.ask("textDocument/completion", textDocument={"uri": uri}, position=position)
    return {item["label"]: json.dumps(item.get("documentation", "")) for item in found["items"]}


@pytest.mark.parametrize(
    ("name", "text", "offered", "said"),
    [
        pytest.param(
            "rule",
            RULES + "rules:\n  - name: A\n    |\n",
            {"by", "threshold", "spike", "absence", "all", "for", "keep_firing_for", "severity", "say", "overrides"},
            ("for", "How long it must hold before it fires"),
            id="the keys of a rule",
        ),
        pytest.param(
            "spike",
            RULES + "rules:\n  - name: A\n    spike:\n      measure: orders\n      |\n",
            {"window", "baseline", "above", "below", "at_least", "usual_at_least"},
            ("usual_at_least", "Any ratio needs this baseline"),
            id="the keys of a condition",
        ),
        pytest.param(
            "severity",
            RULES + "rules:\n  - name: A\n    severity: |\n",
            {"info", "warning", "critical"},
            None,
            id="the words of a severity",
        ),
        pytest.param(
            "measure",
            RULES + "measures:\n  orders:\n    |\n",
            {"count", "sum", "last", "distinct", "formula", "where", "avg"},
            ("last", "A level: the newest value of a field"),
            id="the keys of a measure",
        ),
        pytest.param(
            "routing",
            ROUTING + "receivers:\n  mail:\n    |\n",
            {"apprise", "email", "slack", "msteams", "pagerduty", "webhook"},
            ("slack", "A message in a Slack channel"),
            id="the kinds of a receiver",
        ),
        pytest.param(
            "mapping",
            MAPPING + "mapping: till\nevents:\n  - type: order.placed\n    |\n",
            {"when", "one_per", "id", "source", "time", "data", "more"},
            ("one_per", "the same in all rows of one event"),
            id="the keys of an event of a mapping",
        ),
        pytest.param(
            "value",
            MAPPING + "mapping: till\nevents:\n  - data:\n      total:\n        |\n",
            {"column", "first_of", "sum", "map", "unit", "pseudonym"},
            ("first_of", "that is not blank"),
            id="the keys of a value of a mapping",
        ),
    ],
)
def test_keys_are_offered(server, name, text, offered, said):
    """With what they mean."""
    found = _completed(server, f"rules/completion-{name}.yml", text)
    assert offered - set(found) == set()
    if said is not None:
        assert said[1] in found[said[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("rules:\n  - name: A\n    keep_firing|_for: 5m\n", "How long it must be clear", id="of a rule"),
        pytest.param(
            "rules:\n  - name: A\n    threshold: {measure: m, at_|most: 5}\n", "This or less", id="of a condition"
        ),
        pytest.param("measures:\n  a: {p|90: total, of: order.placed}\n", "any from p1 to p99.9", id="of a percentile"),
        pytest.param(
            "rules:\n  - name: A\n    all:\n      - threshold: {measure: m, win|dow: 1h, above: 5}\n",
            "a flow needs it",
            id="within a combination",
        ),
    ],
)
def test_a_key_explains_itself(server, text, expected):
    """Where the mouse rests."""
    text, position = _at(RULES + text)
    uri = server.open(f"rules/hover-{abs(hash(text))}.yml", text)
    found = server.ask("textDocument/hover", textDocument={"uri": uri}, position=position)
    assert found is not None
    assert expected in json.dumps(found["contents"]).replace("\\\\", "")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        pytest.param("rules:\n  - name: A\n    treshold: {}\n", 3, "treshold is not allowed", id="a slip of a key"),
        pytest.param(
            "rules:\n  - name: A\n    severity: critcal\n", 3, 'Valid values: "info", "warning", "critical"',
            id="a slip of a word",
        ),
        pytest.param(
            "rules:\n  - name: A\n    spike: {window: 1h, above: 2x}\n", 3, 'Missing property "measure"',
            id="a key that is missing",
        ),
    ],
)  # fmt: skip
def test_a_slip_is_underlined(server, text, line, said):
    """While it is typed, before `lockstep check` says it."""
    found = server.diagnostics(server.open(f"rules/slip-{abs(hash(text))}.yml", RULES + text))
    assert [(d["range"]["start"]["line"], said in d["message"]) for d in found] == [(line, True)], found


@pytest.mark.parametrize("path", sorted((ROOT / "rules").rglob("*.yml")), ids=lambda p: p.name)
def test_nothing_is_underlined_in_what_is_shipped(server, path):
    """By the first line of each file."""
    assert path.read_text().startswith("# yaml-language-server: $schema=")
    name = path.relative_to(ROOT).with_name(f"shipped-{path.name}")
    assert server.diagnostics(server.open(str(name), path.read_text())) == []


def test_what_may_be_written_once_need_not_be_a_list(server):
    """One receiver of a team, one address."""
    text = ROUTING + "teams: {marketing: mail}\nreceivers: {mail: {email: {to: anna@example.com}}}\n"
    assert server.diagnostics(server.open("rules/once.yml", text)) == []


@pytest.mark.parametrize("number", range(len(HANDBOOK)))
def test_nothing_is_underlined_in_the_handbook(server, number):
    """Who copies an example sees no complaint."""
    is_test, text = HANDBOOK[number]
    special = {"# routing": ROUTING, "# calendar": CALENDAR, "# shop": SHOP, "# of shop.yml": SHOP, "# pack": PACK}
    schema = special.get(re.split("[:\n]", text)[0], TESTS if is_test else RULES)
    schema = "" if "# yaml-language-server:" in text else schema  # it names it itself
    folder = "rules/mappings" if "$schema=../../" in text else "rules"
    assert server.diagnostics(server.open(f"{folder}/example-{number}.yml", schema + text)) == []


READY = ROOT / "service" / "lockstep" / "adapters" / "convert" / "ready"
assert any(READY.glob("*.yml"))


@pytest.mark.parametrize("path", sorted(READY.glob("*.yml")), ids=lambda p: p.stem)
def test_nothing_is_underlined_in_a_ready_mapping(server, path):
    """Who copies one begins with a file without complaint."""
    assert server.diagnostics(server.open(f"rules/ready-{path.name}", MAPPING + path.read_text())) == []


@pytest.mark.parametrize("name", ["rules", "pack", "routing", "calendar", "shop", "ruletest", "mapping", "sources"])
def test_every_key_has_a_hover_text(name):
    """From the field's description in the model; needs no editor."""
    schema = json.loads((Path(ROOT) / "schemas" / f"{name}.schema.json").read_text())
    silent = [
        f"{owner}.{key}"
        for owner, model in [("file", schema), *schema["$defs"].items()]
        for key, value in model.get("properties", {}).items()
        if not value.get("description")
    ]
    assert silent == []
