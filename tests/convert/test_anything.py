"""Whatever a file holds: an answer in words, never a traceback; and what must not matter does not."""

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from converting import FIXTURES, SETTING, mapping_of
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.adapters.convert.conversion import events_of
from lockstep.adapters.convert.mapping import ready_mappings
from lockstep.errors import LockstepError
from lockstep.event import TYPES, parse_event
from lockstep.tools.published_schemas import EXAMPLE_DATA

ORDERS, _ = mapping_of("""\
mapping: orders
numbers: {decimal: "."}
events:
  - type: order.placed
    when: {kind: {not: x}}
    one_per: order
    id: order
    time: when
    data:
      order_id: order
      total: total
      gift_wrap: gift
      shipping: {quotient: [price, n]}
      customer: {column: who, pseudonym: true}
      lines: {rows: {sku: {first_of: [sku, order]}, quantity: n, unit_price: price}}
    more: {n: {column: n, as: number}, day: {column: when, as: day}, tags: {column: tags, split: "|"}}
""")
PACKED, _ = mapping_of("""\
mapping: packed
numbers: {decimal: "."}
events:
  - type: order.placed
    time: when
    data:
      order_id: order
      total: n
      lines:
        each: "*"
        packed: {}
        rows:
          sku: {first_of: [sku, {const: x}]}
          quantity: {first_of: [n, {const: 1}]}
          unit_price: {quotient: [price, n]}
""")
COLUMNS = ("order", "when", "total", "gift", "who", "sku", "n", "price", "tags", "kind")
CELLS = st.text(max_size=12) | st.sampled_from(
    ["1", "2", "1.5", "-3", "1e400", "9" * 400, "(1)", "nan", "2026-11-24", "2026-11-24 09:30:15", "yes", "", " ",
     "\x00", "\udcff", "a|b", "9" * 13, "sku:a|n:2|price:3", "n:|:|sku",
     f"0.{'0' * 50}1", f"sku:a|n:0.{'0' * 50}1|price:9", "x" * 300, "1,234.5", "€5", "%", "\u0661"]
)  # fmt: skip


def _converted(mapping, raw, name="any.csv"):
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        events, report = events_of(path, setting=SETTING, mapping=mapping)
    for event in events:
        parse_event(event)
    for said in [*map(str, report.refused.values()), *report.broken]:
        assert said.strip()
    return [json.loads(event) for event in events], report


def _csv(header, rows, separator=","):
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [header, *rows]]
    return ("\n".join(quoted) + "\n").encode("utf-8", "surrogateescape")


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400)
    | st.sampled_from([b"PK\x03\x04", b"\x1f\x8b", b"\xff\xfe", b"[", b"{"]).flatmap(
        lambda head: st.binary(max_size=200).map(lambda tail: head + tail)
    )
)
def test_any_bytes_are_a_file(raw):
    """Known or not, with a mapping or without."""
    for mapping in (None, ORDERS):
        with suppress(LockstepError):
            _converted(mapping, raw)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=8))
def test_any_cells_are_events_or_refused(rows):
    """What comes out the contract accepts, ids included; the rest is counted."""
    rows = [
        [cell.encode("utf-8", "replace").decode() if "\ud800" <= cell[:1] <= "\udbff" else cell for cell in row]
        for row in rows
    ]
    for mapping in (ORDERS, PACKED):
        with suppress(UnicodeEncodeError):
            _converted(mapping, _csv(COLUMNS, rows))


@settings(max_examples=60, deadline=None)
@given(st.permutations(COLUMNS), st.sampled_from([",", ";", "\t"]))
def test_the_order_of_columns_does_not_matter(columns, separator):
    """The same events with the same ids."""
    rows = [
        dict(zip(COLUMNS, ("1", "2026-11-24", "7.50", "yes", "ada", "A", "2", "3.75", "a|b", ""), strict=True)),
        dict(zip(COLUMNS, ("1", "", "", "", "", "B", "1", "0", "", ""), strict=True)),
        dict(zip(COLUMNS, ("2", "2026-11-25", "1", "", "", "", "1", "1", "", "y"), strict=True)),
    ]
    raw = _csv(columns, [[row[name] for name in columns] for row in rows], separator)
    events, report = _converted(ORDERS, raw)
    straight, _ = _converted(ORDERS, _csv(COLUMNS, [list(row.values()) for row in rows]))
    assert not report.refused
    assert events == straight
    assert len(events) == 2


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_changed_export_is_still_no_traceback(data):
    """Bytes of a real export are lost, doubled or changed anywhere."""
    name = data.draw(st.sampled_from(sorted(p.name for p in FIXTURES.iterdir())))
    raw = bytearray((FIXTURES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with suppress(LockstepError):
        _converted(None, bytes(raw), name)


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(COLUMNS), inner, max_size=6),
        max_leaves=12,
    )
)
def test_any_json_is_events_or_refused(value):
    """Objects whose values are of any kind."""
    with suppress(LockstepError):
        _converted(ORDERS, json.dumps(value).encode(), "any.json")


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=200)
    | st.sampled_from([f"mapping: a\nevents: [{{type: {kind}, time: t, data: {{}}}}]\n" for kind in TYPES])
)
def test_any_text_is_a_mapping_or_has_faults(text):
    """Whoever writes it gets words."""
    mapping, faults = mapping_of(text)
    assert (mapping is None) == bool(faults)


@pytest.mark.parametrize("kind", TYPES)
def test_every_event_type_can_be_made(kind, tmp_path):
    """Of a row with a column for every field that is no list of lines."""
    named = {name: name for name in EXAMPLE_DATA[kind] if name != "lines"}
    lines = {name: name for line in EXAMPLE_DATA[kind].get("lines", ()) for name in line}
    data = {**named, "lines": {"each": "lines", "rows": lines}} if lines else named
    mapping, faults = mapping_of(json.dumps({"mapping": "a", "events": [{"type": kind, "time": "time", "data": data}]}))
    assert faults == []
    row = {"time": "2026-11-24T09:30:00Z", **EXAMPLE_DATA[kind]}
    row = {name: ",".join(value) if name in ("skus", "channels") else value for name, value in row.items()}
    (event,), report = _converted(mapping, json.dumps(row).encode(), "row.json")
    assert not report.refused
    assert event["data"].keys() == EXAMPLE_DATA[kind].keys()


def test_ready_mappings_are_no_secret():
    """Each says where its files come from, and by what it knows them."""
    for mapping in ready_mappings().values():
        assert mapping.form.about
        assert mapping.form.recognise
