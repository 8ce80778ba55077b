"""Parts of a rule over fewer labels than its own: a rule by product may ask about the whole shop.

All that one rule reads meets on one samples partition, so its measures are published under the labels that they share.
"""

from collections.abc import Iterator
from itertools import chain

from lockstep.rule.language.form import PartModel, sources_in

Labels = tuple[str, ...]


def plain(label: str) -> str:
    return label.removeprefix("lines.")


def labels_of_parts(model: PartModel) -> Iterator[list[str]]:
    """The labels of every part that has its own."""
    leaves = (model.threshold, model.spike, model.share, model.ratio, model.projection)
    yield from (leaf.by for leaf in leaves if leaf is not None and leaf.by is not None)
    if model.absence is not None and model.absence.labels is not None:
        yield model.absence.labels
    parts = chain(model.all or (), model.any or (), [model.not_] if model.not_ is not None else [])
    for part in parts:
        yield from labels_of_parts(part)


def shared_key(model: PartModel, by: Labels) -> Labels | None:
    """The labels that all measures of a rule by `by` share; None when these are all of them."""
    shared = set(by)
    for labels in (*labels_of_parts(model), *(s.by for s in sources_in(model) if s.by is not None)):
        shared &= {plain(label) for label in labels}
    return None if shared == set(by) else tuple(sorted(shared))
