"""The JSON Schema of rule files, made from the form."""

from typing import Any

from lockstep.rule.language.form.measure import PERCENTILE, SHORT
from lockstep.rule.language.form.rule import PackFile, RuleFile


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of rule files, for editors."""
    return _schema_of(RuleFile, "rules", "Lockstep rule file")


def pack_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of rule packs, for editors."""
    schema = _schema_of(PackFile, "pack", "Lockstep rule pack")
    for name, model in schema["$defs"].items():
        if name not in ("SettingModel", "MeasureModel", "MeasureName"):
            schema["$defs"][name] = _with_settings(model)
    schema["$defs"]["Setting"] = {
        "type": "object",
        "description": "The value of one of the pack's `settings`",
        "properties": {"setting": {"type": "string", "description": "Its name"}},
        "required": ["setting"],
        "additionalProperties": False,
    }
    return schema


def _schema_of(file: type[RuleFile], name: str, title: str) -> dict[str, Any]:
    schema = without_null(file.model_json_schema(by_alias=True))
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
        "$id": f"https://lockstep.example/schemas/{name}.schema.json",
        **schema,
        "title": title,
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


def _with_settings(node: Any) -> Any:
    """The schema where `{setting: name}` may stand for every number, length and ratio."""
    if isinstance(node, list):
        return [_with_settings(item) for item in node]
    if not isinstance(node, dict):
        return node
    types = node.get("type")
    is_value = types in ("number", "integer") or (isinstance(types, list) and {"number", "integer"} & set(types))
    if is_value or "[0-9.]+" in str(node.get("pattern", "")):
        kept = {k: v for k, v in node.items() if k in ("description", "title", "default")}
        return {**kept, "anyOf": [{k: v for k, v in node.items() if k not in kept}, {"$ref": "#/$defs/Setting"}]}
    return {key: _with_settings(value) for key, value in node.items()}


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
