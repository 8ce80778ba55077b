"""What is stored of a source, as it was written first: a later version reads it, and knows the same rows again."""

import pytest

from lockstep.adapters.sql.cursor_value import CursorValue, cursor_value
from lockstep.adapters.sql.source_state import SourceState, digest_of
from lockstep.adapters.sql.source_status import TOPIC, SourceStatus, status_record
from lockstep.errors import StateError
from lockstep.ports import state_topic
from lockstep.worker.polling import STAGE

EVENT, ROW = digest_of(b"event", b"/till", b"1"), digest_of(b"row", b'{"number":3}')
POSITION = b'{"format":1,"column":"placed","at":1795510800000000,"form":"text| |0|","refused":1,"next_page":1}'
STORED = {
    b"till/cursor": POSITION,
    b"till/given/0": bytes.fromhex(
        "92cf00066101ef6ca400c420dcdd4242c6144d234b3103f910d1aeb774e1949815396714af0732682a6e8756"
    ),
}


def test_what_is_stored() -> None:
    """Names, keys and values, to the byte."""
    assert (state_topic(STAGE), TOPIC) == ("lockstep.sources-state", "lockstep.sources")
    state = SourceState("till", "placed", {})
    step = state.step(cursor_value("2026-11-24 09:00:00"), [EVENT, ROW], refused=1, overlap=300_000_000)
    assert step.entries == STORED
    status = SourceStatus(at="2026-11-24T09:00:00Z", cursor="2026-11-24 09:00:00", events=2, refused=1)
    assert status_record("till", status).value == (
        b'{"at":"2026-11-24T09:00:00Z","answered_at":null,"cursor":"2026-11-24 09:00:00","events":2,"refused":1,'
        b'"why":"","since":null,"format":1}'
    )


def test_what_was_stored_is_read() -> None:
    """Of one source alone."""
    state = SourceState("till", "placed", STORED | {b"till2/cursor": POSITION, b"til/given/0": b"?"})
    assert (state.cursor, state.refused) == (CursorValue(1795510800000000, "text| |0|"), 1)
    assert (state.knows(EVENT), state.knows(ROW), state.knows(digest_of(b"event", b"/till", b"2"))) == (
        True,
        True,
        False,
    )


def test_another_format_is_refused() -> None:
    """A state that a later program wrote is not taken for ours."""
    with pytest.raises(StateError, match="has format 2, this program knows 1; use the program that wrote it"):
        SourceState("till", "placed", {b"till/cursor": POSITION.replace(b'"format":1', b'"format":2')})
