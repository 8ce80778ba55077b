"""Reads a folder of rule files: every fault of every file, and a plan of all rules that are without one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockstep.document import Document, Fault, parse_document, read_document, validate
from lockstep.labels import stable_id
from lockstep.rule.compile import Compiler, NamedMeasure
from lockstep.rule.condition import Plan, Rule, series_of_condition
from lockstep.rule.lint import lint
from lockstep.rule.model import RuleFile

OTHER_FILES = ("routing", "calendar")
"""Files of the folder that are not rule files."""


@dataclass(frozen=True)
class Loaded:
    """plan: the rules without errors. faults: of all files, in the order of files and lines."""

    plan: Plan
    faults: tuple[Fault, ...]
    files: tuple[str, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(f for f in self.faults if f.level == "error")


def rule_files(paths: Iterable[Path]) -> list[Path]:
    """The rule files behind files and folders, sorted; tests/, routing and calendar are not among them."""
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found |= {f for f in [*path.glob("*.yml"), *path.glob("*.yaml")] if f.stem not in OTHER_FILES}
        elif path.stem not in OTHER_FILES:
            found.add(path)
    return sorted(found)


def load_rules(*paths: Path) -> Loaded:
    """The rules of files and folders."""
    files = rule_files(paths)
    documents, faults = [], []
    for file in files:
        document, wrong = read_document(file)
        faults += wrong
        if document is not None:
            documents.append(document)
    return _load(documents, faults, [str(f) for f in files])


def load_texts(texts: dict[str, str]) -> Loaded:
    """The rules in texts by name; as `load_rules`, without files."""
    documents, faults = [], []
    for name, text in texts.items():
        document, wrong = parse_document(name, text)
        faults += wrong
        if document is not None:
            documents.append(document)
    return _load(documents, faults, list(texts))


def _load(documents: Sequence[Document], faults: list[Fault], files: Sequence[str]) -> Loaded:
    models: list[tuple[Document, RuleFile]] = []
    for document in documents:
        model, wrong = validate(document, RuleFile)
        faults += wrong
        if model is not None:
            models.append((document, model))
    measures: dict[str, NamedMeasure] = {}
    for document, model in models:
        for name, measure in model.measures.items():
            other = measures.get(name)
            if other is None:
                measures[name] = NamedMeasure(name, measure, document)
            else:
                where = f"{other.document.path}:{other.document.place(other.pointer, key=True)[0]}"
                message = f"measure '{name}' stands also in {where}"
                faults.append(document.fault(("measures", name), message, "rename one of them", "LS140", key=True))
    rules: dict[str, Rule] = {}
    for document, model in models:
        compiler = Compiler(document, measures)
        for index, rule_model in enumerate(model.rules):
            rule = compiler.rule(rule_model, index)
            if rule is None:
                continue
            wrong = lint(document, rule, index)
            other_rule = rules.get(rule.name)
            if other_rule is not None:
                message = f"rule '{rule.name}' stands also in {other_rule.place}"
                wrong.append(document.fault(("rules", index, "name"), message, "rename one of them", "LS140"))
            faults += wrong
            if rule_model.enabled and not any(f.level == "error" for f in wrong):
                rules[rule.name] = rule
        faults += compiler.faults
    series = dict.fromkeys(s for r in rules.values() for s in series_of_condition(r.condition))
    fingerprint = stable_id("plan-1", *(r.version for r in rules.values()))[:12]
    plan = Plan(tuple(rules.values()), tuple(series), fingerprint)
    return Loaded(plan, tuple(sorted(set(faults))), tuple(files))
