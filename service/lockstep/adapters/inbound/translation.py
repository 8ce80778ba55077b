"""What a webhook becomes: events, or the reason why none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lockstep.errors import LockstepError


class WebhookOutcome(StrEnum):
    """What became of a webhook.

    published: the broker has what it says. ignored: it says nothing that rules read. refused: it should be an event and
    cannot be one. unsigned: its signature is missing, or another one.
    """

    PUBLISHED = "published"
    IGNORED = "ignored"
    REFUSED = "refused"
    UNSIGNED = "unsigned"


class BadPayload(LockstepError):
    """A body that should be an event and cannot be one: it names the field. Sent again it would be no better."""


@dataclass(frozen=True)
class Translation:
    """events: CloudEvents, not checked yet. reason: for people, why nothing comes of it; "" where something does.

    skus: what it says besides of things that the sender names otherwise elsewhere: its name of it → the sku.
    """

    events: tuple[Mapping[str, Any], ...] = ()
    reason: str = ""
    skus: Mapping[str, str] = field(default_factory=dict)


def translated(*events: Mapping[str, Any]) -> Translation:
    return Translation(events)


def ignored(reason: str) -> Translation:
    return Translation(reason=reason)


def event(kind: str, *, source: str, id: str, time: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A CloudEvent. What is None in `data` is left out."""
    said = {name: value for name, value in data.items() if value is not None}
    return {"specversion": "1.0", "id": id, "source": source, "type": kind, "time": time, "data": said}
