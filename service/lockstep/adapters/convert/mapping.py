"""Mapping files and the ready ones: loaded with every fault at its place, compiled for the columns of a file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lockstep.adapters.convert.event_makers import EventCompiler, EventsOfRows
from lockstep.adapters.convert.field_values import Compiler, Setting, Test
from lockstep.adapters.convert.file_columns import AnyColumns, Columns, NamedColumns, ObjectColumns
from lockstep.adapters.convert.form import MappingFile
from lockstep.yaml.document import Document, Fault, document_of, validate

ENCODINGS = (
    *("utf-8", "windows-1250", "windows-1251", "windows-1252", "iso-8859-1", "iso-8859-2", "iso-8859-15"),
    *("cp437", "cp850", "shift_jis", "gb18030", "big5", "euc-kr", "mac_roman"),
)
"""In which a file may be written that is neither UTF-8 nor UTF-16."""
_SHOP = "shop"
_WORDS = ("epoch_s", "epoch_ms", "epoch_us", "usual")


@dataclass(frozen=True)
class FileMapping:
    """A mapping whose form is right. document: its file, for the places of faults."""

    form: MappingFile
    document: Document

    @property
    def name(self) -> str:
        return self.form.mapping


@dataclass(frozen=True)
class Compiled:
    """A mapping for the columns of one file. events: what makes them; refusals: rows that must not become any."""

    events: Sequence[EventsOfRows]
    refusals: Sequence[tuple[Test, str]]
    notes: Sequence[str]


def is_mapping(document: Document) -> bool:
    """Whether a YAML file is one of mappings and not one of rules."""
    return isinstance(document.data, dict) and "mapping" in document.data


def read_mapping(document: Document) -> tuple[FileMapping | None, list[Fault]]:
    """The mapping in a document, with every fault that shows without a file to convert."""
    form, faults = validate(document, MappingFile)
    if form is None:
        return None, faults
    mapping = FileMapping(form, document)
    _, faults = compile_mapping(mapping, AnyColumns(), Setting(ZoneInfo("UTC"), pseudonym_key=b"check"))
    return (None, faults) if faults else (mapping, [])


def compile_mapping(mapping: FileMapping, columns: Columns, setting: Setting) -> tuple[Compiled, list[Fault]]:
    """A mapping for the columns of a file, and every fault of it."""
    form, document = mapping.form, mapping.document
    zone, faults = _zone(mapping, setting.zone)
    fields = Compiler(document, _named(form, columns), setting, form.time, form.numbers, zone)
    compiler = EventCompiler(fields, form.mapping)
    made = [compiler.events(event, ("events", i)) for i, event in enumerate(form.events)]
    refusals = []
    for i, refusal in enumerate(form.refuse):
        tests = [
            fields.test(refusal.when, ("refuse", i, "when")),
            fields.differ(refusal.differ, ("refuse", i, "differ")),
        ]
        refusals.append((_all_of([test for test in tests if test is not None]), refusal.say))
    faults += [*fields.faults, *_form_faults(mapping)]
    events = [events for events in made if events is not None]
    absent = ", ".join(dict.fromkeys(fields.absent))
    notes = [*([f"what stands in columns that the file does not have: {absent}"] if absent else []), *fields.notes]
    return Compiled(events, refusals, tuple(dict.fromkeys(notes))), sorted(set(faults))


def _named(form: MappingFile, columns: Columns) -> Columns:
    """The columns of a file with the names that the mapping has for some; those of JSON are always there."""
    if not form.columns or isinstance(columns, ObjectColumns):
        return columns
    return NamedColumns(columns, form.columns)


def _all_of(tests: Sequence[Test]) -> Test:
    return lambda row: bool(tests) and all(test(row) for test in tests)


def _zone(mapping: FileMapping, shop: ZoneInfo) -> tuple[ZoneInfo, list[Fault]]:
    name = mapping.form.time.zone
    if name == _SHOP:
        return shop, []
    try:
        return ZoneInfo(name), []
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message, remedy = f"there is no time zone '{name[:100]}'", "write shop, or one like Europe/London"
        return shop, [mapping.document.fault(("time", "zone"), message, remedy, "LS244")]


def _form_faults(mapping: FileMapping) -> list[Fault]:
    """Faults of times, of the encoding and of ids that the events of one row would share."""
    form, document = mapping.form, mapping.document
    faults = []
    for i, written in enumerate(form.time.formats):
        why = _wrong_format(written)
        if why:
            remedy = "write it as strptime has it, '%d/%m/%Y %H:%M', or epoch_s, epoch_ms, epoch_us, usual"
            faults.append(document.fault(("time", "formats", i), f"'{written[:100]}' {why}", remedy, "LS244"))
    if form.file.encoding is not None and form.file.encoding.lower() not in ENCODINGS:
        message = f"'{form.file.encoding}' is no encoding that is known"
        faults.append(document.fault(("file", "encoding"), message, f"write one of {', '.join(ENCODINGS)}", "LS113"))
    named: dict[tuple[str, str], int] = {}
    for i, event in enumerate(form.events):
        if event.id is None:
            continue
        same = named.setdefault((str(event.id), event.source or ""), i)
        if same != i and not (event.when and form.events[same].when):
            message = f"event {i + 1} has the id of event {same + 1}: of the two only the first would count"
            remedy = "add what it says: id: [Name, {const: cancelled}]"
            faults.append(document.fault(("events", i, "id"), message, remedy, "LS245"))
    return faults


def _wrong_format(written: str) -> str:
    """What is wrong with the format of a time; "" for a right one."""
    if written in _WORDS:
        return ""
    try:
        datetime.strptime("", written)  # noqa: DTZ007 # it is only looked whether the format can be read
    except ValueError as error:
        if "does not match" not in str(error):
            return f"is no format of a time ({error})"
    except (IndexError, KeyError, OverflowError):
        return "is no format of a time"
    return "" if any(year in written for year in ("%Y", "%y", "%c", "%x", "%G")) else "names no year"


@cache
def ready_mappings() -> Mapping[str, FileMapping]:
    """The mappings that come with Lockstep, by name."""
    mappings = {}
    for file in sorted(_ready_files(), key=lambda file: file[0].removesuffix(".yml")):
        document, faults = document_of(*file)
        mapping, wrong = (None, faults) if document is None else read_mapping(document)
        if mapping is None:
            raise AssertionError("; ".join(map(str, wrong)))
        mappings[mapping.name] = mapping
    return mappings


def _ready_files() -> Iterable[tuple[str, bytes]]:
    for file in (files("lockstep.adapters.convert") / "ready").iterdir():
        if file.name.endswith(".yml"):
            yield file.name, file.read_bytes()
