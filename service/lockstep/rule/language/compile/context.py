"""What a rule file's conditions are compiled with: what its names stand for, and where its faults are noted."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from lockstep.calendar import Calendar
from lockstep.event import TYPES
from lockstep.measure.definition import Expression
from lockstep.rule.condition.kinds import Severity
from lockstep.rule.language.fewer_labels import plain
from lockstep.rule.language.measures import Grouping, Measures, series_of_measure
from lockstep.rule.language.table import Tables
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean, parted


class Stop(Exception):
    """This rule cannot be compiled; why has been noted."""


class Note(Protocol):
    """Notes a fault at a place of the document."""

    def __call__(
        self,
        pointer: Pointer,
        message: str,
        remedy: str,
        code: str,
        *,
        level: Literal["error", "warning"] = "error",
        key: bool = False,
    ) -> None: ...


@dataclass(frozen=True)
class Scope:
    """What a rule gives its conditions.

    by: the rule's labels, sorted. grouping: by what a condition's measures are kept, which may be fewer labels.
    severity: of a breach, where the condition does not say it.
    """

    by: tuple[str, ...]
    grouping: Grouping
    severity: Severity


class FileContext:
    """One document while its rules are compiled."""

    def __init__(self, document: Document, measures: Measures, calendar: Calendar | None, tables: Tables) -> None:
        self.document = document
        self.measures = measures
        self.calendar = calendar
        self.tables = tables
        self.faults: list[Fault] = []

    def note(
        self,
        pointer: Pointer,
        message: str,
        remedy: str,
        code: str,
        *,
        level: Literal["error", "warning"] = "error",
        key: bool = False,
    ) -> None:
        """See `Note`."""
        self.faults.append(self.document.fault(pointer, message, remedy, code, level=level, key=key))

    def read(self, read: Any, value: object, pointer: Pointer) -> Any:
        """A value as `read` understands it; what is wrong with it is noted and ends the rule."""
        try:
            return read(value)
        except ValueError as error:
            message, remedy, code = parted(str(error))
            self.note(pointer, f"{pointer[-1]} {message}", remedy, code)
            raise Stop from error

    def within(self, by: list[str] | None, pointer: Pointer, scope: Scope) -> Scope:
        """The scope of a part that has labels of its own.

        by: as the part's author wrote them; None: the rule's. A label that the rule is not by is noted and ends it.
        """
        if by is None:
            return scope
        for i, label in enumerate(by):
            if plain(label) not in scope.by:
                at = (*pointer, "by", i) if len(by) > 1 else (*pointer, "by")
                remedy = did_you_mean(plain(label), scope.by) if scope.by else "add it to the rule's 'by'"
                self.note(at, f"the rule is not by '{label}', and a part never looks closer", remedy, "LS186")
                raise Stop
        return replace(scope, grouping=replace(scope.grouping, by=tuple(by)))

    def expression(self, name: str, pointer: Pointer, scope: Scope) -> Expression:
        """The series or formula of a measure's name; what is wrong with it is noted and ends the rule."""
        if not self.measures.is_known(name):
            self.note(pointer, f"unknown measure '{name}'", self.measures.remedy(name), "LS130")
            raise Stop
        if not self.measures.is_usable(name):
            raise Stop  # said where the measure stands
        self._check_subjects(name, pointer, scope)
        for measure in self.measures.named_in(name):
            line_label = next(
                (s.line_labels[0] for s in [series_of_measure(measure, scope.grouping)] if s.line_labels), ""
            )
            if measure.kind == "sum" and line_label and not str(measure.field).startswith("lines."):
                self.note(
                    pointer,
                    f"'{measure.name}' adds up '{measure.field}' of whole orders, the rule is by '{line_label}' of "
                    "their lines",
                    "an order would count once per line; use lines.quantity or group by a label of the order",
                    "LS134",
                )
            kind = TYPES[measure.event_type]
            if measure.kind == "last" and not kind.adds_up and measure.field == kind.level:
                given = {plain(label) for label in (*scope.grouping.by, *measure.model.where)}
                mixed = next((label for label in kind.identity if label not in given), "")
                if mixed:
                    self.note(
                        pointer,
                        f"'{measure.name}' would add up the '{measure.field}' of every '{mixed}', which says nothing",
                        f"add '{mixed}' to the rule's 'by', or say which in the measure's 'where'",
                        "LS137",
                    )
        return self.measures.expression(name, scope.grouping)

    def _check_subjects(self, name: str, pointer: Pointer, scope: Scope) -> None:
        """A business measure is kept by the labels of its subject; another grouping is noted and ends the rule."""
        by = set(map(plain, scope.grouping.by))
        for business in self.measures.business_in(name):
            labels = business.labels
            if by == set(labels):
                continue
            asked = f"[{', '.join(labels)}]"
            whose = f"by {' and '.join(labels)}" if labels else "of the whole shop"
            is_bound = len(pointer) > 1 and pointer[-2] in ("above", "below", "at_least", "at_most")
            remedy = f"give the rule 'by: {asked}'"
            if set(labels) < set(scope.by):
                beside = f"write 'by: {asked}' beside it"
                remedy = beside if is_bound else f"{remedy}, or in a part of a combination {beside}"
            self.note(pointer, f"'{business.name}' is {whose}, and this is not", remedy, "LS291")
            raise Stop
