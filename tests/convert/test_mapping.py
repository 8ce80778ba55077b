"""What a mapping can say, and what is wrong with one that cannot be used."""

import gzip
import json

import pytest
from converting import SETTING, converted, data_of, mapping_of

from lockstep.adapters.convert.conversion import MappingFaults, NotRecognised, convert_files, events_of

VISITS = "mapping: visits\nevents:\n  - type: traffic.session\n    time: when\n    data: {channel: from}\n"
ORDERS = """\
mapping: orders
time: {zone: UTC}
numbers: {decimal: "."}
events:
  - type: order.placed
    one_per: order
    id: order
    time: when
    data:
      order_id: order
      total: {sum: {product: [pieces, price]}}
      lines: {rows: {sku: sku, quantity: pieces, unit_price: price}}
"""


def _file(tmp_path, text, name="mine.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _values(tmp_path, text, mapping, name="mine.csv"):
    """The channels of visits, and what is refused."""
    events, refused = converted(_file(tmp_path, text, name), mapping)
    return [event["data"].get("channel") for event in events], refused


PLAIN = "when,from\n2026-11-24T09:30:00Z,web\n"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(PLAIN.encode(), id="commas"),
        pytest.param(PLAIN.replace(",", ";").encode(), id="semicolons"),
        pytest.param(PLAIN.replace(",", "\t").encode(), id="tabs"),
        pytest.param(PLAIN.replace(",", "|").encode(), id="bars"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), id="a byte order mark"),
        pytest.param(PLAIN.encode("utf-16"), id="UTF-16"),
        pytest.param(PLAIN.encode("utf-16-be"), id="UTF-16 without a mark"),
        pytest.param(gzip.compress(PLAIN.encode()), id="gzip"),
        pytest.param(PLAIN.replace("\n", "\r\n").encode(), id="lines of Windows"),
        pytest.param(PLAIN.replace("\n", "\r").encode(), id="lines of an old Mac"),
        pytest.param(b"sep=;\n" + PLAIN.replace(",", ";").encode(), id="sep= above it"),
        pytest.param(b"Visits\nall time\n\n" + PLAIN.encode(), id="titles above it"),
        pytest.param(b"FROM,  When \nweb,2026-11-24T09:30:00Z\n", id="other case and order"),
        pytest.param(b'"when","from"\n"2026-11-24T09:30:00Z","web"\n', id="quotes"),
        pytest.param(b'{"when": "2026-11-24T09:30:00Z", "from": "web"}\n', id="an object a line"),
        pytest.param(b'[{"when": "2026-11-24T09:30:00Z",\n "from": "web"}]', id="an array"),
        pytest.param(b'{"when": "2026-11-24T09:30:00Z",\n "from": "web"}', id="one object over several lines"),
    ],
)
def test_a_file_means_the_same_however_it_is_written(tmp_path, written):
    """The same event with the same id."""
    events, refused = converted(_file(tmp_path, written), VISITS)
    assert refused == []
    assert [event["data"] for event in events] == [{"channel": "web"}]
    plain, _ = converted(_file(tmp_path, PLAIN, "plain.csv"), VISITS)
    assert events == plain


def test_an_encoding_that_is_named(tmp_path):
    """Without its name the rows are refused that need it."""
    text = "when,from\n2026-11-24T09:30:00Z,caf\xe9\n2026-11-24T09:30:00Z,web\n".encode("windows-1252")
    assert _values(tmp_path, text, VISITS) == (
        ["web"],
        [
            "1 refused: from: 'caf\udce9' is not UTF-8; save the file as UTF-8, or name its encoding: "
            "file: {encoding: windows-1252} (mine.csv:2)"
        ],
    )
    named = VISITS + "file: {encoding: windows-1252}\n"
    assert _values(tmp_path, text, named) == (["café", "web"], [])


def test_a_workbook(tmp_path):
    """Numbers and times of a sheet are what they are, whatever the mapping says of texts."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["A title"])
    book.active.append(["order", "when", "sku", "pieces", "price"])
    from datetime import datetime

    book.active.append([1001, datetime(2026, 11, 24, 9, 30), "A", 2, 1.234])  # noqa: DTZ001 # as a sheet has it
    book.active.append([None, None, "B", 1, "2,5"])
    path = tmp_path / "mine.xlsx"
    book.save(path)
    events, refused = converted(path, ORDERS.replace('decimal: "."', 'decimal: ","'))
    assert refused == []
    lines = [{"sku": "A", "quantity": 2, "unit_price": 1.234}, {"sku": "B", "quantity": 1, "unit_price": 2.5}]
    assert data_of(events) == [
        ("order.placed", "2026-11-24T09:30:00Z", {"order_id": "1001", "total": 4.968, "lines": lines})
    ]


def _lines(*rows):
    return "order,when,sku,pieces,price\n" + "".join(f"{row}\n" for row in rows)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_lines("1,2026-11-24,A,2,0.1", ",,B,1,0.2", "2,2026-11-24,C,1,5"), id="blank below"),
        pytest.param(_lines("1,2026-11-24,A,2,0.1", "1,,B,1,0.2", "2,2026-11-24,C,1,5"), id="repeated"),
        pytest.param(_lines("1,2026-11-24,A,2,0.1", "2,2026-11-24,C,1,5", "1,,B,1,0.2"), id="apart"),
        pytest.param(_lines("1,,A,2,0.1", "1,2026-11-24,B,1,0.2", "2,2026-11-24,C,1,5"), id="the time further down"),
    ],
)
def test_one_order_over_several_rows(tmp_path, text):
    """Its lines and its exact total; what stands in one of its rows holds for all."""
    for mapping in (ORDERS, ORDERS + "    scattered: true\n"):
        events, refused = converted(_file(tmp_path, text), mapping)
        assert refused == []
        assert sorted((e["id"], e["data"]["total"], [x["sku"] for x in e["data"]["lines"]]) for e in events) == [
            ("1", 0.4, ["A", "B"]),
            ("2", 5, ["C"]),
        ]


def test_rows_too_far_apart_are_refused_not_lost(tmp_path):
    """Two events of one id would be one of them; gathered on disk they are one."""
    rows = ["1,2026-11-24,A,2,1", *(f"x{n},2026-11-24,A,1,1" for n in range(2_500)), "1,2026-11-24,B,1,1"]
    path = _file(tmp_path, _lines(*rows))
    events, refused = converted(path, ORDERS)
    assert refused == [
        "1 refused: order: '1' stands more than 1,000 rows further up already; sort the file by it, or write "
        "scattered: true (mine.csv:2503)"
    ]
    events, refused = converted(path, ORDERS + "    scattered: true\n")
    assert (len(events), refused, events[0]["data"]["total"]) == (2_501, [], 3)


@pytest.mark.parametrize("mapping", [ORDERS, ORDERS + "    scattered: true\n"], ids=["near", "scattered"])
def test_few_rows_are_held(tmp_path, mapping):
    """However many there are: rows of what was not complete a thousand rows ago, and events until they are written."""
    chosen, _ = mapping_of(mapping)
    rows = "".join(f"{n // 3},2026-11-24,A,1,1\n" for n in range(60_000))
    path, written = _file(tmp_path, _lines() + rows), []
    report = convert_files([path], lambda events: written.append(len(events)), setting=SETTING, mapping=chosen)
    assert (report.events, sum(written), report.rows) == (20_000, 20_000, 60_000)
    assert report.held <= 2_100
    assert max(written) <= 2_000


def test_conditions(tmp_path):
    """Each of the words; all of several must hold."""
    text = "when,from,n\n" + "".join(f"2026-11-24,{name},{n}\n" for name, n in (("Web", 1), ("pos", 5), ("", 9)))
    for condition, expected in {
        "{from: web}": ["Web"],
        "{from: [web, POS]}": ["Web", "pos"],
        "{from: {not: web}}": ["pos", None],
        "{from: {blank: true}}": [None],
        "{from: {blank: false}}": ["Web", "pos"],
        "{from: {matches: ^p}}": ["pos"],
        "{n: {above: 1, below: 9}}": ["pos"],
        "{from: {not: web}, n: 9}": [None],
    }.items():
        mapping = VISITS + f"    when: {condition}\n"
        assert _values(tmp_path, text, mapping) == (expected, [])


def test_rows_that_must_not_be_events(tmp_path):
    """They are refused with the mapping's own words."""
    mapping = VISITS + "refuse: [{when: {from: total}, say: this is a total; export without totals}]\n"
    assert _values(tmp_path, PLAIN + "2026-11-24,Total\n", mapping) == (
        ["web"],
        ["1 refused: this is a total; export without totals (mine.csv:3)"],
    )


def test_a_column_for_each_location(tmp_path):
    """Every column that is not named is an event; a blank cell is none."""
    mapping = """\
mapping: stock
events:
  - type: stock.level
    per_column: {but: [SKU, "Option*"]}
    when: {"@cell": {blank: false}}
    time: "@exported"
    data: {sku: SKU, available: "@cell", location: "@header"}
"""
    events, refused = converted(_file(tmp_path, "SKU,Option1,London,Leeds\nA,red,5,\nB,red,0,-2\n"), mapping)
    assert refused == []
    assert data_of(events) == [
        ("stock.level", "2026-11-24T09:30:00Z", {"sku": "A", "available": 5, "location": "London"}),
        ("stock.level", "2026-11-24T09:30:00Z", {"sku": "B", "available": 0, "location": "London"}),
        ("stock.level", "2026-11-24T09:30:00Z", {"sku": "B", "available": -2, "location": "Leeds"}),
    ]


def test_what_stands_above_and_in_a_header(tmp_path):
    """A comment's date is a column, and so is what stands for a star; below the rows comments end the table."""
    mapping = """\
mapping: ads
file: {comments: "#"}
events:
  - type: traffic.spend
    time: "# Start date"
    data: {amount: "Spent (*)", channel: {const: social}, campaign: Campaign}
    more: {currency: {star: "Spent (*)"}}
"""
    text = "# Report: all\n# Start date: 20261101\n\nCampaign,Spent (EUR)\nA,5.00\n# ----\nDay,Other\n1,2\n"
    events, refused = converted(_file(tmp_path, text), mapping)
    assert refused == []
    assert data_of(events) == [
        (
            "traffic.spend",
            "2026-11-01T00:00:00Z",
            {"amount": 5, "channel": "social", "campaign": "A", "currency": "EUR"},
        )
    ]


def test_json_paths_and_lists(tmp_path):
    """Inner objects, elements by their key, and a list whose elements are an order's lines."""
    mapping = """\
mapping: api
events:
  - type: order.placed
    id: id
    time: created
    data:
      order_id: id
      total: {column: totals.cents, unit: cents}
      channel: params[key=source].value
      lines: {each: items, rows: {sku: code, quantity: n, unit_price: {column: price, unit: cents}}}
"""
    order = {
        "id": 7,
        "created": "2026-11-24T09:30:00Z",
        "totals": {"cents": 1999},
        "params": [{"key": "x"}, {"key": "source", "value": "web"}],
        "items": [{"code": "A", "n": 1, "price": 1999}, "odd"],
    }
    events, refused = converted(_file(tmp_path, json.dumps(order)), mapping)
    assert refused == []
    assert [event["data"] for event in events] == [
        {
            "order_id": "7",
            "total": 19.99,
            "channel": "web",
            "lines": [{"sku": "A", "quantity": 1, "unit_price": 19.99}],
        }
    ]


PACKED = """\
mapping: packed
events:
  - type: order.placed
    id: No
    time: Date
    data:
      order_id: No
      total: Total
      lines: {each: "Item *", packed: {}, rows: {sku: sku, quantity: n, unit_price: p}}
"""


@pytest.mark.parametrize(
    ("packed", "cells", "lines"),
    [
        pytest.param("{}", ["sku:A|n:1|p:2"], [("A", 1, 2)], id="one line"),
        pytest.param("{}", ["", "p:2.50|n:1|sku:A", " ", "n:2|sku:B|p:0"], [("A", 1, 2.5), ("B", 2, 0)], id="several"),
        pytest.param("{}", ["sku:A|B|n:1|p:2"], [("A|B", 1, 2)], id="a part without a name belongs to the one before"),
        pytest.param("{}", ["sku:A | L: 3|n:1|p:2"], [("A | L: 3", 1, 2)], id="what is no name is none"),
        pytest.param("{}", ["junk|sku:A|n:1|p:2|meta:n:9|n:5"], [("A", 1, 2)], id="the first of a name counts"),
        pytest.param("{}", ["SKU:A|N:1|P:2|q:"], [("A", 1, 2)], id="whatever the case"),
        pytest.param(
            '{separator: "; ", colon: "="}', ["sku=A:1; n=1; p=2"], [("A:1", 1, 2)], id="with signs of its own"
        ),
    ],
)
def test_lines_that_are_packed_in_cells(tmp_path, packed, cells, lines):
    """Each cell of the columns is a line; in it fields with their names."""
    names = ",".join(f"Item {number}" for number in range(len(cells)))
    text = f"No,Date,Total,{names}\n1,2026-11-24,5,{','.join(cells)}\n"
    events, refused = converted(_file(tmp_path, text), PACKED.replace("{}", packed))
    assert refused == []
    assert [event["data"]["lines"] for event in events] == [
        [{"sku": sku, "quantity": quantity, "unit_price": price} for sku, quantity, price in lines]
    ]


def test_a_packed_line_that_lacks_a_field_is_refused(tmp_path):
    """With the line of its row and the name of the field."""
    events, refused = converted(_file(tmp_path, "No,Date,Total,Item 1\n1,2026-11-24,5,sku:A|n:1\n"), PACKED)
    assert events == []
    assert len(refused) == 1
    assert "p: is blank, but gives 'unit_price'" in refused[0]
    assert "mine.csv:2" in refused[0]


def test_a_file_without_the_packed_columns(tmp_path):
    """It is the mapping's fault, said at its place."""
    with pytest.raises(MappingFaults, match=r"mine.yml:9:\d+: the file has no column 'Item \*'"):
        converted(_file(tmp_path, "No,Date,Total\n1,2026-11-24,5\n"), PACKED)


def test_by_next_to_nothing_is_refused(tmp_path):
    """A price of one that is beyond all numbers: the row costs itself."""
    mapping = PACKED.replace("unit_price: p", "unit_price: {quotient: [p, n]}")
    row = f"No,Date,Total,Item 1\n1,2026-11-24,5,sku:A|n:0.{'0' * 40}1|p:9000000000000\n"
    events, (said,) = converted(_file(tmp_path, row), mapping)
    assert events == []
    assert said.startswith("1 refused: is not within -9,000,000,000,000 to 9,000,000,000,000; correct the cell")


def test_packed_cells_in_json(tmp_path):
    """A path leads to one cell."""
    row = {"No": 1, "Date": "2026-11-24", "Total": 5, "line": "sku:A|n:1|p:2"}
    events, _ = converted(_file(tmp_path, json.dumps(row)), PACKED.replace("Item *", "line"))
    assert events[0]["data"]["lines"] == [{"sku": "A", "quantity": 1, "unit_price": 2}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            PACKED.replace('each: "Item *", ', ""),
            "mine.yml:9:14: lines 'packed' goes with 'each'; write {each: item_*",
            id="packed alone",
        ),
        pytest.param("mapping: a b\nevents: []\n", "mine.yml:1:10: mapping 'a b' is no name; ", id="its name"),
        pytest.param(
            VISITS.replace("session", "sesion"),
            "mine.yml:3:11: type 'traffic.sesion' is unknown; did you mean 'traffic.session'? [LS132]",
            id="an event type",
        ),
        pytest.param(
            VISITS.replace("{channel", "{chanel"),
            "mine.yml:5:12: traffic.session has no field 'chanel'; did you mean 'channel'?; a field of your own goes "
            "below 'more' [LS241]",
            id="a field",
        ),
        pytest.param(
            VISITS.replace("traffic.session", "traffic.spend"),
            "mine.yml:5:5: nothing gives 'amount', which traffic.spend needs; add 'amount: <column>' [LS242]",
            id="a needed field",
        ),
        pytest.param(
            VISITS.replace("from}", "{colum: from}}"),
            "mine.yml:5:22: unknown key 'colum'; did you mean 'column'? [LS110]",
            id="a key",
        ),
        pytest.param(
            VISITS.replace("from}", "{const: a, column: b}}"),
            "mine.yml:5:21: channel 'column' and 'const' stand side by side; write exactly one of column, const, ",
            id="two sources",
        ),
        pytest.param(
            VISITS + "time: {zone: Londn}\n",
            "mine.yml:6:14: there is no time zone 'Londn'; write shop, or one like Europe/London [LS244]",
            id="a zone",
        ),
        pytest.param(VISITS + "time: {formats: ['%Q %Y']}\n", "mine.yml:6:18: '%Q %Y' is no format", id="a format"),
        pytest.param(VISITS + "time: {formats: ['%d %b']}\n", "mine.yml:6:18: '%d %b' names no year", id="no year"),
        pytest.param(
            VISITS + "    when: {a: {matches: '('}}\n", "mine.yml:6:25: matches '(' is no pattern", id="a pattern"
        ),
    ],
)
def test_a_fault_has_its_place_and_a_way_out(text, said):
    """As rule files have it."""
    mapping, faults = mapping_of(text)
    assert mapping is None
    assert [fault for fault in faults if fault.startswith(said)], faults


def test_a_column_that_the_file_does_not_have(tmp_path):
    """The place in the mapping, and the column that was meant."""
    mapping, _ = mapping_of(VISITS)
    with pytest.raises(MappingFaults) as caught:
        events_of(_file(tmp_path, "when,form\n2026-11-24,web\n"), setting=SETTING, mapping=mapping)
    assert str(caught.value) == ("mine.yml:5:21: the file has no column 'from'; did you mean 'form'? [LS243]")


def test_a_file_that_nobody_knows(tmp_path):
    """What it has, what comes nearest, and the way out."""
    with pytest.raises(NotRecognised) as caught:
        events_of(_file(tmp_path, "Name,Financial Status,Lineitem name,Lineitem price,Created at\n"), setting=SETTING)
    assert str(caught.value).replace(str(tmp_path), "") == (
        "/mine.csv:1: no mapping knows these columns: Name, Financial Status, Lineitem name, Lineitem price, Created "
        "at; it is nearest to 'shopify-orders' (Shopify admin: Orders, Export (orders_export.csv)), but lacks Lineitem "
        "quantity; write a mapping and name it with --mapping FILE (see 'Your own history' in rules/README.md)"
    )


def test_rows_that_do_not_fit(tmp_path):
    """A short row has blank cells at its end; a long one is refused, as nobody knows which cell is which."""
    text = "when,from\n2026-11-24T09:30:00Z\n2026-11-24,web,\n2026-11-24,a,b\n\n2026-11-25,x\n"
    assert _values(tmp_path, text, VISITS) == (
        [None, "web", "x"],
        ["1 refused: has 3 cells, the header has 2; put a text that holds a separator in quotes (mine.csv:4)"],
    )


def test_places_count_lines_not_rows(tmp_path):
    """A cell with line breaks stands on several."""
    text = 'when,from\n2026-11-24,"a\nb"\nnever,x\n'
    assert _values(tmp_path, text, VISITS)[1][0].endswith("(mine.csv:4)")


def test_names_of_ones_own_for_columns(tmp_path):
    """What editions call differently has one name in the mapping, also in conditions and keys."""
    mapping = ORDERS.replace("one_per: order\n", "one_per: order\n    when: {order: {not: x}}\n")
    mapping += "columns: {order: [Receipt, Slip], pieces: [qty, pieces]}\n"
    for header in ("receipt,when,sku,pieces,price\n", "Slip,when,sku,Qty,price\n"):
        text = header + "1,2026-11-24,A,2,0.1\nx,2026-11-24,A,2,0.1\n1,2026-11-24,B,1,0.2\n"
        events, refused = converted(_file(tmp_path, text), mapping)
        assert [(e["id"], e["data"]["total"]) for e in events] == [("1", 0.4)]
        assert refused == []


def test_a_price_of_a_line_by_its_pieces(tmp_path):
    """To the millionth; nothing by nought."""
    mapping = ORDERS.replace("unit_price: price", "unit_price: {first_of: [{quotient: [price, pieces]}, {const: 0}]}")
    events, _ = converted(_file(tmp_path, _lines("1,2026-11-24,A,3,10", "1,2026-11-24,B,0,5")), mapping)
    assert [line["unit_price"] for line in events[0]["data"]["lines"]] == [3.333333, 0]


def test_an_event_that_a_file_cannot_give(tmp_path):
    """It is left out, and said so; where it must be there it is a fault."""
    mapping = VISITS + "  - {type: ad.clicked, optional: true, time: when, data: {channel: from, count: clicks}}\n"
    chosen, _ = mapping_of(mapping)
    _, report = events_of(_file(tmp_path, PLAIN), setting=SETTING, mapping=chosen)
    assert (report.events, [note.partition("csv: ")[2] for note in report.notes]) == (
        1,
        ["ad.clicked: the file has no column 'clicks'"],
    )
    chosen, _ = mapping_of(mapping.replace("optional: true, ", ""))
    with pytest.raises(MappingFaults, match="the file has no column 'clicks'"):
        events_of(_file(tmp_path, PLAIN), setting=SETTING, mapping=chosen)


def test_rows_that_say_the_same(tmp_path):
    """They count once, or with `repeats` each by itself, with the same ids in any order of the rows."""
    rows = ["2026-11-24T09:30:00Z,web\n", "2026-11-24T09:30:00Z,web\n", "2026-11-25,pos\n"]
    for mapping, different in ((VISITS, 2), (VISITS + "    repeats: true\n", 3)):
        ids = []
        for order in (rows, rows[::-1]):
            events, _ = converted(_file(tmp_path, "when,from\n" + "".join(order)), mapping)
            ids.append({event["id"] for event in events})
        assert ids[0] == ids[1]
        assert len(ids[0]) == different


def test_an_order_whose_first_row_does_not_count(tmp_path):
    """Its further rows, in which the status is blank, do not count either."""
    text = "order,when,sku,pieces,price,status\n1,2026-11-24,A,1,1,void\n1,,B,1,1,\n2,2026-11-24,A,1,1,\n"
    mapping = ORDERS + "    when: {status: {not: void}}\n"
    events, refused = converted(_file(tmp_path, text), mapping)
    assert ([event["id"] for event in events], refused) == (["2"], [])


def test_lists_and_lines_that_are_always_the_same(tmp_path):
    """An order without lines, a campaign for some products."""
    mapping = """\
mapping: plans
events:
  - {type: order.placed, time: when, data: {order_id: from, total: {const: 5}, lines: {const: []}}}
  - type: campaign.planned
    time: when
    data: {campaign: from, starts: when, ends: when, skus: {const: [A, 7]}, channels: {column: from, split: "+"}}
"""
    events, refused = converted(_file(tmp_path, "when,from\n2026-11-24T09:30:00Z,web+app\n"), mapping)
    assert refused == []
    moment = "2026-11-24T09:30:00Z"
    plan = {"campaign": "web+app", "starts": moment, "ends": moment, "skus": ["A", "7"], "channels": ["web", "app"]}
    assert [e["data"] for e in events] == [{"order_id": "web+app", "total": 5, "lines": []}, plan]
