"""A durable log with topics and partitions in one SQLite file.

WAL, one writer thread with group commit, first in, first out: what was accepted earlier is durable earlier. Compacted
topics keep one record a key. Offsets are never used again, also after everything was removed. Other processes may
append to the same file; their records are seen within POLL_S.
"""

import contextlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from lockstep.errors import BrokerError, Fenced, SettingsError, StateError
from lockstep.ports import Batch, Headers, Record, TopicInfo, TopicSpec

FORMAT = 1
POLL_S = 0.05
SHIFT = 40
MASK = (1 << SHIFT) - 1
MOST_WAITING = 2_000
"""Operations in one group commit."""
MOST_BYTES = 4 << 20
"""A batch that is read ends soon after so many bytes of values; at a megabyte an event it is still bounded."""
WAL_PAGES = 1_000
"""Pages after which the write-ahead log is written over from its beginning. To sync what was written over takes a third
of the time that it takes where the file has grown: then its length is written to the disk, too."""
READ_ROWS = 128
ROWS_AT_ONCE = 64
"""Rows of one insert. Each statement gives Python's lock away and waits until it gets it again, which takes long beside
a busy event loop."""

_INSERT_ROW = "insert into log values(?, ?, ?, ?, ?)"
_INSERT_ROWS = f"insert into log values{', '.join(['(?, ?, ?, ?, ?)'] * ROWS_AT_ONCE)}"

SCHEMA = """
create table if not exists topic(
  name text primary key, uid text not null, partitions int not null, compacted int not null, retention_s real);
create table if not exists tp(
  id integer primary key, topic text not null, partition int not null, next int not null, unique(topic, partition));
create table if not exists log(id integer primary key, ts_ms int not null, key blob, value blob, headers text);
create table if not exists klog(
  id integer primary key, tp int not null, ts_ms int not null, key blob, value blob, headers text, unique(tp, key));
create table if not exists committed(grp text, tp int, next int not null, primary key(grp, tp)) without rowid;
create table if not exists owner(
  stage text, partition int, epoch int not null, positions text not null, primary key(stage, partition)) without rowid;
create table if not exists entry(
  stage text, partition int, key blob, value blob not null, primary key(stage, partition, key)) without rowid;
"""

T = TypeVar("T")
TP = tuple[str, int]
Operation = Callable[[sqlite3.Connection], T]


class Answer(Protocol):
    """Who waits for an operation: a Future of `concurrent.futures`, or what is told in the same words."""

    def set_running_or_notify_cancel(self) -> bool:
        """False where nobody waits any more; asked once, before the operation is run."""

    def set_result(self, result: Any, /) -> None: ...

    def set_exception(self, exception: BaseException, /) -> None: ...


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.executescript(
        f"pragma journal_mode=wal; pragma wal_autocheckpoint={WAL_PAGES}; pragma cache_size=-32000;"
        f"pragma mmap_size=268435456; pragma synchronous={synchronous};"
    )
    return connection


def _identity(files: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Which files the paths lead to. Raises OSError where one is not there."""
    return tuple((f.st_dev, f.st_ino) for f in map(os.stat, files))


class Log:
    """The file. Appending and cutting go through the writer thread; reading happens on the caller's thread.

    now_ms: the clock, Unix milliseconds; records get its time when they are written.
    """

    def __init__(self, path: Path, *, now_ms: Callable[[], int], synchronous: str = "full") -> None:
        """synchronous: full, where what was accepted outlives a power cut; normal, where a kill at most."""
        self.path = path
        self._now_ms = now_ms
        if not path.parent.is_dir():
            # Made here, a misspelt path would be a new and empty shop.
            more = "" if path.is_absolute() else "; an absolute path has four slashes, sqlite:////var/lib/lockstep.db"
            raise SettingsError(
                f"LOCKSTEP_BROKER: there is no folder '{path.parent}' for {path.name}; make it, or name another{more}"
            )
        self._files = (str(path), f"{path}-wal")  # as texts: they are looked at with each commit
        try:
            self._reader = _connect(path, synchronous)
            self._writer = _connect(path, synchronous)
            self._check_format()
            self._writer.executescript(SCHEMA)
            self._opened = _identity(self._files)
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"{path}: cannot be used as a broker: {error}; name another file") from error
        self._queue: SimpleQueue[tuple[Operation[Any], Answer] | None] = SimpleQueue()
        self._waiters: set[Callable[[], None]] = set()
        self._broken: BrokerError | None = None
        self._closing = False
        self._accepting = threading.Lock()
        self._version: int | None = None
        self._topics: list[Any] = []  # the rows that `topics` is made of
        self.topics: dict[str, TopicInfo] = {}
        self.next: dict[TP, int] = {}
        self._ids: dict[TP, int] = {}
        self.refresh()
        self._thread = threading.Thread(target=self._write, name="lockstep-log", daemon=True)
        self._thread.start()

    def _check_format(self) -> None:
        self._writer.execute(
            "create table if not exists meta(name text primary key, value text not null) without rowid"
        )
        self._writer.execute("insert or ignore into meta values('format', ?)", (str(FORMAT),))
        (stored_format,) = self._writer.execute("select value from meta where name = 'format'").fetchone()
        if stored_format != str(FORMAT):
            raise StateError(
                f"{self.path} has format {stored_format}, this program knows {FORMAT}; use the program that wrote it"
            )

    def close(self) -> None:
        """Write what was accepted, then close."""
        with self._accepting:
            self._closing = True
            self._queue.put(None)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def verify(self) -> None:
        """Raises BrokerError when the path leads to another file now, or to none: what is written would be gone."""
        try:
            is_same, why = _identity(self._files) == self._opened, "replaced"
        except OSError:
            is_same, why = False, "deleted"
        if not is_same:
            raise BrokerError(
                f"{self.path}: the file (or its -wal) was {why} while this service used it; what came in since is in "
                "neither; put the file back, or start on the one that is there",
                retryable=False,
            )

    # ---- what there is --------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take note of what any connection committed since the last call; a few microseconds when nothing was."""
        (version,) = self._reader.execute("pragma data_version").fetchone()
        if version == self._version:
            return
        self._version = version
        topics = self._reader.execute("select * from topic").fetchall()
        if topics != self._topics:  # they hardly ever change, and every commit comes by here
            self._topics = topics
            self.topics = {
                name: TopicInfo(name, uid, partitions, bool(compacted), True, retention)
                for name, uid, partitions, compacted, retention in topics
            }
        rows = self._reader.execute("select id, topic, partition, next from tp").fetchall()
        self._ids = {(topic, partition): i for i, topic, partition, _ in rows}
        self.next = {(topic, partition): n for _, topic, partition, n in rows}

    def _first(self, tp: TP) -> int:
        if tp not in self._ids:
            raise BrokerError(f"there is no topic '{tp[0]}' with partition {tp[1]}", retryable=False)
        return self._ids[tp] << SHIFT

    def earliest(self, tp: TP) -> int:
        first = self._first(tp)
        table = "klog" if self.topics[tp[0]].compacted else "log"
        (oldest_id,) = self._reader.execute(
            f"select min(id) from {table} where id >= ? and id < ?", (first, first + MASK)
        ).fetchone()
        return self.next[tp] if oldest_id is None else int(oldest_id & MASK)

    def first_since(self, tp: TP, at_ms: int) -> int:
        """Offset of the first record written at or after this time; the end where there is none. Reads up to there."""
        first = self._first(tp)
        table = "klog" if self.topics[tp[0]].compacted else "log"
        row = self._reader.execute(
            f"select id from {table} where id >= ? and id < ? and ts_ms >= ? order by id limit 1",
            (first, first + MASK, at_ms),
        ).fetchone()
        return self.next[tp] if row is None else int(row[0] & MASK)

    def size_bytes(self) -> int:
        """Of the file with its write-ahead log."""
        parts = [self.path, self.path.with_name(self.path.name + "-wal")]
        return sum(p.stat().st_size for p in parts if p.exists())

    def committed(self, group: str) -> dict[TP, int]:
        rows = self._reader.execute(
            "select topic, partition, committed.next from committed join tp on tp.id = tp where grp = ?", (group,)
        )
        return {(topic, partition): offset for topic, partition, offset in rows}

    def read(self, tp: TP, position: int, most: int) -> Batch | None:
        """At most `most` records from `position` on, and hardly more than MOST_BYTES; None when there is none."""
        first = self._first(tp)
        table = "klog" if self.topics[tp[0]].compacted else "log"
        cursor = self._reader.execute(
            f"select id, ts_ms, key, value, headers from {table} where id >= ? and id < ? order by id limit ?",
            (first | position, first + MASK, most),
        )
        rows: list[Any] = []
        size = 0
        while size < MOST_BYTES and (some := cursor.fetchmany(READ_ROWS)):
            rows += some
            size += sum(len(row[3]) for row in some if row[3] is not None)
        cursor.close()
        if not rows:
            return None
        ids, times, keys, values, headers = zip(*rows, strict=True)
        offsets = [i & MASK for i in ids]
        parsed: list[Headers] | None = None
        if any(h is not None for h in headers):
            parsed = [_headers(h) for h in headers]
        return Batch(
            topic=tp[0],
            partition=tp[1],
            offsets=offsets,
            values=values,
            keys=keys,
            timestamps_ms=times,
            previous=position - 1,
            next=offsets[-1] + 1,
            headers=parsed,
            append_time=True,
        )

    # ---- writing --------------------------------------------------------------------------------------------------

    def submit(self, operation: Operation[T]) -> "Future[T]":
        """Run an operation in the next transaction; the future is done when it is durable."""
        future: Future[T] = Future()
        self.run(operation, future)
        return future

    def run(self, operation: Operation[Any], answer: Answer) -> None:
        """As `submit`, for one who brings what is to be told; it is told on the writer's thread.

        Raises BrokerError when the log is closed.
        """
        with self._accepting:
            if self._closing:
                raise BrokerError(f"{self.path}: the log is closed", retryable=False)
            self._queue.put((operation, answer))

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back, on the writer's thread, after each commit of this process, and after one that failed."""
        self._waiters.add(callback)

    def _write(self) -> None:
        stop = False
        while not stop:
            taken = [self._queue.get()]
            with contextlib.suppress(Empty):
                while len(taken) < MOST_WAITING:
                    taken.append(self._queue.get_nowait())
            stop = None in taken
            # One that nobody waits for any more is left out whole; from here on it can no longer be cancelled.
            operations = [t for t in taken if t is not None and t[1].set_running_or_notify_cancel()]
            if operations:
                self._commit(operations)
                for callback in list(self._waiters):
                    callback()

    def _commit(self, operations: Sequence[tuple[Operation[Any], Answer]]) -> None:
        writer = self._writer
        results: list[tuple[Answer, Any, Exception | None]] = []
        try:
            if self._broken is not None:  # what waited behind a failure must not become durable without it
                raise self._broken
            alone = len(operations) == 1  # then the transaction itself is what can be rolled back
            writer.execute("begin immediate")
            for operation, future in operations:
                if not alone:
                    writer.execute("savepoint one")
                try:
                    results.append((future, operation(writer), None))
                except Exception as error:  # this one is refused, the others are not its business
                    if _is_the_file(error):
                        raise
                    writer.execute("rollback" if alone else "rollback to one")
                    results.append((future, None, error))
                if not alone:
                    writer.execute("release one")
            if writer.in_transaction:
                writer.execute("commit")
            self.verify()
        except BaseException as error:  # the disk is full, the file is gone: nothing more can be promised
            failed = BrokerError(f"{self.path}: {error}", retryable=False)
            self._broken = error if isinstance(error, BrokerError) else failed
            with contextlib.suppress(sqlite3.Error):
                writer.execute("rollback")
            for _, future in operations:
                future.set_exception(self._broken)
            return
        for future, result, refusal in results:
            if refusal is None:
                future.set_result(result)
            else:
                future.set_exception(refusal)

    def declare(self, specs: Iterable[TopicSpec]) -> Callable[[sqlite3.Connection], None]:
        """The operation that makes topics, and checks those that are there."""
        wanted = list(specs)

        def operation(writer: sqlite3.Connection) -> None:
            for spec in wanted:
                writer.execute(
                    "insert or ignore into topic values(?, ?, ?, ?, ?)",
                    (spec.name, uuid.uuid4().hex, spec.partitions, int(spec.compacted), spec.retention_s),
                )
                partitions, compacted = writer.execute(
                    "select partitions, compacted from topic where name = ?", (spec.name,)
                ).fetchone()
                if partitions != spec.partitions or bool(compacted) != spec.compacted:
                    has = f"{partitions} partitions{' and is compacted' if compacted else ''}"
                    must = f"{spec.partitions} partitions{' and be compacted' if spec.compacted else ''}"
                    raise SettingsError(
                        f"topic '{spec.name}' has {has} but must have {must}; "
                        "set the partitions back, or use another file"
                    )
                writer.execute("update topic set retention_s = ? where name = ?", (spec.retention_s, spec.name))
                writer.executemany(
                    "insert or ignore into tp(topic, partition, next) values(?, ?, 0)",
                    [(spec.name, p) for p in range(spec.partitions)],
                )

        return operation

    def append(self, records: Sequence[tuple[Record, int]]) -> Callable[[sqlite3.Connection], list[tuple[int, int]]]:
        """The operation that appends records to (record, partition); it returns (partition, offset) of each."""

        def operation(writer: sqlite3.Connection) -> list[tuple[int, int]]:
            return self.append_now(writer, records)

        return operation

    def append_now(self, writer: sqlite3.Connection, records: Sequence[tuple[Record, int]]) -> list[tuple[int, int]]:
        now_ms = self._now_ms()
        heads: dict[TP, list[Any]] = {}
        plain: list[Any] = []
        placed = []
        for record, partition in records:
            tp = (record.topic, partition)
            head = heads.get(tp)
            if head is None:
                row = writer.execute(
                    "select id, next, compacted from tp join topic on name = topic where topic = ? and partition = ?",
                    tp,
                ).fetchone()
                if row is None:
                    raise BrokerError(f"there is no topic '{record.topic}' with partition {partition}", retryable=False)
                head = heads[tp] = list(row)
            offset = head[1]
            head[1] += 1
            placed.append((partition, offset))
            headers = None
            if record.headers:
                headers = json.dumps([(k, v.decode("latin-1")) for k, v in record.headers])
            row_id = (head[0] << SHIFT) | offset
            if head[2]:
                writer.execute(
                    "insert or replace into klog values(?, ?, ?, ?, ?, ?)",
                    (row_id, head[0], now_ms, record.key, record.value, headers),
                )
            else:
                plain.append((row_id, now_ms, record.key, record.value, headers))
        whole = len(plain) // ROWS_AT_ONCE * ROWS_AT_ONCE
        for start in range(0, whole, ROWS_AT_ONCE):
            writer.execute(_INSERT_ROWS, list(chain.from_iterable(plain[start : start + ROWS_AT_ONCE])))
        writer.executemany(_INSERT_ROW, plain[whole:])
        writer.executemany("update tp set next = ? where id = ?", [(h[1], h[0]) for h in heads.values()])
        return placed

    def commit(self, group: str, offsets: Mapping[TP, int]) -> Callable[[sqlite3.Connection], None]:
        """The operation that stores a group's positions."""
        rows = [(group, offset, topic, partition) for (topic, partition), offset in offsets.items()]

        def operation(writer: sqlite3.Connection) -> None:
            writer.executemany(
                "insert or replace into committed select ?, id, ? from tp where topic = ? and partition = ?", rows
            )

        return operation

    # ---- owned partitions -----------------------------------------------------------------------------------------

    def take_over(self, stage: str, partition: int) -> Callable[[sqlite3.Connection], tuple[int, dict[TP, int], Any]]:
        """The operation that fences earlier owners; returns (epoch, positions, entries)."""

        def operation(writer: sqlite3.Connection) -> tuple[int, dict[TP, int], Any]:
            key = (stage, partition)
            writer.execute("insert or ignore into owner values(?, ?, 0, '[]')", key)
            writer.execute("update owner set epoch = epoch + 1 where stage = ? and partition = ?", key)
            epoch, positions = writer.execute(
                "select epoch, positions from owner where stage = ? and partition = ?", key
            ).fetchone()
            entries = dict(writer.execute("select key, value from entry where stage = ? and partition = ?", key))
            return epoch, {(topic, p): n for topic, p, n in json.loads(positions)}, entries

        return operation

    def cut(
        self,
        stage: str,
        partition: int,
        epoch: int,
        records: Sequence[tuple[Record, int]],
        entries: Mapping[bytes, bytes | None],
        positions: Mapping[TP, int],
    ) -> Callable[[sqlite3.Connection], None]:
        """The operation that makes records, entries and positions visible together."""
        key = (stage, partition)
        rows = json.dumps([[topic, p, n] for (topic, p), n in positions.items()])

        def operation(writer: sqlite3.Connection) -> None:
            owner = writer.execute("select epoch from owner where stage = ? and partition = ?", key).fetchone()
            if owner != (epoch,):
                raise Fenced(f"{stage} {partition}: another worker owns it now")
            self.append_now(writer, records)
            writer.executemany(
                "insert or replace into entry values(?, ?, ?, ?)",
                [(*key, k, v) for k, v in entries.items() if v is not None],
            )
            writer.executemany(
                "delete from entry where stage = ? and partition = ? and key = ?",
                [(*key, k) for k, v in entries.items() if v is None],
            )
            writer.execute("update owner set positions = ? where stage = ? and partition = ?", (rows, *key))

        return operation

    # ---- retention ------------------------------------------------------------------------------------------------

    def retain(self, now_ms: int, *, chunk: int = 5_000) -> int:
        """Remove records older than their topic's retention, in small transactions; returns how many.

        Blocks; not to be called on the event loop. A record stays as long as one before it stays.
        """
        removed = 0
        for first, end in self.submit(_expired(now_ms)).result():
            gone = chunk
            while gone == chunk:
                gone = self.submit(_delete(first, end, chunk)).result()
                removed += gone
        return removed


def _is_the_file(error: Exception) -> bool:
    """Whether the file failed, and not this one operation."""
    return isinstance(error, sqlite3.OperationalError | sqlite3.InternalError) or type(error) is sqlite3.DatabaseError


def _expired(now_ms: int) -> Callable[[sqlite3.Connection], list[tuple[int, int]]]:
    """The operation that finds what is to be removed: [first id, end id) of each partition."""

    def operation(writer: sqlite3.Connection) -> list[tuple[int, int]]:
        partitions = writer.execute(
            "select id, tp.next, retention_s from tp join topic on name = topic "
            "where retention_s is not null and not compacted"
        ).fetchall()
        stretches = []
        for tp, head, retention_s in partitions:
            first, oldest = tp << SHIFT, now_ms - round(retention_s * 1000)
            (end,) = writer.execute(
                "select coalesce((select min(id) from log where id >= ? and id < ? and ts_ms >= ?), ?)",
                (first, first + MASK, oldest, first | head),
            ).fetchone()
            stretches.append((first, end))
        return stretches

    return operation


def _delete(first: int, end: int, chunk: int) -> Callable[[sqlite3.Connection], int]:
    def operation(writer: sqlite3.Connection) -> int:
        return writer.execute(
            "delete from log where id in (select id from log where id >= ? and id < ? order by id limit ?)",
            (first, end, chunk),
        ).rowcount

    return operation


def _headers(text: str | None) -> Headers:
    return () if text is None else tuple((k, v.encode("latin-1")) for k, v in json.loads(text))
