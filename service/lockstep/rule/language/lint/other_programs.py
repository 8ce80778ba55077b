"""Rule files of other programs, known by their keys: each is named once, with the way to rules of ours."""

from typing import Any

from lockstep.yaml.document import Document, Fault

WHERE = "see 'Coming from ElastAlert, Kapacitor, Datadog or Prometheus' in rules/README.md"
_CONVERTED = ("Prometheus", "ElastAlert")
"""Whose rules `lockstep convert rules` knows."""
_ELASTALERT = frozenset(
    {"index", "filter", "alert", "timeframe", "num_events", "query_key", "realert", "threshold_ref", "spike_height"}
)
_ELASTALERT_TYPES = frozenset(
    {
        "any",
        "blacklist",
        "whitelist",
        "change",
        "frequency",
        "spike",
        "spike_aggregation",
        "flatline",
        "new_term",
        "cardinality",
        "metric_aggregation",
        "percentage_match",
    }
)
_ALERTMANAGER = frozenset({"route", "inhibit_rules", "time_intervals", "mute_time_intervals"})
_KAPACITOR = frozenset({"dbrps", "script", "template-id"})
_DATADOG = frozenset({"query", "message", "options", "monitor_thresholds", "notify_no_data"})


def foreign_fault(document: Document) -> Fault | None:
    """That a file is one of another program; None where it may be ours."""
    program = program_of(document.data)
    if program is None:
        return None
    way_out = WHERE
    if program in _CONVERTED:
        way_out = f"`lockstep convert rules {document.path}` writes what has an equivalent here and says what has none"
    return document.fault((), f"this is a rule file of {program}", way_out, "LS119")


def program_of(data: Any) -> str | None:
    """Whose rule file it is; None where it may be ours, or is nobody's."""
    if isinstance(data, list):
        first = data[0] if data else None
        return "Prometheus" if _is_alerting(first) else _program_of_mapping(first)
    return _program_of_mapping(data)


def _program_of_mapping(data: Any) -> str | None:
    if not isinstance(data, dict) or "measures" in data:
        return None
    kind = data.get("kind")
    if kind in ("PrometheusRule", "VMRule") or _is_alerting(data) or _is_group(data):
        return "Prometheus"
    if _has_groups(data.get("groups")):
        return "Grafana" if "apiVersion" in data and "kind" not in data else "Prometheus"
    words = set(data)
    if "type" in data and (
        len(words & _ELASTALERT) > 1 or (str(data["type"]) in _ELASTALERT_TYPES and words & _ELASTALERT)
    ):
        return "ElastAlert"
    if len(words & _ALERTMANAGER) > 0 and ("receivers" in data or "route" in data):
        return "Alertmanager"
    if len(words & _KAPACITOR) > 1:
        return "Kapacitor"
    if "type" in data and len(words & _DATADOG) > 1:
        return "Datadog"
    return None


def _is_alerting(rule: Any) -> bool:
    """One rule of Prometheus, as it is copied from a collection: `- alert: HostDown, expr: up == 0`."""
    return isinstance(rule, dict) and "expr" in rule and ("alert" in rule or "record" in rule)


def _is_group(data: dict[Any, Any]) -> bool:
    rules = data.get("rules")
    return isinstance(rules, list) and any(map(_is_alerting, rules))


def _has_groups(groups: Any) -> bool:
    """Prometheus' `groups: [{name, rules: [{alert, expr}]}]`, also those of Grafana, which has the same words."""
    return isinstance(groups, list) and any(isinstance(group, dict) and "rules" in group for group in groups)
