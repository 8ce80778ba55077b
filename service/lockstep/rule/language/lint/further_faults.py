"""What else is wrong with a rule that has a fault of form: nobody mends a file in rounds.

The rule is looked at once more without its faulty keys. What is found then is told only where it cannot come from what
was left out; the rule stays refused.
"""

import difflib
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lockstep.rule.language.compile import Compiler
from lockstep.rule.language.form import CONDITIONS, RuleFile, RuleModel, sources_in
from lockstep.rule.language.lint.lint import lint_beside_texts
from lockstep.rule.language.lint.uncompiled_rule import name_faults
from lockstep.rule.language.lint.warnings import advice
from lockstep.rule.language.measures import Measures
from lockstep.yaml.document import Document, Fault, Pointer, fault_of, keys, pointer_in

MOST_ROUNDS = 6
"""Of leaving out: a key that is needed takes with it what it stands in."""
_LENGTHS = frozenset({"window", "in", "within", "bucket"})
_BOUNDS = frozenset({"above", "below", "at_least", "at_most"})
_TIMES = _LENGTHS | {
    "previous", "same_time_of_day", "same_time_of_week", "known_at_least", "without", "otherwise", "baseline", "hours",
    "learn", "learn_from", "sensitivity", "direction",
}  # fmt: skip
"""Keys of conditions that say when; what a rule says of numbers, measures and labels stands without them."""
_OTHERS = _BOUNDS | {
    "by", "measure", "of", "label", "levels", "warning", "critical", "info", "clear", "deviations", "chance", "times",
    "usual_at_least", "of_at_least", "confidence", "reaches", "pace", "file", "column", "plus", "expected",
}  # fmt: skip
_OF_TIMES = frozenset(
    {
        "LS116",
        "LS120",
        "LS144",
        "LS145",
        "LS161",
        "LS163",
        "LS164",
        "LS180",
        "LS181",
        "LS184",
        "LS185",
        "LS188",
        "LS189",
        "LS200",
        "LS220",
        "LS230",
        "LS231",
    }
)
"""What a length that is not known could make untrue."""
_OF_NAMES = frozenset(
    {
        "LS122",
        "LS123",
        "LS126",
        "LS128",
        "LS130",
        "LS134",
        "LS135",
        "LS136",
        "LS137",
        "LS141",
        "LS142",
        "LS143",
        "LS147",
        "LS186",
        "LS291",
    }
)
"""What is true of measures and labels whatever the numbers are."""
_OF_LABELS = frozenset(
    {"LS128", "LS134", "LS137", "LS141", "LS146", "LS180", "LS186", "LS187", "LS220", "LS221", "LS291"}
)
"""What labels that are not known could make untrue."""


@dataclass(frozen=True)
class _Gone:
    """A key that was left out, or has a value that stands in. meant: what the key is, or may have been meant to be."""

    pointer: Pointer
    meant: str
    is_unknown: bool = False

    @property
    def is_within(self) -> bool:
        """Whether it is a part of a condition."""
        return len(self.pointer) > 1

    @property
    def is_time(self) -> bool:
        return self.is_within and self.meant in _TIMES

    def may_cause(self, code: str) -> bool:
        if self.meant == "by" and code in _OF_LABELS:
            return True
        if self.is_within:
            return code in _OF_TIMES if self.is_time else code not in _OF_NAMES
        return self.meant == "teams" and code == "LS143"


def faults_beside(document: Document, index: int, measures: Measures, compiler: Compiler) -> list[Fault]:
    """The faults of a rule beside those of its form.

    index: its place in the document's `rules`. measures: those that the file knows. compiler: of this document, one
    that nothing else notes its faults in.
    """
    raw = document.data["rules"][index]
    if not isinstance(raw, dict):
        return []
    model, gone, faults = _mended(document, index, raw)
    labels_are_known = not any(g.meant == "by" for g in gone)
    # The labels of a rule say what the columns of its tables are.
    if model is not None and (labels_are_known or not any(s.file is not None for s in sources_in(model))):
        rule = compiler.rule(model, index)
        faults += compiler.faults
        if rule is not None:
            # An override that was left out may be for the very row of a table that a 'clear' does not go with.
            rows_are_known = not any(g.meant == "overrides" for g in gone)
            faults += [f for f in lint_beside_texts(document, rule, index) if f.code != "LS125" or rows_are_known]
            faults += advice(document, rule, index)
    faults += name_faults(document, index, measures)
    return [f for f in faults if not any(g.may_cause(f.code) for g in gone)]


def _mended(document: Document, index: int, raw: dict[str, Any]) -> tuple[RuleModel | None, list[_Gone], list[Fault]]:
    """The rule without its faulty keys, which these are, and the faults of form that they hid."""
    data = deepcopy(raw)
    gone: list[_Gone] = []
    hidden: list[Fault] = []
    for _ in range(MOST_ROUNDS):
        try:
            return RuleModel.model_validate(data), gone, hidden
        except ValidationError as error:
            errors = error.errors()
        left_out: list[_Gone] = []
        for one, pointer in [(one, pointer_in(data, one["loc"])) for one in errors]:
            fault = fault_of(document, RuleFile, {**one, "loc": ("rules", index, *one["loc"])})
            if gone and one["type"] == "value_error" and not _is_caused(fault.code, pointer, gone):
                hidden.append(fault)
            left_out.append(_leave_out(data, one, pointer))
        gone += left_out
        if any(not g.pointer or (g.is_unknown and not g.is_within and g.meant in CONDITIONS) for g in left_out):
            break
    return None, gone, hidden


def _is_caused(code: str, pointer: Pointer, gone: list[_Gone]) -> bool:
    """Whether a fault of what a pointer leads to may come from what was left out of it."""
    within = [g for g in gone if g.pointer[: len(pointer)] == pointer]
    if code == "LS118":
        direct = [g for g in within if len(g.pointer) == len(pointer) + 1]
        return any(g.is_unknown or g.pointer[-1] in CONDITIONS for g in direct)
    return any(code in _OF_TIMES or not g.is_time for g in within)


def _leave_out(data: dict[str, Any], error: Any, pointer: Pointer) -> _Gone:
    """Take out of a rule the key that an error is about; an empty pointer where there is none."""
    last = error["loc"][-1] if error["loc"] else ""
    if error["type"] == "missing" and (last in _LENGTHS or (last == "name" and not pointer)):
        pointer = (*pointer, last)
    elif pointer and pointer[0] in ("clear", "overrides"):
        pointer = pointer[:1]
    while pointer and not isinstance(pointer[-1], str):
        pointer = pointer[:-1]
    if not pointer:
        return _Gone((), "")
    parent: Any = data
    for step in pointer[:-1]:
        inside = step in parent if isinstance(parent, dict) else isinstance(parent, list)
        parent = parent[step] if inside else None
    key, is_unknown = str(pointer[-1]), error["type"] == "extra_forbidden"
    if not isinstance(parent, dict):
        return _Gone(pointer, key)  # left out with what it stood in
    if key in _LENGTHS and not is_unknown and len(pointer) > 1:
        parent[key] = "1h"
    elif key in _BOUNDS and not is_unknown and len(pointer) > 1:
        parent[key] = 0 if pointer[-2] != "spike" else "2x" if key == "above" else "0.5x" if key == "below" else 0
    elif key == "name" and len(pointer) == 1:
        parent[key] = "A"
    else:
        parent.pop(key, None)
    return _Gone(pointer, _meant(key, pointer, raw_value=error.get("input")) if is_unknown else key, is_unknown)


def _meant(key: str, pointer: Pointer, *, raw_value: Any) -> str:
    """The known key that an unknown one is near; where none is, the one on which the most depends."""
    known = [*_TIMES, *_OTHERS] if len(pointer) > 1 else [k for k in keys(RuleModel) if k != "by"]
    if "by" in key.lower():
        return "by"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return near[0]
    if len(pointer) == 1 and isinstance(raw_value, dict):
        return CONDITIONS[0]
    return "by" if len(pointer) == 1 else ""
