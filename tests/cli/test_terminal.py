"""What is printed: names of rules, labels and files are shown as they are written, whatever they hold."""

import ast
import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group
from rich.table import Table
from rich.text import Text
from test_cli import lockstep

from lockstep.tools.terminal import Terminal, readable

SOURCES = Path(__file__).parents[2] / "service" / "lockstep"
ODD = [
    "ndjson:100:",
    "A:fire:B",
    "[red]x[/]",
    "[/]",
    "\\[bold]",
    "1 of 2 http://a",
    "[link=file:///etc/passwd]a[/link]",
]


def _printed(*parts):
    console = Terminal(file=StringIO(), width=200, color_system="truecolor", force_terminal=True)
    for part in parts:
        console.print(part, soft_wrap=True)
    return Text.from_ansi(console.file.getvalue()).plain


def _everywhere(text):
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    return text, Group(text), table


@pytest.mark.parametrize("text", ODD)
def test_a_name_is_shown_as_it_is(text):
    """As a line, in a group, as title, head and cell of a table."""
    assert _printed(*_everywhere(text)).count(text) == 5


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30))
def test_any_name_is_shown_as_it_is(text):
    """No text is markup, an emoji's code or a number to colour."""
    assert _printed(text).strip() == text


def test_a_name_gives_the_terminal_no_orders():
    """An escape sequence in a label would recolour, clear or rename the window; it is shown, not obeyed."""
    shown = _printed(*_everywhere("a\x1b]0;gone\x07\x1b[2Jb\u202ec"))
    assert shown.count(r"a\x1b]0;gone") == 5
    assert "\u202e" not in shown
    assert readable("a\x07\nb") == r"a\x07 b"


def test_nothing_is_printed_another_way():
    """One console is made, in one place, and nowhere is markup written."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.ImportFrom(module="rich.markup"):
                    pytest.fail(f"{path} imports rich.markup; make a Text")
                case ast.ImportFrom(module="rich.console", names=names) if path.name != "terminal.py":
                    assert "Console" not in {n.name for n in names}, f"{path}: print with a Terminal"
                case ast.Call(func=ast.Name(id="TextColumn"), keywords=keywords):
                    assert "markup" in {k.arg for k in keywords}, f"{path}:{node.lineno}: markup=False"


RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""
SKU = "[red]x[/]:100:"


@pytest.fixture
def shop(tmp_path):
    """A shop whose files and sku look like markup and emoji."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a:100:[b].yml").write_text(RULES)
    rows = [
        {
            "id": str(i),
            "source": "/s",
            "type": "stock.level",
            "time": f"2026-07-05T{clock}Z",
            "data": {"sku": SKU, "available": n},
        }
        for i, (clock, n) in enumerate([("09:00:00", 35), ("09:05:00", 12), ("11:00:00", 90)])
    ]
    rows.append({**rows[0], "id": "[bold]:100:", "time": "no:fire:time"})
    (tmp_path / "ndjson:100:").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def _lines(done):
    return [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]


def test_a_report_shows_names_as_they_are_and_times_of_one_zone(shop, monkeypatch):
    """The whole of it; the last line's times are those of the table, not of UTC."""
    monkeypatch.setenv("LOCKSTEP_TIMEZONE", "Europe/London")
    monkeypatch.setenv("COLUMNS", "130")
    done = lockstep("backtest", "rules", "--events", "ndjson:100:", cwd=shop)
    assert "ndjson:100::4: refused: " in done.stderr
    lines = _lines(done)
    assert lines[0] == "Episodes, times of Europe/London"
    assert lines[2].startswith("Sun 5 Jul 10:05 1 h 55 min warning LowStock [red]x[/]:100: 12")
    assert lines[-1] == "3 events from Sun 5 Jul 2026 10:00 BST to Sun 5 Jul 2026 12:00 BST, 1 refused"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        pytest.param(("explain", "LowStock", "--events", "ndjson:100:"), SKU, id="explain"),
        pytest.param(("explain", "LowStock", "--labels", f"sku={SKU}"), "a:100:[b].yml", id="explain a file"),
        pytest.param(("check", "rules"), "1 rule in 1 file", id="check"),
        pytest.param(("explain", "[red]B[/]:100:", "--events", "ndjson:100:"), "'[red]B[/]:100:'", id="an error"),
        pytest.param(("test", "rules/a:100:[b].yml"), "rules/a:100:[b].yml", id="a test"),
        pytest.param(("check", "[x]:fire:"), "[x]:fire:", id="a path"),
        pytest.param(("send", "[x]:fire:"), "[x]:fire:", id="a file that is not there"),
    ],
)
def test_names_are_shown_as_they_are(shop, monkeypatch, asked, shown):
    """In every command."""
    monkeypatch.setenv("COLUMNS", "200")
    if "--labels" in asked:
        asked = (*asked, "--events", "ndjson:100:")
    done = lockstep(*asked, cwd=shop)
    assert shown in done.stdout + done.stderr
