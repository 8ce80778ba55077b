"""Team wording: templates of rule files, rendered in a sandbox.

Jinja's sandbox keeps a template from secrets, not from taking all memory: `'x' * 10 ** 9` is legal there.
So templates here have only what a sentence needs: names, comparisons, `if`, one `for` at a time, a few filters.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lockstep.errors import RuleError

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
"""What templates may use."""

FILTERS = ("capitalize", "d", "default", "first", "last", "length", "lower", "title", "trim", "upper")
"""What templates may do to a name; none of them makes much out of little."""

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

# Without the optimizer nothing is worked out before it has been looked at.
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, optimized=False)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.filters = {name: f for name, f in _ENVIRONMENT.filters.items() if name in FILTERS}


@lru_cache(maxsize=8)
def parse(text: str) -> nodes.Template:
    """The template in a text. Raises RuleError for what is none, or does more than fill in names."""
    if len(text) > LONGEST_TEMPLATE:
        raise RuleError(f"a text of {len(text)} characters; write at most {LONGEST_TEMPLATE}")
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateError as error:
        raise RuleError(f"not a template: {str(error).rstrip('.')}; write names like {{{{ value }}}}") from error
    except RecursionError as error:
        raise RuleError("not a template: nested too deeply; write it flat") from error
    _check(tree, within_for=False)
    return tree


def _check(node: nodes.Node, *, within_for: bool) -> None:
    if not isinstance(node, _ALLOWED):
        what = _IN_WORDS.get(type(node), f"uses '{type(node).__name__.lower()}'")
        raise RuleError(f"the template {what}; texts fill in names, with 'if' and a few filters")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise RuleError(f"no filter '{node.name}'; known are {', '.join(FILTERS)}")
    if isinstance(node, nodes.For):
        # A loop within a loop within a loop takes hours over a few words.
        if within_for or node.recursive:
            raise RuleError("a loop within a loop; write one at a time")
        within_for = True
    for child in node.iter_child_nodes():
        _check(child, within_for=within_for)


def unknown_names(text: str) -> list[str]:
    """The names in a template that nobody gives it. Raises RuleError for what is no template."""
    tree = parse(text)
    if {n.name for n in tree.find_all(nodes.Name) if n.ctx == "load"} <= set(NAMES):
        return []  # the usual case, in a tenth of the time: nothing but what is known, whoever gave it
    return sorted(meta.find_undeclared_variables(tree) - set(NAMES))


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
    found: set[str] = set()
    tree = parse(text)
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and attribute.node.name == "labels":
            found.add(attribute.attr)
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == "labels" and isinstance(item.arg, nodes.Const):
            found.add(str(item.arg.value))
    return sorted(found)


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(parse(text))


def render(text: str, names: Mapping[str, Any]) -> str:
    """The text with its names filled in, at most LONGEST_TEXT characters. Raises RuleError."""
    try:
        pieces, length = [], 0
        for piece in _compiled(text).generate(**names):
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
