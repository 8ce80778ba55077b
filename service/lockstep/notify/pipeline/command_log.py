"""Which commands were applied, so that each is applied once, and the answers that say what became of them."""

from collections.abc import Iterable, Mapping

import msgspec

from lockstep.errors import StateError
from lockstep.notify.pipeline.hooks import Applied
from lockstep.ports import Record
from lockstep.response.command import AUDIT, Answer, AnswerPlan, Command, WriteReport
from lockstep.response.standing import RESPONSE_STATE, Standing, key_of
from lockstep.text.rfc3339 import moment_text

KEY = b"\x1fcommand\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
MOST_REMEMBERED = 10_000
"""Ids of commands; one that comes again after so many others is applied again."""


class CommandLog:
    """The ids of the last commands; a part of notify's state, in so many slots that are used again."""

    def __init__(self) -> None:
        self._slots: dict[int, tuple[int, str]] = {}  # slot → (number of the command, its id)
        self._ids: set[str] = set()
        self._number = 0
        self._dirty: set[int] = set()

    def knows(self, command_id: str) -> bool:
        """Whether it was applied, or refused, before."""
        return command_id in self._ids

    def answer(self, command: Command, applied: Applied, moment: float) -> list[Record]:
        """Remember it; the records that say what became of it, and what stands now."""
        self._number += 1
        slot = self._number % MOST_REMEMBERED
        if slot in self._slots:
            self._ids.discard(self._slots[slot][1])
        self._slots[slot] = self._number, command.id
        self._ids.add(command.id)
        self._dirty.add(slot)
        answer = Answer(
            id=command.id,
            command=_as_told(command),
            applied=applied.applied,
            why=applied.why,
            decided_at=moment_text(moment),
        )
        return [answer_record(answer), *standing_records(applied.standing)]

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries: dict[bytes, bytes | None] = {}
        for slot in self._dirty:
            number, command_id = self._slots[slot]
            row = {"format": FORMAT, "number": number, "id": command_id}
            entries[KEY + str(slot).encode()] = msgspec.json.encode(row)
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""
        for key, value in entries.items():
            if key.startswith(KEY):
                row = msgspec.json.decode(value)
                if row.get("format") != FORMAT:
                    raise StateError(
                        f"lockstep.notify-state: a command of format {row.get('format')}, this version reads {FORMAT}"
                    )
                self._slots[int(key.removeprefix(KEY))] = row["number"], row["id"]
                self._ids.add(row["id"])
                self._number = max(self._number, row["number"])


def _as_told(command: Command) -> Command:
    """As the audit has it: a report stands on a topic of its own, what a plan is answered can be asked for."""
    match command:
        case WriteReport():
            return msgspec.structs.replace(command, document={})
        case AnswerPlan():
            return msgspec.structs.replace(command, facts={})
        case _:
            return command


def answer_record(answer: Answer) -> Record:
    """What became of a command, as it is published."""
    return Record(AUDIT, msgspec.json.encode(answer), answer.id.encode(), 0)


def standing_records(standing: Iterable[Standing]) -> list[Record]:
    """What stands now, as it is published."""
    return [Record(RESPONSE_STATE, msgspec.json.encode(s), key_of(s).encode(), 0) for s in standing]
