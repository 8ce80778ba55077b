"""What can be asked over HTTP: a class for each part, which declares its operations beside what answers them."""

from typing import Any

from lockstep.adapters.http import inbound
from lockstep.adapters.http.openapi import Operation, document_of, operations_of
from lockstep.adapters.http.operations import (
    action_operations,
    alert_operations,
    event_operations,
    giving,
    history_operations,
    on_call_operations,
    silence_operations,
    timeline_operations,
)
from lockstep.adapters.http.operations.campaigns import campaign_operations
from lockstep.adapters.http.operations.rule_operations import RuleOperations
from lockstep.adapters.http.operations.service_operations import ServiceOperations
from lockstep.adapters.http.operations.shop import report_operations
from lockstep.adapters.http.record_schemas import components
from lockstep.notify.quiet.preview import Preview
from lockstep.reports.report_body import ReportBody
from lockstep.response.command import Answer
from lockstep.response.decision import Decision
from lockstep.response.standing import Action, Handling, Override, PlanStanding

OWNERS: tuple[type, ...] = (
    event_operations.EventOperations,
    alert_operations.AlertOperations,
    silence_operations.SilenceOperations,
    on_call_operations.OnCallOperations,
    action_operations.ActionOperations,
    report_operations.ReportOperations,
    campaign_operations.CampaignOperations,
    history_operations.HistoryOperations,
    timeline_operations.TimelineOperations,
    RuleOperations,
    ServiceOperations,
    inbound.Inbound,
)
"""Every class that declares operations of the API; the server serves one object of each, and the pages for people,
which the document leaves out."""

_SCHEMAS: dict[str, Any] = {
    "Receipt": event_operations.RECEIPT,
    "Taken": inbound.TAKEN,
    "Alert": alert_operations.ALERT,
    "Alerts": alert_operations.ALERTS,
    "Answered": giving.ANSWERED,
    "Silences": silence_operations.SILENCES,
    "OnCall": on_call_operations.ON_CALL,
    "Actions": action_operations.ACTIONS,
    "Reports": report_operations.REPORTS,
    "Campaign": campaign_operations.PLANNED,
    "Campaigns": campaign_operations.CAMPAIGNS,
    "Why": history_operations.WHY,
    "Events": history_operations.EVENTS,
    "Audit": history_operations.AUDIT_PAGE,
    "Timeline": timeline_operations.TIMELINE,
    "Delivery": history_operations.DELIVERY,
    "Deliveries": history_operations.DELIVERIES_PAGE,
}


def all_operations() -> tuple[Operation, ...]:
    """What all of them declare."""
    return tuple(operation for owner in OWNERS for operation in operations_of(owner).values())


def openapi() -> dict[str, Any]:
    """The OpenAPI document, made of what the handlers declare and of the records that they show."""
    shown = [ReportBody, Action, Handling, Override, PlanStanding, Decision, Answer, Preview]
    records = components(shown, ref="#/components/schemas/{name}")
    return document_of(all_operations(), {**records, **_SCHEMAS, "ShownSilence": silence_operations.SILENCE})
