"""Rules as they lie on disk: what stands in files and folders is read here, and loaded by the core as texts."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from lockstep.calendar import UTC, Calendar
from lockstep.calendar.calendar_file import read_calendar
from lockstep.errors import RuleError
from lockstep.notify.oncall.schedule_form import Calendars
from lockstep.notify.route import NOBODY, Routing, routing_of
from lockstep.rule.language import packs
from lockstep.rule.language.load import Loaded, load_documents
from lockstep.rule.language.shop_file import NAME as SHOP
from lockstep.rule.language.shop_file import ShopSays, switched_on
from lockstep.shop.shop_settings import ShopSettings
from lockstep.yaml.document import Document, Fault, document_of

log = structlog.get_logger("lockstep")

CALENDAR_SUFFIX = ".ics"
SOURCES = "sources"
"""The file of the databases that are asked, by name: no rule, and so in no version of them."""
OTHER_FILES = ("routing", "calendar", SHOP, SOURCES)
"""Files of the folder that are not rule files, by name."""


def rule_files(paths: Iterable[Path]) -> list[Path]:
    """The rule files behind files and folders, sorted, without tests/, packs/, routing, calendar and shop."""
    files: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files |= {f for f in [*path.glob("*.yml"), *path.glob("*.yaml")] if f.stem not in OTHER_FILES}
        elif path.stem not in OTHER_FILES:
            files.add(path)
    return sorted(files)


def load_rules(*paths: Path, zone: ZoneInfo = UTC) -> Loaded:
    """The rules of files and folders. A file's measures may stand in its folder's other files. zone: the shop's, for
    times in calendars that feed its own."""
    files = rule_files(paths)
    documents, faults = _read(files)
    calendar, wrong = _calendar(paths, zone)
    faults += wrong
    names, tables = [str(f) for f in files], _TablesOnDisk({f.parent for f in files})
    shop, of_packs, wrong = _shop(paths, files)
    faults += wrong
    known = shipped_packs()
    loaded = load_documents(
        documents, faults, names, texts=tables, calendar=calendar, shop=shop, packs=of_packs, known_packs=known
    )
    if any(f.code == "LS130" for f in loaded.faults):
        lenders = [f for f in rule_files({p.parent for p in paths if p.is_file()}) if f not in files]
        others, _ = _read(lenders)
        if others:
            loaded = load_documents(
                *(documents, faults, names),
                texts=tables,
                beside=others,
                calendar=calendar,
                shop=shop,
                packs=of_packs,
                known_packs=known,
            )
    return loaded


def load_routing(path: Path) -> tuple[Routing | None, list[Fault]]:
    """The routing of a file, with every fault in it; NOBODY when there is no such file."""
    if not path.exists():
        return NOBODY, []
    document, faults = read_document(path)
    folder = str(path)[: -len(path.name)]
    return (None, faults) if document is None else routing_of(document, Calendars(_calendars(path.parent), folder))


def _calendars(folder: Path) -> dict[str, str]:
    """The calendar files in a folder, by name; one that cannot be read is as if it were not there."""
    texts = {}
    for file in sorted(folder.glob(f"*{CALENDAR_SUFFIX}")):
        with suppress(OSError):
            texts[file.name] = file.read_bytes().decode("utf-8", "surrogateescape")
    return texts


def read_document(path: Path, name: str = "") -> tuple[Document | None, list[Fault]]:
    """The document in a file, or why it cannot be read. name: what it is called in messages; default: its path."""
    name = name or str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return None, [Fault(name, 1, 1, f"cannot be read: {error.strerror}", "check the path and its rights", "LS101")]
    return document_of(name, raw)


def calendar_file(paths: Iterable[Path]) -> Path | None:
    """The calendar that goes with files and folders: the first calendar.yml in or beside them."""
    return _beside(paths, "calendar")


def shop_file(paths: Iterable[Path]) -> Path | None:
    """The shop.yml that goes with files and folders, likewise."""
    return _beside(paths, SHOP)


def _beside(paths: Iterable[Path], stem: str) -> Path | None:
    for path in paths:
        folder = path if path.is_dir() else path.parent
        for name in (f"{stem}.yml", f"{stem}.yaml"):
            if (folder / name).exists():
                return folder / name
    return None


# ---- packs -----------------------------------------------------------------------------------------------------------


@cache
def shipped_packs() -> Mapping[str, Path]:
    """The packs that come with the program, by name: in the package that was installed, or beside its source."""
    package = Path(__file__).parents[1]
    for folder in (package / packs.FOLDER, package.parents[1] / "rules" / packs.FOLDER):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yml"))}
    return {}


def pack_files(folder: Path) -> dict[str, Path]:
    """The packs that shop.yml in a folder may switch on: those of its own `packs/`, and the shipped ones."""
    own = {path.stem: path for path in sorted((folder / packs.FOLDER).glob("*.yml"))}
    return {**shipped_packs(), **own}


def load_packs(folder: Path) -> tuple[list[packs.Pack], frozenset[str]]:
    """All packs that a folder may switch on, with the values of their settings there; and which it does."""
    loaded = load_rules(folder)
    says = ShopSays(ShopSettings()) if loaded.shop is None else loaded.shop
    return pack_heads(pack_files(folder), says), frozenset(says.packs)


def pack_heads(files: Mapping[str, Path], says: ShopSays) -> list[packs.Pack]:
    """The heads of packs by name. says: what gives their settings values."""
    heads = []
    for name, path in files.items():
        document, _ = read_document(path)
        heads.append(packs.Pack(name, "") if document is None else packs.pack_of(document, says.values.get(name)))
    return heads


def packs_of(shop: Path) -> dict[str, Path]:
    """The packs that a shop.yml switches on and that are there: name within its folder, `packs/stock.yml` → file."""
    document, _ = read_document(shop)
    there = pack_files(shop.parent)
    named = [] if document is None else switched_on(document)
    return {f"{packs.FOLDER}/{name}.yml": there[name] for name in named if name in there}


def _shop(paths: Iterable[Path], files: Iterable[Path]) -> tuple[Document | None, list[Document], list[Fault]]:
    """shop.yml, the packs that it switches on and are not among the files already, and why they cannot be read."""
    file = shop_file(paths)
    if file is None:
        return None, [], []
    shop, faults = read_document(file)
    documents: list[Document] = []
    given = {path.resolve() for path in files}
    for name, path in packs_of(file).items():
        if path.resolve() not in given:
            document, wrong = read_document(path, str(file.parent / name))
            documents += [] if document is None else [document]
            faults += wrong
    return shop, documents, faults


def _calendar(paths: Iterable[Path], zone: ZoneInfo) -> tuple[Calendar | None, list[Fault]]:
    file = calendar_file(paths)
    if file is None:
        return None, []
    document, faults = read_document(file)
    if document is None:
        return None, faults
    beside = {str(file.parent / name): text for name, text in _calendars(file.parent).items()}
    return read_calendar(document, beside, zone)


def _read(files: Iterable[Path]) -> tuple[list[Document], list[Fault]]:
    documents: list[Document] = []
    faults: list[Fault] = []
    for file in files:
        document, wrong = read_document(file)
        faults += wrong
        documents += [document] if document is not None else []
    return documents, faults


class _TablesOnDisk(Mapping[str, str]):
    """Path → text of the tables in folders, each read when it is asked for: an export that no rule reads may be large.

    Raises OSError for one that cannot be read.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = sorted(folders)

    def __contains__(self, path: object) -> bool:
        return Path(str(path)).is_file()

    def __getitem__(self, path: str) -> str:
        return Path(path).read_bytes().decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (str(file) for folder in self._folders for file in sorted(folder.glob("*.csv")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def load_routes(folder: Path) -> Routing:
    """The routing of a folder. Raises RuleError for one that cannot be used: nobody would be told."""
    if not folder.exists():
        raise RuleError(f"{folder}: there is no such folder; name one with --rules")
    routing, faults = load_routing(folder / "routing.yml")
    for fault in faults:
        (log.error if fault.level == "error" else log.warning)(str(fault))
    if routing is None:
        raise RuleError("; ".join(str(f) for f in faults if f.level == "error"))
    if not any(routing.destinations.values()):
        log.warning(f"nobody is told: {folder / 'routing.yml'} names no receiver")
    return routing
