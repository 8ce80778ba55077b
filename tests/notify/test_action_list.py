"""Actions: added, assigned, closed, taken up from an acknowledgement with a word; none is lost by a restart."""

from datetime import timedelta
from typing import Any

import pytest
from alert_samples import NOON

from lockstep.notify.pipeline.hooks import Applied
from lockstep.notify.reporting.action_list import KEPT_S, MOST_ACTIONS, ActionList
from lockstep.response.command import (
    Acknowledge,
    AddAction,
    AddNote,
    Assign,
    AssignAction,
    CloseAction,
    Command,
    TakeBack,
)
from lockstep.response.standing import Action, Handling, Note
from lockstep.text.rfc3339 import moment_text

T0 = NOON.timestamp()
HANDLING = Handling(alert_id="a", episode_id="e", acknowledged_by="Anna")


class Run:
    """The part as notify drives it, made anew of its entries after every step."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.part = ActionList()
        self.commands = 0

    def _restart(self) -> None:
        for key, value in self.part.cut().items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        self.part = ActionList()
        self.part.restore(self.entries)

    def head(self) -> dict[str, Any]:
        self.commands += 1
        return {"id": f"c{self.commands}", "by": "Anna", "way": "page", "at": "2026-11-24T12:00:00Z"}

    def apply(self, command: Command, after: float = 0) -> Applied:
        applied = self.part.apply(command, T0 + after)
        assert applied is not None
        self._restart()
        return applied

    def add(self, text: str = "call the supplier", number: str = "n1", **more: Any) -> Applied:
        return self.apply(AddAction(action=Action(id=number, text=text, **more), **self.head()))

    def take_up(self, command: Command, handling: Handling = HANDLING, *, applied: bool = True) -> tuple[Any, ...]:
        stands = self.part.take_up(command, Applied(applied, "", (handling,)), "LowStock, sku A-1", T0)
        self._restart()
        return stands


def test_an_action_is_added_assigned_and_closed():
    run = Run()
    added = run.add(assignee="Ben", due="2026-12-04")
    assert (added.applied, added.why) == (True, "added, for Ben: call the supplier")
    assert added.standing == (
        Action(
            id="n1",
            text="call the supplier",
            assignee="Ben",
            by="Anna",
            created_at=moment_text(T0),
            due="2026-12-04",
        ),
    )
    given = run.apply(AssignAction(action_id="n1", to="Carla", **run.head()))
    assert given.why == "Carla is to do it: call the supplier"
    closed = run.apply(CloseAction(action_id="n1", note="they send on Friday", **run.head()), after=60)
    assert closed.why == "closed: call the supplier (they send on Friday)"
    (action,) = closed.standing
    assert (action.assignee, action.closed_by, action.closed_at) == ("Carla", "Anna", moment_text(T0 + 60))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        pytest.param({"text": " \n "}, "nothing is said", id="no text"),
        pytest.param({"number": "a/b"}, "an id of at most 64", id="an id that could be a path"),
        pytest.param({"due": "soon"}, "written 2026-12-24", id="a due day that is none"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(changed, why):
    refused = Run().add(**changed)
    assert not refused.applied
    assert why in refused.why
    assert refused.standing == ()


def test_what_is_closed_or_unknown_is_not_closed_again():
    run = Run()
    run.add()
    close = {"action_id": "n1"}
    assert run.apply(CloseAction(**close, **run.head())).applied
    for command in (CloseAction(**close, **run.head()), AssignAction(**close, to="Ben", **run.head())):
        assert not run.apply(command).applied
    assert not run.apply(CloseAction(action_id="other", **run.head())).applied
    assert not run.add().applied  # its id is taken, also by a closed one


def test_an_acknowledgement_with_a_word_is_an_action():
    run = Run()
    command = Acknowledge(alert_id="a", note="I ask for\na split delivery", **run.head())
    (action,) = run.take_up(command)
    assert (action.text, action.assignee, action.about) == ("I ask for a split delivery", "Anna", "LowStock, sku A-1")
    (again,) = run.take_up(Acknowledge(alert_id="a", note="they send 200", **run.head()))
    assert (again.id, again.text, again.created_at) == (action.id, "they send 200", action.created_at)
    (given,) = run.take_up(Assign(alert_id="a", to="Ben", **run.head()))
    assert (given.id, given.assignee) == (action.id, "Ben")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            lambda head: Acknowledge(alert_id="a", **head), id="without a word the alert itself says who has it"
        ),
        pytest.param(
            lambda head: AddNote(alert_id="a", text="looks like the till", **head), id="a note says what is so"
        ),
        pytest.param(lambda head: Assign(alert_id="a", to="Ben", **head), id="nobody said what is to be done"),
        pytest.param(lambda head: TakeBack(alert_id="a", **head), id="taken back"),
    ],
)
def test_what_says_nothing_of_what_is_to_be_done_makes_no_action(command):
    run = Run()
    note = Handling(alert_id="a", episode_id="e", notes=(Note("Anna", "", "x"),))
    assert run.take_up(command(run.head()), note) == ()


def test_what_was_refused_makes_no_action():
    run = Run()
    command = Acknowledge(alert_id="a", note="mine", **run.head())
    assert run.take_up(command, applied=False) == ()


def test_a_closed_action_is_forgotten_after_four_weeks():
    run = Run()
    run.add()
    run.apply(CloseAction(action_id="n1", **run.head()))
    assert run.part.tick(T0 + KEPT_S - 1).gone == []
    assert run.part.tick((NOON + timedelta(seconds=KEPT_S + 1)).timestamp()).gone == ["action/n1"]
    run._restart()
    assert run.entries == {}


def test_there_are_so_many_actions_and_no_more():
    run = Run()
    for n in range(MOST_ACTIONS):
        run.part.apply(AddAction(action=Action(id=f"n{n}", text="x"), **run.head()), T0)
    refused = run.add(number="more")
    assert (refused.applied, "close some" in refused.why) == (False, True)
