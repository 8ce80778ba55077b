"""Asks the databases of sources.yml for their new rows, and publishes what becomes of them.

Of several workers the one that has the alerts asks; should two believe it, the broker takes the pages of one alone. The
events of a page, how far the source was read and what is remembered of it are one transaction, as a cut of a stage is.
"""

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from msgspec.structs import replace

from lockstep.adapters.channels import Secrets
from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.sql.database import Database
from lockstep.adapters.sql.own_thread import OwnThread
from lockstep.adapters.sql.source_file import FILE, Source, Sources, load_sources
from lockstep.adapters.sql.source_pages import Page, Round, opened
from lockstep.adapters.sql.source_state import SourceState
from lockstep.adapters.sql.source_status import SourceStatus, status_record
from lockstep.adapters.stream.consumer import Faults
from lockstep.errors import BrokerError, EventError, Fenced, LockstepError, StateError
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.ports import Broker, Cut, Ownership, Record
from lockstep.settings import Settings
from lockstep.text.rfc3339 import rfc3339_of

log = structlog.get_logger("lockstep.sources")

STAGE = "sources"
"""Under which the state is stored: published, so it never changes."""
LOOK_S = 0.5
"""Between two looks at whether the files have changed, and whether this worker still is the one that asks."""
AGAIN_S = 5.0
"""After the broker has refused a page; one that has become another worker's is not asked for again at once."""
ANSWER_S = 120.0
"""How long a database may take for a page."""
FIRST_WAIT_S, MOST_WAIT_S = 5.0, 300.0
"""After the first failure, which doubles with each further one, up to this or to how often the source is asked."""
STATUS_S = 60.0
"""How often a source that has nothing new says that it answers."""


class Observer(Protocol):
    """Told what happens, for metrics."""

    def source_gave(self, source: str, *, events: int, refused: int) -> None:
        """So much of it was published."""

    def source_answered(self, source: str, now: datetime) -> None:
        """A round came to its end."""

    def source_failing(self, source: str, *, failing: bool) -> None: ...

    def sources_left(self) -> None:
        """Another worker asks them now, or their files have changed: what they are is no longer known here."""


Stamp = tuple[tuple[Path, int, int], ...]
"""(file, when it was changed, its size)."""


class _FilesChanged(Exception):
    """Or this worker is no longer the one that asks."""


class Polling:
    """is_owner: whether this worker is the one that asks now. pseudonym_key: see `Setting`; raises DeliveryError."""

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        *,
        is_owner: Callable[[], bool],
        secrets: Secrets,
        pseudonym_key: Callable[[], bytes | None],
        observer: Observer,
        clock: Callable[[], datetime],
        faults: Faults,
    ) -> None:
        self._settings, self._broker, self._is_owner = settings, broker, is_owner
        self._secrets, self._observer, self._clock, self._faults = secrets, observer, clock, faults
        self._pseudonym_key = pseudonym_key
        self._said: tuple[str, ...] = ()

    async def keep(self) -> None:
        """Ask for ever, as often as the sources say."""
        path = self._settings.rules / FILE
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._is_owner():
                continue
            sources = await asyncio.to_thread(load_sources, path)
            self._say(sources)
            stamp = _stamp(sources.files)
            if sources.sources:
                await self._ask(sources.sources, stamp)
            else:
                with suppress(_FilesChanged):
                    await self._watch(stamp)

    def _say(self, sources: Sources) -> None:
        """Say what is wrong with the file, and which settings the sources need."""
        said = [str(fault) for fault in sources.faults]
        for source in sources.sources:
            for role in source.roles:
                if self._settings.lateness_of(role) < source.every_s:
                    said.append(
                        f"source '{source.name}': is asked every {source.every_s} s, but {role} are waited for "
                        f"{self._settings.lateness_of(role):g} s; set LOCKSTEP_LATENESS_{role.upper()} above "
                        f"{source.every_s}, or what it brings is too late for its minute"
                    )
        if tuple(said) != self._said:
            self._said = tuple(said)
            for line in said:
                log.warning(line)

    async def _watch(self, stamp: Stamp) -> None:
        """Raises _FilesChanged when the files have changed, or this worker is no longer the one that asks."""
        while True:
            if not self._is_owner() or await asyncio.to_thread(_stamp, [path for path, *_ in stamp]) != stamp:
                raise _FilesChanged
            await asyncio.sleep(LOOK_S)

    async def _ask(self, sources: Sequence[Source], stamp: Stamp) -> None:
        """Ask the sources until their files change, or another worker asks them."""
        owned = self._broker.own(STAGE, 0)
        refused: BrokerError | None = None
        try:
            _, entries = await owned.recover()
            cuts = _Cuts(owned, self._faults)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(stamp))
                for source in sources:
                    group.create_task(self._follow(source, entries, cuts))
        except* _FilesChanged:
            pass
        except* BrokerError as errors:
            refused = next(error for error in errors.exceptions if isinstance(error, BrokerError))
        finally:
            self._observer.sources_left()
            await owned.close()
        if refused is None:
            return
        if isinstance(refused, Fenced):
            log.info("another worker asks the sources now")
        else:
            log.warning("the broker did not take what a source gave; it is asked again", reason=str(refused))
        await asyncio.sleep(AGAIN_S)

    async def _follow(self, source: Source, entries: Mapping[bytes, bytes], cuts: "_Cuts") -> None:
        """Ask one source for ever."""
        thread = OwnThread(f"lockstep-{source.name}")
        report = _StatusReport(source.name, self._broker, self._observer, self._clock)
        failures = 0
        try:
            state: SourceState | None = None
            while True:
                try:
                    state = state or SourceState(source.name, source.column, entries)
                    why = await self._round(source, state, cuts, thread, report)
                except StateError as error:
                    why = str(error)
                failures = failures + 1 if why else 0
                await report.answered(why)
                await asyncio.sleep(wait_s(source.every_s, failures))
        finally:
            thread.close()

    async def _round(
        self, source: Source, state: SourceState, cuts: "_Cuts", thread: OwnThread, report: "_StatusReport"
    ) -> str:
        """Publish what is new of a source; why that did not come to its end, "" where it did."""
        open_round = _OpenRound(partial(opened, source, self._secrets), partial(self._pages, source, state))
        try:
            while True:
                async with asyncio.timeout(ANSWER_S):
                    page = await thread.run(open_round.next_page)
                if page is None:
                    return ""
                await self._publish(source, state, cuts, page, report)
        except TimeoutError:
            return f"the database has not answered for {ANSWER_S:g} s"
        except BrokerError:
            raise
        except EventError as error:
            return error.detail
        except LockstepError as error:
            return str(error)
        except Exception as error:  # whatever a driver raises: a worker is worth more than its source
            log.exception("a source broke", source=source.name)
            return f"{type(error).__name__}; the log says more"
        finally:
            thread.later(open_round.close)

    def _pages(self, source: Source, state: SourceState, database: Database) -> Iterator[Page]:
        setting = Setting(self._settings.zone, None, self._pseudonym_key())
        return Round(source, state, database, topics=self._settings.topics, setting=setting).pages()

    async def _publish(
        self, source: Source, state: SourceState, cuts: "_Cuts", page: Page, report: "_StatusReport"
    ) -> None:
        """Make a page durable: its events, its refused rows, where the source was read to, and what is remembered."""
        if page.odd and not report.has_told_odd:
            report.has_told_odd = True
            log.warning("the query gives rows from before :cursor; they are left out", source=source.name)
        if page.reached is None:
            return
        step = state.step(page.reached, page.digests, refused=len(page.refused), overlap=source.overlap)
        report.reached(str(step.cursor), refused=step.refused)
        if not state.changes(step):
            return
        dead = [
            DeadEvent(
                f"{STAGE}/{source.name}",
                0,
                state.refused + i,
                "row",
                f"row with {source.column} {row.cursor}: {row.why}",
                row.line,
            )
            for i, row in enumerate(page.refused)
        ]
        for row in dead[:1]:
            log.warning("rows are refused; `lockstep dead events` lists them", count=len(dead), first=row.detail)
        records = [*page.records, *map(dead_record, dead)]
        await cuts.cut([*records, report.status_record(len(page.records))], step.entries)
        state.take(step)
        report.published(events=len(page.records), refused=len(page.refused))


def wait_s(every_s: float, failures: int) -> float:
    """Until a source is asked again. failures: in a row, up to now."""
    if failures == 0:
        return every_s
    return min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 20), max(MOST_WAIT_S, every_s))


def _stamp(files: Sequence[Path]) -> Stamp:
    """What changes when one of the files does."""
    stamp = []
    for path in files:
        try:
            stat = path.stat()
        except OSError:
            stamp.append((path, 0, 0))
        else:
            stamp.append((path, stat.st_mtime_ns, stat.st_size))
    return tuple(stamp)


class _Cuts:
    """The pages of all sources, one transaction after the other."""

    def __init__(self, owned: Ownership, faults: Faults) -> None:
        self._owned, self._faults = owned, faults
        self._turn = asyncio.Lock()

    async def cut(self, records: Sequence[Record], entries: Mapping[bytes, bytes | None]) -> None:
        """Raises Fenced, BrokerError: then nobody knows what is durable, and all is to be recovered."""
        async with self._turn:
            records = list(records)
            if self._faults.torn_cut:  # test only: events apart from what is remembered of them
                await self._owned.cut(Cut(records, {}), {})
                records = []
            await asyncio.sleep(self._faults.before_cut_s)
            await self._owned.cut(Cut(records, dict(entries)), {})


class _StatusReport:
    """Says of one source whether it answers: in the log when that changes, in metrics, and on `lockstep.sources`."""

    def __init__(self, name: str, broker: Broker, observer: Observer, clock: Callable[[], datetime]) -> None:
        self._name, self._broker, self._observer, self._clock = name, broker, observer, clock
        self._status = SourceStatus(at="")
        self._told_at: datetime | None = None
        self.has_told_odd = False

    def reached(self, cursor: str, *, refused: int) -> None:
        """So far it was read. refused: rows so far."""
        self._status = replace(self._status, cursor=cursor, refused=refused)

    def status_record(self, more: int) -> Record:
        """To go with a page of so many events."""
        now = self._now()
        events = self._status.events + more
        answers = replace(self._status, at=now, answered_at=now, events=events, why="", since=None)
        return status_record(self._name, answers)

    def published(self, *, events: int, refused: int) -> None:
        """A page is durable."""
        self._status = replace(self._status, events=self._status.events + events)
        self._observer.source_gave(self._name, events=events, refused=refused)

    async def answered(self, why: str) -> None:
        """A round has ended. why: it failed; "" where it did not."""
        before, now = self._status, self._now()
        if why:
            self._status = replace(before, at=now, why=why, since=before.since or now)
            if why != before.why:
                log.warning("a source does not answer as it should; it is asked again", source=self._name, reason=why)
        else:
            self._status = replace(before, at=now, answered_at=now, why="", since=None)
            if before.is_failing:
                log.info("the source answers again", source=self._name, since=before.since)
            self._observer.source_answered(self._name, self._clock())
        self._observer.source_failing(self._name, failing=bool(why))
        moment = self._clock()
        is_due = self._told_at is None or (moment - self._told_at).total_seconds() >= STATUS_S
        if is_due or why != before.why:
            self._told_at = moment
            await self._broker.publish([status_record(self._name, self._status)])

    def _now(self) -> str:
        return rfc3339_of(self._clock())


class _OpenRound:
    """One round of a source. All of it is done on the source's own thread."""

    def __init__(self, open_database: Callable[[], Database], pages: Callable[[Database], Iterator[Page]]) -> None:
        self._open_database, self._pages_of = open_database, pages
        self._database: Database | None = None
        self._pages = self._all()

    def next_page(self) -> Page | None:
        """The next page; None behind the last one."""
        return next(self._pages, None)

    def _all(self) -> Generator[Page, None, None]:
        self._database = self._open_database()
        yield from self._pages_of(self._database)

    def close(self) -> None:
        """Give the connection back."""
        self._pages.close()
        if self._database is not None:
            self._database.close()
