"""Schedules as rules/routing.yml writes them, what is wrong with them, and what they become."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema

from lockstep.calendar.ical_text import CalendarFault
from lockstep.notify.oncall.schedules import LEAST_EVERY_S, PREFIX, Layer, Rotation, Schedule, local_text
from lockstep.notify.oncall.shift_calendar import ShiftCalendar
from lockstep.notify.receivers import SecretName, Texts
from lockstep.rule.language.form.values import HOURS, Duration, Stretch, Strict, listed, one_or_many
from lockstep.text.feed_address import FeedAddress, feed_url, is_address
from lockstep.text.figures import duration_words
from lockstep.text.time_units import WEEK_S
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean

MOST_GAPS_SAID = 5
LOOKED_AHEAD_S = 52 * WEEK_S


def _local_time(value: Any) -> Any:
    if isinstance(value, datetime) or value is None:
        return value
    text, example = str(value)[:100], "write one like 2026-11-02 09:00, local time of the zone [LS270]"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no time; {example}") from None
    if moment.tzinfo is not None:
        raise ValueError(f"'{text}' names a zone of its own; {example}")
    return moment


LocalTime = Annotated[
    datetime, BeforeValidator(_local_time), WithJsonSchema({"type": "string", "examples": ["2026-11-02 09:00"]})
]


def _zone(value: Any) -> Any:
    if isinstance(value, ZoneInfo) or not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"'{value[:100]}' is no time zone; write one like Europe/London [LS270]") from None


Zone = Annotated[
    ZoneInfo, BeforeValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/London", "UTC"]})
]
"""An IANA name."""


class RotationModel(Strict):
    """Receivers who take turns."""

    who: Texts = Field(min_length=1, max_length=100, description="Receivers in the order of their turns")
    every: Duration = Field(WEEK_S, description="How long a turn is: 1w, 1d, 12h; hand-overs are times on the wall")
    start: LocalTime = Field(alias="from", description="When the first turn begins, local time of the schedule's zone")
    until: LocalTime | None = Field(None, description="When the rotation ends; as long as it is there")
    hours: Annotated[list[Stretch], BeforeValidator(one_or_many), listed(HOURS)] = Field(
        default_factory=list, max_length=30, description="When it counts; at other times the rotations below it do"
    )


class ScheduleModel(Strict):
    """Who is on call: by rotations, or by a calendar file."""

    zone: Zone = Field(description="Time zone of all times in it, an IANA name")
    rotations: list[RotationModel] = Field(
        default_factory=list, max_length=20, description="The first that has somebody at a moment counts"
    )
    ical: str | SecretName | None = Field(
        None,
        description="A calendar file (.ics) beside this file, or the https address of one, or {secret: NAME} for a "
        "private address; its events are the shifts",
    )
    names: dict[str, str] = Field(
        default_factory=dict, description="Title of an event → receiver; without it a title is a receiver's name"
    )


@dataclass(frozen=True)
class Calendars:
    """The calendar files beside routing.yml, and those that were fetched, by `FeedAddress.file`.

    texts: name → text. folder: what stands before a name in a path.
    """

    texts: Mapping[str, str]
    folder: str = ""

    def path(self, name: str) -> str:
        """How a fault names the file."""
        return f"{self.folder}{name}"


NO_CALENDARS = Calendars({})


def schedules_of(
    models: Mapping[str, ScheduleModel], document: Document, calendars: Calendars, receivers: Collection[str]
) -> tuple[dict[str, Schedule], list[Fault]]:
    """The schedules that can be used, and every fault in them. receivers: names that there are."""
    schedules: dict[str, Schedule] = {}
    faults: list[Fault] = []
    for name, model in models.items():
        here: Pointer = ("schedules", name)
        faults += _rotation_faults(here, model, document, receivers)
        layers: list[Layer] = [
            Rotation(tuple(r.who), r.every, r.start, model.zone, r.until, tuple(r.hours))
            for r in model.rotations
            if r.every >= LEAST_EVERY_S
        ]
        feed, is_whole = None, True
        if model.ical is not None:
            feed, wrong = _feed(here, model.ical, document)
            faults += wrong
            is_whole = feed is None or feed.file in calendars.texts
        if model.ical is not None and is_whole and not wrong:
            calendar, wrong = _calendar(here, model, document, calendars, receivers, feed)
            faults += wrong
            layers += [] if calendar is None else [calendar]
        elif model.ical is None and not model.rotations:
            message = f"schedule '{name}' has neither rotations nor a calendar"
            faults.append(document.fault(here, message, "add rotations, or ical: shift.ics", "LS270", key=True))
        for title, receiver in model.names.items():
            at: Pointer = (*here, "names", title)
            if model.ical is None:
                remedy = "add ical: shift.ics, or remove names"
                faults.append(document.fault(at, "names are those of a calendar, and there is none", remedy, "LS270"))
            faults += _unknown(receiver, receivers, document, at)
        schedules[name] = Schedule(name, model.zone, tuple(layers), feed, is_whole)
    return schedules, faults


def _rotation_faults(
    here: Pointer, model: ScheduleModel, document: Document, receivers: Collection[str]
) -> Iterator[Fault]:
    for n, rotation in enumerate(model.rotations):
        place: Pointer = (*here, "rotations", n)
        several = isinstance(document.find((*place, "who")), list)
        for i, who in enumerate(rotation.who):
            yield from _unknown(who, receivers, document, (*place, "who", i) if several else (*place, "who"))
        if rotation.every < LEAST_EVERY_S:
            message = "a turn is at least an hour long"
            yield document.fault((*place, "every"), message, "write 1h, 12h, 1d or 1w", "LS270")
        if rotation.until is not None and rotation.until <= rotation.start:
            message = "this rotation ends before it begins"
            yield document.fault((*place, "until"), message, "write a later time, or remove until", "LS270")
        always = not rotation.hours and rotation.until is None
        if always and n + 1 < len(model.rotations):
            message = "this rotation counts at all times, so none below it ever does"
            yield document.fault(place, message, "give it hours, or put it last", "LS270", level="warning")


def _feed(here: Pointer, written: str | SecretName, document: Document) -> tuple[FeedAddress | None, list[Fault]]:
    """Where a calendar is fetched from; None: nowhere, it is a file."""
    if isinstance(written, SecretName):
        return FeedAddress(secret=written.secret), []
    if not is_address(written):
        return None, []
    try:
        return FeedAddress(feed_url(written)), []
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        return None, [document.fault((*here, "ical"), message, remedy, "LS272")]


def _calendar(
    here: Pointer,
    model: ScheduleModel,
    document: Document,
    calendars: Calendars,
    receivers: Collection[str],
    feed: FeedAddress | None,
) -> tuple[ShiftCalendar | None, list[Fault]]:
    at, name = (*here, "ical"), str(model.ical) if feed is None else feed.file
    if not name.endswith(".ics") or "/" in name or "\\" in name:
        remedy = "write the name of a file beside this one, like shift.ics"
        return None, [document.fault(at, f"'{name[:100]}' is no calendar file", remedy, "LS272")]
    text = calendars.texts.get(name)
    if text is None:
        near = did_you_mean(name, calendars.texts) if calendars.texts else ""
        remedy = f"put it beside this file{near and '; '}{near}"
        return None, [document.fault(at, f"there is no '{name[:100]}'", remedy, "LS272")]
    path = calendars.path(name)
    try:
        calendar = ShiftCalendar(text, model.zone, model.names)
    except CalendarFault as fault:
        return None, [Fault(path, fault.line, 1, fault.message, fault.remedy, "LS272")]
    faults = []
    for title in calendar.titles():
        receiver = calendar.receiver(title.text)
        if receiver not in receivers:
            message = f"schedule '{here[1]}': the shift '{title.text[:100]}' is of no receiver"
            near = did_you_mean(title.text, receivers)
            remedy = f'say whose it is under names: {{"{title.text[:100]}": RECEIVER}}; {near}'
            faults.append(Fault(path, title.line, 1, message, remedy, "LS150"))
    return calendar, faults


def _unknown(name: str, receivers: Collection[str], document: Document, at: Pointer) -> Iterator[Fault]:
    if name.startswith(PREFIX):
        remedy = "name receivers; people take turns, schedules do not"
        yield document.fault(at, f"'{name}' is a schedule, and who takes turns is a receiver", remedy, "LS270")
    elif name not in receivers:
        yield document.fault(at, f"unknown receiver '{name}'", did_you_mean(name, receivers), "LS150")


def unknown_target(name: str, receivers: Collection[str], schedules: Collection[str]) -> tuple[str, str] | None:
    """What is wrong with a name where receivers and `oncall:SCHEDULE` may stand: (message, way out); None: nothing."""
    if name.startswith(PREFIX):
        schedule = name.removeprefix(PREFIX)
        if schedule in schedules:
            return None
        return f"unknown schedule '{schedule}'", did_you_mean(schedule, schedules)
    return None if name in receivers else (f"unknown receiver '{name}'", did_you_mean(name, receivers))


def gap_faults(document: Document, schedules: Mapping[str, Schedule], now: datetime) -> list[Fault]:
    """When nobody will be on call in the 52 weeks from now on: a warning a schedule, with the first gaps.

    Nothing is said of a schedule whose calendar is fetched and has not come: nobody knows what it says.
    """
    faults = []
    begin = now.timestamp()
    for name, schedule in schedules.items():
        gaps = schedule.gaps(begin, begin + LOOKED_AHEAD_S)
        if not gaps or not schedule.layers or not schedule.is_whole:
            continue
        said = [
            f"{local_text(gap.start, schedule.zone)} to {local_text(gap.end, schedule.zone)}"
            for gap in gaps[:MOST_GAPS_SAID]
        ]
        more = f" and {len(gaps) - MOST_GAPS_SAID} more" if len(gaps) > MOST_GAPS_SAID else ""
        total = duration_words(sum(gap.end - gap.start for gap in gaps))
        message = f"schedule '{name}': nobody is on call {', '.join(said)}{more} ({total} of the next 52 weeks)"
        remedy = "add a rotation without hours below the others, or a receiver beside `oncall:` where it is named"
        faults.append(document.fault(("schedules", name), message, remedy, "LS271", level="warning", key=True))
    return faults
