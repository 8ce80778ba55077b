"""Silences: people hear nothing of the alerts that one matches, while it holds.

One holds once or recurs (`recurrence`). It is made, replaced and ended by commands; what it hushed and still fires is
told when it ends, whatever the reason of that. One that matched nothing says so in its end, which stands on the audit
topic like what people do. Over ones are kept for KEPT_S and then forgotten.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import CommandError, StateError
from lockstep.labels import stable_id
from lockstep.notify.pipeline.hooks import Applied, Ended, Facts, Happened, Hush, Notice
from lockstep.notify.quiet.matchers import Matcher, all_match, parse_matchers
from lockstep.notify.quiet.recurrence import Recurrence, Stretch, aware, recurrence_of
from lockstep.notify.quiet.wall_clock import zone_named
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.response.command import Answer, Command, EndSilence, PutSilence, Way
from lockstep.response.decision import Reason
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, Silence, key_of
from lockstep.rule.condition.kinds import Severity
from lockstep.text.figures import time_text
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition

KEY = b"\x1fsilence\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1

MOST_SILENCES = 500
"""That are not over."""
MOST_OVER = 500
"""That are over and remembered; of more, those that have been over longest are forgotten."""
KEPT_S = 30.0 * DAY_S
"""So long one is remembered after it is over, as alerts are."""
MOST_HITS = 1_000
"""Alerts of one silence that are told apart; of more it is said that there were so many."""
OLDEST_BEGIN_S = 366.0 * DAY_S
"""A silence begins at most so long before it is made."""

OURS: Way = "lockstep"
"""By whom and by which way an end is that nobody commanded."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Read:
    """A silence that has been read: its matchers and when it holds."""

    matchers: tuple[Matcher, ...]
    recurrence: Recurrence
    zone: ZoneInfo


def read_silence(silence: Silence, shop_zone: ZoneInfo) -> Read:
    """What a silence says. Raises CommandError with what is wrong and the way out."""
    if not _ID.fullmatch(silence.id):
        raise CommandError(f"'{silence.id[:64]!a}' is no silence's id", "use up to 64 letters, digits, - and _")
    for name, text, longest in (
        ("author", silence.author, LONGEST_NAME),
        ("comment", silence.comment, LONGEST_COMMENT),
    ):
        if not text.strip():
            raise CommandError(f"it has no {name}", f"say {'who wants it' if name == 'author' else 'why'}")
        if len(text) > longest or _TEXT.search(text):
            raise CommandError(f"its {name} is no plain text of at most {longest:,} characters", "shorten it")
    zone = zone_named(silence.zone) if silence.zone else shop_zone
    if zone is None:
        raise CommandError(f"'{silence.zone[:60]}' is no time zone", "write one like Europe/London")
    starts, ends = _instant("starts", silence.starts), _instant("ends", silence.ends)
    return Read(parse_matchers(silence.matchers), recurrence_of(starts, ends, silence.rrule, zone), zone)


def _instant(name: str, text: str) -> datetime:
    moment = aware(text)
    if moment is None:
        raise CommandError(f"{name} '{text[:40]}' is no instant", "write one like 2026-11-28T09:00:00+01:00")
    return moment


def stretch_of(silence: Silence, moment: float, shop_zone: ZoneInfo) -> Stretch | None:
    """When a silence holds: now, where its stretch has begun, else next; None: it is over. moment: now.

    Raises CommandError for one that cannot be read.
    """
    if silence.ended_at is not None:
        return None
    return read_silence(silence, shop_zone).recurrence.at(moment)


@dataclass
class _Kept:
    """A silence as it is kept.

    hushing: its matchers, as they were written, while it holds, as of the last tick; (): it does not. since, until: the
    stretch in which it does. past: when its last stretch ended, or it was made; none that ends earlier holds, also for
    a clock that was put back. over: whether no stretch comes any more; at: since when. alerts: which it has hushed in
    this stretch. ended_by: who ended it.
    """

    silence: Silence
    hushing: tuple[str, ...] = ()
    since: float = 0.0
    until: float = 0.0
    past: float = 0.0
    over: bool = False
    at: float = 0.0
    alerts: dict[str, None] = field(default_factory=dict)
    ended_by: str = ""


class Silences:
    """All silences; a part of notify's state."""

    def __init__(self, zone: ZoneInfo, open_facts: Callable[[], Iterable[Facts]] = tuple) -> None:
        """zone: of the shop. open_facts: what fires now, for each of its teams."""
        self._zone = zone
        self._open_facts = open_facts
        self._kept: dict[str, _Kept] = {}
        self._read: dict[str, Read] = {}
        self._dirty: set[str] = set()
        self._gone: set[str] = set()
        self._unreadable: list[_Kept] = []  # since the restore, until the next tick says so
        self._next: float | None = None  # when something begins or ends next; None: to be found out

    def hear(self, transition: Transition) -> None:
        """None begins or ends a silence."""

    # ---- what people do ---------------------------------------------------------------------------------------------

    def apply(self, command: Command, moment: float) -> Applied | None:
        """Make, replace or end a silence; None: the command is about something else."""
        try:
            if isinstance(command, PutSilence):
                return self._put(command, moment)
            if isinstance(command, EndSilence):
                return self._end(command, moment)
        except CommandError as refused:
            return Applied(False, str(refused))
        return None

    def _put(self, command: PutSilence, moment: float) -> Applied:
        wanted = command.silence
        wanted = msgspec.structs.replace(wanted, author=wanted.author or command.by, ended_at=None)
        read = read_silence(wanted, self._zone)
        before = self._kept.get(wanted.id)
        if before is not None and before.over:
            raise CommandError(f"the silence '{wanted.id}' is over", "make a new one")
        if before is None and sum(not kept.over for kept in self._kept.values()) >= MOST_SILENCES:
            raise CommandError(f"there are {MOST_SILENCES} silences already", "end one that is needed no more")
        if read.recurrence.at(moment) is None:
            raise CommandError("it would be over already", "let it end later than now")
        if _seconds(wanted.starts) < moment - OLDEST_BEGIN_S:
            raise CommandError("it begins more than a year ago", "let it begin now")
        created = rfc3339_of(datetime.fromtimestamp(moment, UTC)) if before is None else before.silence.created_at
        hits = 0 if before is None else before.silence.hits
        kept = _Kept(msgspec.structs.replace(wanted, created_at=created, hits=hits), past=moment)
        if before is not None:  # what it hushes as of now is looked at by the next tick
            kept.past = max(before.past, moment)
            kept.hushing, kept.since, kept.until, kept.alerts = (
                before.hushing,
                before.since,
                before.until,
                before.alerts,
            )
        self._keep(kept, read)
        what = "changed a silence" if before is not None else "made a silence"
        return Applied(True, f"{command.by} {what} {self._words(kept, moment)}", (kept.silence,))

    def _end(self, command: EndSilence, moment: float) -> Applied:
        kept = self._kept.get(command.silence_id)
        if kept is None:
            raise CommandError(f"there is no silence '{command.silence_id[:64]}'", "list them to find its id")
        if kept.over:
            raise CommandError(f"the silence '{command.silence_id}' is over already", "there is nothing to do")
        self._finish(kept, moment, command.by)
        return Applied(
            True, f"{command.by} ended {self._named(kept)}{_hits(len(kept.alerts), ', which')}", (kept.silence,)
        )

    def _finish(self, kept: _Kept, moment: float, by: str) -> None:
        kept.over, kept.at, kept.ended_by = True, moment, by
        ended_at = rfc3339_of(datetime.fromtimestamp(moment, UTC))
        kept.silence = msgspec.structs.replace(kept.silence, ended_at=ended_at)
        self._keep(kept, self._read[kept.silence.id])

    def _keep(self, kept: _Kept, read: Read) -> None:
        number = kept.silence.id
        self._kept[number], self._read[number] = kept, read
        self._dirty.add(number)
        self._next = None

    # ---- what they hush ---------------------------------------------------------------------------------------------

    def hushed(self, facts: Facts, severity: Severity, moment: float, options: RouteOptions) -> Hush | None:
        """Why an alert is not told, whatever its severity and route: the silence that ends last of those that hold."""
        hushing: _Kept | None = None
        for kept in self._kept.values():
            if kept.hushing and self._holds(kept, facts):
                self._hit(kept, facts)
                if hushing is None or (kept.until, kept.silence.id) > (hushing.until, hushing.silence.id):
                    hushing = kept
        if hushing is None:
            return None
        until = self._time(hushing.until, hushing)
        why = f"silenced by {hushing.silence.author} until {until}: {hushing.silence.comment}"
        return Hush(Reason.SILENCED, _line(why))

    def _holds(self, kept: _Kept, facts: Facts) -> bool:
        return all_match(self._hushing_matchers(kept), facts)

    def _hushing_matchers(self, kept: _Kept) -> tuple[Matcher, ...]:
        # Those of the last tick, which for one that was replaced since then are others than it has now.
        same = kept.hushing == kept.silence.matchers
        return self._read[kept.silence.id].matchers if same else parse_matchers(kept.hushing)

    def _hit(self, kept: _Kept, facts: Facts) -> None:
        alert = alert_key(facts)
        if alert not in kept.alerts and len(kept.alerts) < MOST_HITS:
            kept.alerts[alert] = None
            self._dirty.add(kept.silence.id)

    # ---- time -------------------------------------------------------------------------------------------------------

    def tick(self, moment: float) -> Happened:
        """Begin and end what is due; in an order that a restart does not change."""
        happened = Happened()
        if self._next is not None and moment < self._next:
            return happened
        self._drop_unreadable(moment, happened)
        due: list[float] = []
        for number in sorted(self._kept):
            kept = self._kept[number]
            # What has ended does not hold again, and what has begun goes on, also where a clock was put back.
            stretch = None if kept.over else self._read[number].recurrence.at(max(moment, kept.past, kept.since))
            holds = stretch is not None and (stretch.begin <= moment or (kept.hushing and stretch.begin == kept.since))
            if stretch is None and not kept.over:
                kept.over, kept.at = True, kept.until or moment
                self._dirty.add(number)
            self._settle(kept, stretch if holds else None, moment, happened)
            if stretch is not None:
                due.append(self._next_look(number, stretch, moment) if holds else stretch.begin)
            else:
                due.append(kept.at + KEPT_S)
        self._forget(moment, happened)
        # Where the clock was put back by much, what is due is looked at again at its old time, and not before.
        self._next = min(due, default=float("inf"))
        return happened

    def _next_look(self, number: str, holding: Stretch, moment: float) -> float:
        """When one that holds may hold otherwise: at its end, or where its next time begins before that and lasts
        longer."""
        begins = self._read[number].recurrence.next_begin(moment)
        return holding.end if begins is None else min(holding.end, begins)

    def _drop_unreadable(self, moment: float, happened: Happened) -> None:
        for kept in sorted(self._unreadable, key=lambda one: one.silence.id):
            self._gone.add(kept.silence.id)
            if not kept.over:
                happened.ended.append(Ended(_line(f"{self._named(kept)} can no longer be read")))
                ended_at = rfc3339_of(datetime.fromtimestamp(moment, UTC))
                happened.standing.append(msgspec.structs.replace(kept.silence, ended_at=ended_at))
        self._unreadable.clear()

    def _settle(self, kept: _Kept, stretch: Stretch | None, moment: float, happened: Happened) -> None:
        """From what it hushed as of the last tick to what it does now. stretch: in which it holds now."""
        matchers = () if stretch is None else kept.silence.matchers
        since, until = (0.0, 0.0) if stretch is None else (stretch.begin, stretch.end)
        before, ended = kept.hushing, kept.until
        if (matchers, since, until) == (before, kept.since, ended):
            return
        self._dirty.add(kept.silence.id)
        was = self._hushing_matchers(kept) if before else ()
        kept.hushing, kept.since, kept.until = matchers, since, until
        if before and ended <= moment:
            kept.past = max(kept.past, ended)
        if before and not matchers:
            self._tell_end(kept, was, ended, moment, happened)
        elif before != matchers and before:
            now = self._hushing_matchers(kept)
            why = f"{self._named(kept)} was changed"
            happened.ended.append(Ended(_line(why), lambda facts: all_match(was, facts) and not all_match(now, facts)))
        elif not before:
            self._tell_begin(kept, happened)
        if matchers:
            for facts in self._open_facts():
                if self._holds(kept, facts):
                    self._hit(kept, facts)

    def _tell_begin(self, kept: _Kept, happened: Happened) -> None:
        if kept.silence.told:
            headline = f"Silence until {self._time(kept.until, kept)}: {kept.silence.comment}"
            text = (
                f"{kept.silence.author} wants nothing to be told of alerts with {self._matchers(kept)} until "
                f"{self._time(kept.until, kept)}. What still fires then is told."
            )
            number = stable_id("silence", kept.silence.id, "begins", round(kept.until))
            happened.notices.append(Notice(number, _line(headline), _line(text), self._teams(kept)))

    def _tell_end(self, kept: _Kept, was: tuple[Matcher, ...], ended: float, moment: float, happened: Happened) -> None:
        """was: what it hushed. ended: when it would have ended by itself."""
        named = self._named(kept)
        if kept.ended_by:
            by = f"{kept.ended_by} ended {named}"
        else:
            by = f"{named} is over" if ended <= moment else f"{named} was changed to hold later"
        happened.ended.append(Ended(_line(by), lambda facts: all_match(was, facts)))
        count = len(kept.alerts)
        kept.silence = silence = msgspec.structs.replace(kept.silence, hits=kept.silence.hits + count)
        happened.standing.append(silence)
        at = rfc3339_of(datetime.fromtimestamp(min(ended, moment), UTC))
        if not kept.ended_by:
            number = stable_id("silence", silence.id, "over", at)
            command = EndSilence(id=number, by=OURS, way=OURS, at=at, silence_id=silence.id)
            why = _line(f"{by}{_hits(count, ': it')}")
            happened.answers.append(Answer(id=number, command=command, applied=True, why=why, decided_at=at))
        if silence.told:
            about = f"It was for alerts with {self._matchers(kept)}{_hits(count, ' and')}"
            text = f"{by[:1].upper()}{by[1:]}. {about}. What still fires is told."
            number = stable_id("silence", silence.id, "ends", at)
            headline = _line(f"Silence over: {silence.comment}")
            happened.notices.append(Notice(number, headline, _line(text), self._teams(kept)))
        kept.alerts = {}

    def _forget(self, moment: float, happened: Happened) -> None:
        over = sorted((kept.at, number) for number, kept in self._kept.items() if kept.over)
        for place, (at, number) in enumerate(over):
            if at + KEPT_S <= moment or place < len(over) - MOST_OVER:
                happened.gone.append(key_of(self._kept[number].silence))
                del self._kept[number], self._read[number]
                self._dirty.discard(number)
                self._gone.add(number)

    # ---- words ------------------------------------------------------------------------------------------------------

    def _time(self, moment: float, kept: _Kept) -> str:
        return time_text(datetime.fromtimestamp(moment, UTC).isoformat(), self._read[kept.silence.id].zone)

    def _matchers(self, kept: _Kept) -> str:
        return " and ".join(map(str, self._read[kept.silence.id].matchers))

    def _teams(self, kept: _Kept) -> tuple[str, ...]:
        """Whom it is about, where it says so: nobody else hears of it."""
        matchers = self._read[kept.silence.id].matchers
        return tuple(m.value for m in matchers if m.label == "team" and m.operator == "=")

    def _named(self, kept: _Kept) -> str:
        return f"the silence of {kept.silence.author} ({kept.silence.comment})"

    def _words(self, kept: _Kept, moment: float) -> str:
        """`of sku=A-1 from … until …: summer campaign`"""
        stretch = self._read[kept.silence.id].recurrence.at(moment)
        if stretch is None:
            return f"of {self._matchers(kept)}"
        begins = "" if stretch.begin <= moment else f" from {self._time(stretch.begin, kept)}"
        again = f", then {kept.silence.rrule}" if kept.silence.rrule else ""
        until = self._time(stretch.end, kept)
        return _line(f"of {self._matchers(kept)}{begins} until {until}{again}: {kept.silence.comment}")

    # ---- state ------------------------------------------------------------------------------------------------------

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries: dict[bytes, bytes | None] = {}
        for number in self._dirty:
            row = {"format": FORMAT, **vars(self._kept[number]), "alerts": list(self._kept[number].alerts)}
            entries[KEY + number.encode()] = msgspec.json.encode(row)
        for number in self._gone - self._kept.keys():
            entries[KEY + number.encode()] = None
        self._dirty.clear()
        self._gone.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""
        for key, value in entries.items():
            if key.startswith(KEY):
                row = msgspec.json.decode(value)
                stored = row.pop("format", None)
                if stored != FORMAT:
                    raise StateError(
                        f"lockstep.notify-state: a silence of format {stored}, this version reads {FORMAT}"
                    )
                row["alerts"] = dict.fromkeys(row["alerts"])
                row["hushing"] = tuple(row["hushing"])
                row["silence"] = msgspec.convert(row["silence"], Silence)
                kept = _Kept(**row)
                try:
                    self._read[kept.silence.id] = read_silence(kept.silence, self._zone)
                except CommandError:  # as where a zone has another name now: it must not keep notify from starting
                    self._unreadable.append(kept)
                else:
                    self._kept[kept.silence.id] = kept


def alert_key(facts: Facts) -> str:
    """What tells alerts apart by their facts alone: rule and labels, whatever team, severity and address."""
    apart = (name for name in sorted(facts) if name not in ("severity", "team", "destination"))
    parts = (part for name in apart for part in (name, facts[name]))
    return stable_id("facts", *parts)[:13]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _hits(count: int, link: str) -> str:
    if not count:
        return f"{link} matched nothing"
    more = " or more" if count >= MOST_HITS else ""
    return f"{link} kept {count:,}{more} alert{'s' if count > 1 else ''} quiet"


def _line(text: str) -> str:
    """On one line."""
    return " ".join(text.split())
