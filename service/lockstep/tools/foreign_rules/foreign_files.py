"""Files of other programs' rules as one file of ours, which `lockstep check` takes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lockstep.rule.language.lint.other_programs import WHERE, program_of
from lockstep.rule.language.load import load_texts
from lockstep.tools.foreign_rules import elastalert, prometheus
from lockstep.tools.foreign_rules.equivalent import Definition, Equivalent, Left, Measures, written
from lockstep.tools.foreign_rules.shop_measures import ShopMeasures
from lockstep.yaml.document import Document, Fault

_FILE = "converted.yml"


@dataclass(frozen=True)
class Translation:
    """text: a rule file, with what has no equivalent as comments at its end. rules: names of those that were written.

    left: those that have none. programs: (file, whose it is).
    """

    text: str
    rules: tuple[str, ...]
    left: tuple[Left, ...]
    programs: tuple[tuple[str, str], ...]


def translate(documents: Sequence[Document], said: Mapping[str, Definition] | None = None) -> Translation:
    """Every rule of files that has an equivalent. said: what metrics and indexes stand for, by name."""
    known, measures = ShopMeasures(said), Measures()
    whose = [(document, program_of(document.data)) for document in documents]
    records = prometheus.records_in([document for document, program in whose if program == "Prometheus"])
    rules: list[Equivalent] = []
    left: list[Left] = []
    for document, program in whose:
        for outcome in _equivalents(document, program, known, measures, records):
            if isinstance(outcome, Left):
                left.append(outcome)
            else:
                rules.append(outcome)
    rules = _named_apart(rules)
    sound: list[Equivalent] = []
    for rule in rules:
        kept, fault = _without_faults(rule)
        if kept is not None:
            sound.append(kept)
        elif fault is not None:
            place = rule.origin.partition(": ")[0]
            left.append(Left(place, rule.name, f"{fault.message}; {fault.remedy} [{fault.code}]"))
    notes = ["", "Without an equivalent here:", *map(str, left)] if left else []
    return Translation(
        written(sound, _used(sound), notes),
        tuple(rule.name for rule in sound),
        tuple(left),
        tuple((document.path, program) for document, program in whose if program is not None),
    )


def _equivalents(
    document: Document, program: str | None, known: ShopMeasures, measures: Measures, records: Mapping[str, Any]
) -> Iterable[Equivalent | Left]:
    if program == "Prometheus":
        return prometheus.equivalents(document, known, measures, records)
    if program == "ElastAlert":
        return elastalert.equivalents(document, known, measures)
    if program is None:
        reason = "it is no rule file of Prometheus or ElastAlert"
    else:
        reason = f"it is a rule file of {program}, which is not converted; {WHERE}"
    return [Left(f"{document.path}:1", "the file", reason)]


def _named_apart(rules: Sequence[Equivalent]) -> list[Equivalent]:
    """Rules of one name, as Prometheus has them for two severities, get a name each."""
    taken: set[str] = set()
    apart: list[Equivalent] = []
    for rule in rules:
        name, number = rule.name, 2
        severity = str(rule.body.get("severity", ""))
        if name in taken and severity and f"{name}_{severity}"[:100] not in taken:
            name = f"{name}_{severity}"[:100]
        while name in taken:
            name = f"{rule.name[:95]}_{number}"
            number += 1
        taken.add(name)
        if name != rule.name:
            remark = f"its name there is '{rule.name}', which another rule has as well"
            rule = replace(rule, name=name, remarks=[*rule.remarks, remark])
        apart.append(rule)
    return apart


def _without_faults(rule: Equivalent) -> tuple[Equivalent | None, Fault | None]:
    """The rule as `check` takes it, without texts that are at fault; None and the fault where it does not take it."""
    fault = _fault_of(rule)
    if fault is None:
        return rule, None
    if "say" in rule.body:
        remarks = [*rule.remarks, *(f"text that could not be kept: {text}" for text in rule.body["say"].values())]
        plain = replace(rule, body={k: v for k, v in rule.body.items() if k != "say"}, remarks=remarks)
        if _fault_of(plain) is None:
            return plain, None
    return None, fault


def _fault_of(rule: Equivalent) -> Fault | None:
    loaded = load_texts({_FILE: written([rule], rule.measures, [])})
    return next(iter(loaded.errors), None)


def _used(rules: Sequence[Equivalent]) -> dict[str, Definition]:
    def named() -> Iterator[tuple[str, Definition]]:
        for rule in rules:
            yield from rule.measures.items()

    return dict(named())
