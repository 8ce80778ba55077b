"""What a value must be, in plain words: those in which pydantic and msgspec say that it is not are for programmers."""

import re
from collections.abc import Mapping
from typing import Any

KINDS = {
    "a text": ("string_type", "string_unicode", "string_sub_type"),
    "a whole number": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "a number": ("float_type", "float_parsing", "finite_number"),
    "true or false": ("bool_type", "bool_parsing"),
    "a list": ("list_type", "tuple_type", "set_type"),
    "keys and values": ("dict_type", "model_type", "model_attributes_type"),
}
"""What stands in a message → kinds of pydantic errors."""

_LIMITS = {
    "greater_than": "be more than {gt}",
    "greater_than_equal": "be at least {ge}",
    "less_than": "be less than {lt}",
    "less_than_equal": "be at most {le}",
    "too_short": "have at least {min_length} of them",
    "too_long": "have at most {max_length} of them",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
    "string_pattern_mismatch": "be written differently",
    "literal_error": "be {expected}",
    "enum": "be {expected}",
}

_MSGSPEC = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "keys and values",
    "null": "nothing",
}


def limit(kind: str, context: Mapping[str, Any]) -> str | None:
    """`be at least 1`, of pydantic's kind of an error and its `ctx`; None where it is about no limit."""
    form = _LIMITS.get(kind)
    return None if form is None else form.format(**{name: _plain(value) for name, value in context.items()})


def _plain(value: object) -> object:
    """A number as people write it: 1,000,000,000 and not 1e+09."""
    if isinstance(value, int | float):
        return f"{value:,.0f}" if value == int(value) else f"{value:g}"
    return value


def kind_of_value(kind: str) -> str | None:
    """`a number`, of pydantic's kind of an error; None where it is about something else."""
    return next((wanted for wanted, kinds in KINDS.items() if kind in kinds), None)


def must(kind: str, context: Mapping[str, Any]) -> str:
    """`be a number`, `be at least 1`, of pydantic's kind of an error and its `ctx`."""
    wanted = kind_of_value(kind)
    return f"be {wanted}" if wanted else limit(kind, context) or "be written differently"


def must_in_msgspec(said: str) -> str:
    """`must be a text`, `is missing`, of msgspec's message without its place."""
    expected = re.match(r"Expected `([a-z]+)(?: \| null)?`", said)
    if expected is not None and expected[1] in _MSGSPEC:
        return f"must be {_MSGSPEC[expected[1]]}"
    if said.startswith("Object missing required field"):
        return "is missing"
    return "must be written differently"
