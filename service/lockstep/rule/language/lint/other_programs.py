"""Rule files of other programs, known by their keys: each is named once, with where their words are translated."""

from typing import Any

from lockstep.yaml.document import Document, Fault

WHERE = "see 'Coming from ElastAlert, Kapacitor, Datadog or Prometheus' in rules/README.md"
_ELASTALERT = frozenset(
    {"index", "filter", "alert", "timeframe", "num_events", "query_key", "realert", "threshold_ref", "spike_height"}
)
_ALERTMANAGER = frozenset({"route", "inhibit_rules", "time_intervals", "mute_time_intervals"})
_KAPACITOR = frozenset({"dbrps", "script", "template-id"})
_DATADOG = frozenset({"query", "message", "options", "monitor_thresholds", "notify_no_data"})


def foreign_fault(document: Document) -> Fault | None:
    """That a file is one of another program; None where it may be ours."""
    program = _program(document.data)
    if program is None:
        return None
    return document.fault((), f"this is a rule file of {program}", WHERE, "LS119")


def _program(data: Any) -> str | None:
    if isinstance(data, list):
        data = data[0] if data else None
    if not isinstance(data, dict) or "measures" in data:
        return None
    kind = data.get("kind")
    if kind in ("PrometheusRule", "VMRule") or _has_groups(data.get("groups")):
        return "Prometheus"
    words = set(data)
    if "type" in data and len(words & _ELASTALERT) > 1:
        return "ElastAlert"
    if len(words & _ALERTMANAGER) > 0 and ("receivers" in data or "route" in data):
        return "Alertmanager"
    if len(words & _KAPACITOR) > 1:
        return "Kapacitor"
    if "type" in data and len(words & _DATADOG) > 1:
        return "Datadog"
    return None


def _has_groups(groups: Any) -> bool:
    """Prometheus' `groups: [{name, rules: [{alert, expr}]}]`, also those of Grafana, which has the same words."""
    return isinstance(groups, list) and any(isinstance(group, dict) and "rules" in group for group in groups)
