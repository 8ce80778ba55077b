"""What programs get beside alerts: which destinations are theirs, a document for each, and what names are at fault."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from lockstep.labels import stable_id
from lockstep.notification import Audience
from lockstep.notify.pipeline.hooks import ProgramDocument
from lockstep.notify.receivers import CHANNELS, ReceiverModel
from lockstep.ports import Destination
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean


def programs_of(names: Sequence[str], destinations: Mapping[str, Sequence[Destination]]) -> tuple[Destination, ...]:
    """The destinations of programs among those of the receivers, each once. destinations: of each receiver."""
    reached = (d for name in names for d in destinations.get(name, ()))
    return tuple({d.id: d for d in reached if is_program(d)}.values())


def is_program(destination: Destination) -> bool:
    """Whether programs read what goes there."""
    return CHANNELS[destination.channel].audience is Audience.PROGRAMS


def program_documents(
    to: Sequence[Destination], body: dict[str, Any], *number: str | int, subject: str
) -> tuple[ProgramDocument, ...]:
    """A document for each destination, which is worth trying for a day.

    body: with its `type`, as a published schema says. number: which of its type it is; of one number there is one
    delivery, however often it is decided. subject: what it is about; of one subject they arrive in order.
    """
    return tuple(
        ProgramDocument(
            id=stable_id("delivery", destination.id, body["type"], *number),
            destination=destination,
            state=body["type"],
            body=body,
            life_s=float(DAY_S),
            subject=subject,
        )
        for destination in to
    )


def program_faults(
    key: str,
    names: Sequence[str],
    document: Document,
    receivers: Mapping[str, ReceiverModel],
    broken: Collection[str],
    *,
    why_no_people: str,
) -> Iterator[Fault]:
    """What is wrong with whom a part of routing.yml goes to.

    key: the part, `heartbeat`; its names stand under `to`. broken: receivers whose faults have been said.
    why_no_people: "people need no heartbeat".
    """
    several = isinstance(document.find((key, "to")), list)
    for i, name in enumerate(names):
        at: Pointer = (key, "to", i) if several else (key, "to")
        if name not in receivers:
            yield document.fault(at, f"unknown receiver '{name}'", did_you_mean(name, receivers), "LS150")
        elif name not in broken and all(w.audience is not Audience.PROGRAMS for w in receivers[name].ways().values()):
            message = f"receiver '{name}' has no webhook, and {why_no_people}"
            yield document.fault(at, message, "name one with a webhook", "LS274")
