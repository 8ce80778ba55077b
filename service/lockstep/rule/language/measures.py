"""Measures by name: looked at once, where they stand, and made into series for each rule that uses them.

Business measures have their names without being declared, see `lockstep.shop.catalogue`.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from lockstep.event import TYPES, field_kind, known_paths, line_fields
from lockstep.measure.definition import Aggregate, Expression, Measured, Number, Operation, SeriesDef
from lockstep.rule.language.form import AGGREGATES, MeasureModel
from lockstep.shop.catalogue import BUSINESS, Business
from lockstep.yaml.document import Document, Fault, did_you_mean

MOST_TERMS = 100
"""Series and numbers of one formula, with the formulas in it written out."""
LONGEST_FORMULA = 1_000

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_FORMULA_HINT = "write names of measures, numbers, + - * / and ( )"


@dataclass(frozen=True)
class NamedMeasure:
    """A measure and where it stands."""

    name: str
    model: MeasureModel
    document: Document

    @property
    def kind(self) -> str:
        return next(k for k in (*AGGREGATES, "percentile") if getattr(self.model, k) is not None)

    @property
    def event_type(self) -> str:
        return str(self.model.count if self.kind == "count" else self.model.of)

    @property
    def field(self) -> str | None:
        return None if self.kind == "count" else str(getattr(self.model, self.kind))


@dataclass(frozen=True)
class Grouping:
    """What a rule asks of its measures. by: labels as spelled (`sku` or `lines.sku`); bucket_s: the base slice.

    key: the labels that all measures of the rule share, where that is less than `by`.
    """

    by: tuple[str, ...]
    bucket_s: int
    key: tuple[str, ...] | None = None


class BadFormula(Exception):
    """What is wrong with a formula; column from 1, where one is known."""


class Measures:
    """The measures of all files. Those with a fault are known by name, so that nobody calls them unknown."""

    def __init__(self, measures: Mapping[str, NamedMeasure], broken: Iterable[str], unread: Sequence[str]) -> None:
        """broken: names of measures that could not be understood; unread: rule files that could not be read."""
        self._named = dict(measures)
        self._broken = set(broken)
        self._unread = unread
        self.faults: list[Fault] = []
        for measure in measures.values():
            self._check(measure)
        # What is made of a broken measure is broken, too; a second fault for it would only hide the first.
        while True:
            spoiled = {
                m.name
                for m in measures.values()
                if m.model.formula is not None
                and m.name not in self._broken
                and self._broken & set(_names(m.model.formula))
            }
            if not spoiled:
                break
            self._broken |= spoiled

    def is_known(self, name: str) -> bool:
        return name in self._named or name in self._broken or name in BUSINESS

    def is_usable(self, name: str) -> bool:
        return (name in self._named or name in BUSINESS) and name not in self._broken

    def remedy(self, name: str) -> str:
        """The way out for a name that nobody knows."""
        elsewhere = f" (or does it stand in {self._unread[0]}, which cannot be read?)" if self._unread else ""
        own = {*self._named, *self._broken}
        near = did_you_mean(name, own | BUSINESS.keys())
        if not near.startswith("did"):
            near = did_you_mean(name, own)  # the business measures are too many to list
        return near + elsewhere

    def expression(self, name: str, grouping: Grouping) -> Expression:
        """What a usable measure is for a rule, under the name that its author gave it."""
        if name not in self._named:
            return Measured(BUSINESS[name].series)
        measure = self._named[name]
        if measure.model.formula is None:
            return Measured(series_of_measure(measure, grouping))
        built = self._built(_tree(measure.model.formula), grouping)
        match built:
            case Measured(series):
                return Measured(replace(series, name=name))
            case Operation():
                return replace(built, name=name)
            case Number():
                return built
            case _:
                assert_never(built)

    def _built(self, node: ast.expr, grouping: Grouping) -> Expression:
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return Operation(_OPERATORS[type(op)], self._built(left, grouping), self._built(right, grouping))
            case ast.UnaryOp(operand=operand):
                return Operation("-", Number(0.0), self._built(operand, grouping))
            case ast.Name(id=other):
                return self.expression(other, grouping)
            case _:
                return Number(_constant(node))

    def named_in(self, name: str) -> list[NamedMeasure]:
        """The measures of events behind a usable one: itself, or those of its formula."""
        measure = self._named.get(name)
        if measure is None:
            return []
        if measure.model.formula is None:
            return [measure]
        return [m for other in _names(measure.model.formula) for m in self.named_in(other)]

    def business_in(self, name: str) -> list[Business]:
        """The business measures behind a usable one: itself, or those of its formula."""
        measure = self._named.get(name)
        if measure is None:
            return [BUSINESS[name]] if name in BUSINESS else []
        formula = measure.model.formula
        return [] if formula is None else [b for other in _names(formula) for b in self.business_in(other)]

    # ---- looking at one -------------------------------------------------------------------------------------------

    def _note(
        self,
        measure: NamedMeasure,
        key: str,
        message: str,
        remedy: str,
        code: str,
        *,
        level: Literal["error", "warning"] = "error",
    ) -> None:
        self.faults.append(measure.document.fault(("measures", measure.name, key), message, remedy, code, level=level))
        if level == "error":
            self._broken.add(measure.name)

    def _check(self, measure: NamedMeasure) -> None:
        if measure.name in BUSINESS:
            meaning = BUSINESS[measure.name].meaning
            message = f"the business measure of that name cannot be used beside it: {meaning}"
            remedy = "rename this one, or remove it to use that one"
            self.faults.append(
                measure.document.fault(("measures", measure.name), message, remedy, "LS290", level="warning", key=True)
            )
        if measure.model.formula is not None:
            self._check_formula(measure, measure.model.formula)
            return
        kind, event_type = measure.kind, measure.event_type
        if event_type not in TYPES:
            message = f"unknown event type '{event_type}'"
            self._note(measure, "count" if kind == "count" else "of", message, did_you_mean(event_type, TYPES), "LS132")
            return
        written = measure.document.data["measures"][measure.name]
        spelled = next((k for k, v in written.items() if k not in ("of", "where") and v == measure.field), kind)
        if measure.field is not None:
            self._check_field(measure, measure.field, spelled)
        for label in measure.model.where:
            if label.startswith("lines.") and not line_fields(event_type):
                message = f"{event_type} has no lines"
                self._note(measure, "where", message, "remove 'lines.'", "LS133")
            elif is_a_name(event_type, label):
                message = f"'{label}' of {event_type} may name a person, and labels are read by many"
                self._note(measure, "where", message, "leave it out", "LS136")
            elif field_kind(event_type, _path(event_type, label)) == "unknown":
                message = f"{event_type} has no '{label}' of its own"
                remedy = f"{did_you_mean(label, labels_of(event_type))} (an extra field is fine, too)"
                self._note(measure, "where", message, remedy, "LS135", level="warning")

    def _check_field(self, measure: NamedMeasure, field: str, spelled: str) -> None:
        event_type = measure.event_type
        kind = field_kind(event_type, field)
        plain = field.removeprefix("lines.")
        numbers = [p for p in known_paths(event_type) if field_kind(event_type, p) == "number" and p != "count"]
        if plain != field and not line_fields(event_type):
            self._note(measure, spelled, f"{event_type} has no lines", did_you_mean(plain, numbers), "LS133")
        elif not plain.isidentifier() or plain.startswith("_"):
            self._note(measure, spelled, f"'{field}' cannot be a field", did_you_mean(field, numbers), "LS133")
        elif kind == "unknown":
            message = f"{event_type} has no '{field}' of its own"
            known = known_paths(event_type) if measure.kind == "distinct" else numbers
            remedy = f"{did_you_mean(field, known)} (an extra field is fine, too)"
            self._note(measure, spelled, message, remedy, "LS135", level="warning")
        elif kind != "number" and measure.kind != "distinct":
            message = f"'{field}' of {event_type} is no number"
            self._note(measure, spelled, message, did_you_mean(field, numbers), "LS133")

    def _check_formula(self, measure: NamedMeasure, text: str) -> None:
        def bad(message: str, remedy: str = _FORMULA_HINT, code: str = "LS131") -> None:
            self._note(measure, "formula", message, remedy, code)

        try:
            used = _names(text)
        except BadFormula as error:
            return bad(f"formula '{text[:100]}': {error}")
        if not used:
            return bad(f"formula '{text}' names no measure")
        for name in used:
            if not self.is_known(name):
                bad(f"formula '{text}' uses the unknown measure '{name}'", self.remedy(name), "LS130")
        terms = self._terms(measure.name, ())
        if terms is None:
            return bad(f"formula '{text}' uses itself", "break the circle")
        if terms > MOST_TERMS:
            return bad(f"formula '{text}' has more than {MOST_TERMS} terms in the end", "use fewer")
        return None

    def _terms(self, name: str, above: tuple[str, ...]) -> int | None:
        """How many series and numbers a formula comes to, MOST_TERMS + 1 for more; None for a circle."""
        measure = self._named.get(name)
        if name in above:
            return None
        if measure is None or measure.model.formula is None:
            return 1
        try:
            names = [n.id for n in ast.walk(_tree(measure.model.formula)) if isinstance(n, ast.Name)]
        except BadFormula:
            return 1
        total = 0
        for other in names:
            terms = self._terms(other, (*above, name))
            if terms is None:
                return None
            total += terms
            if total > MOST_TERMS:
                return MOST_TERMS + 1
        return total


def series_of_measure(measure: NamedMeasure, grouping: Grouping) -> SeriesDef:
    """The series that a measure of events is under a rule's labels."""
    event_type = measure.event_type
    paths = {label.removeprefix("lines."): _path(event_type, label) for label in grouping.by}
    return SeriesDef(
        aggregate=Aggregate(measure.kind),
        event_type=event_type,
        source=TYPES[event_type].role,
        field=measure.field,
        quantile=measure.model.quantile,
        where=tuple((_path(event_type, label), tuple(sorted(v))) for label, v in sorted(measure.model.where.items())),
        by=tuple(sorted(paths)),
        line_labels=tuple(sorted(label for label, path in paths.items() if path.startswith("lines."))),
        bucket_s=0 if measure.kind == "last" else grouping.bucket_s,
        stale_after_s=measure.model.stale_after,
        key=None if grouping.key == tuple(sorted(paths)) else grouping.key,
        name=measure.name,
    )


def _path(event_type: str, label: str) -> str:
    """Where an event type has a label: in its lines when only they have it, or when it is spelled so and has lines."""
    plain = label.removeprefix("lines.")
    in_lines = line_fields(event_type)
    if in_lines and (plain != label or (plain in in_lines and field_kind(event_type, plain) == "unknown")):
        return f"lines.{plain}"
    return plain


def label_fault(event_type: str, label: str) -> tuple[str, str, Literal["error", "warning"]] | None:
    """What is odd about a label for an event type: (what, the way out, level)."""
    kind = field_kind(event_type, _path(event_type, label))
    known = labels_of(event_type)
    if is_a_name(event_type, label):
        return f"'{label}' of {event_type} may name a person, and labels are read by many", "leave it out", "error"
    if kind in ("list", "time"):
        return f"'{label}' of {event_type} cannot be a label", did_you_mean(label, known), "error"
    if kind == "unknown":
        remedy = f"{did_you_mean(label.removeprefix('lines.'), known)} (an extra field is fine, too)"
        return f"{event_type} has no '{label}' of its own", remedy, "warning"
    return None


def is_a_name(event_type: str, label: str) -> bool:
    """Whether a label is a `name` that the event type does not have: then it may be a person's."""
    return label.removeprefix("lines.") == "name" and field_kind(event_type, _path(event_type, label)) == "unknown"


def labels_of(event_type: str) -> set[str]:
    """The labels that events of a type have of their own."""
    texts = (p for p in known_paths(event_type) if field_kind(event_type, p) in ("text", "flag"))
    return {p.removeprefix("lines.") for p in texts}


def _names(text: str) -> list[str]:
    """The measures that a formula names, each once. Raises BadFormula."""
    return list(dict.fromkeys(n.id for n in ast.walk(_tree(text)) if isinstance(n, ast.Name)))


def _constant(node: ast.expr) -> float:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 9e12:
        raise BadFormula(f"column {node.col_offset + 1} is not understood")
    return float(value)


def _tree(text: str) -> ast.expr:
    """A formula's tree of sums, products, numbers and names, nothing else. Raises BadFormula."""
    if len(text) > LONGEST_FORMULA:
        raise BadFormula(f"{len(text)} characters are too many")
    indent = len(text) - len(text.lstrip())
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        where = f"column {column + indent} is not understood" if column else "it is not understood"
        raise BadFormula(where) from error
    pending = [tree]
    while pending:
        node = pending.pop()
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                pending += [left, right]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                pending.append(operand)
            case ast.Name():
                pass
            case _:
                _constant(node)
    return tree
