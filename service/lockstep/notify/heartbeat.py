"""The heartbeat: a document to a program at an interval, decided where messages are and sent as they are.

Whoever watches expects one every so often and raises the alarm where it does not come: nothing else can say that
Lockstep itself has fallen silent. It proves the way from notify on; that events arrive and are judged is told by rules
with `absence` and by `EventTimeBehind`. After a pause one is sent and not those that are missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.notify.pipeline.hooks import Applied, Happened, ProgramDocument
from lockstep.notify.programs.program_receivers import programs_of
from lockstep.notify.receivers import Texts
from lockstep.ports import Destination
from lockstep.response.command import Command
from lockstep.rule.language.form.values import Duration, Strict
from lockstep.text.rfc3339 import SECOND, rfc3339
from lockstep.transition import Transition, TransitionName

KEY = b"\x1fheartbeat\x1f"
"""The key of the entry in the state of notify; no rule's name begins so."""
FORMAT = 1


class HeartbeatModel(Strict):
    """Which webhooks hear at an interval that Lockstep is there."""

    to: Texts = Field(min_length=1, description="Receivers with a webhook")
    every: Duration = Field(300, ge=30, le=86_400, description="How often")


class HeartbeatData(BaseModel):
    """What a heartbeat says."""

    number: int = Field(description="Counts them: 1 is the first; one that is missing was given up, or never decided")
    every_s: int = Field(description="How many seconds lie between two of them")
    next_at: str = Field(description="When the next one is decided, RFC 3339: raise the alarm some time after it")
    last_change_at: str | None = Field(description="When the last alert that was heard of changed; null for none")


class HeartbeatPayload(BaseModel):
    """The body of a heartbeat, signed like every delivery. One that cannot be delivered is given up after `every_s`."""

    type: Literal["heartbeat"] = Field(description="Always `heartbeat`")
    timestamp: str = Field(description="When it was decided, RFC 3339")
    data: HeartbeatData = Field(description="Which it is, and when the next one comes")


def heartbeat_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of heartbeats."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/heartbeat.schema.json",
        **HeartbeatPayload.model_json_schema(mode="serialization"),
        "title": "Lockstep heartbeat",
    }


@dataclass(frozen=True)
class HeartbeatPlan:
    """to: destinations of programs. every_s: how often."""

    to: tuple[Destination, ...]
    every_s: int


class Heartbeat:
    """hooks.Part: says at an interval that notify is there."""

    def __init__(self, plan: HeartbeatPlan) -> None:
        self._plan = plan
        self._number = 0
        self._due: float | None = None
        self._heard_at: str | None = None
        self._is_dirty = False

    def tick(self, moment: float) -> Happened:
        happened = Happened()
        every_s = self._plan.every_s
        if self._due is not None and self._due > moment + every_s:
            # A clock that was put back must not silence it for longer than the interval.
            self._due, self._is_dirty = moment + every_s, True
        if self._due is None or self._due <= moment:
            self._number += 1
            self._due, self._is_dirty = moment + every_s, True
            happened.documents += [self._document(destination, moment) for destination in self._plan.to]
        return happened

    def _document(self, destination: Destination, moment: float) -> ProgramDocument:
        every_s = self._plan.every_s
        return ProgramDocument(
            id=stable_id("delivery", destination.id, "heartbeat", self._number),
            destination=destination,
            state="heartbeat",
            life_s=float(every_s),
            body={
                "type": "heartbeat",
                "timestamp": rfc3339(round(moment) * SECOND),
                "data": {
                    "number": self._number,
                    "every_s": every_s,
                    "next_at": rfc3339(round(moment + every_s) * SECOND),
                    "last_change_at": self._heard_at,
                },
            },
        )

    def hear(self, transition: Transition) -> None:
        if transition.state in (TransitionName.FIRING, TransitionName.SEVERITY, TransitionName.RESOLVED):
            self._heard_at = transition.at
            self._is_dirty = True

    def apply(self, command: Command, moment: float) -> Applied | None:
        return None

    def cut(self) -> dict[bytes, bytes | None]:
        if not self._is_dirty:
            return {}
        self._is_dirty = False
        row = {"format": FORMAT, "number": self._number, "due": self._due, "heard_at": self._heard_at}
        return {KEY: msgspec.json.encode(row)}

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        if KEY in entries:
            row = msgspec.json.decode(entries[KEY])
            if row["format"] != FORMAT:
                said = f"a heartbeat of format {row['format']}, this version reads {FORMAT}"
                raise StateError(f"lockstep.notify-state: {said}")
            self._number, self._due, self._heard_at = row["number"], row["due"], row["heard_at"]


def heartbeat_plan(model: HeartbeatModel, destinations: Mapping[str, Sequence[Destination]]) -> HeartbeatPlan:
    """The plan that a model writes. destinations: of each receiver; only those of programs hear it."""
    return HeartbeatPlan(programs_of(model.to, destinations), model.every)
