"""Rule files of Prometheus: groups of alerting rules, with what their recording rules record."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lockstep.rule.language.quantity import duration_text
from lockstep.tools.foreign_rules import texts
from lockstep.tools.foreign_rules.equivalent import Equivalent, Left, Measures, NoEquivalent, rule_name
from lockstep.tools.foreign_rules.prometheus_condition import ConditionWriter
from lockstep.tools.foreign_rules.promql import condition_of, parsed
from lockstep.tools.foreign_rules.shop_measures import ShopMeasures
from lockstep.yaml.document import Document, Pointer

_DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+")
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_SEVERITIES = {
    **dict.fromkeys(("critical", "crit", "page", "error", "high", "emergency", "fatal", "p1"), "critical"),
    **dict.fromkeys(("warning", "warn", "medium", "average", "ticket", "p2"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "low", "notice", "none", "p3"), "info"),
}
"""The label `severity` as people write it → ours."""
_DIFFERENCES = {
    "for": "`for` ends at breach + its length exactly, and a minute without data does not begin it anew",
    "max_alerts": "over `limit` all alerts were dropped there; here the most severe are told and the rest as one",
}


def rules_in(data: Any) -> Iterator[tuple[Pointer, Mapping[str, Any], Mapping[str, Any]]]:
    """(place, group, rule) of all in a file, whichever of its shapes it has: groups, a group, rules, one rule."""
    if isinstance(data, dict) and isinstance(data.get("spec"), dict) and "groups" not in data:
        yield from ((("spec", *place), group, rule) for place, group, rule in rules_in(data["spec"]))
    elif isinstance(data, dict) and isinstance(data.get("groups"), list):
        for i, group in enumerate(data["groups"]):
            if isinstance(group, dict):
                yield from ((("groups", i, *place), group, rule) for place, _, rule in rules_in(group))
    elif isinstance(data, dict) and isinstance(data.get("rules"), list):
        yield from ((("rules", *place), data, rule) for place, _, rule in rules_in(data["rules"]))
    elif isinstance(data, list):
        yield from (((i,), {}, rule) for i, rule in enumerate(data) if isinstance(rule, dict))
    elif isinstance(data, dict):
        yield (), {}, data


def records_in(documents: Sequence[Document]) -> dict[str, Any]:
    """The trees of the recording rules of files, by name; one that is no PromQL is missing."""
    records: dict[str, Any] = {}
    for document in documents:
        for _, _, rule in rules_in(document.data):
            if isinstance(rule.get("record"), str) and isinstance(rule.get("expr"), str):
                try:
                    records[rule["record"]] = parsed(rule["expr"])
                except NoEquivalent:
                    continue
    return records


def equivalents(
    document: Document, known: ShopMeasures, measures: Measures, records: Mapping[str, Any]
) -> Iterator[Equivalent | Left]:
    """What becomes of each alerting rule of a file. measures: collects those of all files."""
    for pointer, group, rule in rules_in(document.data):
        if "record" in rule:
            continue
        place = f"{document.path}:{document.place(pointer)[0]}"
        name = str(rule.get("alert", "a rule without a name"))[:200]
        try:
            yield _equivalent(place, name, group, rule, known=known, measures=measures, records=records)
        except NoEquivalent as error:
            yield Left(place, name, str(error))


def _equivalent(
    place: str,
    name: str,
    group: Mapping[str, Any],
    rule: Mapping[str, Any],
    *,
    known: ShopMeasures,
    measures: Measures,
    records: Mapping[str, Any],
) -> Equivalent:
    expression = rule.get("expr")
    if isinstance(expression, int | float) and not isinstance(expression, bool):
        expression = str(expression)
    if not isinstance(expression, str) or "alert" not in rule:
        raise NoEquivalent("it is no rule of Prometheus: `alert` and `expr` are missing")
    labels = {**_texts_of(group.get("labels")), **_texts_of(rule.get("labels"))}
    annotations = _texts_of(rule.get("annotations"))
    condition = condition_of(parsed(expression), records)
    writer = ConditionWriter(known, measures, labels=texts.labels_in([*annotations.values(), *labels.values()]))
    by = writer.labels_of(condition)
    written = writer.written(condition)
    remarks = writer.remarks
    body = _lifecycle(rule, group, labels, remarks)
    differences = [*writer.differences, *(said for key, said in _DIFFERENCES.items() if key in body)]
    body |= _said(annotations, by, remarks)
    left = {label: value for label, value in labels.items() if label != "severity"}
    if left:
        remarks.append(f"labels: {', '.join(f'{label}: {value}' for label, value in left.items())}")
    if rule_name(name) != name:
        remarks.append(f"its name there is '{name}'")
    origin = f"{place}: {expression}"
    return Equivalent(rule_name(name), origin, written, writer.measures, by, body, remarks, differences)


def _texts_of(value: Any) -> dict[str, str]:
    """Labels and annotations: whatever stands there, as text."""
    return {str(k): str(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else {}


def _lifecycle(
    rule: Mapping[str, Any], group: Mapping[str, Any], labels: Mapping[str, str], remarks: list[str]
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    hold = _duration_s(rule.get("for"), "for")
    if hold:
        body["for"] = duration_text(hold)
    kept = _duration_s(rule.get("keep_firing_for"), "keep_firing_for")
    if kept:
        body["keep_firing_for"] = duration_text(kept)
    severity = labels.get("severity", "").lower()
    if severity in _SEVERITIES:
        body["severity"] = _SEVERITIES[severity]
    if severity and severity not in ("critical", "warning", "info"):
        remarks.append(f"its severity there is '{labels['severity']}'")
    owner = labels.get("owner") or labels.get("team")
    if owner:
        body["owner"] = owner
    limit = group.get("limit")
    if isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit <= 1000:
        body["max_alerts"] = limit
    return body


def _said(annotations: Mapping[str, str], by: Sequence[str], remarks: list[str]) -> dict[str, Any]:
    """The texts of a rule, of its annotations; what none of ours has a place for becomes a remark."""
    body: dict[str, Any] = {}
    say: dict[str, str] = {}
    for key, annotation in annotations.items():
        text, left = texts.from_go(annotation, by)
        team = {"summary": "summary", "description": "operations", "message": "operations"}.get(key)
        if key in ("runbook_url", "runbook") and not left:
            body["runbook"] = annotation
        elif team is not None and team not in say and text:
            say[team] = text
        else:
            remarks.append(f"{key}: {annotation}")
            continue
        remarks += [f"left out of {key}: {{{{ {part} }}}}" for part in left]
    return body | ({"say": say} if say else {})


def _duration_s(value: Any, key: str) -> int:
    """`5m`, `1h30m`, 0. Raises NoEquivalent."""
    text = "0s" if value in (None, 0, "0") else str(value)
    if not _DURATION.fullmatch(text) or len(text) > 30:
        raise NoEquivalent(f"`{key}: {text[:40]}` is no length of time")
    milliseconds = sum(int(n) * _UNITS_MS[unit] for n, unit in re.findall(r"([0-9]+)(ms|[smhdwy])", text))
    if milliseconds > 366 * _UNITS_MS["d"]:
        raise NoEquivalent(f"`{key}: {text}` is longer than a year")
    return -(-milliseconds // 1_000)
