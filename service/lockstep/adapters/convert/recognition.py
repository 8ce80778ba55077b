"""Which mapping a file is for: the one whose columns it has."""

from collections.abc import Iterable, Sequence

from lockstep.adapters.convert.file_columns import fits, normal
from lockstep.adapters.convert.form import Event, MappingFile, Value
from lockstep.adapters.convert.mapping import FileMapping


def asked_columns(form: MappingFile) -> list[Sequence[str]]:
    """The columns by which a file is known: what `recognise` says, else every column that must be there."""
    if form.recognise:
        return list(form.recognise)
    needed = dict.fromkeys(name for event in form.events if not event.optional for name in _needed(event))
    return [form.columns.get(name, [name]) for name in needed]


def missing_columns(form: MappingFile, names: Iterable[str]) -> list[str]:
    """What a file with these columns lacks of those by which a mapping knows its files."""
    there = [normal(name) for name in names if name.strip()]
    return [any_of[0] for any_of in asked_columns(form) if not any(fits(name, there) for name in any_of)]


def recognised(mappings: Iterable[FileMapping], names: Sequence[str]) -> FileMapping | None:
    """The mapping that knows most of a file's columns, of those that find all they ask for."""
    fitting = [m for m in mappings if asked_columns(m.form) and not missing_columns(m.form, names)]
    return max(fitting, key=lambda m: len(asked_columns(m.form)), default=None)


def nearest(mappings: Iterable[FileMapping], names: Sequence[str]) -> tuple[FileMapping, list[str]] | None:
    """The mapping that a file lacks least of, and what it lacks; None where none has half of its columns there."""
    shares = []
    for mapping in mappings:
        missing = missing_columns(mapping.form, names)
        share = 1 - len(missing) / max(1, len(asked_columns(mapping.form)))
        if missing and share >= 0.5:
            shares.append((share, mapping, missing))
    if not shares:
        return None
    _, mapping, missing = max(shares, key=lambda share: share[0])
    return mapping, missing


def _needed(event: Event) -> list[str]:
    """The columns that an event cannot do without."""
    values = [event.time, *event.data.values(), *event.more.values(), *(event.id or ())]
    names = [name for value in values for name in _columns(value)]
    return [*names, *event.when, *(event.one_per or ())]


def _columns(value: Value) -> list[str]:
    if value.optional or value.each is not None:
        return []
    if value.rows is not None:
        return [name for inner in value.rows.values() for name in _columns(inner)]
    inner = [*(value.sum or ()), *(value.product or ()), *(value.quotient or ()), *(value.between or ())]
    own = [value.column] if value.column is not None and not value.column.startswith("@") else []
    return own + [name for part in inner for name in _columns(part)]
