"""Delivery records and a stage that is driven as the runtime drives it."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from lockstep.deliver import Deliver
from lockstep.errors import DeliveryError
from lockstep.ports import Batch, Cut, Destination
from lockstep.response.command import COMMANDS, Command, decode_command

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOOK = Destination("hook", "webhook", "http://127.0.0.1:1/h", "ops-hook", {"secret": "HOOK"})
OTHER = Destination("other", "webhook", "http://127.0.0.1:2/h", "other-hook", {"secret": "HOOK"})
ANNA = Destination("anna", "email", "anna@example.com", "mail")
SLACK = Destination("slack", "slack", "#ops", "ops-slack", {"token": "SLACK"})

DOWN = DeliveryError("serverError", "webhook/x: HTTP 503", retryable=True)
GONE = DeliveryError("clientError", "webhook/x: HTTP 410", retryable=False)


def record(
    number: str,
    destination: Destination = HOOK,
    *,
    alert: str = "a1",
    episodes: tuple[str, ...] = ("e1",),
    state: str = "firing",
    **changed: Any,
) -> bytes:
    row = {
        "format": 1,
        "id": number,
        "destination": destination,
        "rule": "OrderSpike",
        "state": state,
        "alerts": [alert],
        "episodes": list(episodes),
        "body": {"n": number},
        **changed,
    }
    return msgspec.json.encode(row)


def batch(*values: bytes | None, start: int = 0, at: datetime = START) -> Batch:
    return Batch(
        topic="lockstep.deliveries",
        partition=0,
        offsets=range(start, start + len(values)),
        values=values,
        keys=[None] * len(values),
        timestamps_ms=[round(at.timestamp() * 1000)] * len(values),
        previous=start - 1,
        next=start + len(values),
    )


class Kept:
    """A stage with what its cuts have made visible: entries, records, and what it says to notify."""

    def __init__(self) -> None:
        self.stage = Deliver()
        self.entries: dict[bytes, bytes] = {}
        self.records: list[dict[str, Any]] = []
        self.commands: list[Command] = []
        self.offset = 0

    def feed(self, *values: bytes | None, at: datetime = START) -> "Kept":
        self.stage.feed(batch(*values, start=self.offset, at=at))
        self.offset += len(values)
        return self

    def cut(self) -> "Kept":
        self.keep(self.stage.cut())
        self.stage.confirm()
        return self

    def keep(self, cut: Cut) -> None:
        for key, value in cut.entries.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        for record in cut.records:
            if record.topic == COMMANDS:
                self.commands.append(decode_command(record.value or b""))
            else:
                self.records.append(msgspec.json.decode(record.value or b"null"))

    def restart(self) -> "Kept":
        """What was not cut is lost."""
        self.stage = Deliver()
        self.stage.restore(self.entries)
        return self

    def due(self, now: datetime = START) -> list[str]:
        return [d.id for d in self.stage.due(now)]
