"""What can be asked over HTTP: a class for each part, which declares its operations beside what answers them."""

from typing import Any

from lockstep.adapters.http import inbound
from lockstep.adapters.http.openapi import Operation, document_of, operations_of
from lockstep.adapters.http.operations import event_operations
from lockstep.adapters.http.operations.alert_operations import AlertOperations
from lockstep.adapters.http.operations.event_operations import EventOperations
from lockstep.adapters.http.operations.rule_operations import RuleOperations
from lockstep.adapters.http.operations.service_operations import ServiceOperations

OWNERS: tuple[type, ...] = (
    EventOperations,
    AlertOperations,
    RuleOperations,
    ServiceOperations,
    inbound.Inbound,
)
"""Every class that declares operations of the API; the server serves one object of each, and the pages for people,
which the document leaves out."""


def all_operations() -> tuple[Operation, ...]:
    """What all of them declare."""
    return tuple(operation for owner in OWNERS for operation in operations_of(owner).values())


def openapi() -> dict[str, Any]:
    """The OpenAPI document, made of what the handlers declare."""
    return document_of(all_operations(), {"Receipt": event_operations.RECEIPT, "Taken": inbound.TAKEN})
