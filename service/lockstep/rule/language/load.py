"""Loads the texts of rule files: every fault of every file, and a plan of all rules that are without one.

Who reads them from a folder is `adapters/rule_files.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lockstep.calendar import Calendar, read_calendar
from lockstep.labels import stable_id
from lockstep.rule.condition.kinds import Plan, Rule, series_of_condition
from lockstep.rule.language.compile import Compiler
from lockstep.rule.language.form import MeasureModel, RuleFile, RuleModel
from lockstep.rule.language.lint.foreign import foreign_fault
from lockstep.rule.language.lint.further_faults import faults_beside
from lockstep.rule.language.lint.lint import empty_keys, lint
from lockstep.rule.language.lint.outdated import doubtful_names
from lockstep.rule.language.lint.uncompiled import glance
from lockstep.rule.language.lint.warnings import advice, echoes
from lockstep.rule.language.measures import Measures, NamedMeasure
from lockstep.rule.language.reuse import reuse
from lockstep.rule.language.table import Tables
from lockstep.yaml.document import Document, Fault, document_of, validate

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Loaded:
    """plan: the rules without errors. faults: of all files, in the order of files and lines.

    files: the rule files, and the tables that their rules read.
    """

    plan: Plan
    faults: tuple[Fault, ...]
    files: tuple[str, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(f for f in self.faults if f.level == "error")


def load_texts(texts: Mapping[str, str]) -> Loaded:
    """The rules in texts by path, tables (`.csv`) and the calendar among them; each fault with its path.

    Bytes that are no UTF-8 stand in a text as `surrogateescape` reads them.
    """
    documents: list[Document] = []
    faults: list[Fault] = []
    calendar: Calendar | None = None
    for name, text in texts.items():
        if name.endswith(".csv"):
            continue
        document, wrong = document_of(name, text.encode("utf-8", "surrogateescape"))
        faults += wrong
        if document is not None and _is_calendar(name):
            calendar, wrong = read_calendar(document)
            faults += wrong
        elif document is not None:
            documents.append(document)
    files = [name for name in texts if not name.endswith(".csv")]
    return load_documents(documents, faults, files, texts=texts, calendar=calendar)


def load_documents(
    documents: Sequence[Document],
    unread: Sequence[Fault],
    files: Sequence[str],
    *,
    texts: Mapping[str, str],
    beside: Sequence[Document] = (),
    calendar: Calendar | None = None,
) -> Loaded:
    """The rules in documents. A bad measure or rule costs only itself and what uses it; a key that stands twice costs
    the rules of its file.

    unread: why other files are no documents. files: the paths of all of them. texts: path → text of the tables beside
    them, see `Tables`. beside: files that only lend measures.
    """
    faults = list(unread)
    tables = Tables(texts)
    foreign = {d.path: fault for d in documents if (fault := foreign_fault(d)) is not None}
    faults += foreign.values()
    documents = [d for d in documents if d.path not in foreign]
    reused = [reuse(document) for document in documents]
    documents = [r.document for r in reused]
    faults += [f for r in reused for f in r.faults]
    measures: dict[str, NamedMeasure] = {}
    broken: set[str] = set()
    for document, borrowed in [*((d, False) for d in documents), *((d, True) for d in beside)]:
        if not borrowed:
            faults += validate(document, RuleFile)[1] or _emptiness(document)
        # Which of two is meant is not guessed at, and what uses it is not told that it is wrong.
        unclear = {pointer[1] for pointer, _ in document.twice if pointer[0] == "measures" and len(pointer) > 1}
        broken |= _listed(document)
        for name, found in _items(document, "measures", MeasureModel):
            if isinstance(name, int):
                continue  # measures in a list, which has been said
            model = None if name in unclear else found
            if found is not None and not borrowed and (empty := empty_keys(document, ("measures", name))):
                faults += empty
                model = None
            other = measures.get(str(name))
            if other is not None and not borrowed:
                where = f"{other.document.path}:{other.document.place(('measures', name), key=True)[0]}"
                message = f"the name stands also in {where}"
                faults.append(document.fault(("measures", name), message, "rename one of them", "LS140", key=True))
            elif model is None:
                broken.add(str(name))
            elif other is None:
                measures[str(name)] = NamedMeasure(str(name), model, document)
    known = Measures(measures, broken - measures.keys(), [f.path for f in unread])
    faults += [f for f in known.faults if f.path not in {d.path for d in beside}]
    rules: dict[str, Rule] = {}
    places: dict[str, str] = {}
    stand: list[tuple[Document, int, Rule]] = []
    shaped: set[str] = set()  # names of rules whose form is right: of two the first is used
    for document, broken_rules in zip(documents, (r.broken for r in reused), strict=True):
        compiler = Compiler(document, known, calendar, tables)
        for index, rule_model in _items(document, "rules", RuleModel):
            if isinstance(index, str):
                continue  # rules by name are no list of rules, which has been said
            called, pointer = _name(document, index), ("rules", index)
            if called in places:
                message = f"rule '{called}' stands also in {places[called]}"
                faults.append(document.fault((*pointer, "name"), message, "rename one of them", "LS140"))
            elif called is not None:
                places[called] = f"{document.path}:{document.place(pointer)[0]}"
            if index in broken_rules:
                continue  # what it would borrow is not there, which has been said
            taken = rule_model is None or rule_model.name in shaped
            rule = None if rule_model is None or taken else compiler.rule(rule_model, index)
            if rule_model is not None:
                shaped.add(rule_model.name)
            if rule_model is None:
                faults += faults_beside(document, index, known, Compiler(document, known, calendar, tables))
                continue
            if rule is None:
                faults += glance(document, index, known)
                continue
            wrong = [*empty_keys(document, pointer), *lint(document, rule, index), *advice(document, rule, index)]
            faults += wrong
            if rule_model.enabled and not document.twice and not any(f.level == "error" for f in wrong):
                rules[rule.name] = rule
                stand.append((document, index, rule))
        faults += compiler.faults
    faults += tables.faults
    faults += echoes(stand)
    doubtful = doubtful_names(stand, places)
    faults += doubtful
    unsure = {(f.path, f.line) for f in doubtful}
    for document, index, rule in stand:
        if (document.path, document.place(("rules", index, "was"))[0]) in unsure:
            rules.pop(rule.name, None)
    series = dict.fromkeys(s for r in rules.values() for s in series_of_condition(r.condition))
    fingerprint = stable_id("plan-1", *(r.version for r in rules.values()))[:12]
    plan = Plan(tuple(rules.values()), tuple(series), fingerprint)
    return Loaded(plan, tuple(sorted(set(faults))), (*files, *tables.files))


def _is_calendar(path: str) -> bool:
    return path.rpartition("/")[2].rpartition(".")[0] == "calendar"


def _emptiness(document: Document) -> list[Fault]:
    """The warning of a file without any measure or rule, which is easily saved by mistake."""
    if document.data and any(document.data.values()):
        return []
    message = "the file holds nothing, so no rule of it is judged"
    return [document.fault((), message, "bring back what stood in it, or remove the file", "LS108", level="warning")]


def _name(document: Document, index: int) -> str | None:
    raw = document.data["rules"][index]
    name = raw.get("name") if isinstance(raw, dict) else None
    return name if isinstance(name, str) else None


def _listed(document: Document) -> set[str]:
    """The names of measures that stand in a list, `- name: orders` or `- orders: …`: that they do is said once."""
    items = document.data.get("measures") if isinstance(document.data, dict) else None
    found: set[str] = set()
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            found |= {str(item["name"])} if "name" in item else set(map(str, item))
    return found


def _items(document: Document, key: str, model: type[M]) -> Iterator[tuple[str | int, M | None]]:
    """The measures by name or the rules by place; None for one that is not as it must be."""
    items = document.data.get(key) if isinstance(document.data, dict) else None
    numbered = items.items() if isinstance(items, dict) else enumerate(items if isinstance(items, list) else ())
    for step, item in numbered:
        try:
            yield step, model.model_validate(item)
        except ValidationError:
            yield step, None
