"""The JSON Schema of rule files, made from the form."""

from typing import Any

from lockstep.rule.language.form.measure import PERCENTILE, SHORT
from lockstep.rule.language.form.rule import RuleFile


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of rule files, for editors."""
    schema = without_null(RuleFile.model_json_schema(by_alias=True))
    measure = schema["$defs"]["MeasureModel"]
    percentile = measure["properties"].pop("percentile")
    measure["properties"].pop("quantile", None)
    measure["patternProperties"] = {f"^{PERCENTILE.pattern}$": percentile}
    for short, word in SHORT.items():
        measure["properties"][short] = measure["properties"][word]
    for model in ("PartModel", "RuleModel"):
        properties = schema["$defs"][model]["properties"]
        for word in ("all", "any"):
            properties[word]["items"] = {"anyOf": [properties[word]["items"], {"type": "string"}]}
        properties["not"] = _or_a_name(properties["not"])
    for model in schema["$defs"].values():
        _with_variables(model)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/rules.schema.json",
        **schema,
        "title": "Lockstep rule file",
    }


def _or_a_name(node: dict[str, Any]) -> dict[str, Any]:
    """The schema of a condition that may also be named."""
    words = {k: v for k, v in node.items() if k in ("description", "title", "default")}
    return {**words, "anyOf": [{k: v for k, v in node.items() if k not in words}, {"type": "string"}]}


def _with_variables(node: Any) -> None:
    """Let `$name` stand where the schema asks for a number or a ratio as text."""
    if isinstance(node, dict):
        pattern = node.get("pattern", "")
        if "[0-9.]+" in pattern:
            node["pattern"] = f"{pattern}|^\\$[A-Za-z_][A-Za-z0-9_-]*$"
        for value in node.values():
            _with_variables(value)
    elif isinstance(node, list):
        for value in node:
            _with_variables(value)


def without_null(node: Any) -> Any:
    """The schema without "or null" at every optional key: editors would offer it, and say nothing clear any more."""
    if isinstance(node, list):
        return [without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {k: without_null(v) for k, v in node.items() if not (k == "default" and v is None)}
    choices = result.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [c for c in choices if c != {"type": "null"}]
        del result["anyOf"]
        result = {**rest[0], **result} if len(rest) == 1 else {**result, "anyOf": rest}
    return result
