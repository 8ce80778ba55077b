"""routing.yml: every fault in its place, and one destination however often it is named."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lockstep.adapters.rule_files import load_routing
from lockstep.notify.route import NOBODY, Routing, json_schema

GOOD = """\
teams:
  marketing: [people]
  operations: [people, hook]
receivers:
  people:
    email: {to: [anna@Example.com, ben@example.com]}
    slack: {channel: "#ops", token: {secret: SLACK_TOKEN}}
  hook:
    webhook: {url: "http://127.0.0.1:9000/h", secret: {secret: OPS_HOOK}}
"""


def _load(tmp_path: Path, text: str) -> tuple[Routing | None, list[str]]:
    path = tmp_path / "routing.yml"
    path.write_text(text)
    routing, faults = load_routing(path)
    return routing, [str(f).replace(str(path), "routing.yml") for f in faults]


def test_a_routing_names_each_destination_once_with_the_teams_that_share_it(tmp_path):
    """Each address is a destination of its own; what two teams share is told once."""
    routing, faults = _load(tmp_path, GOOD)
    assert faults == []
    found = [(d.channel, d.target, teams) for d, teams in routing.for_teams(["marketing", "operations"])]
    both = ("marketing", "operations")
    assert found == [
        ("email", "anna@example.com", both),
        ("email", "ben@example.com", both),
        ("slack", "#ops", both),
        ("webhook", "http://127.0.0.1:9000/h", ("operations",)),
    ]
    assert routing.deaf(["marketing", "finance"]) == ("finance",)


def test_a_destination_keeps_its_id_when_its_receiver_is_renamed(tmp_path):
    """State and retries hang on the id; only another target, or another Slack workspace, is another destination."""
    before, _ = _load(tmp_path, GOOD)
    renamed, _ = _load(tmp_path, GOOD.replace("people", "folks"))
    moved, _ = _load(tmp_path, GOOD.replace("SLACK_TOKEN", "OTHER_WORKSPACE"))

    def ids(routing):
        return [d.id for d, _ in routing.for_teams(["marketing", "operations"])]

    assert ids(before) == ids(renamed)
    assert [a == b for a, b in zip(ids(before), ids(moved), strict=True)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            ("[people, hook]", "[peple, hook]"),
            "routing.yml:3:16: team 'operations' names the unknown receiver 'peple'; did you mean 'people'? [LS150]",
            id="unknown receiver",
        ),
        pytest.param(
            ("{secret: SLACK_TOKEN}", "xoxb-1-secret"),
            "routing.yml:7:37: a secret never stands in a file; "
            "write {secret: NAME} and set LOCKSTEP_SECRET_NAME [LS151]",
            id="token in clear",
        ),
        pytest.param(
            ("OPS_HOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            "routing.yml:9:64: this is no secret's name; write capitals, digits and _, as in SHOP_HOOK [LS151]",
            id="secret where its name belongs",
        ),
        pytest.param(
            ("ben@example.com", "ben.example.com"),
            "routing.yml:6:36: 'ben.example.com' is no email address; write one like name@example.com [LS152]",
            id="no address",
        ),
        pytest.param(
            ("http://127.0.0.1:9000/h", "http://user:pass@host/"),
            "routing.yml:9:20: a webhook's url must be http(s)://host/path, without a user; "
            "write one like https://example.com/hook [LS152]",
            id="password in a url",
        ),
        pytest.param(
            ("http://127.0.0.1:9000/h", "http://host:99999/"),
            "routing.yml:9:20: a webhook's url must be http(s)://host/path, without a user; "
            "write one like https://example.com/hook [LS152]",
            id="no such port",
        ),
        pytest.param(
            ("    webhook:", "    webhok:"),
            "routing.yml:9:5: unknown key 'webhok'; did you mean 'webhook'? [LS110]",
            id="unknown kind",
        ),
        pytest.param(
            (", token: {secret: SLACK_TOKEN}", ""),
            "routing.yml:7:12: slack has no 'token'; write channel and token of a bot, or an incoming webhook instead "
            "of both [LS152]",
            id="no token",
        ),
        pytest.param(
            ("token: {secret: SLACK_TOKEN}", "webhook: {secret: HOOK}"),
            "routing.yml:7:39: an incoming webhook leads to a channel of its own; write channel and token of a bot, or "
            "an incoming webhook instead of both [LS152]",
            id="both ways of Slack",
        ),
    ],
)
def test_faults(tmp_path, change, expected):
    """A fault says where it is and the way out, never what the secret was, and gives no routing."""
    routing, faults = _load(tmp_path, GOOD.replace(*change))
    assert expected in faults
    assert routing is None
    assert "xoxb" not in str(faults)
    assert "MfKQ9" not in str(faults)


def test_every_fault_is_told_at_once(tmp_path):
    """Two wrong receivers and a bad address: three lines."""
    text = GOOD.replace("[people]", "[x]").replace("hook]", "y]").replace("anna@", "anna ")
    _, faults = _load(tmp_path, text)
    assert len([f for f in faults if "warning" not in f]) == 3


def test_what_is_wrong_elsewhere_hides_nothing(tmp_path):
    """A secret in the clear, an unknown receiver, no address, an unknown key: said in one round."""
    text = """\
teams:
  marketing: [maill, slack]
receivers:
  mail: {email: {to: [anna_at_example.com]}}
  slack: {slack: {channel: operations, token: xoxb-1}, email: {to: ben}, telex: 5}
"""
    routing, faults = _load(tmp_path, text)
    assert routing is None
    assert [f.partition("routing.yml:")[2] for f in faults] == [
        "2:15: team 'marketing' names the unknown receiver 'maill'; did you mean 'mail'? [LS150]",
        "4:3: warning: no team uses receiver 'mail'; add it to a team or remove it [LS150]",
        "4:23: 'anna_at_example.com' is no email address; write one like name@example.com [LS152]",
        "5:47: a secret never stands in a file; write {secret: NAME} and set LOCKSTEP_SECRET_NAME [LS151]",
        "5:68: 'ben' is no email address; write one like name@example.com [LS152]",
        "5:74: unknown key 'telex'; known are apprise, email, msteams, pagerduty, slack, webhook [LS110]",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("teams: {marketing: []}", "team 'marketing' has no receiver", id="a team that nothing reaches"),
        pytest.param("receivers: {a: {}}", "receiver 'a' reaches nobody", id="an empty receiver"),
        pytest.param("receivers: {a: {email: {to: a@b.c}}}", "no team uses receiver 'a'", id="a receiver of nobody"),
    ],
)
def test_warnings(tmp_path, text, expected):
    """What works, but for nobody, is a warning: the routing is used."""
    routing, faults = _load(tmp_path, text)
    assert routing is not None
    assert [expected in f and "warning: " in f for f in faults] == [True]


def test_one_url_has_one_secret(tmp_path):
    """A destination signs with one key; two would depend on the order of the file."""
    other = '  again:\n    webhook: {url: "http://127.0.0.1:9000/h", secret: {secret: OTHER}}\n'
    _, faults = _load(tmp_path, GOOD.replace("hook]", "hook, again]") + other)
    assert any("[LS153]" in f for f in faults)


def test_no_file_means_nobody(tmp_path):
    """`serve` works without a routing."""
    assert load_routing(tmp_path / "routing.yml") == (NOBODY, [])


def test_the_shipped_file_is_clean_and_its_example_too(tmp_path):
    """Taking the marks off the shipped example gives a routing without a fault that fits the schema."""
    shipped = Path(__file__).parents[2] / "rules" / "routing.yml"
    assert load_routing(shipped) == (NOBODY, [])
    lines = [line for line in shipped.read_text().splitlines() if not line.endswith(": {}")]
    start = lines.index("# teams:")
    routing, faults = _load(tmp_path, "\n".join(line[2:] for line in lines[start:]))
    assert faults == []
    assert [d.channel for d, _ in routing.for_teams(["marketing", "operations"])] == [
        "email",
        "email",
        "slack",
        "webhook",
    ]


def test_the_schema_is_one():
    """Editors get a valid JSON Schema that knows the words of the file."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert {"teams", "receivers", "schedules"} <= set(schema["properties"])
