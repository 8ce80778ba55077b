"""sources.yml: every fault in its place, with the way out, and one source's fault costs that source alone."""

from pathlib import Path

import pytest

from lockstep.adapters.rulebook import read_folder
from lockstep.adapters.sql.source_file import load_sources
from lockstep.tools.check.check_report import check

GOOD = """\
sources:
  - name: till
    url: {secret: TILL}
    query: SELECT * FROM t WHERE at >= :cursor ORDER BY at
    cursor: at
    from: 2026-11-24 00:00:00
    mapping: shop-events
"""


def faults_of(folder: Path, text: str) -> list[str]:
    path = folder / "sources.yml"
    path.write_text(text)
    return [str(fault).replace(f"{folder}/", "") for fault in load_sources(path).faults]


def test_a_good_one(tmp_path: Path) -> None:
    """Defaults are a minute, and five minutes of overlap."""
    (tmp_path / "sources.yml").write_text(GOOD)
    (source,) = load_sources(tmp_path / "sources.yml").sources
    assert (source.every_s, source.overlap, source.roles) == (60, 300_000_000, ("traffic", "orders"))
    assert source.one_per == ("user_session", "event_time")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(
            " WHERE at >= :cursor",
            "",
            "sources.yml:4:12: the query has no :cursor, and would give every row each time; "
            "write … WHERE placed_at >= :cursor ORDER BY placed_at [LS250]",
            id="no cursor",
        ),
        pytest.param(
            "at >= :cursor",
            "at >= :cursor AND shop = :shop",
            "sources.yml:4:12: the query asks for ':shop', which nothing gives; write it out, or \\:shop [LS250]",
            id="another parameter",
        ),
        pytest.param(
            "SELECT * FROM t",
            "DELETE FROM t",
            "sources.yml:4:12: the query does not begin with SELECT or WITH; write one that reads [LS250]",
            id="it changes something",
        ),
        pytest.param(
            "{secret: TILL}",
            "postgresql://reader:hunter2@db/shop",
            "sources.yml:3:10: a password never stands in a file; write {secret: NAME} and set LOCKSTEP_SECRET_NAME "
            "[LS151]",
            id="a password",
        ),
        pytest.param(
            "2026-11-24 00:00:00",
            "yesterday",
            "sources.yml:6:11: from 'yesterday' is no such time; a text must be a time like 2026-11-24 09:30:00, "
            "all written alike, so that they sort by time [LS250]",
            id="no time",
        ),
        pytest.param(
            "    mapping",
            "    overlap: 5\n    mapping",
            "sources.yml:7:14: overlap '5' has no unit; write 5s, 5m or 5h [LS104]",
            id="an overlap without a unit",
        ),
        pytest.param(
            "2026-11-24 00:00:00",
            "0\n    overlap: 5m",
            "sources.yml:7:14: overlap '5m' is a length of time, but 'from' is a number; write how many numbers, 1000 "
            "[LS250]",
            id="an overlap of another kind",
        ),
        pytest.param(
            "    mapping",
            "    overlap: 0s\n    mapping",
            "sources.yml:7:14: overlap '0s' is nothing, so of rows with one value some could be lost; "
            "write 1s, or 1, or more [LS250]",
            id="no overlap",
        ),
        pytest.param(
            "shop-events",
            "shop-event",
            "sources.yml:7:14: there is no mapping 'shop-event'; did you mean 'shop-events'?; or write "
            "mappings/NAME.yml [LS251]",
            id="no mapping",
        ),
        pytest.param(
            "shop-events",
            "online-retail",
            "sources.yml:7:14: 'online-retail' gathers the rows of an event from a whole file; leave out 'scattered', "
            "and ORDER BY the cursor and the order's number [LS251]",
            id="a mapping for files",
        ),
        pytest.param("cursor: at", "curser: at", "unknown key 'curser'; did you mean 'cursor'? [LS110]", id="a typo"),
    ],
)
def test_a_fault(tmp_path: Path, old: str, new: str, said: str) -> None:
    """In one line with its place."""
    faults = faults_of(tmp_path, GOOD.replace(old, new, 1))
    assert any(said in fault for fault in faults), faults
    assert "hunter2" not in "".join(faults)


def test_a_fault_costs_one_source(tmp_path: Path) -> None:
    """The others are asked; two of one name are not."""
    entry = GOOD.partition("\n")[2]
    (tmp_path / "sources.yml").write_text(
        GOOD + entry.replace("till", "other").replace(":cursor", "1") + entry + entry.replace("till", "third")
    )
    loaded = load_sources(tmp_path / "sources.yml")
    assert [source.name for source in loaded.sources] == ["till", "third"]
    assert [fault.line for fault in loaded.faults if fault.code == "LS250"] == [10, 14]


def test_check_looks_at_it_and_no_version_of_the_rules_holds_it(tmp_path: Path) -> None:
    """It is no file of rules, also where it stands beside them."""
    (tmp_path / "sources.yml").write_text(GOOD.replace(":cursor", "1"))
    (tmp_path / "rules.yml").write_text(
        "measures: {orders: {count: order.placed}}\n"
        "rules: [{name: Busy, threshold: {measure: orders, window: 1m, at_least: 10}}]\n"
    )
    assert [fault.code for fault in check([tmp_path]).faults] == ["LS250"]
    assert [fault.code for fault in check([tmp_path / "sources.yml"]).faults] == ["LS250"]
    assert read_folder(tmp_path).keys() == {"rules.yml"}
