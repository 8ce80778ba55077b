"""Values of foreign bodies: read as what they are meant to be, and whatever else they are, nothing breaks."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import BODIES, changed

from lockstep.adapters.inbound import foreign_values
from lockstep.adapters.inbound.senders import SENDERS
from lockstep.adapters.inbound.translation import BadPayload

BY_NAME = {sender.name: sender for sender in SENDERS}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12.50", 12.5), (" 7 ", 7.0), (-0.0, 0.0), ("1,250.00", None), ("", None), ("NaN", None), ("1e5", None),
        (True, None), (None, None), ([], None), (10**400, None), (9e12, 9e12), (9.1e12, None), (float("inf"), None),
    ],
)  # fmt: skip
def test_numbers(value: Any, expected: float | None) -> None:
    """A text that is a number is one; what is none is None."""
    assert foreign_values.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" a ", "a"), (7, "7"), (7.0, "7"), (7.5, "7.5"), (10**400, None), (True, None), ("", None), (None, None),
        ({}, None), (float("nan"), None), ("x" * 300, "x" * 256),
    ],
)  # fmt: skip
def test_texts(value: Any, expected: str | None) -> None:
    """Ids are numbers at one sender and texts at another."""
    assert foreign_values.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-24T10:30:00+01:00", "2026-11-24T09:30:00+00:00"),
        ("2026-11-24T09:30:00", "2026-11-24T09:30:00+00:00"),
        ("2026-11-24T09:30:00.000Z", "2026-11-24T09:30:00+00:00"),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (1763976600, None),
    ],
)
def test_times(value: Any, expected: str | None) -> None:
    """Any zone comes out as UTC."""
    assert foreign_values.time(value) == expected


ODD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        10**25,
        1e308,
        -0.0,
        "",
        " ",
        "\x00",
        "é😀",
        "none",
        "12.50",
        "-3",
        "1e5",
        "2026-99-99",
        [],
        {},
    ]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
EVERY = [(sender, topic, body) for sender, bodies in BODIES.items() for topic, body in bodies.items()]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in _places(part, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """A body in which some values are others, or missing."""
    sender, topic, body = draw(st.sampled_from(EVERY))
    body = changed(body)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([place for place in _places(body) if place]))
        place: Any = body
        for step in path[:-1]:
            place = place[step]
        if draw(st.booleans()):
            place[path[-1]] = draw(ODD)
        else:
            del place[path[-1]]
    return sender, topic, body


@settings(max_examples=1500, deadline=None)
@given(spoilt())
def test_a_spoilt_body_is_read_or_refused(given_body: tuple[str, str, dict[str, Any]]) -> None:
    """Never an exception of another kind: events, a reason, or which field is wrong."""
    sender, topic, body = given_body
    try:
        found = BY_NAME[sender].translate(topic, body, {}, {})
    except BadPayload:
        return
    assert bool(found.events) != bool(found.reason)
    for event in found.events:
        assert 1 <= len(event["id"]) <= 1024
        assert event["time"]
