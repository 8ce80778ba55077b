"""Since when each open alert fires: messages of its end say how long it did, as the reports of `backtest` do.

A transition tells when its episode began, which with a `for` is when the breach did, not when people were told.
"""

from collections.abc import Mapping

import msgspec

from lockstep.errors import StateError
from lockstep.transition import Transition, TransitionName

KEY = b"\x1ffired\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1


class Fired:
    """When the last episode of each alert fired, where that was later than it began, as with a `for`.

    A part of notify's state: alert id → (episode id, when it fired, RFC 3339).
    """

    def __init__(self) -> None:
        self._fired: dict[str, tuple[str, str]] = {}
        self._dirty: set[str] = set()

    def hear(self, transition: Transition) -> None:
        """Remember a firing."""
        if transition.state is TransitionName.FIRING and transition.at != transition.started_at:
            self._fired[transition.alert_id] = (transition.episode_id, transition.at)
            self._dirty.add(transition.alert_id)

    def since(self, transition: Transition) -> str:
        """When the episode fired; when it began, where it fired at once or that was never heard."""
        episode, at = self._fired.get(transition.alert_id, ("", ""))
        return at if episode == transition.episode_id else transition.started_at

    def forget(self, transition: Transition) -> None:
        """Its end has been told."""
        if self._fired.pop(transition.alert_id, None) is not None:
            self._dirty.add(transition.alert_id)

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries: dict[bytes, bytes | None] = {}
        for alert in self._dirty:
            row = self._fired.get(alert)
            value = None if row is None else msgspec.json.encode({"format": FORMAT, "episode": row[0], "at": row[1]})
            entries[KEY + alert.encode()] = value
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""
        for key, value in entries.items():
            if key.startswith(KEY):
                row = msgspec.json.decode(value)
                if row.get("format") != FORMAT:
                    stored = row.get("format")
                    raise StateError(f"lockstep.notify-state: a firing of format {stored}, this version reads {FORMAT}")
                self._fired[key.removeprefix(KEY).decode()] = (row["episode"], row["at"])
