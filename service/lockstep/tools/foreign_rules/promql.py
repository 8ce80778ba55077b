"""PromQL as far as a rule of ours can say the same: amounts, what they are compared with, and combinations of these.

The parser is a library; here its tree is read, and everything that is not known by its form is said to be unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Literal

from lockstep.text.time_units import DAY_S
from lockstep.tools.foreign_rules.equivalent import NoEquivalent

LONGEST = 2_000
"""Characters of an expression: the parser ends the process where an expression nests some thousands deep."""
DEEPEST_RECORDS = 32
"""Names of recording rules that are followed in one expression."""
STALE_S = 300
"""How far back Prometheus looks for a sample of a series."""

SCRAPED = frozenset(
    {
        "job",
        "instance",
        "namespace",
        "pod",
        "container",
        "service",
        "endpoint",
        "node",
        "cluster",
        "prometheus",
        "replica",
        "env",
        "environment",
        "stage",
        "datacenter",
        "dc",
        "zone",
        "host",
        "exported_job",
        "exported_instance",
    }
)
"""Labels that say where a number was scraped. Events do not have them."""

Comparison = Literal[">", "<", ">=", "<="]
_TURNED: Mapping[str, Comparison] = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_COMPARISONS = frozenset({">", "<", ">=", "<=", "==", "!="})
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_LITERAL = re.compile(r"[A-Za-z0-9_ \-]+")


@dataclass(frozen=True)
class Amount:
    """A number of one metric. range_s: of increase and rate; 0 for a gauge as it stands. by: None: each series.

    factor: the number is multiplied by it. offset_s: so long ago.
    """

    metric: str
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kind: Literal["increase", "rate", "gauge"] = "gauge"
    range_s: int = 0
    offset_s: int = 0
    by: tuple[str, ...] | None = None
    factor: float = 1.0
    remarks: tuple[str, ...] = field(default=(), compare=False)

    @property
    def per_window(self) -> float:
        """What the number is multiplied by to be that of the whole window: a rate is one per second."""
        return (self.range_s if self.kind == "rate" else 1) / self.factor


@dataclass(frozen=True)
class Ratio:
    """One amount divided by another."""

    part: Amount
    whole: Amount
    factor: float = 1.0


@dataclass(frozen=True)
class Compared:
    """What is greater or less than a number, or than another amount."""

    amount: Amount | Ratio
    comparison: Comparison
    with_: float | Amount


@dataclass(frozen=True)
class Empty:
    """`absent(…)`, or an increase of 0, for so long."""

    amount: Amount
    window_s: int
    is_absent: bool


@dataclass(frozen=True)
class Moved:
    """`delta(…)` of a gauge against a number."""

    amount: Amount
    comparison: Comparison
    number: float


@dataclass(frozen=True)
class Projected:
    """`predict_linear(…)` below a number."""

    amount: Amount
    within_s: int
    number: float


@dataclass(frozen=True)
class Combined:
    """`and`, `or`, `unless` (the second one negated)."""

    word: Literal["and", "or", "unless"]
    parts: tuple["Condition", "Condition"]


Condition = Compared | Empty | Moved | Projected | Combined


def parsed(text: str) -> Any:
    """The tree of an expression. Raises NoEquivalent for what is none."""
    # The one user of this extra; who converts ElastAlert rules alone need not have it.
    try:
        from promql_parser import parse
    except ImportError as error:
        raise NoEquivalent("reading PromQL needs a library; install it with pip install promql-parser") from error

    if len(text) > LONGEST:
        raise NoEquivalent(f"its expression has {len(text):,} characters; at most {LONGEST:,} are read")
    try:
        return parse(text)
    except ValueError as error:
        raise NoEquivalent(f"its expression is no PromQL: {error}") from error
    except BaseException as error:
        # What breaks the parser itself is no exception to Python, and must not end the command.
        if type(error).__name__ != "PanicException":
            raise
        raise NoEquivalent("its expression breaks the parser of PromQL") from error


def condition_of(tree: Any, records: Mapping[str, Any]) -> Condition:
    """What an expression asks for. records: the trees of recording rules by name. Raises NoEquivalent."""
    try:
        return _Reader(records).condition(tree)
    except RecursionError as error:
        raise NoEquivalent("its expression is nested too deeply") from error


class _Reader:
    def __init__(self, records: Mapping[str, Any], depth: int = 0) -> None:
        self._records, self._depth = records, depth

    # ---- conditions --------------------------------------------------------------------------------------------------

    def condition(self, tree: Any) -> Condition:
        tree = self._inner(tree)
        kind = type(tree).__name__
        if kind == "Call" and tree.func.name in ("absent", "absent_over_time"):
            return self._absent(tree)
        if kind != "BinaryExpr":
            raise NoEquivalent(f"it compares nothing: {_shown(tree)} speaks whenever there is a value")
        operator = str(tree.op)
        if operator in ("and", "or", "unless"):
            return self._combined(operator, tree)
        if operator not in _COMPARISONS:
            raise NoEquivalent(f"it compares nothing: {_shown(tree)} speaks whenever there is a value")
        if tree.modifier is not None and tree.modifier.return_bool:
            raise NoEquivalent("`bool` makes its comparison 0 or 1, which both speak; remove `bool` there")
        return self._compared(operator, tree)

    def _combined(self, operator: Any, tree: Any) -> Combined:
        first, second = self.condition(tree.lhs), self.condition(tree.rhs)
        matching = None if tree.modifier is None else tree.modifier.matching
        if matching is not None:
            of_both = {amount.by for amount in (*amounts_in(first), *amounts_in(second))}
            if not _is_include(matching) or {tuple(_without_scraped(matching.labels))} != of_both:
                raise NoEquivalent(f"its `{operator}` matches other labels than both sides have: {_shown(tree)}")
        return Combined(operator, (first, second))

    def _absent(self, tree: Any) -> Empty:
        (argument,) = tree.args
        argument = self._inner(argument)
        if type(argument).__name__ == "MatrixSelector":
            amount = self._selected(argument.vector_selector)
            return Empty(amount, _seconds(argument.range), is_absent=True)
        if type(argument).__name__ == "VectorSelector":
            return Empty(self._selected(argument), STALE_S, is_absent=True)
        amount = self._amount(argument)
        return Empty(amount, max(amount.range_s, STALE_S), is_absent=True)

    def _compared(self, operator: str, tree: Any) -> Condition:
        left, right = self._number(tree.lhs), self._number(tree.rhs)
        if left is not None and right is not None:
            raise NoEquivalent("it compares two numbers")
        if left is not None:
            return self._with_number(_TURNED.get(operator, operator), tree.rhs, left)
        if right is not None:
            return self._with_number(operator, tree.lhs, right)
        if operator not in _TURNED:
            raise NoEquivalent(f"`{operator}` of two numbers that change has no equivalent")
        self._check_matching(tree)
        amount, other = self._quotient(tree.lhs), self._quotient(tree.rhs)
        if isinstance(amount, Ratio) or isinstance(other, Ratio):
            raise NoEquivalent("a ratio is compared with a number here, never with another measure")
        if amount.offset_s and not other.offset_s:
            return Compared(other, _TURNED[operator], amount)
        return Compared(amount, operator, other)  # type: ignore[arg-type] # one of the four

    def _with_number(self, operator: str, tree: Any, number: float) -> Condition:
        if not isfinite(number):
            raise NoEquivalent(f"it compares with {number}, which nothing is")
        tree = self._inner(tree)
        if type(tree).__name__ == "Call":
            name = tree.func.name
            if name in ("absent", "absent_over_time") and (operator, number) in (("==", 1.0), (">", 0.0)):
                return self._absent(tree)
            if name == "delta" and operator in _TURNED:
                return Moved(self._over_range(tree.args[0]), operator, number)  # type: ignore[arg-type]
            if name == "predict_linear" and operator in ("<", "<="):
                within = self._number(tree.args[1])
                if within is None or not 0 < within <= 366 * DAY_S:
                    raise NoEquivalent(f"how far ahead it looks is no length: {_shown(tree)}")
                return Projected(self._over_range(tree.args[0]), round(within), number)
        amount = self._quotient(tree)
        is_flow = isinstance(amount, Amount) and amount.range_s > 0
        if number == 0 and is_flow and operator in ("==", "<="):
            assert isinstance(amount, Amount)
            return Empty(amount, amount.range_s, is_absent=False)
        if operator == "==" and number == 0 and isinstance(amount, Amount):
            remark = "a number below 0 breaches here, too"
            return Compared(replace(amount, remarks=(*amount.remarks, remark)), "<=", 0.0)
        if operator not in _TURNED:
            raise NoEquivalent(f"`{operator} {number:g}` has no equivalent; write a bound, or a change")
        return Compared(amount, operator, number)  # type: ignore[arg-type] # one of the four

    # ---- amounts -----------------------------------------------------------------------------------------------------

    def _quotient(self, tree: Any) -> Amount | Ratio:
        """An amount, or one divided by another."""
        tree = self._inner(tree)
        if type(tree).__name__ == "BinaryExpr" and str(tree.op) in ("*", "/"):
            left, right = self._number(tree.lhs), self._number(tree.rhs)
            if right is not None or (left is not None and str(tree.op) == "*"):
                number = right if right is not None else left
                other = self._quotient(tree.lhs if right is not None else tree.rhs)
                assert number is not None
                if not isfinite(number) or number <= 0:
                    raise NoEquivalent(f"it multiplies or divides by {number:g}, which turns its comparison around")
                factor = number if str(tree.op) == "*" else 1 / number
                return replace(other, factor=other.factor * factor)
            if str(tree.op) == "/" and left is None:
                self._check_matching(tree)
                part, whole = self._amount(tree.lhs), self._amount(tree.rhs)
                if part.range_s != whole.range_s or (part.kind == "rate") != (whole.kind == "rate"):
                    raise NoEquivalent("it divides numbers over different lengths of time")
                return Ratio(part, whole, part.factor / whole.factor)
        return self._amount(tree)

    def _amount(self, tree: Any) -> Amount:
        tree = self._inner(tree)
        kind = type(tree).__name__
        if kind == "VectorSelector":
            return self._selected(tree)
        if kind == "AggregateExpr":
            return self._aggregated(tree)
        if kind == "Call" and tree.func.name in ("increase", "rate"):
            name = tree.func.name
            return replace(self._over_range(tree.args[0]), kind=name)
        if kind == "Call":
            raise NoEquivalent(f"{tree.func.name}() has no equivalent")
        if kind == "BinaryExpr" and str(tree.op) == "or" and self._number(tree.rhs) == 0:
            amount = self._amount(tree.lhs)
            if amount.range_s:  # nothing is 0 for a count here, without being asked
                return amount
        if kind == "BinaryExpr" and self._is_scaled(tree):
            quotient = self._quotient(tree)
            if isinstance(quotient, Amount):
                return quotient
        raise NoEquivalent(f"{_shown(tree)} has no equivalent")

    def _aggregated(self, tree: Any) -> Amount:
        operator, modifier = str(tree.op), tree.modifier
        if operator != "sum":
            raise NoEquivalent(f"`{operator}` over series has no equivalent: here a measure adds its events up")
        if modifier is not None and str(modifier.type) != "AggModifierType.By":
            raise NoEquivalent(
                "`sum without` leaves labels that nobody names; write `sum by` with those that are meant"
            )
        named = [] if modifier is None else list(modifier.labels)
        by = tuple(_without_scraped(named))
        amount = self._amount(tree.expr)
        if amount.by is not None and not {*by} <= {*amount.by}:
            raise NoEquivalent(f"it sums by labels that its part does not have: {', '.join(by)}")
        wrong = next((label for label in by if not _LABEL.fullmatch(label)), None)
        if wrong is not None:
            raise NoEquivalent(f"'{wrong[:100]}' is no label of ours")
        scraped = [label for label in named if label in SCRAPED]
        remark = f"left out of `by`: {', '.join(scraped)}, which say where it was scraped"
        return replace(amount, by=by, remarks=(*amount.remarks, *([remark] if scraped else [])))

    def _over_range(self, tree: Any) -> Amount:
        tree = self._inner(tree)
        if type(tree).__name__ == "SubqueryExpr":
            raise NoEquivalent("a subquery has no equivalent")
        if type(tree).__name__ != "MatrixSelector":
            raise NoEquivalent(f"{_shown(tree)} has no equivalent")
        length = _seconds(tree.range)
        return replace(self._selected(tree.vector_selector), range_s=length)

    def _selected(self, tree: Any) -> Amount:
        if getattr(tree, "at", None) is not None:
            raise NoEquivalent("`@` has no equivalent")
        if tree.matchers.or_matchers:
            raise NoEquivalent("`or` between matchers has no equivalent")
        metric, where, remarks = tree.name, {}, []
        for matcher in tree.matchers.matchers:
            label, operator, value = matcher.name, str(matcher.op).rpartition(".")[2], matcher.value
            if label == "__name__":
                if operator != "Equal":
                    raise NoEquivalent("several metrics at a time have no equivalent")
                metric = value
            elif label in SCRAPED:
                remarks.append(f"left out: {label}, which says where it was scraped")
            else:
                where[label] = _where_values(label, operator, value)
        if not metric:
            raise NoEquivalent("it names no metric")
        offset = tree.offset
        offset_s = 0 if offset is None else _seconds(offset)
        return Amount(metric, tuple(sorted(where.items())), offset_s=offset_s, remarks=tuple(remarks))

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _inner(self, tree: Any) -> Any:
        """Without brackets; for the name of a recording rule what it records."""
        while type(tree).__name__ == "ParenExpr":
            tree = tree.expr
        if type(tree).__name__ == "VectorSelector" and tree.name in self._records:
            if tree.matchers.matchers or tree.matchers.or_matchers or tree.offset is not None:
                raise NoEquivalent(f"it selects from what the recording rule '{tree.name}' made; write it out there")
            self._depth += 1
            if self._depth > DEEPEST_RECORDS:
                raise NoEquivalent(f"recording rules name each other without an end, '{tree.name}' among them")
            return self._inner(self._records[tree.name])
        return tree

    def _number(self, tree: Any) -> float | None:
        """The number that a tree is, calculated; None for what is none."""
        kind = type(tree).__name__
        if kind == "NumberLiteral":
            return float(tree.val)
        if kind == "ParenExpr":
            return self._number(tree.expr)
        if kind == "UnaryExpr":
            inner = self._number(tree.expr)
            return None if inner is None else -inner
        if kind == "Call" and tree.func.name == "vector":
            return self._number(tree.args[0])
        if kind != "BinaryExpr" or str(tree.op) not in ("+", "-", "*", "/"):
            return None
        left, right = self._number(tree.lhs), self._number(tree.rhs)
        if left is None or right is None:
            return None
        operator = str(tree.op)
        if operator == "/":
            return left / right if right else None
        return left + right if operator == "+" else left - right if operator == "-" else left * right

    def _is_scaled(self, tree: Any) -> bool:
        """Whether it is multiplied or divided by a number."""
        by_left = str(tree.op) == "*" and self._number(tree.lhs) is not None
        return by_left or (str(tree.op) in ("*", "/") and self._number(tree.rhs) is not None)

    def _check_matching(self, tree: Any) -> None:
        modifier = tree.modifier
        if modifier is None or (modifier.matching is None and "OneToOne" in str(modifier.card)):
            return
        if modifier.matching is None or "OneToOne" not in str(modifier.card) or not _is_include(modifier.matching):
            raise NoEquivalent(f"how it matches labels has no equivalent: {_shown(tree)}")
        both = {amount.by for side in (tree.lhs, tree.rhs) for amount in amounts_in(self._quotient(side))}
        if both != {tuple(_without_scraped(modifier.matching.labels))}:
            raise NoEquivalent(f"how it matches labels has no equivalent: {_shown(tree)}")


def amounts_in(part: Condition | Amount | Ratio) -> list[Amount]:
    """Every amount of a condition, in their order."""
    match part:
        case Amount():
            return [part]
        case Ratio():
            return [part.part, part.whole]
        case Compared():
            return [*amounts_in(part.amount), *([part.with_] if isinstance(part.with_, Amount) else [])]
        case Combined():
            return [amount for one in part.parts for amount in amounts_in(one)]
        case _:
            return [part.amount]


def _where_values(label: str, operator: str, value: str) -> tuple[str, ...]:
    if not _LABEL.fullmatch(label):
        raise NoEquivalent(f"'{label[:100]}' is no label of ours")
    if operator not in ("Equal", "Re") or not value:
        written = {"NotEqual": "!=", "NotRe": "!~"}.get(operator, "=")
        raise NoEquivalent(f'`{label}{written}"{value[:100]}"` has no equivalent: `where` names what is wanted')
    values = []
    for part in value.removeprefix("(").removesuffix(")").split("|") if operator == "Re" else [value]:
        is_beginning = operator == "Re" and part.endswith((".*", ".+"))
        literal = part[:-2] if is_beginning else part
        if (operator == "Re" and not _LITERAL.fullmatch(literal)) or "*" in literal:
            raise NoEquivalent(f'`{label}=~"{value[:100]}"` has no equivalent: `where` takes values and beginnings')
        values.append(f"{literal}*" if is_beginning else literal)
    return tuple(values)


def _without_scraped(labels: Any) -> list[str]:
    return sorted(label for label in labels if label not in SCRAPED and label != "le")


def _is_include(matching: Any) -> bool:
    return str(matching.type).endswith("Include")


def _seconds(length: Any) -> int:
    seconds: int = round(length.total_seconds())
    if not abs(seconds) <= 366 * DAY_S:
        raise NoEquivalent("a length of more than a year has no equivalent")
    return seconds


def _shown(tree: Any) -> str:
    text = " ".join(str(tree).split()).replace("{}", "")
    return f"`{text}`" if len(text) <= 80 else f"`{text[:80]}…`"
