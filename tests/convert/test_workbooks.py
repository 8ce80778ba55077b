"""Exports that somebody has opened in Excel and saved: the same events as of the CSV."""

import json
from contextlib import suppress
from zipfile import ZipFile

import pytest
from converting import FIXTURES, SETTING, converted
from excel_workbook import cell_of, rows_of, write_workbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_ready import EVENTS, KNOWN_AS

from lockstep.adapters.convert.conversion import events_of
from lockstep.errors import LockstepError

TABLES = sorted(name for name in KNOWN_AS if not name.endswith(".ndjson"))
RETAIL = rows_of(FIXTURES / "online-retail.csv")


@pytest.mark.parametrize("name", TABLES)
def test_a_workbook_gives_the_events_of_its_csv(name, tmp_path):
    """Days are days, numbers have points (`12345.0`), yes and no are such, and a blank cell is not there at all."""
    path = tmp_path / "export.xlsx"
    write_workbook(path, {"Export": rows_of(FIXTURES / name)})
    events, refused = converted(path)
    assert events == [json.loads(line) for line in (EVENTS / f"{name}.ndjson").read_text("utf-8").splitlines()]
    assert refused == []


def test_what_a_cell_may_be_is_in_the_workbooks():
    """The control: numbers, days, flags and blanks do stand in the rows of the test above."""
    kinds = {type(cell).__name__ for name in TABLES for row in _cells(name) for cell in row}
    assert kinds >= {"float", "datetime", "bool", "NoneType", "str"}


def _cells(name):
    return [[cell_of(text) for text in row] for row in rows_of(FIXTURES / name)]


def test_the_first_sheet_counts_and_the_others_are_named(tmp_path):
    """As Online Retail II has them: a year a sheet."""
    path = tmp_path / "retail.xlsx"
    write_workbook(path, {"Year 2009-2010": RETAIL[:2], "Year 2010-2011": [RETAIL[0], *RETAIL[2:]], "Notes": [["x"]]})
    _, report = events_of(path, setting=SETTING)
    assert (report.rows, report.refused) == (1, {})
    assert report.notes[0] == (
        f"{path}: other sheets, 'Year 2010-2011', 'Notes'; save one as a file of its own, or name it in a mapping, "
        "file: {sheet: 2}"
    )


@pytest.mark.parametrize("sheet", [2, "Orders"])
def test_a_mapping_names_the_sheet(sheet, tmp_path):
    """By its number or its name; then the others are no surprise."""
    path = tmp_path / "shop.xlsx"
    write_workbook(path, {"Notes": [["nothing", "here"]], "Orders": [["no", "day"], ["12345", "2026-11-24"]]})
    visit = "{type: traffic.session, time: day, id: no, data: {}}"
    mapping = f"mapping: sheets\nfile: {{sheet: {sheet}}}\nevents: [{visit}]\n"
    events, refused = converted(path, mapping)
    assert [(event["id"], event["time"]) for event in events] == [("12345", "2026-11-24T00:00:00Z")]
    assert refused == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(TABLES), st.booleans(), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=6))
def test_a_damaged_workbook_is_no_traceback(tmp_path, name, is_packed, changes):
    """Bytes are changed in the file, or in the text of its sheet: rows, refused ones, or words."""
    path = tmp_path / "damaged.xlsx"
    write_workbook(path, {"Export": rows_of(FIXTURES / name)})
    with ZipFile(path) as book:
        parts = {part: bytearray(book.read(part)) for part in book.namelist()}
    raw = bytearray(path.read_bytes()) if is_packed else parts["xl/worksheets/sheet1.xml"]
    for place, junk in changes:
        at = int(place * len(raw))
        raw[at : at + len(junk)] = junk
    if is_packed:
        path.write_bytes(raw)
    else:
        with ZipFile(path, "w") as book:
            for part, content in parts.items():
                book.writestr(part, bytes(content))
    with suppress(LockstepError):
        events_of(path, setting=SETTING)
