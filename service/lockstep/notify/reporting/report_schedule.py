"""When reports are due, and who gets them: each once, at its local time, whatever restarts in between.

    due time ─► `due/daily/2026-11-30` on lockstep.reports ─► a worker composes it and gives it as a command
             ─► the first with its id is written, kept and fanned out; any other one is refused

Due times are local: at 06:00 of the shop's clock on days of 23 and 25 hours, too. A report is composed once, at the
earliest time that shop.yml has for its kind; who gets it later gets the same one then, and it waits in the state of
notify. What was due while nobody was here is caught up with until noon, and later only said: yesterday's numbers are no
news by then. A schedule that begins sends nothing of what was due before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.notification import HANDLED, Audience, Item, Message
from lockstep.notify.pipeline.hooks import Applied, Happened, Notice, ProgramDocument
from lockstep.notify.receivers import CHANNELS
from lockstep.notify.route import Routing
from lockstep.ports import Destination, Record
from lockstep.response.command import Command, WriteReport
from lockstep.response.report_due import KINDS, REPORTS, Kind, ReportDue, due_key
from lockstep.shop.shop_settings import ReportSlot, ShopSettings
from lockstep.text.rfc3339 import moment_text, rfc3339_of
from lockstep.transition import Transition

KEY = b"\x1freport\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
CAUGHT_UP_UNTIL = time(12)
"""Local time of the day of a report until which it is caught up with."""
CATCH_UP: Mapping[Kind, timedelta] = {
    "daily": timedelta(hours=6),
    "weekly": timedelta(hours=6),
    "monthly": timedelta(hours=6),
    "hourly": timedelta(minutes=30),
}
"""At most so long after it was due, where that is later than noon."""
LIFE_S: Mapping[Kind, float] = {"daily": 12 * 3600, "weekly": 24 * 3600, "monthly": 48 * 3600, "hourly": 1800}
"""For how long its deliveries are worth trying."""
KEPT: Mapping[Kind, int] = {"daily": 400, "weekly": 104, "monthly": 36, "hourly": 168}
"""So many reports of a kind are kept; of older ones nothing is left."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class ReportTimes:
    """at: local time of daily and weekly reports and of summaries. weekday: of the agenda, Monday is 0; None: there is
    none. launch_until: until when there is one each hour; None: none. slots: who gets a kind when, where shop.yml says
    it of the kind; the earliest is when it is due."""

    at: time
    weekday: int | None
    launch_until: datetime | None
    slots: Mapping[Kind, tuple[ReportSlot, ...]] = field(default_factory=dict)

    def slots_of(self, kind: Kind) -> tuple[ReportSlot, ...]:
        """Who gets a kind when; an empty time is that of daily reports."""
        return self.slots.get(kind) or (ReportSlot(),)

    def time_of(self, slot: ReportSlot) -> time:
        return time.fromisoformat(slot.at) if slot.at else self.at

    def first_at(self, kind: Kind) -> time:
        """When a kind is due."""
        return min(map(self.time_of, self.slots_of(kind)))

    def words(self, kind: Kind) -> str:
        """When a kind is due, to see whether an edit has moved it: `06:00`, `06:00/0` on a weekday."""
        return f"{self.first_at(kind):%H:%M}" + (f"/{self.weekday}" if kind == "weekly" else "")

    def last_due(self, kind: Kind, moment: datetime, zone: ZoneInfo) -> tuple[datetime, str] | None:
        """(when, id) of the last one that was due at a moment or before; None where there is none of the kind."""
        local = moment.astimezone(zone)
        match kind:
            case "hourly":
                if self.launch_until is None:
                    return None
                hour = min(moment, self.launch_until).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
                return hour, f"hourly/{hour:%Y-%m-%dT%HZ}"
            case "daily":
                days: Iterable[date] = (local.date() - timedelta(n) for n in range(3))
            case "weekly":
                if self.weekday is None:
                    return None
                days = (d for n in range(9) if (d := local.date() - timedelta(n)).weekday() == self.weekday)
            case "monthly":
                days = (d for n in range(33) if (d := local.date() - timedelta(n)).day == 1)
        for day in days:
            due = datetime.combine(day, self.first_at(kind), zone).astimezone(UTC)
            if due <= moment:
                name = f"{day - timedelta(1):%Y-%m}" if kind == "monthly" else day.isoformat()
                return due, f"{kind}/{name}"
        return None


def report_times(shop: ShopSettings, zone: ZoneInfo) -> ReportTimes:
    """The times that shop.yml says; a launch until a day lasts to the end of it."""
    weekday = shop.agenda_on[:3].lower()
    until = None
    if shop.launch_until:
        last = datetime.fromisoformat(shop.launch_until)
        last = last if last.tzinfo is not None else last.replace(tzinfo=zone)
        until = last + timedelta(1) if len(shop.launch_until) == len("2026-12-24") else last
    return ReportTimes(
        at=time.fromisoformat(shop.report_at),
        weekday=_WEEKDAYS.index(weekday) if weekday in _WEEKDAYS else None,
        launch_until=until,
        slots={kind: shop.report_slots[kind] for kind in KINDS if kind in shop.report_slots},
    )


class _Waiting(msgspec.Struct, kw_only=True):
    """A report that is written and that somebody gets later. to: destination's id → when, seconds since 1970."""

    id: str
    title: str
    text: str
    document: dict[str, Any]
    to: dict[str, float]


class _Kept(msgspec.Struct, kw_only=True):
    """Of one kind. last: when the last one that was looked at was due, seconds since 1970. open: id → until when it may
    be written. written: ids, the oldest first. waiting: those that somebody gets later. times: when the kind was due by
    what shop.yml said at the last look; "" in entries of before that was kept."""

    last: float
    open: dict[str, float] = {}
    written: list[str] = []
    waiting: list[_Waiting] = []
    times: str = ""
    format: int = FORMAT


@dataclass(frozen=True)
class _Reader:
    """teams: that share the destination. at: local time."""

    destination: Destination
    teams: tuple[str, ...]
    at: time


class ReportSchedule:
    """hooks.Part."""

    def __init__(self, times: ReportTimes | None, zone: ZoneInfo, routing: Routing, *, to: Sequence[str] = ()) -> None:
        """times: None where the shop says nothing of itself: then there are no reports. to: receivers; (): those of the
        teams."""
        self._times, self._zone = times, zone
        self._readers = {} if times is None else {kind: _readers(times, kind, routing, to) for kind in KINDS}
        self._kinds: dict[Kind, _Kept] = {}
        self._dirty: set[Kind] = set()

    # ---- hooks.Part -----------------------------------------------------------------------------------------------

    def hear(self, transition: Transition) -> None:
        """Reports are due by the clock."""

    def tick(self, moment: float) -> Happened:
        happened = Happened()
        now = datetime.fromtimestamp(moment, UTC)
        for kind in KINDS:
            self._give_up(kind, moment, happened)
            self._send_later(kind, moment, happened)
            due = None if self._times is None else self._times.last_due(kind, now, self._zone)
            if due is not None:
                self._look(kind, *due, moment, happened)
        return happened

    def _look(self, kind: Kind, due: datetime, number: str, moment: float, happened: Happened) -> None:
        kept = self._kinds.get(kind)
        at = due.timestamp()
        times = "" if self._times is None else self._times.words(kind)
        if kept is None:
            self._kinds[kind] = _Kept(last=at, times=times)
            self._dirty.add(kind)
            return
        is_moved = kept.times not in ("", times)
        if kept.times != times:
            kept.times = times
            self._dirty.add(kind)
        if at <= kept.last:
            return
        kept.last = at
        self._dirty.add(kind)
        if number in kept.written:  # an edit of shop.yml has moved its time, and today's is written already
            return
        ends = _ends(kind, due, self._zone).timestamp()
        if moment >= ends:
            # After an edit it is not one that was missed: nothing was due at this time when it came.
            happened.notices += () if is_moved else _missed(kind, number, due)
            return
        kept.open[number] = ends
        record = ReportDue(id=number, kind=kind, due_at=rfc3339_of(due), decided_at=moment_text(moment))
        happened.records.append(Record(REPORTS, msgspec.json.encode(record), due_key(number).encode(), 0))

    def _give_up(self, kind: Kind, moment: float, happened: Happened) -> None:
        """Nobody has composed what was due."""
        kept = self._kinds.get(kind)
        if kept is None:
            return
        for number in [n for n, ends in kept.open.items() if ends <= moment]:
            del kept.open[number]
            self._dirty.add(kind)
            happened.records.append(Record(REPORTS, None, due_key(number).encode(), 0))
            happened.notices += _missed(kind, number, datetime.fromtimestamp(kept.last, UTC))

    def apply(self, command: Command, moment: float) -> Applied | None:
        if not isinstance(command, WriteReport):
            return None
        number = command.report_id
        kind = next((k for k, kept in self._kinds.items() if number in kept.open or number in kept.written), None)
        if kind is None:
            return Applied(False, f"no report '{number[:64]}' is due")
        kept = self._kinds[kind]
        if number in kept.written:
            return Applied(False, f"report '{number[:64]}' is written already")
        del kept.open[number]
        kept.written.append(number)
        self._dirty.add(kind)
        dropped, kept.written = kept.written[: -KEPT[kind]], kept.written[-KEPT[kind] :]
        records = [
            Record(REPORTS, msgspec.json.encode(command.document), number.encode(), 0),
            *(Record(REPORTS, None, key.encode(), 0) for key in (due_key(number), *dropped)),
        ]
        report = _Waiting(id=number, title=command.title, text=command.text, document=command.document, to={})
        now: list[_Reader] = []
        due_on = datetime.fromtimestamp(kept.last, self._zone).date()
        for reader in self._readers.get(kind, ()):
            when = datetime.combine(due_on, reader.at, self._zone).timestamp()
            if kind == "hourly" or when <= moment:
                now.append(reader)
            else:
                report.to[reader.destination.id] = when
        if report.to:
            kept.waiting.append(report)
        documents = tuple(_delivery(kind, report, reader) for reader in now)
        words = f"report {number} is written, for {len(documents)} destination{'' if len(documents) == 1 else 's'}"
        words += f" and {len(report.to)} later" if report.to else ""
        return Applied(True, words, records=tuple(records), documents=documents)

    def _send_later(self, kind: Kind, moment: float, happened: Happened) -> None:
        """Whose time has come gets what was written before. A destination that is none any more gets nothing."""
        kept = self._kinds.get(kind)
        if kept is None:
            return
        readers = {reader.destination.id: reader for reader in self._readers.get(kind, ())}
        for report in list(kept.waiting):
            for to in [to for to, when in report.to.items() if when <= moment]:
                due = datetime.fromtimestamp(report.to.pop(to), UTC)
                self._dirty.add(kind)
                reader = readers.get(to)
                if reader is None:
                    continue
                if moment < _ends(kind, due, self._zone).timestamp():
                    happened.documents.append(_delivery(kind, report, reader))
                else:
                    happened.notices.append(_not_sent(kind, report.id, reader))
            if not report.to:
                kept.waiting.remove(report)

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {
            KEY + kind.encode(): msgspec.json.encode(self._kinds[kind]) for kind in sorted(self._dirty)
        }
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for kind in KINDS:
            value = entries.get(KEY + kind.encode())
            if value is not None:
                kept = msgspec.json.decode(value, type=_Kept)
                if kept.format != FORMAT:
                    said = f"reports of format {kept.format}, this version reads {FORMAT}"
                    raise StateError(f"lockstep.notify-state: {said}")
                self._kinds[kind] = kept


def _readers(times: ReportTimes, kind: Kind, routing: Routing, to: Sequence[str]) -> list[_Reader]:
    """Every destination that gets a kind of report, once, at the earliest of its times. to: receivers, where the kind
    names none; (): those of the teams."""
    readers: dict[str, _Reader] = {}
    for slot in sorted(times.slots_of(kind), key=times.time_of):
        names = slot.to or to
        chosen = (
            [(d, tuple(routing.teams)) for name in names for d in routing.destinations.get(name, ())]
            if names
            else routing.for_teams(tuple(routing.teams))
        )
        for destination, teams in chosen:
            readers.setdefault(destination.id, _Reader(destination, teams, times.time_of(slot)))
    return list(readers.values())


def _delivery(kind: Kind, report: _Waiting, reader: _Reader) -> ProgramDocument:
    """People get the document with a message around it, programs the document alone."""
    is_program = CHANNELS[reader.destination.channel].audience is Audience.PROGRAMS
    return ProgramDocument(
        id=stable_id("delivery", reader.destination.id, "report", report.id),
        destination=reader.destination,
        state="report",
        body=report.document if is_program else _message(report, reader.teams),
        life_s=LIFE_S[kind],
    )


def _ends(kind: Kind, due: datetime, zone: ZoneInfo) -> datetime:
    """Until when it may be written."""
    latest = due + CATCH_UP[kind]
    if kind == "hourly":
        return latest
    noon = datetime.combine(due.astimezone(zone).date(), CAUGHT_UP_UNTIL, zone).astimezone(UTC)
    return noon if noon > due else latest


def _missed(kind: Kind, number: str, due: datetime) -> Sequence[Notice]:
    """People hear that a report does not come, but for those of a launch, which come each hour."""
    if kind == "hourly":
        return ()
    text = (
        f"It was due at {rfc3339_of(due)}, and the service could not make it until noon. "
        f"`lockstep report {kind} --at {rfc3339_of(due)}` makes it now."
    )
    return (Notice(id=stable_id("report missed", number), headline=f"There is no {kind} report today", text=text),)


def _not_sent(kind: Kind, number: str, reader: _Reader) -> Notice:
    """People hear that somebody did not get a report that the others have."""
    return Notice(
        id=stable_id("report not sent", number, reader.destination.id),
        headline=f"The {kind} report did not go to {reader.destination.receiver}",
        text=f"It was to go at {reader.at:%H:%M}, and the service was not there until noon. /reports/{number} has it.",
    )


def _message(report: _Waiting, teams: tuple[str, ...]) -> Message:
    """A report as people are sent it: channels that can show it do, others show its headline."""
    item = Item(
        state=HANDLED,
        severity="info",
        headline=report.title,
        labels={},
        value="",
        usual="",
        usual_is="",
        window="now",
        at="",
        since="",
        value_bar="",
        usual_bar="",
        texts=dict.fromkeys(teams, report.text),
        alert_id="",
        episode_id="",
    )
    return Message(
        subject=report.title,
        state=HANDLED,
        rule="Lockstep",
        severity="info",
        teams=teams,
        items=(item,),
        report=report.document,
    )
