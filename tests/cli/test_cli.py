"""The command line as people and programs use it: output, exit codes, no traceback."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from lockstep import VERSION
from lockstep.errors import SettingsError
from lockstep.settings import load_settings

EVENTS = [
    {
        "id": str(i),
        "source": "/s",
        "type": "stock.level",
        "time": f"2026-01-05T{clock}Z",
        "data": {"sku": "A", "available": available},
    }
    for i, (clock, available) in enumerate([("09:00:00", 35), ("09:05:00", 12), ("11:00:00", 90)])
]
RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "stock.yml").write_text(RULES)
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(e) + "\n" for e in EVENTS))
    return tmp_path


def lockstep(*args, cwd, stdin=None):
    done = subprocess.run(
        [sys.executable, "-m", "lockstep", *args], cwd=cwd, input=stdin, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def test_check_is_quiet_about_good_rules(shop):
    """Exit 0, and what was looked at."""
    done = lockstep("check", "rules", cwd=shop)
    assert (done.returncode, done.stdout) == (0, "1 rule in 1 file: 0 errors, 0 warnings\n")


def test_rules_say_what_they_cost(shop):
    """Of memory and looks, with what is assumed; the same for programs."""
    (shop / "rules" / "spike.yml").write_text(
        "measures: {orders: {count: order.placed}}\nrules:\n  - {name: Surge, by: [channel], spike: {measure: orders, "
        "window: 15m, above: 3x, at_least: 20, usual_at_least: 5, baseline: {same_time_of_week: 6}}}\n"
    )
    done = lockstep("rules", "rules", "--cost", "--groups", "200", "--json", cwd=shop)
    rows = {row["rule"]: row for row in json.loads(done.stdout)}
    assert {name: (row["groups"], row["looks_an_hour"], row["looks_an_event"]) for name, row in rows.items()} == {
        "Surge": (200, 60, 14),
        "LowStock": (200, 0, 1),
    }
    assert rows["Surge"]["kept_s"] // 86_400 == 42
    assert rows["Surge"]["bytes_of_all"] == 200 * rows["Surge"]["bytes"]
    said = lockstep("rules", "rules", "--cost", cwd=shop)
    assert said.returncode == 0
    assert "Surge" in said.stdout
    assert "1,000 groups" in said.stdout


def test_check_says_where_what_and_the_way_out(shop):
    """Exit 1 for errors; 3 for warnings where they count."""
    (shop / "rules" / "stock.yml").write_text(RULES.replace("at_most", "at_mots"))
    done = lockstep("check", "rules", cwd=shop)
    assert done.returncode == 1
    assert (
        "rules/stock.yml:6:33: rule 'LowStock': unknown key 'at_mots'; did you mean 'at_most'? [LS110]" in done.stdout
    )
    (shop / "rules" / "stock.yml").write_text(RULES.replace("[sku]", "[colour]"))
    assert lockstep("check", "rules", cwd=shop).returncode == 0
    assert lockstep("check", "rules", "--strict", cwd=shop).returncode == 3


def test_backtest_prints_transitions_for_programs(shop):
    """One object a line, with the fields that others rely on."""
    done = lockstep("backtest", "rules", "--events", "events.ndjson", "--json", cwd=shop)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(t["state"], t["at"], t["value"]) for t in lines] == [
        ("firing", "2026-01-05T09:05:00Z", 12.0),
        ("resolved", "2026-01-05T11:00:00Z", 90.0),
    ]
    assert set(lines[0]) == {
        "rule", "labels", "alert_id", "episode_id", "state", "at", "value", "baseline", "window_start", "window_end",
        "severity",
    }  # fmt: skip


def test_backtest_reads_several_files_in_any_order(shop):
    """Events are replayed by their time, whatever file and line they stand in."""
    (shop / "late.ndjson").write_text(json.dumps(EVENTS[2]) + "\n" + json.dumps(EVENTS[0]) + "\n")
    (shop / "early.ndjson").write_text(json.dumps(EVENTS[1]) + "\n")
    mixed = lockstep("backtest", "rules", "--events", "late.ndjson", "early.ndjson", "--json", cwd=shop)
    plain = lockstep("backtest", "rules", "--events", "events.ndjson", "--json", cwd=shop)
    assert mixed.stdout == plain.stdout
    assert plain.stdout


def test_a_backtest_of_refused_events_fails(shop):
    """Nothing is reported of a judgement that did not take place; equal faults are one line."""
    (shop / "bad.ndjson").write_text(
        "".join(json.dumps({**e, "id": str(i), "data": {}}) + "\n" for i, e in enumerate(EVENTS * 2))
    )
    for more in ((), ("--json",), ("--html", "report.html")):
        done = lockstep("backtest", "rules", "--events", "bad.ndjson", *more, cwd=shop)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == [
            "6 of 6 events were refused: nothing was judged",
            "6 × refused: data: data.sku: is missing; data.available: is missing, first in bad.ndjson:1",
            "lockstep: 6 of 6 events were refused: nothing was judged",
        ]
    assert not (shop / "report.html").exists()
    done = lockstep("backtest", "rules", "--events", "events.ndjson", "bad.ndjson", cwd=shop)
    assert done.returncode == 1
    assert done.stderr.startswith("6 of 9 events were refused: only the others were judged\n")
    assert "1 episode fired" in done.stdout
    (shop / "table.csv").write_text("order,total\n1,9.50\n")
    for command in (("backtest", "rules", "--events"), ("suggest", "stock", "--events"), ("send",)):
        done = lockstep(*command, "table.csv", cwd=shop)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            "table.csv: no events: it is a CSV table; turn its rows into events: `lockstep convert FILE`" in done.stderr
        )


def test_backtest_until_stops_there(shop):
    """Later events are as if they had not happened."""
    done = lockstep(
        "backtest", "rules", "--events", "events.ndjson", "--until", "2026-01-05T10:00:00Z", "--json", cwd=shop
    )
    assert [json.loads(line)["state"] for line in done.stdout.splitlines()] == ["firing"]


def test_backtest_shows_episodes_to_people(shop):
    """A table, and how often each rule spoke."""
    done = lockstep("backtest", "rules", "--events", "events.ndjson", cwd=shop)
    assert "LowStock" in done.stdout
    assert "1 episode fired" in done.stdout


def test_explain_says_why(shop):
    """From files of events: at the end, at an earlier instant, for programs; and what a code means."""
    done = lockstep("explain", "LowStock", "--events", "events.ndjson", "--at", "2026-01-05T10:00:00Z", cwd=shop)
    assert "it fires since Mon 05 Jan 09:05: stock is 12 (asked: warning" in done.stdout
    assert "rules/stock.yml:4" in done.stdout
    answer = json.loads(lockstep("explain", "LowStock", "--events", "events.ndjson", "--json", cwd=shop).stdout)
    (found,) = answer["explanations"]
    assert (found["labels"], found["clock"]["state"], found["at"]) == ({"sku": "A"}, "resolved", "2026-01-05T11:00:00Z")
    assert [t["state"] for t in found["told"]] == ["firing", "resolved"]
    assert "A duration is a number with a unit" in lockstep("explain", "ls104", cwd=shop).stdout
    business = lockstep("explain", "days_of_cover", cwd=shop).stdout
    assert "In texts: {{ days_of_cover }}, such as" in business
    name = lockstep("explain", "scarcest_part", cwd=shop).stdout
    assert name.startswith(
        "scarcest_part: a name for texts, of a sku\n\nThe part of a bundle that lasts shortest, such as A-1;"
    )
    assert business.startswith("days_of_cover: a business measure by sku, in days\n\nDays until it is sold out")
    assert "at_least: 20, usual_at_least: 5}" in lockstep("explain", "LS127", cwd=shop).stdout  # wider than 80
    nothing = lockstep("explain", "LowStock", "--url", "http://127.0.0.1:9", cwd=shop)
    assert "no worker answers at http://127.0.0.1:9" in nothing.stderr
    assert "'LowStock' knows no group with these labels here" in nothing.stdout
    unknown = lockstep("explain", "LowStok", "--url", "http://127.0.0.1:9", cwd=shop)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "there is no rule 'LowStok' in rules, and no alert of this id: did you mean 'LowStock'?" in unknown.stderr
    pack = lockstep("packs", "stok", cwd=shop)
    assert (pack.returncode, "did you mean 'stock'?" in pack.stderr) == (2, True)
    refused = lockstep("explain", "RuleFileRefused", "--url", "http://127.0.0.1:9", cwd=shop)
    assert "no worker answers at http://127.0.0.1:9" in refused.stderr
    assert refused.stdout.startswith("no rule file that is asked for is refused")
    replayed = lockstep("explain", "RuleFileRefused", "--events", "events.ndjson", cwd=shop)
    assert "no event leads to RuleFileRefused, a rule file does" in replayed.stderr


def test_backtest_writes_a_page_and_compares_versions(shop):
    """The report for a browser, what another version would tell, and how rightly."""
    (shop / "old").mkdir()
    (shop / "old" / "stock.yml").write_text(RULES.replace("at_most: 20", "at_most: 5"))
    (shop / "labels.csv").write_text("start,end\n2026-01-05T09:00,2026-01-05T10:00\n")
    done = lockstep(
        "backtest", "rules", "--events", "events.ndjson", "--html", "report.html", "--against", "old", "--labels",
        "labels.csv", "--working-hours", "Mon 10:00-12:00", cwd=shop,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 gained, 0 lost, 0 moved, 0 the same" in done.stdout
    assert "precision 100%" in done.stdout
    assert "would have woken you 1 time: 0 critical, 1 warning outside Mon 10:00-12:00" in done.stdout
    assert "against old" in (shop / "report.html").read_text()


def test_suggest_prints_a_rule(shop):
    """For programs and people alike: nothing else stands on the standard output."""
    done = lockstep("suggest", "stock", "--by", "sku", "--events", "events.ndjson", cwd=shop)
    assert done.returncode == 0, done.stderr
    (shop / "rules" / "suggested.yml").write_text(done.stdout)
    assert "2 rules in 2 files: 0 errors, 0 warnings" in lockstep("check", "rules", cwd=shop).stdout


def test_backtest_reads_a_broker(shop):
    """What `send` put there; with --since what happened since then, whenever it was sent."""
    broker = ("--broker", "sqlite:///shop.db")
    now = datetime.now(UTC)
    recent = [
        {**e, "id": f"r{i}", "time": (now - timedelta(hours=3 - i)).isoformat()}
        for i, e in enumerate([EVENTS[1], EVENTS[2], EVENTS[1]])
    ]
    (shop / "recent.ndjson").write_text("".join(json.dumps(e) + "\n" for e in recent))
    lockstep("send", "events.ndjson", "recent.ndjson", *broker, cwd=shop)
    for since, files in (((), ("events.ndjson", "recent.ndjson")), (("--since", "1d"), ("recent.ndjson",))):
        done = lockstep("backtest", "rules", *broker, *since, "--json", cwd=shop)
        expected = lockstep("backtest", "rules", "--events", *files, "--json", cwd=shop)
        assert (done.stdout, done.stderr) == (expected.stdout, "")
        assert len(done.stdout.splitlines()) == (5 if files[1:] else 3)
    empty = lockstep("backtest", "rules", *broker, "--since", "1m", "--json", cwd=shop)
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "hold no events since" in empty.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(("backtest", "rules"), "no events; name files with --events", id="no events"),
        pytest.param(("backtest", "rules", "--broker", "sqlite:///no.db"), "there is no such file", id="no broker"),
        pytest.param(
            ("backtest", "rules", "--events", "events.ndjson", "--against", "HEAD"),
            "neither a path nor a commit",
            id="no version",
        ),
        pytest.param(("backtest", "rules", "--events", "nothing.ndjson"), "nothing.ndjson", id="no such file"),
        pytest.param(("serve", "--rules", "nowhere"), "nowhere: there is no such folder", id="no such folder"),
        pytest.param(("serve", "--broker", "mysql://x"), "neither sqlite:///FILE nor kafka://", id="an unknown broker"),
        pytest.param(("send", "nothing.ndjson"), "nothing.ndjson", id="nothing to send"),
        pytest.param(("serve", "--broker", "kafka://127.0.0.1:99999"), "is no HOST:PORT", id="a port beyond all ports"),
        pytest.param(("notify", "test", "nobody"), "nobody", id="an unknown receiver"),
        pytest.param(("explain", "LS999"), "there is no code 'LS999'", id="an unknown code"),
        pytest.param(
            ("explain", "LowStok", "--events", "events.ndjson"), "did you mean 'LowStock'?", id="an unknown rule"
        ),
        pytest.param(("explain", "LowStock", "--at", "2026-01-05"), "--at needs the past", id="no past to look at"),
        pytest.param(("check", "rules", "--format", "xml"), "'xml' is unknown", id="an unknown format"),
        pytest.param(("check", "rules", "--kept", "7"), "'7' has no unit", id="no unit"),
        pytest.param(("notify", "test", "x", "--rules", "nowhere"), "nowhere: there is no such", id="no rules to look"),
    ],
)
def test_an_error_is_one_line(shop, args, said):
    """Exit 2 (or 1), and no traceback."""
    done = lockstep(*args, cwd=shop)
    assert done.returncode in (1, 2)
    assert said in done.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SMTP_HOST", "a..b", "'a..b' is no host, a part between dots is empty; write one like shop.example.com"),
        ("SMTP_HOST", "smtp://relay", "'smtp://relay' is no host; write one like shop.example.com"),
        ("SMTP_HOST", "relay:587", "'relay:587' is no host; write one like shop.example.com"),
        ("SMTP_HOST", "${RELAY}", "'${RELAY}' is not filled in; write what it stands for"),
        ("SLACK_BASE_URL", "slack.com/api", "must be http(s)://host/path, without a user; write one like"),
        ("SLACK_BASE_URL", "https://*.slack.com/api/", "'*.slack.com' is no host, '*' stands for none; write one host"),
        ("PUBLIC_URL", "lockstep.shop.example", "must be http(s)://host/path, without a user; write one like"),
        ("PUBLIC_URL", "https://<host>/", "'<host>' is not filled in; write what it stands for"),
        (
            "PUBLIC_URL",
            "https://user:word@shop.example/",
            "must be http(s)://host/path, without a user; write one like",
        ),
        ("SMTP_FROM", "nobody", "must be an address; write one like Lockstep <alerts@shop.example.com>"),
        ("SMTP_FROM", "alerts@a..b", "must be an address; write one like Lockstep <alerts@shop.example.com>"),
    ],
)
def test_a_place_that_cannot_be_is_refused_at_the_start(monkeypatch, name, value, said):
    """Otherwise the first alert finds out."""
    monkeypatch.setenv(f"LOCKSTEP_{name}", value)
    with pytest.raises(SettingsError, match=re.escape(f"settings: LOCKSTEP_{name}: {said}")) as caught:
        load_settings()
    assert "user:word" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("shop orders", "'shop orders' is no name of a topic; write letters, digits, '.', '_' and '-', at most 249 of"),
        ("größen", "'größen' is no name of a topic; "),
        ("..", "'..' is no name of a topic; "),
        (".", "'.' is no name of a topic; "),
        ("o" * 250, f"'{'o' * 249}' is no name of a topic; "),
        ("orders\n", "'orders\\n' is no name of a topic; "),
        ("${ENV}.orders", "'${ENV}' is not filled in; write what it stands for"),
    ],
)
@pytest.mark.parametrize("role", ["ORDERS", "TRAFFIC", "INVENTORY", "PLANS"])
def test_a_topic_that_kafka_does_not_take_is_refused_at_the_start(monkeypatch, role, value, said):
    """On either broker: what runs on one goes on on the other."""
    monkeypatch.setenv(f"LOCKSTEP_TOPIC_{role}", value)
    with pytest.raises(SettingsError, match=re.escape(f"settings: LOCKSTEP_TOPIC_{role}: {said}")):
        load_settings()


@pytest.mark.parametrize("value", ["shpss_1234", "SHOPIFY NEW", "SHOPIFY,", "a secret itself", "SHOPIFY;NEW"])
def test_the_names_of_secrets_are_no_secrets(monkeypatch, value):
    """Who writes the secret where its name belongs hears of it before it is used."""
    monkeypatch.setenv("LOCKSTEP_SHOPIFY_SECRETS", value)
    with pytest.raises(SettingsError, match="LOCKSTEP_SHOPIFY_SECRETS: names of secrets, joined") as caught:
        load_settings()
    assert value not in str(caught.value).replace("SHOPIFY,SHOPIFY_NEW", "")


def test_several_secrets_are_named_one_after_the_other(monkeypatch):
    """While one follows the other."""
    monkeypatch.setenv("LOCKSTEP_SHOPIFY_SECRETS", "SHOPIFY, SHOPIFY_NEW")
    assert load_settings().webhook_secrets["shopify"] == ("SHOPIFY", "SHOPIFY_NEW")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("orders", "'orders' is LOCKSTEP_TOPIC_ORDERS, too; give each its own topic"),
        ("lockstep.alerts", "'lockstep.alerts' is named like a topic of Lockstep's own; name the shop's topic"),
    ],
)
def test_each_role_has_a_topic_of_the_shop(monkeypatch, value, said):
    """Read under two roles, the events of one would be lost; read from our own, ours would be events."""
    monkeypatch.setenv("LOCKSTEP_TOPIC_PLANS", value)
    with pytest.raises(SettingsError, match=re.escape(f"settings: LOCKSTEP_TOPIC_PLANS: {said}")):
        load_settings()


@pytest.mark.parametrize("value", ["shop.orders_v2-EU", "...", "o" * 249, "1"])
def test_a_topic_that_kafka_takes_is_taken(monkeypatch, value):
    monkeypatch.setenv("LOCKSTEP_TOPIC_ORDERS", value)
    assert load_settings().topics["orders"] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_HOST", "relay"),
        ("SMTP_HOST", "::1"),
        ("SMTP_HOST", "10.0.0.1"),
        ("SLACK_BASE_URL", "http://127.0.0.1:9000/"),
        ("PUBLIC_URL", "https://shop.example/lockstep"),
        ("PUBLIC_URL", "http://[::1]:8480"),
        ("SMTP_FROM", "lockstep@localhost"),
        ("SMTP_FROM", "Lockstep <alerts@shop.example>"),
    ],
)
def test_a_place_that_can_be_is_taken(monkeypatch, name, value):
    """Names of inner networks and addresses, too."""
    monkeypatch.setenv(f"LOCKSTEP_{name}", value)
    assert getattr(load_settings(), name.lower()) == value


@pytest.mark.parametrize("name", ["LOCKSTEP_SMTP_TLS", "LOCKSTEP_LOG_LEVEL", "LOCKSTEP_LOG_FORMAT"])
def test_a_word_that_a_setting_does_not_know_is_refused(monkeypatch, name):
    """`LOCKSTEP_SMTP_TLS=ssl` must not quietly send mails in the clear."""
    monkeypatch.setenv(name, "ssl")
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_words_of_settings_are_read_in_any_case(monkeypatch):
    """Most programs write INFO."""
    monkeypatch.setenv("LOCKSTEP_LOG_LEVEL", "INFO")
    assert load_settings().log_level == "info"


def test_what_is_sent_badly_is_named_and_the_rest_is_sent(shop):
    """With --skip-bad; without it, sending stops at the first bad event."""
    bad = json.dumps(EVENTS[0]).replace("35", '"35"')
    text = json.dumps(EVENTS[0]) + "\n" + bad + "\n" + json.dumps(EVENTS[1]) + "\n"
    done = lockstep("send", "-", cwd=shop, stdin=text)
    assert done.returncode == 1
    assert "-:2: data: data.available" in done.stderr.replace("\n", "")
    assert "1 event sent" in done.stdout
    assert "2 events sent" in lockstep("send", "-", "--skip-bad", cwd=shop, stdin=text).stdout


def test_sending_says_what_became_of_each_event(shop):
    """Sent twice, ahead of the clock, of a type with a typo: a table; what does not count by its time is exit 1."""
    ahead = {**EVENTS[2], "id": "ahead", "time": (datetime.now(UTC) + timedelta(days=2)).isoformat()}
    typo = {**EVENTS[2], "id": "typo", "type": "stock.levle"}
    first = lockstep("send", "events.ndjson", cwd=shop)
    assert (first.returncode, first.stdout) == (0, "3 events sent\n")
    text = "".join(json.dumps(e) + "\n" for e in [EVENTS[0], EVENTS[1], typo, ahead, {**EVENTS[2], "id": "new"}])
    again = lockstep("send", "-", cwd=shop, stdin=text)
    rows = [line.strip() for line in again.stdout.splitlines()]
    assert rows[0] == "4 events sent"
    for begins in (
        "accepted                  1",
        "known already             2  -:1, -:2: its id and source came before",
        "ahead of the clock        1  -:4: its time is",
        "unknown type              1  -:3: type 'stock.levle' is none that",
    ):
        assert any(row.startswith(begins) for row in rows), (begins, rows)
    assert again.returncode == 1
    assert "check the sender's clock" in again.stderr
    moved = lockstep("send", "--now", "-", cwd=shop, stdin=json.dumps({**ahead, "id": "moved"}))
    assert (moved.returncode, moved.stdout) == (0, "1 event sent\n")


def test_a_backtest_says_what_it_ignored(shop):
    """An event of an unknown type is ignored at every door, and counted."""
    (shop / "typo.ndjson").write_text(json.dumps({**EVENTS[0], "type": "stock.levle"}) + "\n")
    done = lockstep("backtest", "rules", "--events", "events.ndjson", "typo.ndjson", cwd=shop)
    assert " ".join(done.stdout.split()).endswith(", 1 of an unknown type")


def test_the_version_is_told_either_way(shop):
    """`--version` is what people try."""
    assert lockstep("--version", cwd=shop).stdout == lockstep("version", cwd=shop).stdout == f"{VERSION}\n"


LOOKING = [("alerts",), ("dead", "events"), ("dead", "deliveries")]


def test_nothing_fires_and_nothing_is_dead_before_anything_ran(shop):
    """Tables, empty; and that events wait for somebody to judge them."""
    lockstep("send", "events.ndjson", cwd=shop)
    done = [lockstep(*args, cwd=shop) for args in LOOKING]
    assert [d.stdout.splitlines()[0].strip() for d in done] == ["0 alerts", "0 dead events", "0 dead deliveries"]
    said = "lockstep: 3 events not read yet: no `lockstep serve` runs on this broker; start one\n"
    assert [d.stderr for d in done] == [said, "", ""]
    as_json = lockstep("alerts", "--json", cwd=shop)
    assert (as_json.stdout, as_json.stderr) == ("", said)


@pytest.mark.parametrize("args", LOOKING)
def test_looking_at_a_file_that_is_not_there_is_no_comfort(shop, args):
    """A mistyped path must not read as "0 alerts", and must not leave an empty file behind."""
    done = lockstep(*args, "--broker", "sqlite:///typo.db", cwd=shop)
    assert (done.returncode, done.stdout) == (2, "")
    assert "typo.db: there is no such file; name the broker with --broker" in done.stderr
    assert not (shop / "typo.db").exists()
