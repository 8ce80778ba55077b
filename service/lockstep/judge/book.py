"""The book: makes the facts of the shop out of what the judge knows, and business measures out of these.

It goes forward in event time alone, behind the watermark of all topics: flows by cells of five minutes that are over,
values of levels and events that travel whole in the order of their time, a minute at a time. So the facts do not depend
on the order in which things came. What business measures come to is told to the judge as a meter would tell it: frames
of one more source, with a level for each of them.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from math import inf

from lockstep.errors import StateError
from lockstep.event import data_fault
from lockstep.judge.histories import Histories, Kept
from lockstep.judge.rule_facts import Labels
from lockstep.judge.state import SeriesKey
from lockstep.judge.watermark import Watermarks
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import Source, pack, unpack
from lockstep.measure.sample import Frame, LevelValue, Progress
from lockstep.ports import Record
from lockstep.shop.business import business
from lockstep.shop.catalogue import BUSINESS, SOURCE, SUBJECTS
from lockstep.shop.facts import SHOP, ImpossibleMoment, decode, encode
from lockstep.shop.ledger import Ledger
from lockstep.shop.names import names
from lockstep.shop.series import FLOWS, LEVELS, WHOLE_EVENTS
from lockstep.shop.shop_settings import ShopSettings
from lockstep.shop.subjects.bundles import bundles_with
from lockstep.shop.whole_shop import NO_LONGER_KNOWN, Made, MadeOf, Shop, made_of
from lockstep.text.rfc3339 import SECOND, rfc3339

CELL_S = 300
"""Flows are added up in cells of so many seconds: no cell of any time zone crosses an hour or a midnight."""
MINUTE_S = 60
REGULAR_S = 900
"""What changes by time alone (the age of a backlog, what is still expected today) is looked at so often."""
ROLES = ("orders", "traffic", "inventory", "plans")
LARGEST = 9 * 10**18
FORMAT = 1

FACT, WAITING, POSITION = b"S", b"W", b"B"
"""What keys of its entries begin with: facts as they are published, values whose time has not come, how far it is."""

FLOW_IDS = frozenset(series.id for series in FLOWS.values())
_KEPT_FLOW = Kept(buckets_s=3600, memory_s=86_400)

_NAME_OF = {series.id: name for name, series in FLOWS.items()}
_LEVEL_OF = {series.id: name for name, series in LEVELS.items()}
_TYPE_OF = {series.id: name for name, series in WHOLE_EVENTS.items()}

Waiting = tuple[int, str, int, int, str]
"""What a value whose time has not come is known by: (time_us, role, partition, offset, series)."""


def kept_with_shop(kept: Mapping[str, Kept]) -> dict[str, Kept]:
    """How much of each series is kept, with what the book needs behind the last cell that it has added."""
    longer = dict(kept)
    for name in FLOW_IDS:
        known = longer.get(name, _KEPT_FLOW)
        longer[name] = Kept(
            buckets_s=max(known.buckets_s, _KEPT_FLOW.buckets_s),
            memory_s=max(known.memory_s, _KEPT_FLOW.memory_s),
            grain_s=known.grain_s,
        )
    return longer


class Book:
    """One for the judge that has the shop's series.

    shop: the facts. reads: the business measures that rules read; only these are made.
    """

    def __init__(
        self,
        shop: Shop,
        reads: Iterable[SeriesDef],
        histories: Histories,
        watermarks: Watermarks,
        *,
        settings_at: Callable[[int], ShopSettings | None],
        place_of: Callable[[Source], tuple[str, int]],
    ) -> None:
        """settings_at: what the shop said of itself at a second of event time. place_of: topic and partition of a
        source, for dead events."""
        self._ledger, self._settings_at, self._place_of = Ledger(shop), settings_at, place_of
        self._histories, self._watermarks = histories, watermarks
        self._reads: defaultdict[str, list[SeriesDef]] = defaultdict(list)
        for series in reads:
            self._reads[BUSINESS[str(series.field)].subject].append(series)
        self._asked = {subject: frozenset(str(s.field) for s in read) for subject, read in self._reads.items()}
        self._at: int | None = None  # the second up to which all is in the facts
        self._upto: int | None = None  # the second up to which there may be steps; None: there are none
        self._frames = 0
        self._cells: dict[int, dict[SeriesKey, None]] = {}  # start of a cell that is not over → flows with data in it
        self._starts: list[int] = []  # of these cells, as a heap
        self._midnight = 0  # the next one
        self._waiting: list[Waiting] = []  # sorted
        self._said: dict[Waiting, tuple[Labels, str, int]] = {}  # (labels, identity, value)
        self._seen: dict[Source, tuple[int, set[str]]] = {}  # source → the last offset, and its series
        self._new: dict[Waiting, None] = {}  # those that no cut has stored
        self._gone: list[Waiting] = []  # those that are stored and no longer wait
        self._dead: list[DeadEvent] = []  # since the last cut
        self._dead_counts: Counter[str] = Counter()  # topic → how many, since somebody took them
        self._moved = False
        self._has_calendar = False

    @property
    def shop(self) -> Shop:
        return self._ledger.shop

    def needs(self, role: str, judged_to: dict[str, int]) -> None:
        """Note of the flows of a topic the second up to which they are needed no more: series → second."""
        upto = 0 if self._at is None else self._at // CELL_S * CELL_S
        for series in FLOWS.values():
            if series.source == role:
                judged_to[series.id] = min(judged_to.get(series.id, upto), upto)

    # ---- in ---------------------------------------------------------------------------------------------------------

    def touch(self, series: str, labels: Labels, starts: Iterable[int]) -> None:
        """A flow has changed in these buckets."""
        for start in starts:
            if self._at is None or start >= self._at // CELL_S * CELL_S:
                begin = start - start % CELL_S
                cell = self._cells.get(begin)
                if cell is None:
                    cell = self._cells[begin] = {}
                    heappush(self._starts, begin)
                cell[series, labels] = None

    def take(self, source: Source, value: LevelValue) -> None:
        """A value of a level, or an event that travels whole; one that was there before changes nothing."""
        if value.series not in _LEVEL_OF and value.series not in _TYPE_OF:
            return
        last, series = self._seen.get(source, (-1, set[str]()))
        if value.offset < last or (value.offset == last and value.series in series):
            return
        self._seen[source] = (value.offset, {value.series, *(series if value.offset == last else ())})
        self._moved = True
        if self._refuse(source, value.offset, value.series, value.identity):
            return
        waiting = (value.time_us, *source, value.offset, value.series)
        self._said[waiting] = (value.labels, value.identity, value.value)
        self._new[waiting] = None
        insort(self._waiting, waiting)

    def _refuse(self, source: Source, offset: int, series: str, data: str) -> bool:
        """Put an event aside that travels whole and names what cannot be reckoned with, such as a day that there is
        not. The door refuses these now; the log and stored states have those of the time before it did."""
        event_type = _TYPE_OF.get(series)
        fault = None if event_type is None else data_fault(event_type, data)
        if fault is None:
            return False
        dead = DeadEvent(*self._place_of(source), offset, "data", f"{event_type}: {fault}", data.encode())
        self._dead.append(dead)
        self._dead_counts[dead.topic] += 1
        return True

    def take_dead_counts(self) -> Counter[str]:
        """Topic → how many of its events were put aside since the last call."""
        counts, self._dead_counts = self._dead_counts, Counter()
        return counts

    # ---- event time advances ----------------------------------------------------------------------------------------

    def time_moved(self) -> None:
        """Topics may have come further: there may be steps to take."""
        self._upto = self._reached()

    def step(self) -> Frame | None:
        """Go one step forward, at most as far as all topics have come; what business measures came to. None: the book
        is there."""
        if self._upto is None:
            return None
        end = self._next()
        if end > self._upto:
            self._upto = None
            return None
        return self._step(end)

    def _reached(self) -> int | None:
        """The second up to which all topics have come; None where there is nothing to begin with."""
        mark_us = self._watermarks.of(ROLES)
        if mark_us is None or any(role not in self._watermarks.topics for role in ROLES) or self._is_filling():
            return None
        if self._at is None:
            first = self._watermarks.first(ROLES)
            if first is None:
                return None
            begun = min([first // SECOND, *self._starts[:1], *(waiting[0] // SECOND for waiting in self._waiting[:1])])
            self._at = begun - begun % REGULAR_S
            self._midnight = self._midnight_after(self._at)
        return mark_us // SECOND

    def _is_filling(self) -> bool:
        """Whether a series is still being told of the past."""
        known = (*FLOWS.values(), *LEVELS.values(), *WHOLE_EVENTS.values())
        return any(self._watermarks.complete_from(s) == inf for s in known if not self._watermarks.is_empty(s.source))

    def _next(self) -> int:
        """The second of the next step."""
        assert self._at is not None
        ends = [self._midnight]
        if self._starts:
            ends.append(self._starts[0] + CELL_S)
        if self._waiting:
            ends.append(max(-(-self._waiting[0][0] // (MINUTE_S * SECOND)) * MINUTE_S, self._at))
        if self._reads or self._cells or self._waiting:
            ends.append(self._at - self._at % REGULAR_S + REGULAR_S)
        return min(ends)

    def _midnight_after(self, second: int) -> int:
        day = self._day_of(second) + timedelta(1)
        return int(datetime(day.year, day.month, day.day, tzinfo=self.shop.zone).timestamp())

    def _day_of(self, second: int) -> date:
        return self.shop.day_of(datetime.fromtimestamp(second, UTC))

    def _step(self, end: int) -> Frame:
        """Take in what lies before a second, and tell what business measures are there."""
        assert self._at is not None
        self.shop.settings = self._settings_at(end) or ShopSettings()
        if not self._has_calendar:
            self._ledger.from_calendar(self.shop.calendar, self._at)
            self._has_calendar = True
        while self._starts and self._starts[0] + CELL_S <= end:
            cell = heappop(self._starts)
            flows = self._histories.flows
            values = (
                (_NAME_OF[series], labels, value)
                for series, labels in sorted(self._cells.pop(cell))
                if (value := flows[series, labels].value(cell, cell + CELL_S)) is not None
            )
            self._ledger.measured(cell, cell + CELL_S, values)
        self._take_waiting(end)
        if end % REGULAR_S == 0:
            self._ledger.known_to(end)
        is_midnight = end == self._midnight
        if is_midnight:
            self._ledger.begin_day(self._day_of(end))
            self._midnight = self._midnight_after(end)
        is_regular = end % REGULAR_S == 0
        if is_regular or is_midnight or self._ledger.touched_plans:
            self._ledger.answer_plans(datetime.fromtimestamp(end, UTC))
        self._at, self._moved = end, True
        levels = self._measures(end, everything=is_midnight, regular=is_regular)
        self._frames += 1
        return Frame(
            role=SOURCE,
            partition=0,
            partitions=1,
            source=SOURCE,
            chunk_size=0,
            chunk=0,
            first=0,
            upto=self._frames,
            levels=levels,
            progress=Progress(
                newest=end * SECOND,
                oldest=end * SECOND,
                watermark=end * SECOND,
                silent=False,
                begins=sorted(s.id for read in self._reads.values() for s in read),
                complete=True,
            ),
        )

    def _take_waiting(self, end: int) -> None:
        """Take the values up to a second, in the order of time."""
        count = 0
        for waiting in self._waiting:
            time_us, *_, series = waiting
            if time_us > end * SECOND:
                break
            count += 1
            labels, identity, number = self._said.pop(waiting)
            if waiting in self._new:
                del self._new[waiting]
            else:
                self._gone.append(waiting)
            if series in _TYPE_OF:
                self._ledger.whole(_TYPE_OF[series], identity, time_us)
            else:
                named = dict(zip(LEVELS[_LEVEL_OF[series]].by, labels, strict=True))
                beside = named.get("location", named.get("currency", ""))
                self._ledger.level(_LEVEL_OF[series], named["sku"], beside, number, time_us)
        del self._waiting[:count]

    # ---- business measures ------------------------------------------------------------------------------------------

    def _measures(self, end: int, *, everything: bool, regular: bool) -> list[LevelValue]:
        """The measures that rules read and that are other than they were."""
        at = datetime.fromtimestamp(end, UTC)
        changed: list[LevelValue] = []
        for subject, read in self._reads.items():
            for labels in self._looked_at(subject, everything=everything, regular=regular):
                changed += self._of_one(subject, read, labels, at, end)
        ledger = self._ledger
        for touched in (ledger.touched_products, ledger.touched_places, ledger.touched_plans):
            touched.clear()
        return changed

    def _looked_at(self, subject: str, *, everything: bool, regular: bool) -> list[Labels]:
        ledger, shop = self._ledger, self.shop
        match subject:
            case "product" | "receipt":
                skus: Iterable[str] = shop.products if everything else [*ledger.touched_products]
                if regular and not everything:
                    promoted = [sku for plan in shop.plans.values() for sku in plan.skus if sku in shop.products]
                    skus = dict.fromkeys([*skus, *promoted])
                if subject == "product":
                    return [(sku,) for sku in sorted(bundles_with(shop, dict.fromkeys(skus)))]
                facts = [shop.products[sku] for sku in sorted(skus) if sku in shop.products]
                return [(f.sku, order) for f in facts for order in dict.fromkeys(r.purchase_order for r in f.receipts)]
            case "shelf":
                channels = sorted(shop.settings.shelf_life)
                dated = sorted(shop.products if everything else ledger.touched_products) if channels else []
                return [(sku, channel) for sku in dated if self._has_lots(sku, channels) for channel in channels]
            case "channel":
                # All, not those of the cell that is over: what came in an earlier cell since the last regular step
                # would else be seen at midnight.
                return [(channel,) for channel in shop.channels()] if regular or everything else []
            case "location":
                places = {place for f in shop.products.values() for place in f.places} if regular else set()
                return [(place,) for place in sorted(places | set(ledger.touched_places))]
            case "plan":
                is_asked = regular or everything or ledger.touched_plans or ledger.touched_products
                return [(name,) for name in sorted(shop.plans)] if is_asked else []
            case _:
                return [()] if regular or everything else []

    def _has_lots(self, sku: str, channels: list[str]) -> bool:
        """Whether a product has lots, or had some of which its levels still tell."""
        levels = self._histories.levels
        return bool(self.shop.products[sku].lots) or any(
            (series.id, (channel, sku)) in levels for series in self._reads["shelf"] for channel in channels
        )

    def _of_one(
        self, subject: str, read: list[SeriesDef], labels: Labels, at: datetime, end: int
    ) -> Iterator[LevelValue]:
        made = business(self.shop, subject, labels, at, only=self._asked[subject])
        named = dict(zip(SUBJECTS[subject], labels, strict=True))
        for series in read:
            millionths = _level_of(series, made)
            by = tuple(named[label] or "none" for label in series.by)
            history = self._histories.levels.get((series.id, by))
            if history is None or history.now() != millionths:
                yield LevelValue(
                    series.id, by, "", end * SECOND, self._frames, millionths, f"shop {rfc3339(end * SECOND)}"
                )

    def names(self, labels: Mapping[str, str]) -> dict[str, float | str]:
        """What texts may say of the shop beside an alert with these labels; as of the last step."""
        if self._at is None:
            return {}
        return names(self.shop, labels, datetime.fromtimestamp(self._at, UTC))

    def made_of(self, reads: Iterable[tuple[SeriesDef, Labels]], at_us: int | None = None) -> tuple[MadeOf, ...]:
        """What measures that rules read were made of.

        reads: each with the values of its `by`. at_us: the instant that is spoken of, None: now. The facts are those of
        the last step; where they do not give the level that was in force then, it says so.
        """
        if self._at is None:
            return ()
        measures = []
        at, as_of = datetime.fromtimestamp(self._at, UTC), rfc3339(self._at * SECOND)
        for series, by in reads:
            name = str(series.field)
            subject = BUSINESS[name].subject
            named = dict(zip(series.by, by, strict=True))
            labels = tuple("" if named[label] == "none" else named[label] for label in SUBJECTS[subject])
            made = business(self.shop, subject, labels, at, only=frozenset({name}))
            is_then = at_us is None or self._level_at(series, by, at_us) == _level_of(series, made)
            measures.append(made_of(name, made[name], as_of) if is_then else MadeOf(name, NO_LONGER_KNOWN, as_of))
        return tuple(measures)

    def _level_at(self, series: SeriesDef, by: Labels, at_us: int) -> int | None:
        """The level that was in force at an instant; None where that is not kept."""
        history = self._histories.levels.get((series.id, by))
        # Just after it: a level counts from its own instant on.
        return None if history is None else history.as_of(at_us + 1, None)

    # ---- out, and back ----------------------------------------------------------------------------------------------

    def cut(self, records: list[Record], entries: dict[bytes, bytes | None]) -> None:
        """Add what has changed since the last time."""
        records += map(dead_record, self._dead)
        self._dead.clear()
        for key, fact in self._ledger.changed.items():
            value = None if fact is None else encode(fact)
            records.append(Record(topic=SHOP, value=value, key=key.encode(), partition=0))
            entries[FACT + key.encode()] = value
        self._ledger.changed.clear()
        entries.update({WAITING + pack(waiting): pack(self._said[waiting]) for waiting in self._new})
        entries.update({WAITING + pack(waiting): None for waiting in self._gone})
        self._new.clear()
        self._gone.clear()
        if self._moved:
            seen = [[*source, offset, sorted(series)] for source, (offset, series) in self._seen.items()]
            entries[POSITION] = pack([FORMAT, self._at, self._frames, seen, self._ledger.millionths])
            self._moved = False

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what `cut` gave, after the histories. Raises StateError for another format."""
        stored = entries.get(POSITION)
        if stored is not None:
            read_format, self._at, self._frames, seen, self._ledger.millionths = unpack(stored)
            if read_format != FORMAT:
                raise StateError(
                    f"facts of the shop have format {read_format}, this program knows {FORMAT}; update the older worker"
                )
            self._midnight = 0 if self._at is None else self._midnight_after(self._at)
            self._seen = {(role, partition): (offset, set(series)) for role, partition, offset, series in seen}
        for key, value in entries.items():
            if key[:1] == FACT:
                self._restore_fact(key.removeprefix(FACT).decode(), value)
            elif key[:1] == WAITING:
                time_us, role, partition, offset, series = unpack(key[1:])
                labels, identity, number = unpack(value)
                if self._refuse((role, partition), offset, series, identity):
                    self._gone.append((time_us, role, partition, offset, series))
                    continue
                self._said[time_us, role, partition, offset, series] = (tuple(labels), identity, number)
        self._waiting = sorted(self._said)
        since = 0 if self._at is None else self._at // CELL_S * CELL_S
        for name in _NAME_OF:
            for labels, history in self._histories.flows_of(name):
                self.touch(name, labels, history.starts_since(since))
        self.time_moved()

    def _restore_fact(self, key: str, value: bytes) -> None:
        try:
            self.shop.put(decode(value))
        except ImpossibleMoment:
            self._ledger.changed[key] = None


def _level_of(series: SeriesDef, made: Mapping[str, Made]) -> int:
    """A measure as its level has it, in millionths."""
    what = BUSINESS[str(series.field)]
    measure = made.get(what.name)
    value = what.rest if measure is None or measure.value is None else measure.value
    return max(-LARGEST, min(LARGEST, round(value * SECOND)))
