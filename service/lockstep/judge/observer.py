"""Who may watch a judge at work."""

from typing import Protocol

from lockstep.judge.group import Group
from lockstep.judge.group_view import GroupView
from lockstep.rule.condition.view import Instant
from lockstep.transition import Transition


class Observer(Protocol):
    """Is told what a judge does and has no say in it. While one watches, every verdict is given the long way."""

    def judging(self, group: Group, at: Instant, view: GroupView) -> None:
        """A group is judged next: its alert is as it was, and its detectors have seen what has closed.

        view: looks at the group during this call; `view.of(group)` gives one to keep.
        """

    def emitted(self, group: Group, transition: Transition, view: GroupView) -> None:
        """An alert of a rule that is there has changed. view: of the group, to keep."""

    def expiring(self) -> None:
        """Buckets that no rule needs any more are removed next."""
