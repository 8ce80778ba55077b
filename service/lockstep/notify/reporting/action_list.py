"""What somebody is to do: added, assigned and closed by people, or taken up from what they say with an acknowledgement.

Whoever acknowledges an alert and says something with it has said what they will do: that is an action of theirs, and
reports list it until somebody closes it, also when the alert is over. Assigning the alert to somebody else then assigns
the action, too. An acknowledgement without a word makes none: the alert itself says who has it.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from lockstep.labels import stable_id
from lockstep.notify.pipeline.hooks import Applied, Happened
from lockstep.response.command import Acknowledge, AddAction, Assign, AssignAction, CloseAction, Command
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, Action, Handling, Standing, key_of
from lockstep.text.one_line import flat
from lockstep.text.rfc3339 import moment_text
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition

KEY = b"\x1faction\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
KEPT_S = 28 * DAY_S
"""How long an action is remembered after it was closed."""
MOST_ACTIONS = 2_000
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ActionList:
    """hooks.Part."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}
        self._dirty: set[str] = set()

    def take_up(self, command: Command, handled: Applied, about: str, moment: float) -> tuple[Standing, ...]:
        """What stands of actions after a command about an alert. handled: what became of it. about: the alert in words,
        `LowStock, sku A-1`."""
        handling = next((s for s in handled.standing if isinstance(s, Handling)), None)
        if not handled.applied or handling is None:
            return ()
        number = stable_id("action", handling.episode_id)
        known = self._actions.get(number)
        match command:
            case Acknowledge(note=note) if note:
                action = Action(
                    id=number,
                    text=flat(note)[:LONGEST_COMMENT],
                    assignee=handling.assignee or command.by,
                    by=command.by,
                    created_at=moment_text(moment) if known is None else known.created_at,
                    alert_id=handling.alert_id,
                    episode_id=handling.episode_id,
                    about=about,
                )
                return self._keep(action) if len(self._actions) < MOST_ACTIONS or known is not None else ()
            case Assign(to=to) if known is not None and known.closed_at is None:
                return self._keep(msgspec.structs.replace(known, assignee=to))
            case _:
                return ()

    def _keep(self, action: Action) -> tuple[Action]:
        self._actions[action.id] = action
        self._dirty.add(action.id)
        return (action,)

    # ---- hooks.Part -----------------------------------------------------------------------------------------------

    def hear(self, transition: Transition) -> None:
        """What is to be done is so whether the alert goes on or not."""

    def apply(self, command: Command, moment: float) -> Applied | None:
        match command:
            case AddAction():
                return self._add(command, moment)
            case AssignAction():
                known = self._actions.get(command.action_id)
                if known is None or known.closed_at is not None:
                    return _none(command.action_id)
                to = flat(command.to)[:LONGEST_NAME]
                words = f"{to} is to do it: {known.text}" if to else f"nobody is to do it yet: {known.text}"
                return Applied(True, words, self._keep(msgspec.structs.replace(known, assignee=to)))
            case CloseAction():
                known = self._actions.get(command.action_id)
                if known is None or known.closed_at is not None:
                    return _none(command.action_id)
                closed = msgspec.structs.replace(known, closed_at=moment_text(moment), closed_by=command.by)
                note = f" ({flat(command.note)[:LONGEST_COMMENT]})" if command.note else ""
                return Applied(True, f"closed: {known.text}{note}", self._keep(closed))
            case _:
                return None

    def _add(self, command: AddAction, moment: float) -> Applied:
        asked = command.action
        text = flat(asked.text)[:LONGEST_COMMENT]
        if not text:
            return Applied(False, "nothing is said of what is to be done; write it")
        if _ID.fullmatch(asked.id) is None:
            return Applied(False, "an action has an id of at most 64 letters, digits, - and _")
        if asked.id in self._actions:
            return Applied(False, f"there is an action '{asked.id}' already")
        if asked.due and not _is_day(asked.due):
            return Applied(False, "the day by which it is due is written 2026-12-24")
        if len(self._actions) >= MOST_ACTIONS:
            return Applied(False, f"there are {MOST_ACTIONS:,} actions; close some")
        action = Action(
            id=asked.id,
            text=text,
            assignee=flat(asked.assignee)[:LONGEST_NAME],
            by=command.by,
            created_at=moment_text(moment),
            due=asked.due,
            alert_id=asked.alert_id,
            episode_id=asked.episode_id,
            about=flat(asked.about)[:LONGEST_COMMENT],
        )
        who = action.assignee or "nobody yet"
        return Applied(True, f"added, for {who}: {text}", self._keep(action))

    def tick(self, moment: float) -> Happened:
        """Forget what has been closed for long."""
        happened = Happened()
        for action in [a for a in self._actions.values() if a.closed_at and _seconds(a.closed_at) < moment - KEPT_S]:
            del self._actions[action.id]
            self._dirty.add(action.id)
            happened.gone.append(key_of(action))
        return happened

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {}
        for number in self._dirty:
            action = self._actions.get(number)
            entries[KEY + number.encode()] = None if action is None else msgspec.json.encode(action)
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for key, value in entries.items():
            if key.startswith(KEY):
                action = msgspec.json.decode(value, type=Action)
                self._actions[action.id] = action


def _none(number: str) -> Applied:
    return Applied(False, f"no open action '{number[:64]}' is known; `lockstep action list` has those that are")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
