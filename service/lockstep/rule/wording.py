"""Team wording: templates of rule files, rendered in a sandbox.

Jinja's sandbox keeps a template from secrets, not from taking all memory: `'x' * 10 ** 9` is legal there.
So templates here have only what a sentence needs: names, comparisons, `if`, one `for` at a time, a few filters.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.filters import do_default
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lockstep.errors import RuleError
from lockstep.labels import NONE
from lockstep.shop.names import NAMES as SHOP_NAMES
from lockstep.text.figures import PERCENT, THINGS, Figure, duration_words, money_text, number_text, rounded_figure
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import did_you_mean

NAMES = (
    "labels",
    "value",
    "baseline",
    "baseline_of",
    "limit",
    "ratio",
    "window",
    "severity",
    "at",
    "rule",
    "runbook",
    "why",
)
"""What templates may use of the alert; of the shop also `lockstep.shop.names.NAMES`."""
_KNOWN = frozenset((*NAMES, *SHOP_NAMES))

_OF_JINJA = ("capitalize", "first", "last", "length", "lower", "title", "trim", "upper")
"""What templates may do to a name with Jinja's own filters; none of them makes much out of little."""

MOST_DIGITS = 6
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S}


def _number(value: object, name: str) -> float | None:
    """The number to write otherwise; None where there is none. Raises RuleError for a text that is no number."""
    if isinstance(value, Figure):
        return value.number
    try:
        return float(str(value)) if str(value) else None
    except ValueError:
        raise RuleError(f"'{name}' takes a number such as 'value', and '{str(value)[:40]}' is none") from None


def _digits(asked: object, name: str) -> int:
    if not isinstance(asked, int) or not 0 <= asked <= MOST_DIGITS:
        raise RuleError(f"'{name}' takes 0 to {MOST_DIGITS} digits; write {name} or {name}(1)")
    return asked


def _percent(value: object, digits: object = None) -> object:
    number = _number(value, "percent")
    if number is None:
        return value
    text = number_text(number, PERCENT)
    if digits is not None:
        text = rounded_figure(number, _digits(digits, "percent"), PERCENT)
    return Figure(text, number, PERCENT)


def _round(value: object, digits: object = 0) -> object:
    number, unit = _number(value, "round"), getattr(value, "unit", "")
    if number is None:
        return value
    return Figure(rounded_figure(number, _digits(digits, "round"), unit), number, unit)


def _abs(value: object) -> object:
    number, unit = _number(value, "abs"), getattr(value, "unit", "")
    return value if number is None else Figure(str(value).removeprefix("-"), abs(number), unit)


def _bare_number(value: object) -> object:
    number, unit = _number(value, "number"), getattr(value, "unit", "")
    if number is None or unit not in THINGS:
        return value
    return Figure(str(value).rpartition(" ")[0], number)


def _money(value: object, currency: object = "") -> object:
    number = _number(value, "money")
    return value if number is None else Figure(money_text(number, str(currency)), number)


def _duration(value: object, unit: object = "s") -> object:
    number = _number(value, "duration")
    if unit not in _SECONDS:
        raise RuleError("'duration' takes s, m, h or d; write duration or duration('h')")
    if number is None:
        return value
    seconds = number * _SECONDS[str(unit)]
    return Figure(("-" if round(seconds) < 0 else "") + duration_words(abs(seconds)), number)


def _default(value: object, words: object = "", boolean: object = False) -> object:
    """Jinja's own, which takes a label that no event carries for one that is not there: nobody can call `none`."""
    is_absent = isinstance(value, str) and value == NONE
    return words if is_absent else do_default(value, words, bool(boolean))


_OF_FIGURES = {
    "abs": _abs,
    "percent": _percent,
    "round": _round,
    "money": _money,
    "duration": _duration,
    "number": _bare_number,
}
_OURS = {**_OF_FIGURES, "d": _default, "default": _default}
FILTERS = tuple(sorted((*_OF_JINJA, *_OURS)))
"""What templates may do to a name."""


class Labels(dict[str, str]):
    """The labels of a template: their values by name and nothing else, together their values."""

    def __str__(self) -> str:
        return ", ".join(self.values())


LONGEST_TEXT = 4_000
LONGEST_TEMPLATE = 4_000

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Concat,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Test,
    nodes.Filter,
    nodes.Keyword,
)
_IN_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "calls something",
    nodes.Mul: "multiplies",
    nodes.Pow: "multiplies",
    nodes.Assign: "sets a name",
}


class _Environment(ImmutableSandboxedEnvironment):
    """Nothing has attributes but `labels`, whose are its values: Jinja would hand out methods (`labels.items`,
    `value['upper']`), and a message would say `<built-in method …>`."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Labels) and argument in obj:
            return obj[argument]
        return self.undefined(obj=obj, name=argument)


# Without the optimizer nothing is worked out before it has been looked at.
_ENVIRONMENT = _Environment(undefined=StrictUndefined, autoescape=False, optimized=False)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.filters = {name: f for name, f in _ENVIRONMENT.filters.items() if name in _OF_JINJA} | _OURS


_PIECE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_BRACES = (("{{", "}}"), ("{%", "%}"), ("{#", "#}"))


def _no_template(text: str, said: str) -> str:
    """What keeps a text from being a template, and the way out. said: Jinja's words, which speak of its insides."""
    for opening, closing in _BRACES:
        if text.count(opening) > text.count(closing):
            return f"{opening} is not closed; end it with {closing}"
    open_block = re.search(r"closed is '(\w+)'", said)
    if open_block is not None:
        return f"'{open_block[1]}' has no end; write {{% end{open_block[1]} %}} behind what belongs to it"
    tag = re.search(r"unknown tag '(\w+)'", said)
    if tag is not None and tag[1] in ("elif", "else", "endif", "endfor"):
        return f"'{tag[1]}' has no beginning; write {{% {'for' if tag[1] == 'endfor' else 'if'} … %}} before it"
    if tag is not None:
        return f"'{tag[1]}' is not known behind {{%; known are if, elif, else, endif, for, endfor"
    for piece in _PIECE.findall(text):
        try:
            _ENVIRONMENT.parse(piece)
        except TemplateError as error:
            if "closed is" not in str(error) and "unknown tag" not in str(error):
                return f"'{piece[:100]}' cannot be read; write names like {{{{ value }}}}"
    return "it cannot be read; write names like {{ value }}"


@lru_cache(maxsize=8)
def parse(text: str) -> nodes.Template:
    """The template in a text. Raises RuleError for what is none, or does more than fill in names."""
    if len(text) > LONGEST_TEMPLATE:
        raise RuleError(f"a text of {len(text)} characters; write at most {LONGEST_TEMPLATE}")
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateError as error:
        raise RuleError(f"not a template: {_no_template(text, str(error))}") from error
    except RecursionError as error:
        raise RuleError("not a template: nested too deeply; write it flat") from error
    for fault in _faults(tree, within_for=False):
        raise RuleError(fault)
    return tree


def faults(text: str) -> list[str]:
    """All that a text asks for and cannot have, each with its code; [] where `parse` reads it or finds no template."""
    try:
        tree = _ENVIRONMENT.parse(text[:LONGEST_TEMPLATE])
        return list(dict.fromkeys(_faults(tree, within_for=False)))
    except (TemplateError, RecursionError):
        return []


def _faults(node: nodes.Node, *, within_for: bool) -> Iterator[str]:
    # A call is said as what it calls: `value.upper()` is mended as `value.upper` is.
    asked = node.node if isinstance(node, nodes.Call) else node
    if isinstance(asked, nodes.Getattr | nodes.Getitem) and not _is_label(asked) and not _is_jinjas(asked.node):
        yield _no_part(asked)
        return
    if isinstance(node, nodes.Name) and _is_jinjas(node):
        yield f"'{node.name}' is Jinja's, no text; known are {', '.join(NAMES)} [LS147]"
        return
    if not isinstance(node, _ALLOWED):
        what = _IN_WORDS.get(type(node), f"uses '{type(node).__name__.lower()}'")
        yield f"the template {what}; texts fill in names, with 'if' and a few filters"
        return
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        yield f"no filter '{node.name}'; known are {', '.join(FILTERS)}"
    if isinstance(node, nodes.Test) and node.name not in _ENVIRONMENT.tests:
        yield f"nothing is '{node.name}' to a template; write one like value > 20, or the words outside of the braces"
    if isinstance(node, nodes.For):
        # A loop within a loop within a loop takes hours over a few words.
        if within_for or node.recursive:
            yield "a loop within a loop; write one at a time"
            return
        within_for = True
    for child in node.iter_child_nodes():
        yield from _faults(child, within_for=within_for)


_JINJAS_OWN = ("self", "loop", "super", "caller", "varargs", "kwargs")


def _is_jinjas(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name in _JINJAS_OWN


def _is_label(node: nodes.Getattr | nodes.Getitem) -> bool:
    return isinstance(node.node, nodes.Name) and node.node.name == "labels"


def _no_part(node: nodes.Getattr | nodes.Getitem) -> str:
    """Only labels have parts: `labels.sku` is a text, `labels.sku.upper` would be a method."""
    whole, part = _written(node.node), node.attr if isinstance(node, nodes.Getattr) else _written(node.arg)
    filtered = f"write {{{{ {whole} | {part} }}}}" if part in FILTERS else f"write {{{{ {whole} }}}}"
    return f"'{whole}' is a text and has no '{part}'; {filtered} [LS147]"


def _written(node: nodes.Node) -> str:
    """An expression as its author wrote it, where it is names and their parts."""
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Const(value=value):
            return str(value)
        case nodes.Getattr(node=inner, attr=part):
            return f"{_written(inner)}.{part}"
        case nodes.Getitem(node=inner, arg=argument):
            return f"{_written(inner)}['{_written(argument)}']"
        case nodes.Filter(node=inner, name=name) if inner is not None:
            return f"{_written(inner)} | {name}"
        case _:
            return "it"


def single_braces(text: str) -> list[str]:
    """What a text says as it stands though a name was meant: `{value}`, `${labels.sku}`, as other programs write it."""
    return [match[0] for match in _SINGLE.finditer(text) if match["name"] in _KNOWN]


_SINGLE = re.compile(r"\$?(?<!\{)\{ *(?P<name>[a-z_]+)(?:\.\w+)* *\}(?!\})")


def unknown_names(text: str) -> list[str]:
    """The names in a template that nobody gives it. Raises RuleError for what is no template."""
    tree = parse(text)
    if {n.name for n in tree.find_all(nodes.Name) if n.ctx == "load"} <= _KNOWN:
        return []  # the usual case, in a tenth of the time: nothing but what is known, whoever gave it
    return sorted(meta.find_undeclared_variables(tree) - _KNOWN)


def near_name(name: str) -> str:
    """The way out for a name that nobody gives: one that is near, or the names of the alert; the shop's are many."""
    near = did_you_mean(name, _KNOWN)
    return near if near.startswith("did") else f"{did_you_mean(name, NAMES)}, and those of the shop"


@lru_cache(maxsize=4096)
def shop_names_in(text: str) -> tuple[str, ...]:
    """The names of the shop in a template, `room_left`; () for what is no template."""
    try:
        tree = parse(text)
    except RuleError:
        return ()
    return tuple(sorted({n.name for n in tree.find_all(nodes.Name) if n.ctx == "load"} & SHOP_NAMES.keys()))


@lru_cache(maxsize=4096)
def is_named(name: str, text: str) -> bool:
    """Whether a template fills in a name; False for what is no template."""
    try:
        tree = parse(text)
    except RuleError:
        return False
    return any(n.name == name for n in tree.find_all(nodes.Name))


_BEHIND = re.compile(r"\{\{-?\s*(?P<name>[a-z_]+)\b(?![^{}]*\|\s*number\b)[^{}]*\}\}\s*(?P<word>%|[A-Za-z]+)")


def units_twice(text: str, units: Mapping[str, str]) -> list[tuple[str, str]]:
    """(name, word) where a word behind a name says the unit that the name says already: `{{ days_of_cover }} days`.

    units: name → its unit, `days`.
    """
    return [
        (match["name"], match["word"])
        for match in _BEHIND.finditer(text)
        if (unit := units.get(match["name"], "")) and match["word"].lower().rstrip("s") == unit.rstrip("s")
    ]


def bare_names(text: str) -> list[str]:
    """The names that a template fills in without asking first whether they say anything. Raises RuleError."""
    return sorted(_bare(parse(text)))


def _bare(node: nodes.Node) -> set[str]:
    match node:
        case nodes.Name():
            return {node.name}
        case nodes.If() | nodes.CondExpr():
            asked = _named(node.test)
        case nodes.Or() | nodes.And():
            asked = _named(node.left)
        case nodes.Filter(name="default" | "d"):
            asked = set() if node.node is None else _named(node.node)
        case _:
            asked = set()
    return {name for child in node.iter_child_nodes() for name in _bare(child)} - asked


def _named(node: nodes.Node) -> set[str]:
    return {node.name} if isinstance(node, nodes.Name) else {n.name for n in node.find_all(nodes.Name)}


def labels_in(text: str) -> list[str]:
    """The labels that a template names, as `labels.sku` or `labels['sku']`. Raises RuleError."""
    labels: set[str] = set()
    tree = parse(text)
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and attribute.node.name == "labels":
            labels.add(attribute.attr)
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == "labels" and isinstance(item.arg, nodes.Const):
            labels.add(str(item.arg.value))
    return sorted(labels)


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(parse(text))


def render(text: str, names: Mapping[str, Any]) -> str:
    """The text with its names filled in, at most LONGEST_TEXT characters. Raises RuleError."""
    try:
        pieces, length = [], 0
        for piece in _compiled(text).generate({**names, "labels": Labels(names["labels"])}):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST_TEXT:
                break
    except (
        TemplateError,
        ArithmeticError,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise RuleError(f"the text cannot be filled in: {error}; names are written {{{{ value }}}}") from error
    return " ".join("".join(pieces).split())[:LONGEST_TEXT]
