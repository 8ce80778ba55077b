"""`lockstep init`: what it writes passes `check` and `test`, and nothing that is there is written over."""

import gzip
import os
import pty
import re
import select
import subprocess
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lockstep.errors import RuleError
from lockstep.tools.check.check_report import check
from lockstep.tools.init.country_zones import zone_of
from lockstep.tools.init.shop_export import LOOKED_AT
from lockstep.tools.init.shop_files import Answers, shop_files
from lockstep.tools.ruletest.runner import run as run_test
from lockstep.tools.ruletest.suite import load_suite

SHOPIFY = Path(__file__).parents[1] / "convert" / "fixtures" / "shopify-orders.csv"
TODAY = date(2026, 11, 24)
WRITTEN = [
    "lockstep.env",
    "rules/calendar.yml",
    "rules/orders.yml",
    "rules/routing.yml",
    "rules/shop.yml",
    "rules/stock.yml",
    "rules/tests/orders.yml",
    "rules/tests/stock.yml",
    "rules/tests/traffic.yml",
    "rules/traffic.yml",
]


def _files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("country", ["", "DE", "DE-BY", "GB", "US-CA", "JP", "IN", "AE", "FR"])
def test_what_is_written_passes_check_and_test(country, tmp_path):
    """Whatever the country: no fault, not even a warning, and its tests pass in its zone."""
    zone = ZoneInfo(zone_of(country) or "Europe/London")
    answers = Answers(zone, country, "anna@example.com, ben@example.com", "https://hooks.example.com/lockstep")
    for path, text in shop_files(answers).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    report = check([tmp_path / "rules"], now=datetime.combine(TODAY, time(), UTC))
    assert (report.faults, report.rules) == ((), 6)
    suite = load_suite([tmp_path / "rules"], zone)
    assert suite.faults == ()
    assert {t.name: run_test(t).passed for t in suite.tests} == {t.name: True for t in suite.tests}
    assert len(suite.tests) == 5


def test_the_zone_of_a_country():
    assert [zone_of(c) for c in ("de-by", "JP", "XX", "")] == ["Europe/Berlin", "Asia/Tokyo", None, None]


def test_the_holidays_of_the_country_are_those_of_every_year():
    """The calendar names the country and copies no day."""
    texts = shop_files(Answers(ZoneInfo("UTC"), country="de-by"))
    assert "\ncountry: DE-BY " in texts[Path("rules/calendar.yml")]
    assert "\n# country: DE " in shop_files(Answers(ZoneInfo("UTC")))[Path("rules/calendar.yml")]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"country": "Germany"}, "the holidays of 'Germany' are not known; did you mean 'DE'?"),
        ({"country": "DE-QQ"}, "DE has no part 'QQ'; known are Augsburg, BB, BE"),
        ({"marketing": "anna"}, "'anna'"),
        ({"operations": "http://"}, "must be http(s)://host/path"),
    ],
)
def test_an_answer_that_cannot_be_used(answers, why):
    """Is said with the way out, and nothing is written."""
    with pytest.raises(RuleError, match=re.escape(why)):
        shop_files(Answers(ZoneInfo("Europe/Berlin"), **answers))


def test_one_address_is_for_both_teams():
    """A team that has none hears through the other's, so that no rule is for nobody."""
    texts = shop_files(Answers(ZoneInfo("UTC"), operations="#ops"))
    routing = texts[Path("rules/routing.yml")]
    assert "marketing: [operations-slack]\n  operations: [operations-slack]" in routing
    assert "# LOCKSTEP_SECRET_SLACK_TOKEN=\n" in texts[Path("lockstep.env")]


def test_options_and_then_the_next_steps(run, tmp_path):
    """Without a terminal nothing is asked; the export is known, and the commands that follow name it and work."""
    code, out, said = run("init", "my-shop", "--country", "DE", "--export", SHOPIFY, "--marketing", "anna@example.com")
    assert (code, said) == (0, "")
    assert _files(tmp_path / "my-shop") == WRITTEN
    assert f"{SHOPIFY}: shopify-orders; its 3 rows give 4 events, 0 refused" in out
    steps = [line.strip() for line in out.partition("Next:")[2].splitlines() if line.strip()]
    assert steps[0] == "set -a; . ./my-shop/lockstep.env; set +a"
    assert "LOCKSTEP_TIMEZONE=Europe/Berlin" in (tmp_path / "my-shop/lockstep.env").read_text()
    for step in steps[1], steps[3]:
        code, _, said = run(*step.split()[1:])
        assert code == 0, said
    assert steps[4:] == ["lockstep import my-shop/events.ndjson", "lockstep serve --rules my-shop/rules"]


def test_nothing_is_written_over(run, tmp_path):
    """Not one file is written where one of them is there; --force writes all."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "stock.yml").write_text("mine\n")
    code, out, said = run("init")
    assert (code, out) == (2, "")
    assert "rules/stock.yml: already there, so nothing was written; name another folder, or add --force" in said
    assert _files(tmp_path) == ["rules/stock.yml"]
    code, _, _ = run("init", "--force")
    assert (code, _files(tmp_path)) == (0, WRITTEN)
    assert "LowStock" in (tmp_path / "rules" / "stock.yml").read_text()


def test_a_file_that_no_ready_mapping_knows(run, tmp_path):
    """Gets a draft of a mapping where its columns are called as such columns are; it passes check, and converts."""
    (tmp_path / "till.csv").write_text(
        "Order ID;Order date;Total;SKU;Qty;Unit price\n"
        "A1;2026-11-02 10:00;12.5;MUG;1;7.5\nA1;2026-11-02 10:00;12.5;CUP;1;5\n"
    )
    code, out, _ = run("init", "--export", "till.csv", "--country", "GB")
    assert code == 0
    assert "it is a draft" in out
    assert check([tmp_path / "mappings"]).faults == ()
    command = out.partition("  lockstep ")[2].partition("\n")[0]
    assert command.startswith("convert till.csv --mapping mappings/till.yml")
    code, _, said = run(*command.split())
    assert (code, said) == (0, "1 event of 2 rows, 0 refused\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    code, out, _ = run("init", "other", "--export", "other.csv")
    assert code == 0
    assert "no mapping knows these columns: a, b" in out
    code, out, _ = run("init", "third", "--export", "nowhere.csv")
    assert code == 0
    assert "nowhere.csv: No such file or directory" in out


def test_of_a_long_file_the_first_rows_are_looked_at(run, tmp_path):
    """It is converted once, by the command for that: what is wrong further down is not read here."""
    header, *_, order = SHOPIFY.read_text("utf-8").splitlines(keepends=True)
    good = "".join(order.replace("1002", str(n)).replace("5002", str(n)) for n in range(1_000, 1_000 + LOOKED_AT))
    with gzip.open(tmp_path / "long.csv.gz", "wb") as packed:
        packed.write((header + good).encode())
    with (tmp_path / "long.csv.gz").open("ab") as torn:
        torn.write(b"neither packed nor rows" * 100_000)
    code, out, _ = run("init", "--export", "long.csv.gz")
    assert code == 0
    assert "long.csv.gz: shopify-orders; its first 1,000 rows give 2,000 events, 0 refused" in out
    code, _, said = run("convert", "long.csv.gz", "--out", "events.ndjson")
    assert (code, "cannot be read to its end" in said) == (1, True)


def test_an_unknown_zone_is_said(run, tmp_path):
    """And nothing is written."""
    code, _, said = run("init", "--timezone", "Mars/Base")
    assert code == 2
    assert "there is no time zone 'Mars/Base'; write one like Europe/Berlin" in said
    assert _files(tmp_path) == []


def test_five_questions_on_a_terminal(empty_folder, tmp_path):
    """Each with the answer that is taken when nothing is said; the zone follows from the country."""
    outer, inner = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "lockstep", "init"], stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    said = ""
    for question, answer in [
        ("Country", "JP"),
        ("time zone [Asia/Tokyo]", ""),
        ("export of orders", ""),
        ("marketing is told", "anna@example.com"),
        ("operations are told", "#ops"),
    ]:
        while question not in said:
            assert select.select([outer], [], [], 120)[0], said
            said += os.read(outer, 4096).decode()
        os.write(outer, f"{answer}\n".encode())
    assert process.wait(120) == 0
    os.close(outer)
    assert _files(tmp_path) == WRITTEN
    assert "Asia/Tokyo" in (tmp_path / "lockstep.env").read_text()
    assert "operations-slack" in (tmp_path / "rules/routing.yml").read_text()
