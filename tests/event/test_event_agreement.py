"""The contract (pydantic) and the hot path (msgspec) accept and refuse the same, and read the same values."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shop_events import TIME, event, raw

from lockstep.errors import EventError
from lockstep.event import LARGEST_EVENT, TYPES, Decoder, Refused, known_paths, parse_event, type_of
from lockstep.tools.published_schemas import EXAMPLE_DATA as DATA

EXTRAS = ("gift", "lines.colour")
PLAIN = Decoder()
WANTING = Decoder({kind: (*known_paths(kind), *EXTRAS) for kind in TYPES})


def by_contract(value: bytes | None) -> Any:
    """The model, None for a type that is not ours, or Refused."""
    try:
        return parse_event(value)
    except EventError as error:
        if error.reason == "envelope" and error.detail.startswith("type: '"):
            return None
        return Refused(error.reason, error.detail)


def assert_same(struct: Any, model: Any) -> None:
    assert (struct.id, struct.source, struct.subject) == (model.id, model.source, model.subject)
    assert struct.time == model.time
    assert type_of(struct) == model.type
    assert_same_fields(struct.data, model.data)


def assert_same_fields(struct: Any, model: Any) -> None:
    for name in type(model).model_fields:
        ours, theirs = getattr(struct, name), getattr(model, name)
        if name == "lines":
            assert len(ours) == len(theirs)
            for our_line, their_line in zip(ours, theirs, strict=True):
                assert_same_fields(our_line, their_line)
        else:
            assert ours == theirs
            assert isinstance(ours, bool) == isinstance(theirs, bool)


def assert_agree(value: bytes | None) -> None:
    """Alone, within a batch, and whatever rules read: one answer."""
    expected = by_contract(value)
    good = raw("traffic.session")
    for decoder in (PLAIN, WANTING):
        alone = decoder.decode([value])[0]
        before, among, after = decoder.decode([good, value, good])
        assert before == after
        assert before.data.visitor == "v-1"
        for found in (alone, among):
            if expected is None or isinstance(expected, Refused):
                assert found == expected
            else:
                assert not isinstance(found, Refused), f"refused by the hot path alone: {found}"
                assert found is not None
                assert_same(found, expected)


# ---- random events ---------------------------------------------------------------------------------------------------

ODD_TOKENS = (
    "null true false 0 -0 1 -1 1.0 1.5 -1.5 1e0 1e3 -1e3 1e-400 1e400 -1e400 1E5 01 1. .5 +1 - NaN Infinity -Infinity "
    "9000000000000 9000000000000.5 9000000000001 -9000000000000 -9000000000001 1000000000 1000000001 "
    '123456789012345678901234567890 0.1 4.35 9007199254740993 "" "1" "5.0" "x" "none" [] {} [1] {"a":1} [null] '
    '"\\ud800" "\\udc00" "\\ud83d\\ude00" "\\ud800\\u0041" "\\u0000" "\\x" "\\u12" "caf\\u00e9" "é" "😀" '
    f'"{"a" * 256}" "{"a" * 257}" "{"😀" * 256}" "{"😀" * 257}" {"7" * 400} {"7" * 4300} {"7" * 4301} '
    f'{"[" * 140 + "]" * 140} {"[" * 260 + "]" * 260} "2026-11-24" "2026-11-24\\n" "2026-99-99" '
    '"٢٠٢٦-11-24" "planned" tru'
).split(" ")

ODD_TIMES = [
    "2026-11-24T09:30:00",
    "2026-11-24 09:30:00Z",
    "2026-11-24t09:30:00z",
    "2026-11-24T09:30:00.123456789Z",
    "2026-11-24T09:30:00.9999999+14:00",
    "2026-11-24T09:30:00-00:00",
    "2026-11-24T09:30:00+24:00",
    "2026-11-24T09:30:00+01",
    "2026-11-24T09:30Z",
    "2026-11-24T24:00:00Z",
    "2026-11-24T23:59:60Z",
    "2026-02-30T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "9000-12-31T23:59:59Z",
    "9999-12-31T23:59:59-01:00",
    "9999-12-31T23:59:59.9999999Z",
    "20261124T093000Z",
    "1763976600",
    "",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
tokens = (
    st.sampled_from(ODD_TOKENS)
    | json_values.map(json.dumps)
    | json_values.map(lambda v: json.dumps(v, ensure_ascii=False))
)


def _members(pairs: Iterator[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{token}" for name, token in pairs) + "}"


@st.composite
def spoilt_events(draw: st.DrawFn) -> bytes:
    """A valid event of any type with some members replaced, left out, added or repeated, then maybe broken bytes."""
    kind = draw(st.sampled_from(sorted(TYPES)))

    def spoilt(members: dict[str, Any], extra: str) -> str:
        pairs = [(name, json.dumps(value)) for name, value in members.items()]
        for _ in range(draw(st.integers(0, 2))):
            name = draw(st.sampled_from([*members, extra]))
            token = draw(tokens)
            at = draw(st.integers(0, len(pairs)))
            match draw(st.sampled_from(["replace", "drop", "add"])):
                case "replace":
                    pairs = [(n, token if n == name else t) for n, t in pairs]
                case "drop":
                    pairs = [(n, t) for n, t in pairs if n != name]
                case _:
                    pairs.insert(at, (name, token))
        return _members(iter(pairs))

    data = dict(DATA[kind])
    text = spoilt(data, draw(st.sampled_from(["gift", "count", "odd"])))
    if "lines" in data and draw(st.booleans()):
        lines = f"[{','.join(spoilt(line, 'colour') for line in data['lines'])}]"
        text = _members((n, lines if n == "lines" else json.dumps(v)) for n, v in data.items())
    envelope = event(kind, subject="s-1", time=draw(st.just(TIME) | st.sampled_from(ODD_TIMES)))
    envelope["type"] = draw(st.sampled_from([kind] * 9 + ["cart.filled"]))
    del envelope["data"]
    head = (
        spoilt(envelope, "traceparent")
        if draw(st.integers(0, 3)) == 0
        else _members((n, json.dumps(v)) for n, v in envelope.items())
    )
    text = f'{{"data":{text},{head[1:]}' if draw(st.booleans()) else f'{head[:-1]},"data":{text}}}'
    value = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(value)))
        cut = draw(st.integers(0, 2))
        junk = draw(
            st.sampled_from(
                [b"", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b"\n", b"{}", b"]", b'"', b"\\", b","]
            )
        )
        value = value[:at] + junk + value[at + cut :]
    return value


@settings(max_examples=1500, deadline=None)
@given(spoilt_events())
def test_contract_and_hot_path_agree(value: bytes) -> None:
    """Whatever is done to an event, both readers give one answer with the same values."""
    assert_agree(value)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
@example(b"")
@example(b"null")
@example(b"[]")
def test_bytes_that_are_no_event_are_refused_or_ignored(value: bytes) -> None:
    """Anything may lie on a topic."""
    assert_agree(value)


def test_agreement_is_not_vacuous() -> None:
    """Most of what the generator makes is refused by some and accepted by some: count both."""
    answers = {"accepted": 0, "refused": 0}

    @settings(max_examples=300, deadline=None, database=None)
    @given(spoilt_events())
    def count(value: bytes) -> None:
        answers["refused" if isinstance(by_contract(value), Refused) else "accepted"] += 1

    count()
    assert min(answers.values()) > 30


# ---- one row for each oddity that told them apart or could -----------------------------------------------------------

GOOD = raw("traffic.session", data={"channel": "web"})


def _with(member: str) -> bytes:
    return GOOD.replace(b'"channel": "web"', b'"channel": "web",' + member.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(GOOD, "", id="a good one"),
        pytest.param(None, "tombstone", id="tombstone"),
        pytest.param(b"", "json", id="empty value"),
        pytest.param(b" ", "json", id="blank value"),
        pytest.param(b"null", "envelope", id="no object"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, "json", id="byte order mark"),
        pytest.param(GOOD + b"x", "json", id="trailing garbage"),
        pytest.param(GOOD + b"\n" + GOOD, "json", id="two events in one value"),
        pytest.param(b" \r\n\t" + GOOD + b" \n", "", id="white space around"),
        pytest.param(_with('"count":"x","count":2'), "data", id="a name twice, first wrong then right"),
        pytest.param(_with('"count":2,"count":"x"'), "data", id="a name twice, first right then wrong"),
        pytest.param(_with('"count":2,"count":3'), "", id="a name twice, the last counts"),
        pytest.param(GOOD[:-1] + b', "type": "order.placed"}', "data", id="two types"),
        pytest.param(GOOD[:-1] + b', "type": "traffic.session"}', "", id="the type twice"),
        pytest.param(_with('"gift":1e400'), "", id="an extra beyond a float is no reason to refuse"),
        pytest.param(_with('"count":1e400'), "data", id="a count beyond a float"),
        pytest.param(_with('"gift":' + "7" * 5000), "json", id="an extra integer of 5000 digits"),
        pytest.param(_with('"gift":"' + "7" * 5000 + '"'), "", id="5000 digits as text"),
        pytest.param(_with('"gift":NaN'), "json", id="NaN is no JSON"),
        pytest.param(_with('"gift":-Infinity'), "json", id="Infinity is no JSON"),
        pytest.param(_with('"gift":"?"').replace(b"?", b"\xff"), "json", id="bad UTF-8 in an extra"),
        pytest.param(_with('"gift":"\ud800"'), "json", id="a surrogate in UTF-8"),
        pytest.param(_with('"gift":"\\ud800"'), "json", id="a lone surrogate in an extra"),
        pytest.param(_with('"landing":"\\udc00"'), "json", id="a lone low surrogate"),
        pytest.param(_with('"gift":' + "[" * 100 + "]" * 100), "", id="nested a hundred deep"),
        pytest.param(_with('"gift":' + "[" * 300 + "]" * 300), "json", id="nested three hundred deep"),
        pytest.param(_with('"gift":' + "[" * 5000 + "]" * 5000), "json", id="nested beyond any stack"),
        pytest.param(_with('"gift":"' + "[" * 5000 + '"'), "", id="brackets in a text are no nesting"),
        pytest.param(_with('"count":1.0'), "data", id="a count written as a float"),
        pytest.param(_with('"count":true'), "data", id="a flag is no number"),
        pytest.param(_with('"count":0'), "number", id="a count of nothing"),
        pytest.param(_with('"landing":null'), "", id="null is absent"),
        pytest.param(_with('"channel":5'), "data", id="a number is no text"),
        pytest.param(_with('"landing":"' + "é" * 256 + '"'), "", id="256 characters, not bytes"),
        pytest.param(_with('"landing":"' + "é" * 257 + '"'), "data", id="257 characters"),
        pytest.param(_with('"x":"' + "a" * LARGEST_EVENT + '"'), "json", id="more than a mebibyte"),
        pytest.param(raw("traffic.session", time="2026-11-24T09:30:00"), "envelope", id="a time without zone"),
        pytest.param(raw("traffic.session", time="0001-01-01T00:00:00Z"), "envelope", id="the year 1"),
        pytest.param(raw("traffic.session", time="9999-12-31T23:59:59-14:00"), "envelope", id="beyond the calendar"),
        pytest.param(raw("traffic.session", id=""), "envelope", id="an empty id"),
        pytest.param(raw("traffic.session", id="i" * 1025), "envelope", id="an id of more than a kibibyte"),
        pytest.param(raw("traffic.session", specversion="0.3"), "envelope", id="another CloudEvents version"),
        pytest.param(raw("traffic.session", data=None), "envelope", id="no data"),
        pytest.param(raw("traffic.session", data=[]), "envelope", id="a list as data"),
        pytest.param(raw("traffic.spend", data={"amount": -1, "channel": "a"}), "number", id="negative where never"),
        pytest.param(raw("stock.level", data={"sku": "a", "available": -1}), "", id="negative where oversold"),
        pytest.param(raw("stock.level", data={"sku": "a", "available": 9e12}), "", id="the largest number"),
        pytest.param(raw("stock.level", data={"sku": "a", "available": 9e12 + 1}), "number", id="a number too large"),
        pytest.param(raw("stock.level", data={"sku": "a", "available": "5"}), "data", id="a text is no number"),
        pytest.param(raw("order.placed", data={"order_id": "1", "total": 1}), "data", id="an order without lines"),
        pytest.param(
            raw("order.returned", data={"order_id": "1", "lines": [{"sku": "a", "quantity": 1}] * 10_000}),
            "",
            id="ten thousand lines",
        ),
        pytest.param(
            raw("order.returned", data={"order_id": "1", "lines": [{"sku": "a", "quantity": 1}] * 10_001}),
            "data",
            id="a line too many",
        ),
    ],
)
def test_oddities(value: bytes | None, reason: str) -> None:
    """Each gets the answer written here, from both."""
    answer = by_contract(value)
    assert (answer.reason if isinstance(answer, Refused) else "") == reason
    assert_agree(value)


def test_refusal_names_the_field() -> None:
    """The sender can find what is wrong."""
    lines = [{"sku": "A", "quantity": 1, "unit_price": 1}, {"sku": "B", "quantity": "2", "unit_price": 1}]
    value = raw(data={"order_id": "1", "total": 1, "lines": lines})
    refused = PLAIN.decode([value])[0]
    assert refused == Refused("data", "data.lines.1.quantity: must be a number")


# ---- the decoder's own promises --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_type_is_read_with_all_its_fields(kind: str) -> None:
    """An example with every field that the contract names keeps each value."""
    assert set(DATA[kind]) | {"count"} == {p for p in known_paths(kind) if "." not in p}
    found = PLAIN.decode([raw(kind)])[0]
    assert type_of(found) == kind
    for name, expected in DATA[kind].items():
        value = getattr(found.data, name)
        if isinstance(value, datetime):
            assert value == datetime.fromisoformat(expected)
        elif name == "lines":
            assert [
                {k: v for k, v in msgspec.structs.asdict(line).items() if v is not None} for line in value
            ] == expected
        else:
            assert value == expected
    assert found.data.count == DATA[kind].get("count", 1)


def test_wanted_extras_are_attributes_and_none_where_absent() -> None:
    """A rule may use what the contract does not name, also on lines."""
    line = {"sku": "A", "quantity": 1, "unit_price": 1}
    data = {"order_id": "1", "total": 1, "lines": [{**line, "colour": "red"}, line], "gift": "red wrap"}
    first, second = WANTING.decode([raw(data=data), raw()])
    assert (first.data.gift, second.data.gift) == ("red wrap", None)
    assert [part.colour for part in first.data.lines] == ["red", None]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("null", None),
        ("true", True),
        ("7", 7),
        ("2.5", 2.5),
        ('"red"', "red"),
        pytest.param(f'"{"a" * 256}"', "a" * 256, id="256 characters"),
        pytest.param(f'"{"a" * 257}"', None, id="a label must not grow without a limit"),
        pytest.param(f'"{"a" * 500_000}"', None, id="nor make an event's size the size of an alert"),
        pytest.param("1e400", None, id="no number can hold it"),
        pytest.param("[1]", None, id="a list is no label"),
        pytest.param('{"a": 1}', None, id="nor is an object"),
    ],
)
def test_extras_are_values_or_none(token: str, expected: object) -> None:
    """What cannot be a label or a number is absent for rules; the event counts for everything else."""
    for value in WANTING.decode([_with(f'"gift":{token},"landing":"/a"')] * 2):
        assert (value.data.gift, value.data.landing) == (expected, "/a")
        assert type(value.data.gift) is type(expected)


def test_unknown_types_are_ignored_and_keep_their_place() -> None:
    """What is not ours is None, and its neighbours keep their places."""
    kinds = ["order.shipped", "cart.filled", "stock.level"]
    found = PLAIN.decode([raw(kind) for kind in kinds])
    assert found[1] is None
    assert [type_of(found[0]), type_of(found[2])] == ["order.shipped", "stock.level"]


def test_empty_batch() -> None:
    assert PLAIN.decode([]) == []
    assert PLAIN.decode([], []) == []


# ---- Kafka's binary mode ---------------------------------------------------------------------------------------------

HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"e-1"),
    ("ce_source", b"/shop"),
    ("ce_type", b"stock.level"),
    ("ce_time", TIME.encode()),
    ("content-type", b"application/json"),
)
LEVEL = json.dumps(DATA["stock.level"]).encode()


def test_binary_mode_is_the_same_event() -> None:
    """Headers and data make the event that one JSON object makes; other headers do not matter."""
    structured = raw("stock.level")
    values = [LEVEL, structured, structured]
    found = PLAIN.decode(values, [HEADERS, (), (("traceparent", b"00-1"),)])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        pytest.param(None, HEADERS, "tombstone", id="tombstone"),
        pytest.param(b"", HEADERS, "json", id="empty data"),
        pytest.param(b"[]", HEADERS, "data", id="data is a list"),
        pytest.param(LEVEL + b',"id":"x"', HEADERS, "json", id="data that would reach into the envelope"),
        pytest.param(LEVEL, HEADERS[:4], "envelope", id="no time"),
        pytest.param(LEVEL, (*HEADERS[:4], ("ce_time", b"\xff")), "envelope", id="a header that is no UTF-8"),
        pytest.param(LEVEL, (*HEADERS, ("ce_subject", b"")), "envelope", id="an empty subject"),
        pytest.param(b'{"sku": "a", "available": "x"}', HEADERS, "data", id="bad data"),
    ],
)
def test_binary_mode_refusals(value: bytes | None, headers: tuple[tuple[str, bytes], ...], reason: str) -> None:
    """A bad one costs itself only."""
    found, good = PLAIN.decode([value, raw()], [headers, ()])
    assert isinstance(found, Refused)
    assert found.reason == reason
    assert good.data.order_id == "o-1"


def test_binary_mode_of_a_type_that_is_not_ours_is_ignored() -> None:
    headers = tuple((k, b"cart.filled" if k == "ce_type" else v) for k, v in HEADERS)
    assert PLAIN.decode([LEVEL], [headers]) == [None]
