"""What people do from a terminal, on a real service: each command as it is typed, and what it says."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""
ROUTING = """\
teams:
  marketing: [hook]
  operations: [hook]
receivers:
  hook: {webhook: {url: "http://127.0.0.1:9/", secret: {secret: HOOK}}}
  other: {webhook: {url: "http://127.0.0.1:9/other", secret: {secret: HOOK}}}
schedules:
  day:
    zone: Europe/London
    rotations: [{who: [hook], every: 1w, from: "2026-01-05 09:00"}]
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """(the folder's broker, its rules) of a service in a process of its own, in which two products run low."""
    folder = tmp_path_factory.mktemp("shop")
    rules = folder / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    (rules / "routing.yml").write_text(ROUTING)
    broker = f"sqlite:///{folder}/shop.db"
    lockstep = [sys.executable, "-m", "lockstep"]
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LOCKSTEP_HTTP_PORT": "0",
        "LOCKSTEP_SECRET_HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }
    serve = [*lockstep, "serve", "--broker", broker, "--rules", str(rules)]
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(serve, env=environ, stdout=log, stderr=log, cwd=folder)
    moment = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    events = [
        {"id": sku, "source": "/s", "type": "stock.level", "time": moment, "data": {"sku": sku, "available": 3}}
        for sku in ("A-1", "B-2")
    ]
    (folder / "events.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))
    try:
        while True:
            assert service.poll() is None, (folder / "log").read_text()
            if (folder / "shop.db").exists() and "serving" in (folder / "log").read_text():
                break
        sent = subprocess.run(
            [*lockstep, "send", "--broker", broker, str(folder / "events.ndjson")], cwd=folder, env=environ, check=False
        )
        assert sent.returncode == 0
        while (folder / "log").read_text().count("alert fires") < 2:
            assert service.poll() is None
        yield broker, rules
    finally:
        service.terminate()
        service.wait(60)


@pytest.fixture
def typed(shop, run, monkeypatch):
    """Types a command: (exit code, stdout, stderr), each on one line."""
    broker, rules = shop
    monkeypatch.setenv("LOCKSTEP_RULES", str(rules))
    monkeypatch.setenv("COLUMNS", "200")

    def typed_in(*arguments):
        code, out, said = run(*arguments, "--broker", broker)
        return code, " ".join(out.split()), " ".join(said.split())

    return typed_in


def test_an_alert_is_taken_and_given_back(typed):
    """By its rule and labels, or by the beginning of its id; each command says in words what became of it."""
    code, said, _ = typed("ack", "LowStock", "sku=A-1", "--for", "2h", "-m", "on it", "--as", "Anna")
    assert code == 0
    assert "Anna" in said
    code, said, _ = typed("assign", "LowStock", "sku=A-1", "--to", "Ben", "--as", "Anna")
    assert (code, "Ben" in said) == (0, True)
    code, said, _ = typed("note", "LowStock", "it is the fair", "--label", "sku=A-1", "--as", "Anna")
    assert code == 0
    code, said, _ = typed("unack", "LowStock", "sku=A-1", "--as", "Anna")
    assert code == 0
    code, said, _ = typed("snooze", "LowStock", "sku=A-1", "--as", "Anna")
    assert code == 0
    code, said, _ = typed("close", "LowStock", "sku=A-1", "-m", "counted", "--as", "Anna")
    assert code == 0


def test_what_was_given_up_is_sent_once_more(typed):
    """By the beginnings of ids, or all of a receiver; asked for neither, or where there is nothing, it says so."""
    code, _, said = typed("deliveries", "replay")
    assert (code, "name their ids, or --dead --to RECEIVER" in said) == (2, True)
    code, _, said = typed("deliveries", "replay", "--dead", "--to", "ops")
    assert (code, "nothing was given up that was for 'ops'" in said) == (1, True)
    code, _, said = typed("deliveries", "replay", "abc")
    assert (code, "no delivery that was given up begins with 'abc'" in said) == (1, True)


def test_a_timeline_is_printed_and_taken_along(typed, tmp_path):
    """Of one alert as Markdown, of a stretch of time as JSON in a file; who acted stands in it."""
    assert typed("note", "LowStock", "seen by the gate", "--label", "sku=B-2", "--as", "Eve")[0] == 0
    code, said, _ = typed("timeline", "LowStock", "sku=B-2")
    assert code == 0
    assert said.startswith("# Timeline: Low stock, product B-2")
    assert "Eve wrote: seen by the gate (on a terminal)" in said
    file = tmp_path / "night.json"
    code, said, _ = typed("timeline", "--from", "2026-01-01T00:00:00Z", "--out", str(file))
    assert (code, "night.json" in "".join(said.split())) == (0, True)  # a long path goes on in the next line
    entries = json.loads(file.read_text())["entries"]
    assert {entry["labels"].get("sku") for entry in entries} >= {"A-1", "B-2"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["ack", "LowStock"], "'LowStock' may be any of 2 alerts", id="several"),
        pytest.param(["ack", "LowStok"], "there are alerts of LowStock", id="none"),
        pytest.param(["ack", "LowStock", "sku=C"], "no alert 'LowStock sku=C' is known", id="other labels"),
        pytest.param(["ack", "LowStock", "sku"], "'sku' is no label", id="no label"),
        pytest.param(["snooze", "LowStock", "sku=B-2", "--for", "2"], "write 2s, 2m or 2h", id="no unit"),
        pytest.param(
            ["ack", "LowStock", "sku=B-2", "--for", "2h", "--until", "2026-11-28"], "give one of them", id="two ends"
        ),
        pytest.param(["ack", "LowStock", "sku=B-2", "--as", " "], "--as: a name", id="nobody"),
        pytest.param(["silence", "end", "x"], "no silence that holds or will", id="no silence"),
        pytest.param(["silence", "add", "sku~A", "-m", "x", "--for", "1h"], "sku~A", id="no matcher"),
        pytest.param(["silence", "add", "sku=A-1", "-m", "x"], "until when?", id="a silence without an end"),
        pytest.param(["oncall", "override", "night", "other", "--for", "1h"], "night", id="no schedule"),
        pytest.param(["why", "LowStock", "nobody", "--label", "sku=B-2"], "nobody", id="no receiver"),
        pytest.param(["timeline"], "of what?", id="a timeline of nothing"),
        pytest.param(["timeline", "LowStock", "sku=B-2", "--to", "2026-11-28"], "leave --from and --to", id="both"),
        pytest.param(["timeline", "--from", "2026-11-28", "--to", "2026-11-27"], "--to is not after", id="backwards"),
        pytest.param(["timeline", "NoRule"], "no alert 'NoRule' is known", id="no timeline"),
    ],
)
def test_what_cannot_be_done_is_said(typed, arguments, said):
    code, out, err = typed(*arguments)
    assert code in (1, 2), out
    assert said in err


def test_the_beginning_of_an_id_is_enough(typed):
    """As the list of those that are meant shows it."""
    _, _, said = typed("ack", "LowStock")
    number = re.search(r"(\w{8}) LowStock sku=B-2", said)[1]
    code, out, _ = typed("ack", number, "--as", "Anna")
    assert (code, "Anna" in out) == (0, True)
    assert typed("unack", number, "--as", "Anna")[0] == 0


def test_a_silence_is_seen_made_and_ended(typed):
    """What it hits is said before; the list has it by its id, while it holds and when it is over."""
    code, out, _ = typed("silence", "preview", "sku=B-2")
    assert (code, out.startswith("hits 1 alert now")) == (0, True)
    code, out, _ = typed("silence", "add", "sku=B-2", "--for", "2h", "-m", "stock is counted", "--as", "Anna")
    assert code == 0
    number = re.search(r"its id is (\w+)", out)[1]
    code, out, _ = typed("silence", "list")
    assert (number in out, "holds" in out, "sku=B-2" in out, "Anna" in out) == (True, True, True, True)
    code, out, _ = typed("silence", "end", number[:6], "--as", "Ben")
    assert (code, "Ben" in out) == (0, True)
    assert number not in typed("silence", "list")[1]
    assert number in typed("silence", "list", "--all")[1]


def test_somebody_stands_in(typed):
    """On call is whoever the schedule says, then the other one, then the first one again."""
    assert "day hook" in re.sub(r"[│┃|]", "", typed("oncall", "show")[1]).replace("  ", " ")
    code, out, _ = typed("oncall", "override", "day", "other", "--for", "8h", "--as", "Anna")
    assert code == 0, out
    number = re.search(r"its id is (\w+)", out)[1]
    assert number in typed("oncall", "overrides")[1]
    assert re.search(r"day\W+other", typed("oncall", "show", "--days", "1")[1])
    assert typed("oncall", "end", number, "--as", "Anna")[0] == 0
    assert re.search(r"day\W+hook", typed("oncall", "show")[1])


def test_why_is_told_for_each_receiver(typed):
    """As a table for people, and a decision a line for programs."""
    code, out, _ = typed("why", "LowStock", "--label", "sku=B-2", "--all")
    assert (code, "hook" in out) == (0, True)
    code, out, _ = typed("why", "LowStock", "hook", "--label", "sku=B-2", "--json", "--all")
    assert code == 0
    assert '"receiver": "hook"' in out


def test_tokens_are_listed_by_name_and_shown_once(typed):
    code, token, said = typed("token", "add", "grafana", "--role", "viewer", "--as", "ops")
    assert (code, token.startswith("lst_"), "grafana is viewer" in said) == (0, True, True)
    code, out, _ = typed("token", "list")
    assert ("grafana" in out, "viewer" in out, "ops" in out, token in out) == (True, True, True, False)
    assert typed("token", "remove", "grafana")[0] == 0
    assert "grafana" not in typed("token", "list")[1]
    assert "there is no token 'grafana'" in typed("token", "remove", "grafana")[2]


def test_an_action_is_added_given_and_closed(typed):
    code, said, _ = typed(
        "action", "add", "ask for a split delivery", "--to", "Ben", "--due", "2026-12-04", "--as", "Anna"
    )
    assert code == 0
    number = said.rpartition(" ")[2]
    code, said, _ = typed("action", "list")
    assert (code, "split" in said, "Ben" in said) == (0, True, True)  # a cell has several lines
    code, said, _ = typed("action", "assign", number[:6], "Carla", "--as", "Anna")
    assert (code, "Carla is to do it" in said) == (0, True)
    code, said, _ = typed("action", "close", number, "--note", "on Friday", "--as", "Anna")
    assert (code, "closed: ask for a split delivery (on Friday)" in said) == (0, True)
    code, _, said = typed("action", "close", number)
    assert (code, "no open action begins with" in said) == (1, True)
