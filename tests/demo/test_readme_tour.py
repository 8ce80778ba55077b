"""The README's five commands from a clone to a backtest of own orders, walked as they are written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from shopify_export import COLUMNS, rows

ROOT = Path(__file__).parents[2]
TOUR = (ROOT / "README.md").read_text().partition("## Your own orders, in five commands")[2].partition("\n## ")[0]
COMMANDS, PRINTED = re.findall(r"^```(?:text)?\n(.*?)^```$", TOUR, re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(tmp_path):
    """Runs a command of the tour beside an export: (what it prints, what it says on standard error)."""
    export = subprocess.run(
        [sys.executable, ROOT / "tests" / "demo" / "shopify_export.py"], capture_output=True, text=True, check=True
    )
    (tmp_path / "orders_export.csv").write_text(export.stdout)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}

    def run(command):
        args = shlex.split(command)
        assert args[0] == "lockstep", command
        done = subprocess.run(
            [sys.executable, "-m", *args],
            cwd=tmp_path,
            env={**environ, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


def test_five_commands_end_with_a_backtest_of_own_orders(run, tmp_path):
    """Clone and install are done here; the other three as written, and the backtest tells what the README shows."""
    commands = COMMANDS.splitlines()
    assert len(commands) == 5
    assert "git clone" in commands[0]
    assert "pip install . -c constraints.txt" in commands[1]
    said, _ = run(commands[2])
    assert "orders_export.csv: shopify-orders; its first 1,000 rows give 1,170 events, 0 refused" in said
    _, said = run(commands[3])
    assert "0 refused" in said
    report, _ = run(commands[4])
    lines = [" ".join(line.split()) for line in report.splitlines()]
    for line in PRINTED.splitlines():
        # A wide window has one column more, with a small chart.
        assert any(printed.startswith(" ".join(line.split())) for printed in lines), line
    assert "2 episodes fired" in report
    suggested, _ = run(re.search(r"`(lockstep suggest [^`]+)`", TOUR)[1].replace("\n", " "))
    (tmp_path / "my-shop" / "rules" / "suggested.yml").write_text(suggested)
    said, _ = run("lockstep check my-shop/rules")
    assert "0 errors, 0 warnings" in said


def test_the_export_is_of_the_real_form():
    """Shopify's columns; further lines of an order have blank totals; the newest order comes first."""
    made = list(rows())
    assert len(made) > 6_000
    assert {name for row in made for name in row} <= {*COLUMNS}
    wholes = [row for row in made if "Total" in row]
    assert len(wholes) < len(made)
    assert [row["Name"] for row in wholes] == sorted((row["Name"] for row in wholes), key=lambda n: -int(n[1:]))


def test_what_the_tour_makes_is_its_readers():
    """Whoever followed it and then changes something is not told of these files."""
    made = ["my-shop/rules/orders.yml", "orders_export.csv"]
    ignored = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout.split() == made
