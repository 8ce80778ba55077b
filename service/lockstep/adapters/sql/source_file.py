"""sources.yml: the databases that are asked for new rows. The form is the source of its JSON Schema and faults."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from lockstep.adapters.convert.file_columns import EXPORTED
from lockstep.adapters.convert.form import MappingFile, Value
from lockstep.adapters.convert.mapping import FileMapping, is_mapping, read_mapping, ready_mappings
from lockstep.adapters.rule_files import SOURCES, read_document
from lockstep.adapters.sql.cursor_value import CursorValue, NoCursor, cursor_value
from lockstep.event import TYPES
from lockstep.notify.receivers import SecretName
from lockstep.rule.language.form import without_null
from lockstep.rule.language.form.values import Duration, Name
from lockstep.rule.language.quantity import duration_s
from lockstep.text.rfc3339 import SECOND
from lockstep.yaml.document import Document, Fault, did_you_mean, validate

FILE = f"{SOURCES}.yml"
MAPPINGS = "mappings"
CURSOR = "cursor"
"""What a query calls the value from which on its rows are asked for."""
OVERLAP_S, OVERLAP_IDS = 300, 1_000
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
"""As SQLAlchemy finds them; `::` is a cast, and `\\:` a colon."""
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_READS = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|with)\b", re.IGNORECASE | re.DOTALL)
_PASSWORD = re.compile(r"//[^/@]*:[^/@]*@|[?&](?:password|passwd|pwd|sslpassword)=", re.IGNORECASE)


def _query(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = dict.fromkeys(_PARAMETER.findall(value))
    if not _READS.match(value):
        raise ValueError("the query does not begin with SELECT or WITH; write one that reads [LS250]")
    if CURSOR not in names:
        raise ValueError(
            "the query has no :cursor, and would give every row each time; "
            "write … WHERE placed_at >= :cursor ORDER BY placed_at [LS250]"
        )
    other = next((name for name in names if name != CURSOR), None)
    if other is not None:
        raise ValueError(f"the query asks for ':{other}', which nothing gives; write it out, or \\:{other} [LS250]")
    return value


def _url(value: Any) -> Any:
    # Not repeated in the message: it has the password.
    if isinstance(value, str) and _PASSWORD.search(value):
        raise ValueError("a password never stands in a file; write {secret: NAME} and set LOCKSTEP_SECRET_NAME [LS151]")
    return value


def _start(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)  # YAML has a 0, and what begins with one, as a text
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("'from' is neither a time nor a whole number; write one as the column has them [LS250]")
    try:
        cursor_value(value)
    except NoCursor as error:
        raise ValueError(f"{error} [LS250]") from None
    return value


class SourceForm(BaseModel):
    """One database that is asked for its new rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Name = Field(description="Its name, for ever: what was read is remembered by it")
    url: Annotated[str | SecretName, BeforeValidator(_url)] = Field(
        description="The database's address as SQLAlchemy has it, by name: {secret: SHOP_DB}; without a password also "
        "as it is, sqlite:////var/lib/shop.db"
    )
    query: Annotated[str, BeforeValidator(_query)] = Field(
        description="SELECT … WHERE placed_at >= :cursor ORDER BY placed_at: the rows from :cursor on, in that order"
    )
    cursor: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="The column by which rows are new: a time or an id that grows, and is never changed later"
    )
    from_: Annotated[
        int | str, BeforeValidator(_start), WithJsonSchema({"type": ["integer", "string"], "examples": [0]})
    ] = Field(
        alias="from",
        description="Where it begins: the first value of the cursor that is read, as the database has it. What is "
        "older is for `lockstep import --sql`",
    )
    mapping: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="How rows become events: a ready mapping by its name, mappings/NAME.yml, or a file, from here"
    )
    every: Annotated[Duration, Field(ge=1)] = Field(60, description="How often it is asked")
    overlap: Annotated[int | str, WithJsonSchema({"type": ["integer", "string"], "examples": ["5m", 1000]})] | None = (
        Field(
            None,
            description="How much is read again each time, for rows that are committed late: a length of time (default "
            "5m), or with ids how many numbers (default 1000). What gave an event before gives none again",
        )
    )

    @field_validator("overlap")
    @classmethod
    def _fits(cls, overlap: int | str | None, info: ValidationInfo) -> int | str | None:
        if "from_" in info.data:  # else there is nothing to fit, which has been said
            overlap_at(info.data["from_"], overlap)
        return overlap

    def start(self) -> CursorValue:
        """Where it begins."""
        return cursor_value(self.from_)


def overlap_at(start: int | str, overlap: int | str | None) -> int:
    """How much is read again, in what the cursor is counted in. start: as `from` has it. Raises ValueError."""
    if isinstance(start, int):
        if isinstance(overlap, str) and not _NUMBER.fullmatch(overlap):
            raise ValueError(
                f"'{overlap[:100]}' is a length of time, but 'from' is a number; write how many numbers, 1000 [LS250]"
            )
        again = OVERLAP_IDS if overlap is None else int(overlap)
    else:
        again = SECOND * (OVERLAP_S if overlap is None else duration_s(overlap))
    if again <= 0:
        raise ValueError(
            f"'{overlap}' is nothing, so of rows with one value some could be lost; write 1s, or 1, or more [LS250]"
        )
    return again


class SourcesFile(BaseModel):
    """The databases that `lockstep serve` asks for their new rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: list[SourceForm] = Field(description="The databases that are asked")


@dataclass(frozen=True)
class Source:
    """A database to be asked. url: its address, or the secret that has it. start: the value that is read first.

    overlap: how much is read again, in what `CursorValue.at` counts.
    """

    name: str
    url: str | SecretName
    query: str
    column: str
    start: CursorValue
    start_text: str | int
    mapping: FileMapping
    every_s: int
    overlap: int

    @property
    def roles(self) -> tuple[str, ...]:
        """Of the topics that its events go to."""
        return tuple(dict.fromkeys(TYPES[event.type].role for event in self.mapping.form.events))

    @property
    def one_per(self) -> tuple[str, ...]:
        """The columns that are the same in all rows of an event, where an event has several."""
        return tuple(column for event in self.mapping.form.events for column in event.one_per or ())


@dataclass(frozen=True)
class Sources:
    """What stands in a file. faults: all that is wrong; a source that has one is not among the sources.

    files: that were looked at, to see later whether one has changed.
    """

    sources: tuple[Source, ...] = ()
    faults: tuple[Fault, ...] = ()
    files: tuple[Path, ...] = ()


def load_sources(path: Path) -> Sources:
    """The sources of a file; none where there is no such file."""
    if not path.exists():
        return Sources(files=(path,))
    document, faults = read_document(path)
    if document is None:
        return Sources(faults=tuple(faults), files=(path,))
    form, faults = validate(document, SourcesFile)
    forms = dict(_sound(document) if form is None else enumerate(form.sources))
    sources, files, names = [], [path], set[str]()
    for i, source in forms.items():
        if source.name in names:
            message, remedy = f"'{source.name}' stands twice", "give each source a name of its own"
            faults.append(document.fault(("sources", i, "name"), message, remedy, "LS250"))
            continue
        names.add(source.name)
        mapping, file, wrong = _mapping(document, i, source.mapping, path.parent)
        faults += wrong
        files += [file] if file is not None else []
        if mapping is not None:
            sources.append(_compiled(source, mapping))
    return Sources(tuple(sources), tuple(sorted(set(faults))), tuple(files))


def _sound(document: Document) -> Iterator[tuple[int, SourceForm]]:
    """The sources without a fault of form in a file that has some."""
    written = document.data.get("sources") if isinstance(document.data, dict) else None
    for i, data in enumerate(written if isinstance(written, list) else ()):
        try:
            yield i, SourceForm.model_validate(data)
        except ValueError:
            continue  # its faults have been said


def _compiled(form: SourceForm, mapping: FileMapping) -> Source:
    return Source(
        name=form.name,
        url=form.url,
        query=form.query,
        column=form.cursor,
        start=form.start(),
        start_text=form.from_,
        mapping=mapping,
        every_s=form.every,
        overlap=overlap_at(form.from_, form.overlap),
    )


def _mapping(
    document: Document, index: int, name: str, folder: Path
) -> tuple[FileMapping | None, Path | None, Sequence[Fault]]:
    """(the mapping of a source, the file that it stands in, what is wrong)."""
    at = ("sources", index, "mapping")
    ready = ready_mappings()
    named = Path(name)
    own = [folder / name] if named.suffix in (".yml", ".yaml") else []
    own += [folder / MAPPINGS / f"{name}.yml", Path(MAPPINGS) / f"{name}.yml"]
    file = next((path for path in own if path.is_file()), None)
    mapping: FileMapping | None
    if file is None:
        mapping = ready.get(name)
        if mapping is None:
            remedy = f"{did_you_mean(name, ready)}; or write {folder / MAPPINGS / 'NAME.yml'}"
            return None, None, [document.fault(at, f"there is no mapping '{name[:100]}'", remedy, "LS251")]
    else:
        held, faults = read_document(file)
        if held is not None and not is_mapping(held):
            said = document.fault(at, f"{file} is no mapping", "its first line is 'mapping: NAME'", "LS251")
            return None, file, [said]
        mapping, faults = (None, faults) if held is None else read_mapping(held)
        if mapping is None:
            remedy = f"`lockstep check {file}` shows the lines"
            return None, file, [document.fault(at, f"{file} has faults", remedy, "LS251"), *faults]
    wrong = [document.fault(at, message, remedy, "LS251") for message, remedy in _unfit(mapping.form)]
    return (None if wrong else mapping), file, wrong


def _unfit(form: MappingFile) -> Iterator[tuple[str, str]]:
    """(what is wrong, the way out) where what a row gives does not follow from the row alone."""
    for event in form.events:
        if event.repeats:
            message = f"'{form.mapping}' tells rows that say the same apart by their number in a file"
            yield message, "leave out 'repeats' and name the event by a column: id: order_number"
        if event.scattered:
            message = f"'{form.mapping}' gathers the rows of an event from a whole file"
            yield message, "leave out 'scattered', and ORDER BY the cursor and the order's number"
        values = [event.time, *event.data.values(), *event.more.values(), *(event.id or ())]
        if EXPORTED in _columns(values):
            message = f"'{form.mapping}' takes the time at which a file was made, which rows of a query do not have"
            yield message, "name a column that says when it happened"


def _columns(values: Iterable[Value]) -> Iterator[str]:
    for value in values:
        if value.column is not None:
            yield value.column
        inner = [value.first_of, value.sum, value.product, value.quotient, value.between]
        yield from _columns(part for parts in inner for part in parts or ())
        yield from _columns((value.rows or {}).values())


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of sources.yml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/sources.schema.json",
        **without_null(SourcesFile.model_json_schema(by_alias=True)),
        "title": "Lockstep sources file",
    }
