"""The rules in force: files on one side, versions on `lockstep.rules` on the other.

A version is the text of all files of the folder that were accepted, with the second of event time from which it is in
force. Every worker reads the same versions from the topic, so all switch at the same event time, whatever their own
folder holds. A folder is proposed once, when it holds what no version ever held; each file of it is taken or refused
on its own, and the last good version of a refused one stays in force.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from lockstep.adapters.outbound.ical_feeds import says_the_same
from lockstep.adapters.rule_files import CALENDAR_SUFFIX, OTHER_FILES, SOURCES, packs_of, shipped_packs, shop_file
from lockstep.calendar import UTC
from lockstep.errors import RuleError, StateError
from lockstep.labels import stable_id
from lockstep.notify.oncall.schedule_form import Calendars
from lockstep.notify.route import NOBODY, Routing, routing_of
from lockstep.ports import Broker, Record
from lockstep.rule.announced_campaigns import (
    NO_CAMPAIGNS,
    AnnouncedCampaign,
    campaign_steps,
    read_campaigns,
    text_of,
    with_campaigns,
)
from lockstep.rule.condition.kinds import Plan, Rule
from lockstep.rule.language.load import load_texts
from lockstep.rule.language.packs import FOLDER as PACKS
from lockstep.rule.language.shop_file import NAME as SHOP
from lockstep.rule.versions import Version, changes_in_words, in_force
from lockstep.text.feed_address import PREFIX, FeedAddress
from lockstep.text.rfc3339 import SECOND, rfc3339
from lockstep.yaml.document import Fault, document_of

log = structlog.get_logger("lockstep.rules")

TOPIC = "lockstep.rules"
ROUTING = "routing.yml"
CAMPAIGNS = "announced-campaigns.json"
"""Campaigns that events announced, among the files of a version; no folder has it."""
FORMAT = 1
TABLE_SUFFIX = ".csv"
SUFFIXES = (".yml", ".yaml", TABLE_SUFFIX, CALENDAR_SUFFIX)
LARGEST = 900_000
"""Bytes of all files of a version together; a record of the broker holds a mebibyte."""
BEFORE_S = 60
"""So long before campaigns count they are announced to all workers."""
OVERLAP = timedelta(hours=1)
"""How long a version that was replaced is still remembered by workers that begin: theirs may not have reached it."""

Files = dict[str, str]


@dataclass(frozen=True)
class Announced:
    """One version as it stands on the topic. since_s: None for the first. at: when it was announced."""

    id: str
    files: Files
    since_s: int | None
    at: datetime


@dataclass(frozen=True)
class Taken:
    """What became of a folder's files. files: those in force from now on; refused: file → its faults."""

    files: Files
    refused: dict[str, tuple[Fault, ...]] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Loaded:
    plan: Plan
    routing: Routing | None
    faults: tuple[Fault, ...]


def read_folder(folder: Path) -> Files:
    """The files of a folder that rules are made of, with the packs that its shop.yml switches on: so all workers judge
    by the same, whatever packs their own program has. Raises RuleError."""
    if not folder.is_dir():
        raise RuleError(f"{folder}: there is no such folder; name one with --rules")
    texts: Files = {}
    own = (path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and path.stem != SOURCES)
    shop = shop_file([folder])
    packs = {} if shop is None else packs_of(shop)
    for name, path in [*((path.name, path) for path in own if path.is_file()), *packs.items()]:
        try:
            texts[name] = path.read_text("utf-8", "surrogateescape")
        except OSError as error:
            raise RuleError(f"{path}: cannot be read: {error.strerror}; check its rights") from error
    size = sum(len(text) for text in texts.values())
    if size > LARGEST:
        raise RuleError(f"{folder}: {size:,} bytes of rules; at most {LARGEST:,} are possible, remove what is not used")
    return texts


def content_id(files: Mapping[str, str]) -> str:
    """The same for the same names and texts."""
    return stable_id("rules-1", *(part for pair in sorted(files.items()) for part in pair))[:12]


def _folder_id(files: Mapping[str, str]) -> str:
    """Names what a folder holds, of a version's files: what was fetched or announced comes from elsewhere, and a folder
    that lags behind stays one when it changes."""
    return content_id({n: text for n, text in files.items() if n != CAMPAIGNS and not n.startswith(PREFIX)})


def load_files(files: Mapping[str, str], folder: Path, zone: ZoneInfo = UTC) -> Loaded:
    """The rules and routing in texts; faults and places name the files as if they stood in `folder`.

    zone: the shop's, for times in calendars that feed its own.
    """
    return _loaded(tuple(sorted(files.items())), folder, zone)


@lru_cache(maxsize=4)
def _loaded(texts: tuple[tuple[str, str], ...], folder: Path, zone: ZoneInfo) -> Loaded:
    """Of the same texts once: an edit asks for what was in force and what is to be many times."""
    files = dict(texts)
    campaigns = files.pop(CAMPAIGNS, None)
    calendars = {name: text for name, text in files.items() if name.endswith(CALENDAR_SUFFIX)}
    rules = {str(folder / n): text for n, text in files.items() if n in calendars or Path(n).stem != "routing"}
    loaded = load_texts(rules, known_packs=shipped_packs(), zone=zone)
    routing: Routing | None = NOBODY
    faults: list[Fault] = []
    if ROUTING in files:
        raw = files[ROUTING].encode("utf-8", "surrogateescape")
        document, faults = document_of(str(folder / ROUTING), raw)
        routing, faults = (
            (None, faults) if document is None else routing_of(document, Calendars(calendars, f"{folder}/"))
        )
    plan = loaded.plan if campaigns is None else with_campaigns(loaded.plan, read_campaigns(campaigns))
    return Loaded(plan, routing, (*loaded.faults, *faults))


def _name_in(folder: Path, path: str) -> str:
    """The name of a file in a folder, `packs/stock.yml` too, of the path that faults and places name."""
    return path.removeprefix(f"{folder}/") if str(folder) != "." else path


def take(good: Mapping[str, str], new: Mapping[str, str], folder: Path, zone: ZoneInfo = UTC) -> Taken:
    """Take or refuse each file that changed on its own.

    good: file name → text of what is in force. new: of the folder as it is now. folder: for the places of faults. zone:
    the shop's.

    A file is refused when it has an error, or when what it no longer says leaves one in a file that did not change, or
    no rule at all: a file that is saved empty by mistake must not end all watching.
    """
    taken = _taken(good, new, folder, zone)
    had = load_files(good, folder, zone).plan.rules
    if not had or load_files(taken.files, folder, zone).plan.rules:
        return taken
    held = dict.fromkeys(_name_in(folder, r.place.rpartition(":")[0]) for r in had)
    emptied = {name: good[name] for name in held if taken.files.get(name) != good[name]}
    refused = dict(taken.refused)
    for name in emptied:
        path = str(folder / name)
        said = "no rule is left in it" if name in new else "it was removed"
        remedy = "write a rule, or add one in another file"
        refused[name] = (Fault(path, 1, 1, f"{said}, and no other file has one", remedy, "LS111"),)
    return Taken({**taken.files, **emptied}, refused, taken.warnings)


def _taken(good: Mapping[str, str], new: Mapping[str, str], folder: Path, zone: ZoneInfo) -> Taken:
    files, refused = dict(new), dict[str, tuple[Fault, ...]]()
    while True:
        faults = load_files(files, folder, zone).faults
        errors: dict[str, list[Fault]] = {}
        for fault in faults:
            if fault.level == "error":
                errors.setdefault(_name_in(folder, fault.path), []).append(fault)
        changed = [name for name in {**good, **files} if good.get(name) != files.get(name)]
        bad = {name: errors[name] for name in errors if name in changed}
        if not bad and not changed:
            break
        if not bad:
            before = {str(f) for f in load_files(good, folder, zone).faults if f.level == "error"}
            new_errors = [f for of_file in errors.values() for f in of_file if str(f) not in before]
            if not new_errors or not good:
                break
            bad = dict.fromkeys(changed, new_errors)
        for name, of_file in bad.items():
            refused[name] = tuple(of_file)
            if name in good:
                files[name] = good[name]
                if Path(name).stem == SHOP:  # what it switches on could not be read of a text that is refused
                    files |= {pack: text for pack, text in good.items() if pack.startswith(f"{PACKS}/")}
            else:
                del files[name]
    return Taken(files, refused, tuple(f for f in faults if f.level == "warning"))


def _by_file(faults: Sequence[Fault], folder: Path) -> dict[str, tuple[Fault, ...]]:
    """The errors among faults."""
    by_file: dict[str, tuple[Fault, ...]] = {}
    for fault in (f for f in faults if f.level == "error"):
        name = _name_in(folder, fault.path)
        by_file[name] = (*by_file.get(name, ()), fault)
    return by_file


def since_text(second: int | None) -> str | None:
    """Since when a version or a rule is in force, of its second of event time; None for one that always was."""
    return rfc3339(second * SECOND) if second else None


def _feeds_of(loaded: Loaded) -> frozenset[FeedAddress]:
    """From where calendars of a folder's files are fetched."""
    of_routing = frozenset[FeedAddress]() if loaded.routing is None else loaded.routing.feeds
    return of_routing if loaded.plan.calendar is None else of_routing | loaded.plan.calendar.feeds


def _not_fetched(feed: FeedAddress, why: str, folder: Path) -> Fault:
    remedy = "the last good one stays in force; mend its address where it is named, or wait until it answers"
    return Fault(str(folder / feed.file), 1, 1, f"it cannot be fetched: {why}", remedy, "LS272")


class RuleBook:
    """Follows lockstep.rules and proposes what a folder holds. One reader, one proposer in a worker."""

    def __init__(self, broker: Broker, folder: Path, *, clock: Callable[[], datetime], zone: ZoneInfo = UTC) -> None:
        """zone: the shop's."""
        self._broker, self._folder, self._clock, self._zone = broker, folder, clock, zone
        self._at = 0
        self._versions: list[Announced] = []
        self._seen: dict[str, datetime] = {}
        self._looked = ""
        self._followed = ""
        self._refused: dict[str, tuple[Fault, ...]] = {}
        self._refused_feeds: dict[str, tuple[Fault, ...]] = {}
        self._failing_feeds: dict[str, tuple[Fault, ...]] = {}

    @property
    def refused(self) -> dict[str, tuple[Fault, ...]]:
        """File → why it is refused, also of calendars that are fetched."""
        return {**self._refused, **self._refused_feeds, **self._failing_feeds}

    @property
    def has_looked(self) -> bool:
        """Whether the folder was seen since this worker began, so that `refused` means something."""
        return self._looked != ""

    @property
    def current(self) -> Announced | None:
        return self._versions[-1] if self._versions else None

    async def refresh(self) -> bool:
        """Read on to the end of the topic; whether a newer version came. Raises BrokerError, StateError."""
        earliest, end = (await self._broker.bounds(TOPIC))[0]
        before = self.current
        async for batch in self._broker.read(TOPIC, 0, max(self._at, earliest), end):
            for value in batch.values:
                if value is not None:
                    self._take_record(json.loads(value))
        self._at = end
        return self.current is not before

    def _take_record(self, row: dict[str, Any]) -> None:
        if row.get("format") != FORMAT:
            raise StateError(
                f"{TOPIC}: a version of format {row.get('format')}, this program knows {FORMAT}; update it"
            )
        version = Announced(row["id"], row["files"], row["since_s"], datetime.fromisoformat(row["at"]))
        self._seen[_folder_id(version.files)] = version.at
        if self.current is None or self.current.id != version.id:  # two workers may announce one edit
            self._versions.append(version)

    def rules_in_force(self) -> tuple[Rule, ...]:
        """The rules of the newest version."""
        return () if self.current is None else self._load(self.current.files).plan.rules

    def faulty(self) -> dict[str, tuple[Fault, ...]]:
        """Files of the newest version that had a fault at the first start, when there was no better one of them: what
        is right in them is in force."""
        return {} if self.current is None else _by_file(self._load(self.current.files).faults, self._folder)

    def loaded(self) -> tuple[Plan, Routing]:
        """The plan of the versions that a worker may still need, and the newest routing."""
        if self.current is None:
            raise RuleError(f"{TOPIC}: holds no version; this is a fault of Lockstep")
        horizon = self._clock() - OVERLAP
        first = max((i for i, v in enumerate(self._versions) if v.at <= horizon), default=0)
        self._versions = self._versions[first:]
        loaded = [self._load(v.files) for v in self._versions]
        last = loaded[-1]
        borders = [None, *(v.since_s for v in self._versions[1:])]  # the first has been in force for long
        plan = in_force([Version(f.plan, since) for f, since in zip(loaded, borders, strict=True)])
        if last.routing is None:
            raise RuleError("; ".join(str(f) for f in last.faults if f.level == "error"))
        return plan, last.routing

    def is_older(self, files: Mapping[str, str]) -> datetime | None:
        """When a version with just these files was announced that is no longer in force; None: never, or it is."""
        name = _folder_id(files)
        is_current = self.current is None or _folder_id(self.current.files) == name
        return None if is_current else self._seen.get(name)

    async def has_any(self) -> bool:
        """Whether a version is in force, or a file that may hold rules in the folder. Raises RuleError, BrokerError."""
        await self.refresh()
        names = (Path(name) for name in read_folder(self._folder))
        may_hold_rules = any(
            name.suffix not in (TABLE_SUFFIX, CALENDAR_SUFFIX) and name.stem not in OTHER_FILES for name in names
        )
        return self.current is not None or may_hold_rules

    async def begin(self) -> None:
        """At start: the folder is the first version where the broker has none. Raises RuleError."""
        await self.refresh()
        if self.current is None:
            files = read_folder(self._folder)
            loaded = self._load(files)
            for fault in loaded.faults:
                (log.error if fault.level == "error" else log.warning)(str(fault))
            # Nobody was watched over by a better version of a file: its good rules are better than none.
            if not loaded.plan.rules:
                raise RuleError(
                    f"{self._folder}: there is no rule that can be used; see `lockstep check {self._folder}`"
                )
            if loaded.routing is None:
                raise RuleError("; ".join(str(f) for f in loaded.faults if f.level == "error"))
            await self._announce(files, None)

    async def propose(self, since_s: int, *, again: bool = False) -> list[str]:
        """Announce what the folder holds, where it is new; what changed, in words. Raises RuleError, BrokerError.

        An earlier version is gone back to where the folder went along with what is in force: then it was edited back. A
        folder that lags behind would undo what others have edited. again: in any case, somebody asked for it.
        """
        await self.refresh()
        files = self._with_feeds(read_folder(self._folder))
        looked, self._looked = self._looked, content_id({n: text for n, text in files.items() if n != CAMPAIGNS})
        good = self.current.files if self.current is not None else {}
        followed, now = self._followed, self.current.id if self.current is not None else ""
        if files == good:  # also when another worker brought what is in force to where this folder is
            self._refused, self._followed = self.faulty(), now
            return []
        if looked == self._looked and not again:
            return []
        older = self.is_older(files)
        if older is not None and not again and followed != now:
            log.warning(
                "the folder holds rules that were replaced; ask for a reload to go back to them",
                folder=str(self._folder),
                announced=older.isoformat(timespec="seconds"),
            )
            self._refused = {}  # what was in force once has no fault
            return []
        taken = take(good, files, self._folder, self._zone)
        self._refused = {**_by_file(self._load(taken.files).faults, self._folder), **taken.refused}
        self._followed = now
        for name, faults in taken.refused.items():
            for fault in faults:
                log.error(str(fault), refused=name)
        for fault in taken.warnings:
            log.warning(str(fault))
        if taken.files == good:
            return []
        changes = changes_in_words(good, taken.files)
        await self._announce(taken.files, since_s)
        self._followed = content_id(taken.files)
        return changes

    # ---- calendars that are fetched ---------------------------------------------------------------------------------

    def feeds(self) -> frozenset[FeedAddress]:
        """From where the newest version has calendars."""
        return frozenset() if self.current is None else _feeds_of(self._load(self.current.files))

    def _with_feeds(self, folder: Files) -> Files:
        """The files of the folder, and what was fetched of the calendars that they name. Of a folder with a fault,
        which may be refused, also of those that the version in force names."""
        good = {} if self.current is None else self.current.files
        loaded = self._load(folder)
        named = {feed.file for feed in _feeds_of(loaded)}
        if loaded.routing is None or any(fault.level == "error" for fault in loaded.faults):
            named |= {feed.file for feed in self.feeds()}
        return {**folder, **{name: good[name] for name in sorted({*named, CAMPAIGNS}) if name in good}}

    def _load(self, files: Mapping[str, str]) -> Loaded:
        return load_files(files, self._folder, self._zone)

    def forget_feeds(self) -> None:
        """Another worker asks for them now, and says what is wrong with them."""
        self._refused_feeds, self._failing_feeds = {}, {}

    async def propose_feeds(self, fetched: Mapping[str, str], failing: Mapping[FeedAddress, str], since_s: int) -> bool:
        """Announce calendars that were fetched, where they say something new; whether they do. Raises BrokerError.

        fetched: file → text, of those that have sent one. failing: what cannot be fetched, and why; its last good text
        stays. A text that cannot be used is refused like a file, until another one comes.
        """
        await self.refresh()
        good = {} if self.current is None else self.current.files
        feeds = {feed.file: feed for feed in self.feeds()}
        news = {
            name: text
            for name, text in fetched.items()
            if name in feeds and not (name in good and says_the_same(good[name], text))
        }
        taken = take(good, {**good, **news}, self._folder, self._zone) if news else Taken(dict(good))
        refused = {name: faults for name, faults in taken.refused.items() if name in feeds}
        for name in refused.keys() - self._refused_feeds.keys():
            for fault in refused[name]:
                log.error(str(fault), refused=name)
        kept = {n: faults for n, faults in self._refused_feeds.items() if n in feeds and n not in fetched}
        self._refused_feeds = {**kept, **refused}
        self._failing_feeds = {feed.file: (_not_fetched(feed, why, self._folder),) for feed, why in failing.items()}
        for fault in taken.warnings:
            if _name_in(self._folder, fault.path) in news:
                log.warning(str(fault))
        if taken.files == good:
            return False
        await self._announce_from_elsewhere(taken.files, since_s)
        return True

    # ---- campaigns that events announce -----------------------------------------------------------------------------

    async def propose_campaigns(
        self, announcements: Collection[AnnouncedCampaign], next_border_s: Callable[[], int]
    ) -> bool:
        """Announce campaigns that count from now on, or in a moment; whether there are any. Raises BrokerError.

        announcements: all that events have made. next_border_s: the next border of event time that nobody has passed.
        What counts later waits: a version that is not in force yet would hold up an edit of the rules.
        """
        await self.refresh()
        if self.current is None:
            return False
        has_news = False
        for border, campaigns in campaign_steps(
            read_campaigns(self.current.files.get(CAMPAIGNS, NO_CAMPAIGNS)), announcements
        ):
            if border > next_border_s() + BEFORE_S:
                break
            files = {**self.current.files, CAMPAIGNS: text_of(campaigns)}
            await self._announce_from_elsewhere(files, max(border, next_border_s()))
            has_news = True
        return has_news

    async def _announce_from_elsewhere(self, files: Files, since_s: int) -> None:
        """Announce what is new and not of the folder: where that was in force, it is no folder that lags behind."""
        is_followed = self.current is not None and self._followed == content_id(self.current.files)
        await self._announce(files, since_s)
        if is_followed:
            self._followed = content_id(files)

    async def _announce(self, files: Files, since_s: int | None) -> None:
        size = sum(len(text.encode("utf-8", "surrogateescape")) for text in files.values())
        if size > LARGEST:
            said = f"{size:,} bytes of rules with the calendars that were fetched; at most {LARGEST:,} are possible"
            raise RuleError(f"{self._folder}: {said}, let the calendars offer the coming months alone")
        name, at = content_id(files), self._clock().isoformat()
        row = {"format": FORMAT, "id": name, "files": files, "since_s": since_s, "at": at}
        await self._broker.publish([Record(TOPIC, json.dumps(row).encode(), name.encode(), 0)])
        await self.refresh()
