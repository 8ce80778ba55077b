"""Whatever a file or a database holds: `lockstep import` says in words what it takes and what not."""

import json
import os
import sqlite3
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.event import TYPES
from lockstep.tools.published_schemas import example_event

FACTOR = float(os.environ.get("LOCKSTEP_TEST_FACTOR", "1"))
EXPORTS = Path(__file__).parents[1] / "convert" / "fixtures"
OF_ONE_RUN = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=4)
    | st.sampled_from(["2026-11-24 09:30:00", "9" * 400, f"0.{'0' * 50}1", "sku:A|n:1|p:2", "\x00", "order.placed"])
)
MAPPING = """\
mapping: rows
numbers: {decimal: "."}
events:
  - type: order.placed
    id: a
    time: b
    data:
      order_id: a
      total: {quotient: [c, d]}
      lines: {each: e, packed: {}, rows: {sku: sku, quantity: n, unit_price: p}}
"""


def _is_answered(answer):
    """An exit code that is said, with words where something is wrong."""
    code, out, said = answer
    assert code in (0, 1, 2)
    assert "Traceback" not in said
    assert code == 0 or said.strip()
    assert code == 2 or out.strip()


@st.composite
def _events(draw):
    """Lines of events of which some are spoilt."""
    lines = []
    for kind in draw(st.lists(st.sampled_from(sorted(TYPES)), max_size=4)):
        event = example_event(kind)
        part = draw(st.sampled_from([event, event["data"]]))
        for name in draw(st.lists(st.sampled_from(sorted(part)), max_size=3)):
            part[name] = draw(SCALARS.filter(lambda value: not isinstance(value, bytes)))
        lines.append(json.dumps(event).encode())
    return b"\n".join(lines)


@st.composite
def _spoilt_exports(draw):
    """Exports of which bytes are lost, doubled or changed anywhere."""
    raw = bytearray(draw(st.sampled_from(sorted(EXPORTS.iterdir()))).read_bytes())
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(raw) - 1))
        raw[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(raw)


@settings(max_examples=round(30 * FACTOR), deadline=None, suppress_health_check=OF_ONE_RUN)
@given(_events() | _spoilt_exports() | st.binary(max_size=200))
def test_any_file(run, raw):
    """Events, exports, and what is neither."""
    Path("any.file").write_bytes(raw)
    _is_answered(run("import", "any.file", "--dry-run", "--broker", "sqlite:///none.db"))


@settings(max_examples=round(30 * FACTOR), deadline=None, suppress_health_check=OF_ONE_RUN)
@given(
    st.lists(st.lists(SCALARS, min_size=5, max_size=5), max_size=4),
    st.sampled_from(["SELECT * FROM t", "SELECT a, a FROM t", "SELECT 1", "SELECT", "SELECT * FROM t WHERE 0", ""]),
    st.booleans(),
)
def test_any_rows(run, rows, query, is_named):
    """Of a database, with a mapping for them or without."""
    Path("shop.db").unlink(missing_ok=True)
    database = sqlite3.connect("shop.db")
    database.execute("CREATE TABLE t (a, b, c, d, e)")
    database.executemany(
        "INSERT INTO t VALUES (?, ?, ?, ?, ?)",
        [[v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in row] for row in rows],
    )
    database.commit()
    database.close()
    Path("rows.yml").write_text(MAPPING)
    mapping = ("--mapping", "rows.yml") if is_named else ()
    asked = ("import", "--sql", "sqlite:///shop.db", "--query", query, *mapping)
    _is_answered(run(*asked, "--dry-run", "--broker", "sqlite:///none.db"))
