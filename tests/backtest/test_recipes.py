"""The recipes of the handbook make events of what shops can export."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.event import parse_event

HANDBOOK = Path(__file__).parents[2] / "rules" / "README.md"
RECIPES = re.findall(r"```python\n(.*?)```", HANDBOOK.read_text(), re.DOTALL)
EXPORTS = Path(__file__).parent / "exports"
ONE_ROW_AN_ORDER = "order,time,total,channel\nA1,2026-03-02T09:15:03+01:00,54.90,web\n"


def _events(recipe, table, tmp_path):
    script = tmp_path / "recipe.py"
    script.write_text(recipe)
    done = subprocess.run([sys.executable, script, table], capture_output=True, check=True)
    for line in done.stdout.splitlines():
        parse_event(line)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_row_an_order(tmp_path):
    """The ten lines run as they are printed."""
    table = tmp_path / "orders.csv"
    table.write_text(ONE_ROW_AN_ORDER)
    (event,) = _events(RECIPES[0], table, tmp_path)
    assert (event["id"], event["time"], event["data"]["total"]) == ("A1", "2026-03-02T09:15:03+01:00", 54.9)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_one_row_a_line_of_an_order(tmp_path, mark):
    """Rows without a total are further lines; a line without a sku has its name; 1,250.00 is a number."""
    table = tmp_path / "orders_export.csv"
    table.write_text(mark + (EXPORTS / "orders_export.csv").read_text())
    found = _events(RECIPES[1], table, tmp_path)
    assert [(e["id"], e["time"], e["data"]["total"], e["data"]["currency"], e["data"]["channel"]) for e in found] == [
        ("#2001", "2026-03-02T09:15:03+01:00", 54.9, "EUR", "web"),
        ("#2002", "2026-03-02T09:59:58+01:00", 15.0, "EUR", "pos"),
        ("#2003", "2026-03-02T11:30:00+01:00", 1250.0, "USD", "580111"),
    ]
    assert [[(line["sku"], line["quantity"], line["unit_price"]) for line in e["data"]["lines"]] for e in found] == [
        [("TEE-S", 2.0, 15.0), ("MUG-1", 1.0, 20.0)],
        [("Tee, long - XL", 1.0, 15.0)],
        [("MUG-1", 50.0, 25.0)],
    ]
