"""Tables of numbers beside rule files: which row counts, every fault with its line, what an edit says."""

from pathlib import Path

import pytest

from lockstep.adapters.rule_files import load_rules
from lockstep.rule.condition.bound import OfTable
from lockstep.rule.condition.levels import levels_of
from lockstep.rule.language.load import load_texts
from lockstep.rule.language.table import LARGEST, MOST_ROWS
from lockstep.rule.versions import changes_in_words
from lockstep.tools.check.check_report import check
from lockstep.tools.check.fault_formats import Sources, shown

MEASURES = """\
measures:
  stock: {last: available, of: stock.level}
  orders: {count: order.placed}
rules:
"""
LOW = "  - {name: Low, by: [sku], threshold: {measure: stock, at_most: {file: t.csv}}}\n"
BY_TWO = """\
  - name: Low
    by: [channel, sku]
    threshold: {measure: orders, window: 1h, at_least: {file: t.csv, column: n}}
"""


MISSPELLED = (
    "t.csv:1:1: column 'skuu' is no label of the rule, which is by sku, and holds no numbers; did you mean 'sku'?"
)


def _faults(rule, table):
    return [str(f) for f in load_texts({"r.yml": MEASURES + rule, "t.csv": table}).faults]


def _bound(rule, table, **labels):
    loaded = load_texts({"r.yml": MEASURES + rule, "t.csv": table})
    assert loaded.faults == ()
    levels = levels_of(loaded.plan.rules[0].condition, labels)
    return (levels[0].breach.shown, levels[0].breach.shown_of) if levels else None


ROWS = "sku,at_most\nA-1,20\nKEY-*,60\n*-XL,10\n*,5\nKEY-9,none\nA-2,\n"


@pytest.mark.parametrize(
    ("sku", "expected"),
    [
        pytest.param("A-1", (20, "at_most of A-1 in t.csv"), id="its own row"),
        pytest.param("KEY-7", (60, "at_most of KEY-* in t.csv"), id="a pattern"),
        pytest.param("KEY-XL", (60, "at_most of KEY-* in t.csv"), id="of two patterns the longer"),
        pytest.param("B-XL", (10, "at_most of *-XL in t.csv"), id="a pattern before the rest"),
        pytest.param("B", (5, "at_most of * in t.csv"), id="the rest"),
        pytest.param("KEY-9", None, id="none is no bound, whatever is less specific"),
        pytest.param("A-2", (5, "at_most of * in t.csv"), id="an empty cell says nothing"),
    ],
)
def test_the_most_specific_row_counts(sku, expected):
    """Wherever it stands: spreadsheets are sorted."""
    lines = ROWS.splitlines()
    for table in (ROWS, "\n".join([lines[0], *reversed(lines[1:])])):
        assert _bound(LOW, table, sku=sku) == expected


CLEAR = """\
  - name: Low
    by: [sku]
    threshold: {measure: stock, at_most: {file: t.csv}}
"""
NEVER = "clear: {above: {file: t.csv, column: over}, below: 90}"


@pytest.mark.parametrize(
    ("rule", "table", "expected"),
    [
        pytest.param(
            "    clear: {above: 30}\n",
            "sku,at_most\nA,20\nB,30\nC,45\nK-*,60\n",
            [
                "r.yml:8:12: warning: rule 'Low': 'clear' begins below 45, where it breaches: at_most of C in t.csv "
                "and 1 more row; write at least 45, or change the row [LS125]"
            ],
            id="rows above the clear",
        ),
        pytest.param(
            f"    {NEVER}\n",
            "sku,at_most,over\nA,20,30\nB,20,90\nC,20,none\n",
            [
                "r.yml:8:12: rule 'Low': 'clear' can never hold: at_most of B in t.csv and over of B in t.csv; widen "
                "it, or change the row [LS125]"
            ],
            id="a row with which it never holds",
        ),
        pytest.param(
            "    clear: {above: 10, below: 10}\n",
            "sku,at_most\nA,20\n",
            ["r.yml:8:12: rule 'Low': 'clear' can never hold; widen it [LS125]"],
            id="whatever the row says",
        ),
        pytest.param(
            "    clear: {below: 3}\n",
            "sku,at_most\nA,20\n",
            ["r.yml:8:12: rule 'Low': 'clear' holds while it breaches; write clear: {above: …} [LS125]"],
            id="the wrong way, whatever the row says",
        ),
        pytest.param(
            f"    overrides: [{{match: {{sku: 'K-*'}}, at_most: 5, {NEVER}}}]\n",
            "sku,at_most,over\nA,20,99\nK-1,20,30\nK-2,20,95\n",
            [
                "r.yml:8:58: rule 'Low': 'clear' can never hold: over of K-2 in t.csv; widen it, or change the row "
                "[LS125]"
            ],
            id="an override, for the rows that it is for",
        ),
        pytest.param(
            "    clear: {above: 30}\n    overrides: [{match: {sku: 'K-*'}, at_most: 5}]\n",
            "sku,at_most\nA,20\nK-1,45\n",
            [],
            id="a row that an override takes the place of",
        ),
        pytest.param(
            "    overrides: [{match: {sku: K}, at_most: 20, clear: {above: 30, below: 25}}]\n",
            "sku,at_most\nA,20\n",
            ["r.yml:8:55: rule 'Low': 'clear' can never hold; widen it [LS125]"],
            id="an override with its own numbers",
        ),
    ],
)
def test_a_clear_goes_with_every_row(rule, table, expected):
    """One that never holds refuses the rule; where only the gap is gone, alerts still end: a warning."""
    assert _faults(CLEAR + rule, table) == expected


@pytest.mark.parametrize(
    ("table", "labels", "expected"),
    [
        pytest.param("channel,sku,n\nweb,*,1\n*,A,2\nweb,A,3\n", ("web", "A"), 3, id="both named"),
        pytest.param("channel,sku,n\nw*,A*,1\nweb,*,2\n", ("web", "A1"), 2, id="a cell without * before characters"),
        pytest.param("channel,sku,n\nweb,,1\n", ("web", "B"), 1, id="an empty label is any"),
        pytest.param("sku,n\nA,1\n", ("app", "A"), 1, id="a label that is no column is any"),
    ],
)
def test_rows_by_two_labels(table, labels, expected):
    """First the cells that name a value, then the characters beside the stars."""
    assert _bound(BY_TWO, table, channel=labels[0], sku=labels[1])[0] == expected


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("\ufeffsku,at_most\r\nA,20\r\n", id="as Excel saves it"),
        pytest.param("sku;at_most\nA;20\n", id="semicolons"),
        pytest.param("sku\tat_most\nA\t20\n", id="tabs"),
        pytest.param("sep=;\r\nsku;at_most\r\nA;20\r\n", id="Excel names the separator"),
        pytest.param("\ufeffSEP=|\nsku|at_most\nA|20\n", id="any other one, too"),
        pytest.param('"sku", "at_most"\n"A",20\n', id="quoted"),
        pytest.param("sku,#note,at_most,#\n\nA,x,20,\n,,,\n", id="remarks and empty rows"),
        pytest.param("at_most,sku\n20,A", id="any order, no last line end"),
    ],
)
def test_what_spreadsheets_write(table):
    """One meaning, many ways to save it."""
    assert _bound(LOW, table, sku="A") == (20, "at_most of A in t.csv")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(
            "", "t.csv:1:1: the table is empty; write the names of its columns first: sku,at_most", id="empty"
        ),
        pytest.param("sku,at_most\n", "t.csv:1:1: the table has no rows; add one like A-1,20", id="no rows"),
        pytest.param(
            "sku,at_most\nA,20\nB,lots\n",
            "t.csv:3:3: 'lots' is no number; write one like 20, 2.5 or 25%",
            id="no number",
        ),
        pytest.param(
            'sku,at_most\nA,"2,5"\n', "t.csv:2:3: '2,5' is no number, it has a comma; write 2.5", id="a decimal comma"
        ),
        pytest.param(
            "sku,at_most\nA,20\n\nB,1,2\n",
            "t.csv:4:5: 3 cells, the first row has 2; write one cell a column; quote what holds a comma",
            id="a cell too many",
        ),
        pytest.param(
            "sku,at_most\nA\n",
            "t.csv:2:1: 1 cell, the first row has 2; write one cell a column; quote what holds a comma",
            id="a cell too few",
        ),
        pytest.param(
            "sku,at_most\nA,1\nB,2\nA,3\n", "t.csv:4:1: 'A' stands also in line 2; keep one of them", id="twice"
        ),
        pytest.param(
            "skuu,at_most\nA,20\n",
            MISSPELLED,
            id="a label misspelled",
        ),
        pytest.param(
            "skuu,at_most\n17,20\n",
            MISSPELLED,
            id="a label misspelled whose values look like numbers",
        ),
        pytest.param(
            "sku,channel,at_most\nA,web,20\n",
            "t.csv:1:5: column 'channel' is no label of the rule, which is by sku, and holds no numbers; a column of "
            "remarks begins with #: '#channel'",
            id="a label too many",
        ),
        pytest.param(
            "price,at_most\n3,20\n",
            "t.csv:1:1: no column is a label of the rule: sku; add a column 'sku'",
            id="no label",
        ),
        pytest.param(
            "sku,at_mst\nA,20\n",
            "r.yml:5:72: rule 'Low': 't.csv' has no column 'at_most'; did you mean 'at_mst'?",
            id="no such column",
        ),
        pytest.param(
            "sku,at_most,at_most\nA,20,1\n",
            "t.csv:1:13: the column 'at_most' stands twice; name each column differently",
            id="a column twice",
        ),
        pytest.param("sku,at_most,\nA,20,\n", "t.csv:1:13: a column has no name; name it, or remove it", id="no name"),
        pytest.param(
            'sku,at_most\nA,20\nB,"2\n',
            "t.csv:3:1: not CSV: a quote is not closed; close it, and double a quote within quotes",
            id="a quote that is not closed",
        ),
        pytest.param("sku,at_most\n\udcff,20\n", "t.csv:2:1: not UTF-8; save it as CSV UTF-8", id="not UTF-8"),
        pytest.param(
            "sku,at_most\nA,9e99\n",
            "t.csv:2:3: '9e99' is too large; write a number within ±9,000,000,000,000",
            id="too large",
        ),
        pytest.param(
            "sku,at_most\n" + "".join(f"A{i},1\n" for i in range(MOST_ROWS + 1)),
            f"t.csv:{MOST_ROWS + 2}:1: 10,001 rows; at most 10,000 are possible; use * for rows that say the same",
            id="too many rows",
        ),
        pytest.param(
            'sku,at_most\nA,"10,000"\n',
            "t.csv:2:3: '10,000' is no number, it has a comma; write 10000",
            id="thousands, as rule files read them",
        ),
        pytest.param(
            "sep=;\nsku;at_most\n\nA;x\n",
            "t.csv:4:3: 'x' is no number; write one like 20, 2.5 or 25%",
            id="a line that names the separator counts",
        ),
        pytest.param(
            "sku,at_most\nA,10.000\n",
            "t.csv:2:3: warning: '10.000' is 10, and may be meant as 10000; write 10 or 10000",
            id="ten or ten thousand",
        ),
        pytest.param(
            "sku,at_most\n1.23457E+12,5\n",
            "t.csv:2:1: warning: '1.23457E+12' is what a spreadsheet makes of a long number, whose digits are lost; "
            "format the column as text, enter the numbers again and save",
            id="a long article number that Excel took for a number",
        ),
        pytest.param("x" * (LARGEST + 1), "t.csv:1:1: 500,001 bytes; at most 500,000; split the table", id="too long"),
    ],
)
def test_a_fault_of_a_table(table, expected):
    """Where, what, the way out: in the table, by line and cell."""
    assert _faults(LOW, table) == [f"{expected} [LS221]"]


def test_every_fault_of_a_table_is_told_at_once():
    """Nobody mends a table in rounds."""
    found = _faults(LOW, "sku,at_most\nA,x\nB,1\nB,2\nC,y\n")
    assert [f.partition(": ")[0] for f in found] == ["t.csv:2:3", "t.csv:4:1", "t.csv:5:3"]


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        pytest.param(
            "{file: thresolds.csv}",
            "there is no 'thresolds.csv' beside this file; did you mean 'thresholds.csv'? [LS221]",
            id="no such file",
        ),
        *(
            pytest.param(
                f"{{file: {name}}}",
                f"'{name}' is no table beside this file; write the name of a file in the folder of this one, like "
                "thresholds.csv [LS221]",
                id=name,
            )
            for name in ("../thresholds.csv", "/etc/passwd", "a/b.csv", "..", "thresholds.xlsx", "C:\\t.csv", ".csv")
        ),
        pytest.param(
            "{file: thresholds.csv, by: []}", "only a measure has a 'by'; remove it [LS220]", id="by of a table"
        ),
        pytest.param(
            "{measure: stock, column: x}", "only a table has a 'column'; remove it [LS220]", id="column of a measure"
        ),
        pytest.param(
            "{times: 2}",
            "where the number stands is not said, or twice; write {measure: reorder_point} or {file: thresholds.csv} "
            "[LS220]",
            id="of nothing",
        ),
        pytest.param(
            "{measure: stok}", "unknown measure 'stok'; did you mean 'stock'? [LS130]", id="an unknown measure"
        ),
        pytest.param("{mesure: stock}", "unknown key 'mesure'; did you mean 'measure'? [LS110]", id="an unknown key"),
        pytest.param(
            "{measure: stock, times: 2}",
            "'stock' is compared with itself; name another measure, a longer window, or 'by: []' for that of the whole "
            "shop [LS220]",
            id="itself",
        ),
        pytest.param(
            "{measure: orders}", "'orders' is a flow and needs a window; add 'window: 7d' [LS120]", id="a flow"
        ),
        pytest.param(
            "{measure: held, window: 1h}", "'held' is a level and has no window; remove 'window' [LS121]", id="a level"
        ),
        pytest.param(
            "{measure: held, by: [channel]}",
            "the rule is not by 'channel', and a part never looks closer; known are sku [LS186]",
            id="labels that do not fit",
        ),
        pytest.param(
            "{measure: held, times: 0}", "'0' is no factor of a number; write one like 1.5 [LS220]", id="no times"
        ),
    ],
)
def test_a_fault_of_a_bound(bound, expected):
    """Said where it stands, in the reader's words."""
    rule = f"  - {{name: Low, by: [sku], threshold: {{measure: stock, at_most: {bound}}}}}\n"
    text = MEASURES.replace("rules:", "  held: {last: held, of: stock.level}\nrules:") + rule
    found = [str(f) for f in load_texts({"r.yml": text, "thresholds.csv": "sku,at_most\nA,1\n"}).faults]
    assert expected in "\n".join(found)
    assert {f.split(":")[1] for f in found} == {"6"}


def test_a_mark_stands_under_the_cell(tmp_path):
    """Of a table as of a rule file."""
    (tmp_path / "r.yml").write_text(MEASURES + LOW)
    (tmp_path / "t.csv").write_text("sku,at_most\nA-1,20\nA-2,twenty\n")
    report = check([tmp_path])
    text = "\n".join(t.plain for t in shown(report.faults, Sources()))
    assert text.endswith("[LS221]\n     3 │ A-2,twenty\n       │     ^~~~~~")


class _Locked(dict):
    """Texts of files that nobody may read."""

    def __getitem__(self, path):
        raise PermissionError(13, "Permission denied")


def test_a_table_that_cannot_be_read_is_told():
    """With the way out; the rules that need none stay."""
    other = "  - {name: B, threshold: {measure: stock, at_most: 5}}\n"
    loaded = load_texts(_Locked({"r.yml": MEASURES + LOW + other, "t.csv": ""}))
    assert [str(f) for f in loaded.errors] == ["t.csv:1:1: cannot be read: Permission denied; check its rights [LS221]"]
    assert [r.name for r in loaded.plan.rules] == ["B"]


def test_a_table_is_one_of_the_files(tmp_path):
    """So it is watched, and travels with the rules; one that no rule reads is none of them."""
    (tmp_path / "r.yml").write_text(MEASURES + LOW)
    (tmp_path / "t.csv").write_text("sku,at_most\nA,20\n")
    (tmp_path / "other.csv").write_text("nonsense")
    loaded = load_rules(tmp_path)
    assert (loaded.faults, [Path(f).name for f in loaded.files]) == ((), ["r.yml", "t.csv"])


@pytest.mark.parametrize(
    ("table", "same"),
    [
        pytest.param("sku,at_most\nB,5\nA,20\n", True, id="sorted"),
        pytest.param("sku,#note,at_most\nA,x,20\nB,,5\n", True, id="a remark"),
        pytest.param("sku,at_most\nA,25\nB,5\n", False, id="a number"),
        pytest.param("sku,at_most\nA,20\nB,5\nC,1\n", False, id="a row"),
    ],
)
def test_an_edit_of_the_table_is_one_of_the_rule(table, same):
    """Of the rules that read it, when it changes what is judged; of no other."""
    other = "  - {name: Many, threshold: {measure: orders, window: 1h, above: 9}}\n"
    before, after = (
        {r.name: r.version for r in load_texts({"r.yml": MEASURES + LOW + other, "t.csv": t}).plan.rules}
        for t in ("sku,at_most\nA,20\nB,5\n", table)
    )
    assert before["Many"] == after["Many"]
    assert (before["Low"] == after["Low"]) == same


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("sku,at_most\nS1,20\n", "sku,at_most\nS1,25\n", ["Low: t.csv: S1 20 → 25"], id="a number"),
        pytest.param("sku,at_most\nS1,20\n", "sku,at_most\nS1,20\nS2,1\n", ["Low: t.csv: S2 none → 1"], id="a new row"),
        pytest.param(
            "sku,at_most\nS1,20\nS2,1\n", "sku,at_most\nS2,1\n", ["Low: t.csv: S1 20 → none"], id="a row less"
        ),
        pytest.param(
            "sku,at_most,clear\nS1,20,30\n",
            "sku,at_most,clear\nS1,20,35\n",
            ["Low: t.csv: S1 clear 30 → 35"],
            id="column",
        ),
        pytest.param(
            "sku,at_most\n" + "".join(f"S{i},1\n" for i in range(9)),
            "sku,at_most\n" + "".join(f"S{i},2\n" for i in range(9)),
            [*(f"Low: t.csv: S{i} 1 → 2" for i in range(5)), "Low: t.csv: and 4 more"],
            id="a few of many",
        ),
        pytest.param("sku,at_most\n7,20\n", "sku,at_most\n7,25\n", ["Low: t.csv: 7 20 → 25"], id="labels like numbers"),
        pytest.param("sku,at_most\nS1,20\n", None, ["t.csv: removed"], id="removed"),
        pytest.param("sku,at_most\nS2,1\nS1,2\n", "sku,at_most\nS1,2\nS2,1\n", [], id="sorted"),
    ],
)
def test_an_edit_in_words(old, new, expected):
    """What the log says of a table that was saved."""
    before = {"r.yml": MEASURES + LOW, "t.csv": old}
    after = {"r.yml": MEASURES + LOW} | ({} if new is None else {"t.csv": new})
    assert changes_in_words(before, after) == expected


def test_rules_with_other_numbers_do_not_say_the_same():
    """The linter looks into tables."""
    two = LOW + LOW.replace("Low", "Lower").replace("t.csv}", "t.csv, column: other}")
    assert _faults(two, "sku,at_most,other\nA,20,10\n") == []
    (found,) = _faults(LOW + LOW.replace("Low", "Lower"), "sku,at_most\nA,20\n")
    assert "it judges the same as rule 'Low'" in found


def test_one_table_for_many_rules_is_read_and_blamed_once():
    """Its faults are not repeated for each."""
    assert len(_faults(LOW + LOW.replace("Low", "Low2"), "sku,at_most\nA,x\n")) == 1


def test_a_lookup_costs_nothing_with_rows():
    """Ten thousand named rows are one look, not ten thousand."""
    rows = tuple(((f"S{i}",), float(i)) for i in range(10_000))
    table = OfTable("t.csv", "n", ("sku",), rows)
    assert [table.number({"sku": f"S{i}"})[0] for i in range(10_000)] == [float(i) for i in range(10_000)]
