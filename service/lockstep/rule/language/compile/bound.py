"""Compiles the numbers that a value is compared with: written, of another measure, or of a table beside the file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lockstep.measure.definition import Expression, series_of
from lockstep.rule.condition.bound import Bounds, OfMeasure, OfTable, Source
from lockstep.rule.condition.period import Window
from lockstep.rule.language import quantity
from lockstep.rule.language.compile.context import FileContext, Note, Scope, Stop
from lockstep.rule.language.fewer_labels import plain
from lockstep.rule.language.form import BoundsModel, ClearModel, SourceModel
from lockstep.rule.language.quantity import window_text
from lockstep.rule.language.table import BadTable, Tables
from lockstep.yaml.document import Pointer, did_you_mean

_FILE = re.compile(r"\w[\w .-]{0,95}\.csv")


@dataclass(frozen=True)
class Compared:
    """What a condition compares with its bounds.

    measure: its name, "" for a quotient of two. labels: by what it is. window_s: None for levels. named: a measure's
    expression and its labels, under the condition's labels (None) or fewer; what is wrong is noted and ends the rule.
    rule_labels: by what the rule is.
    """

    measure: str
    labels: tuple[str, ...]
    window_s: Window | None
    named: Callable[[str, Pointer, list[str] | None], tuple[Expression, tuple[str, ...]]]
    rule_labels: tuple[str, ...]


def of_measure(model: SourceModel, at: Pointer, compared: Compared, note: Note) -> OfMeasure:
    """The bound that is another measure. compared: what is held against it, which it cannot be."""
    name = str(model.measure)
    expression, labels = compared.named(name, at, model.by)
    flows = any(not s.is_level for s in series_of(expression))
    window: Window | None = model.window if model.window is not None else compared.window_s
    if flows and window is None:
        note(at, f"'{name}' is a flow and needs a window", "add 'window: 7d'", "LS120")
    if not flows and model.window is not None:
        note((*at, "window"), f"'{name}' is a level and has no window", "remove 'window'", "LS121", key=True)
    window = window if flows else None
    if (name, labels, window) == (compared.measure, compared.labels, compared.window_s):
        remedy = "name another measure, a longer window, or 'by: []' for that of the whole shop"
        note((*at, "measure"), f"'{name}' is compared with itself", remedy, "LS220")
    over = "" if window == compared.window_s or window is None else f" over {window_text(window)}"
    whose = "" if labels == compared.labels else f" by {' and '.join(labels)}" if labels else " of the whole shop"
    return OfMeasure(f"{name}{over}{whose}", expression, window, model.times, model.plus)


def of_table(
    model: SourceModel, word: str, at: Pointer, by: tuple[str, ...], rule_file: str, tables: Tables, note: Note
) -> OfTable:
    """The bound that stands in a table.

    word: the bound, `at_most`, which is the name of the column where none is given. at: where it stands. by: the labels
    of the rule, which find the row. rule_file: its path, beside which the table lies. Raises BadTable, which is noted.
    """
    file, column = str(model.file), model.column or word
    if not _FILE.fullmatch(file):
        remedy = "write the name of a file in the folder of this one, like thresholds.csv"
        note((*at, "file"), f"'{file[:100]}' is no table beside this file", remedy, "LS221")
        raise BadTable
    if not tables.has(rule_file, file):
        near = did_you_mean(file, tables.beside(rule_file))
        remedy = "put it beside this file" if near == "none are known" else near
        note((*at, "file"), f"there is no '{file}' beside this file", remedy, "LS221")
        raise BadTable
    table = tables.table(rule_file, file)
    if table.column(column) is None:
        where = (*at, "column") if model.column else (*at, "file")
        note(where, f"'{file}' has no column '{column}'", did_you_mean(column, table.header.cells), "LS221")
        raise BadTable
    labels, rows = tables.rows(table, column, by)
    return OfTable(file, column, labels, rows, model.otherwise, model.times, model.plus)


def compared_of(context: FileContext, measure: str, window_s: Window | None, scope: Scope) -> Compared:
    """What a condition compares. measure: its name, "" for a quotient. window_s: None for a level."""

    def named(name: str, at: Pointer, by: list[str] | None) -> tuple[Expression, tuple[str, ...]]:
        own = context.within(by, at, scope)
        return context.expression(name, (*at, "measure"), own), plain_labels(own.grouping.by)

    return Compared(measure, plain_labels(scope.grouping.by), window_s, named, scope.by)


def bounds_of(context: FileContext, model: BoundsModel | ClearModel, pointer: Pointer, compared: Compared) -> Bounds:
    """The numbers of above, below, at_least and at_most that stand at `pointer`, and those that stand elsewhere.

    model: what stands there, read. compared: what is held against these numbers.
    """
    numbers: dict[str, float] = {}
    sources: list[tuple[str, Source]] = []
    for word in ("above", "below", "at_least", "at_most"):
        given, at = getattr(model, word), (*pointer, word)
        if isinstance(given, SourceModel):
            sources.append((word, _source_of(context, given, word, at, compared)))
        elif given is not None:
            numbers[word] = _number(context, quantity.number, given, at)
    return Bounds(
        numbers.get("above"), numbers.get("below"), numbers.get("at_least"), numbers.get("at_most"), tuple(sources)
    )


def clear_bounds_of(
    context: FileContext, clear: ClearModel | None, pointer: Pointer, compared: Compared
) -> Bounds | None:
    """The numbers of a `clear` that stands at `pointer`; None where there is none."""
    return None if clear is None else bounds_of(context, clear, pointer, compared)


def _source_of(context: FileContext, model: SourceModel, word: str, at: Pointer, compared: Compared) -> Source:
    if model.measure is not None:
        return of_measure(model, at, compared, context.note)
    try:
        return of_table(model, word, at, compared.rule_labels, context.document.path, context.tables, context.note)
    except BadTable as bad:
        raise Stop from bad


def _number(context: FileContext, read: Any, value: object, pointer: Pointer) -> float:
    return float(context.read(read, value, pointer))


def plain_labels(by: tuple[str, ...]) -> tuple[str, ...]:
    """Labels as rules name them, sorted: `lines.sku` is `sku`."""
    return tuple(sorted(map(plain, by)))
