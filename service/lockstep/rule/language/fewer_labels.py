"""Parts of a rule over fewer labels than its own: a rule by product may ask about the whole shop.

All that one rule reads meets on one samples partition, so its measures are published under the labels that they share;
those of a rule that speaks of the whole shop where the shop's facts are, under none.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from lockstep.rule.language.form import PartModel

Labels = tuple[str, ...]


def plain(label: str) -> str:
    return label.removeprefix("lines.")


def labels_of_parts(model: Any) -> Iterator[list[str]]:
    """The labels of every part, and of every measure in a bound, that has its own."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, BaseModel):
                labels = getattr(part, "by", None)
                if isinstance(labels, list):  # else a time of day
                    yield labels
                yield from labels_of_parts(part)


def shared_key(model: PartModel, by: Labels, *, of_shop: bool) -> Labels | None:
    """The labels that all measures of a rule by `by` share; None when these are all of them.

    of_shop: it reads a business measure, or a text of it names something of the shop.
    """
    if of_shop:
        return ()
    shared = set(by)
    for labels in labels_of_parts(model):
        shared &= {plain(label) for label in labels}
    return None if shared == set(by) else tuple(sorted(shared))


def measures_named(model: Any) -> Iterator[str]:
    """Every name of a measure in a rule, its parts and bounds."""
    if isinstance(model, list):
        for item in model:
            yield from measures_named(item)
    if not isinstance(model, BaseModel):
        return
    for name in type(model).model_fields:
        value = getattr(model, name)
        if name in ("measure", "of", "pace") and isinstance(value, str):
            yield value
        yield from measures_named(value)
