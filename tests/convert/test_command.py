"""`lockstep convert` and `lockstep check` as they are run: what they print, and their exit codes."""

import json
import subprocess
import sys

import pytest
from converting import FIXTURES

SHOPIFY = FIXTURES / "shopify-orders.csv"
BAD = "time,channel\n2026-11-24,web\nnever,web\n2026-11-24,pos\nsoon,web\n"
MAPPING = "mapping: visits\nevents: [{type: traffic.session, time: time, data: {channel: channel}}]\n"


@pytest.fixture(autouse=True)
def pseudonym(empty_folder, monkeypatch):
    """A secret of which pseudonyms are made."""
    monkeypatch.setenv("LOCKSTEP_SECRET_PSEUDONYM", "of the tests")


def test_a_known_export_to_standard_output(run):
    """Events one a line; what it is on standard error."""
    code, out, said = run("convert", SHOPIFY)
    assert code == 0
    assert [json.loads(line)["type"] for line in out.splitlines()] == [
        "order.placed",
        "order.placed",
        "order.cancelled",
        "order.shipped",
    ]
    assert said == f"{SHOPIFY}: shopify-orders\n4 events of 3 rows, 0 refused\n"


def test_what_was_converted_can_be_sent(tmp_path, run):
    """Every event counts."""
    code, _, _ = run("convert", SHOPIFY, "--out", "events.ndjson")
    assert code == 0
    code, out, _ = run("send", "events.ndjson", "--broker", f"sqlite:///{tmp_path}/log.db")
    assert (code, out) == (0, "4 events sent\n")


def test_refused_rows(tmp_path, run):
    """Grouped by their fault, with lines and way out; the others are written. --skip-bad makes it no failure."""
    (tmp_path / "visits.csv").write_text(BAD)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "visits.yml").write_text(MAPPING)
    refused = (
        "2 refused: time: 'never' is no time; write time: {formats: ['%d/%m/%Y %H:%M']}, with the order of the file "
        "(visits.csv:3, visits.csv:5)\n2 events of 4 rows, 2 refused\n"
    )
    code, out, said = run("convert", "visits.csv")
    assert (code, len(out.splitlines()), said) == (1, 2, "visits.csv: visits\n" + refused)
    code, out, said = run("convert", "visits.csv", "--mapping", "visits", "--skip-bad")
    assert (code, len(out.splitlines()), said) == (0, 2, refused)
    # A process of its own: how wide the terminal is, is looked at once.
    command = [sys.executable, "-m", "lockstep", "convert", "visits.csv", "--dry-run"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, text=True)
    assert done.returncode == 1
    shown = [line.split()[:2] for line in done.stdout.splitlines()[1:]]
    assert shown == [["2026-11-24T00:00:00Z", "traffic.session"]] * 2
    assert done.stderr == "visits.csv: visits\n" + refused


def test_standard_input_and_several_files(tmp_path, run):
    """Each file is known by itself."""
    (tmp_path / "visits.yml").write_text(MAPPING)
    command = [sys.executable, "-m", "lockstep", "convert", "-", "--mapping", "visits.yml"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, input=b"time,channel\n2026-11-24,a\n")
    assert (done.returncode, json.loads(done.stdout)["data"]) == (0, {"channel": "a"})
    code, out, said = run("convert", SHOPIFY, FIXTURES / "shopify-orders-older.csv")
    assert (code, len(out.splitlines()), said.count(": shopify-orders\n")) == (0, 9, 2)


def test_without_the_secret_nobody_is_named(run, monkeypatch):
    """The field is left out, and it is said why."""
    monkeypatch.delenv("LOCKSTEP_SECRET_PSEUDONYM")
    _, out, said = run("convert", SHOPIFY)
    assert "customer" not in out
    assert "left out: " in said
    assert "'Email' would be a name: set LOCKSTEP_SECRET_PSEUDONYM for pseudonyms" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([], "name a file of your shop", id="no file"),
        pytest.param(["nowhere.csv"], "nowhere.csv: No such file or directory; name a file", id="a missing file"),
        pytest.param(["visits.csv"], "visits.csv:1: no mapping knows these columns: time, channel; ", id="unknown"),
        pytest.param(["visits.csv", "--mapping", "visit"], "no file and no ready mapping 'visit'; ", id="no mapping"),
        pytest.param(["visits.csv", "--mapping", "visits.csv"], "visits.csv is no mapping", id="another file"),
        pytest.param(
            ["visits.csv", "--mapping", "bad.yml"], "bad.yml:2:53: traffic.session has no field 'a'", id="faults"
        ),
        pytest.param(
            ["visits.csv", "--mapping", "good.yml"], "good.yml:2:40: the file has no column 'when'", id="columns"
        ),
        pytest.param(
            ["log.db"], "log.db: no table: it is an SQLite database; name a broker", id="another kind of file"
        ),
        pytest.param(["empty.csv"], "empty.csv: it is empty; ", id="nothing"),
        pytest.param(["visits.csv", "--exported", "x"], "--exported: 'x' is no time; ", id="no time"),
    ],
)
def test_what_cannot_be_converted(tmp_path, run, arguments, said):
    """One line with the way out, exit code 2."""
    (tmp_path / "visits.csv").write_text(BAD)
    (tmp_path / "bad.yml").write_text(MAPPING.replace("{channel:", "{a:"))
    (tmp_path / "good.yml").write_text(MAPPING.replace("time: time", "time: when"))
    (tmp_path / "log.db").write_bytes(b"SQLite format 3\x00")
    (tmp_path / "empty.csv").write_bytes(b"")
    code, out, found = run("convert", *arguments)
    assert (code, out) == (2, "")
    assert said in found
    assert "Traceback" not in found


def test_the_list(run):
    """What is known, what it gives, where it comes from."""
    code, out, _ = run("convert", "--list")
    assert code == 0
    assert "shopify-orders" in out
    assert "orders_export.csv" in out


def test_mappings_are_checked_like_rules(tmp_path, run):
    """In a folder of theirs, or beside rules."""
    (tmp_path / "visits.yml").write_text(MAPPING)
    assert run("check", ".")[:2] == (0, "0 rules and 1 mapping in 1 file: 0 errors, 0 warnings\n")
    (tmp_path / "visits.yml").write_text(MAPPING.replace("channel: channel", "chanel: channel"))
    code, out, _ = run("check", "visits.yml")
    assert code == 1
    assert out.startswith("visits.yml:2:53: traffic.session has no field 'chanel'; did you mean 'channel'?")
