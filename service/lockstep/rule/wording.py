"""Team wording: templates of rule files, rendered in a sandbox."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lockstep.errors import RuleError

NAMES = ("labels", "value", "baseline", "ratio", "window", "severity", "at", "rule", "runbook")
"""What templates may use."""

LONGEST_TEXT = 4_000
LONGEST_TEMPLATE = 4_000

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
# A sandbox has no limit of time or memory: without loops' sources there is nothing to spend them on.
_ENVIRONMENT.globals.clear()


def unknown_names(text: str) -> list[str]:
    """The names in a template that nobody gives it. Raises RuleError for what is no template."""
    try:
        return sorted(meta.find_undeclared_variables(_ENVIRONMENT.parse(text)) - set(NAMES))
    except TemplateError as error:
        raise RuleError(f"no template: {error}") from error


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def render(text: str, names: Mapping[str, Any]) -> str:
    """The text with its names filled in, at most LONGEST_TEXT characters. Raises RuleError."""
    if len(text) > LONGEST_TEMPLATE:
        raise RuleError(f"a text of {len(text)} characters; write at most {LONGEST_TEMPLATE}")
    try:
        pieces, length = [], 0
        for piece in _compiled(text).generate(**names):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST_TEXT:
                break
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise RuleError(f"the text cannot be filled in: {error}") from error
    return " ".join("".join(pieces).split())[:LONGEST_TEXT]
