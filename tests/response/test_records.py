"""What people ask for and what stands of it, as records of the log: read as written, and by a later version, too."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.response import command, decision, standing
from lockstep.response.command import Acknowledge, Answer, Command, Deed, PutSilence, decode_answer, decode_command
from lockstep.response.decision import Decision, Reason, decode_decision
from lockstep.response.standing import Handling, Override, Silence, decode_standing, key_of

SILENCE = Silence(
    id="s1",
    matchers=('sku=~"KEY-.*"',),
    starts="2026-11-28T00:00:00Z",
    ends="2026-11-30T00:00:00Z",
    author="Anna",
    comment="stock is counted",
)


@pytest.mark.parametrize("kind", get_args(Command), ids=lambda kind: kind.__name__)
@settings(deadline=None)  # the first one makes decoders
@given(data=st.data())
def test_a_command_is_read_as_it_was_written(kind, data):
    text = st.text(max_size=20)
    ours = {field.name: data.draw(text) for field in msgspec.structs.fields(kind) if field.type is str}
    if kind is PutSilence:
        ours["silence"] = SILENCE
    if kind is command.PutOverride:
        ours["override"] = Override(id="o", schedule="day", who="ben", starts="", ends="")
    if kind is command.AddAction:
        ours["action"] = standing.Action(id="a", text="call the supplier")
    if kind in (command.AnswerPlan, command.ReplyToPlan):
        ours["number"] = 2
    if kind is command.ReplyToPlan:
        ours["reply"] = "objected"
    given_ = kind(**ours, way="api")
    assert decode_command(msgspec.json.encode(given_)) == given_


def test_what_a_later_version_adds_is_left_alone():
    written = msgspec.to_builtins(Acknowledge(id="c", by="Anna", way="page", at="2026-11-28T00:00:00Z", alert_id="a"))
    assert decode_command(msgspec.json.encode({**written, "mood": "calm"})).by == "Anna"


def test_a_command_of_no_kind_is_an_error():
    with pytest.raises(msgspec.ValidationError):
        decode_command(b'{"kind": "launch", "id": "c", "by": "Anna", "way": "api", "at": ""}')


@pytest.mark.parametrize("kind", get_args(Deed), ids=lambda kind: kind.__name__)
def test_what_was_done_without_notify_is_in_the_audit_and_is_no_command(kind):
    ours = {field.name: "x" for field in msgspec.structs.fields(kind) if field.type is str}
    deed = kind(**ours, way="cli")
    answer = Answer(id="d", command=deed, applied=True, why="ops did it", decided_at="2026-11-28T00:00:01Z")
    assert decode_answer(msgspec.json.encode(answer)) == answer
    with pytest.raises(msgspec.ValidationError):
        decode_command(msgspec.json.encode(deed))


def test_an_answer_says_what_was_asked():
    asked = PutSilence(id="c", by="Anna", way="cli", at="2026-11-28T00:00:00Z", silence=SILENCE)
    answer = Answer(id="c", command=asked, applied=True, why="silence s1 is made", decided_at="2026-11-28T00:00:01Z")
    assert decode_answer(msgspec.json.encode(answer)) == answer


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (Handling(alert_id="a", episode_id="e", notes=(standing.Note("Anna", "", "it is the fair"),)), "handling/a"),
        (SILENCE, "silence/s1"),
        (Override(id="o", schedule="day", who="ben", starts="", ends=""), "override/o"),
    ],
)
def test_what_stands_has_one_key(value, key):
    assert key_of(value) == key
    assert decode_standing(msgspec.json.encode(value)) == value


@pytest.mark.parametrize("reason", Reason)
def test_a_decision_is_read_as_it_was_written(reason):
    decided = Decision(
        alert_id="a",
        episode_id="e",
        transition_id="t",
        rule="LowStock",
        labels={"sku": "A-1"},
        severity="warning",
        state="firing",
        at="2026-11-28T00:00:00Z",
        outcome="not_told",
        reason=reason,
        why="silenced by Anna until 18:00",
    )
    assert decode_decision(msgspec.json.encode(decided)) == decided


def test_topics_are_named_once_for_ever():
    assert (command.COMMANDS, command.AUDIT) == ("lockstep.commands", "lockstep.audit")
    assert decision.DECISIONS == "lockstep.decisions"
    assert standing.RESPONSE_STATE == "lockstep.response-state"
