"""Alerts of Lockstep about itself: a refused rule file, event time that stays behind, an import that was broken off."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from lockstep.event.imports import OpenImport
from lockstep.labels import stable_id
from lockstep.rule.condition.kinds import All, NoData, Rule, Severity
from lockstep.rule.language.packs import is_pack
from lockstep.text.figures import duration_words, time_text
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.transition import Refusal, Transition, TransitionName

REFUSED = "RuleFileRefused"
MENDED = "mended"
BEHIND = "EventTimeBehind"
CAUGHT_UP = "caught_up"
UNFINISHED = "ImportUnfinished"
WENT_ON = "went_on"

SAID_AGAIN = timedelta(seconds=10)
"""So often one of several workers says that it still refuses a file; nobody is told by that."""
LAPSE = timedelta(minutes=1)
"""After so long without, no worker refuses it any more."""

STANDS_STILL_AFTER = timedelta(minutes=5)
"""An import to which nothing comes for so long has been broken off, or waits for somebody."""

MOST_FAULTS = 30
MOST_NAMES = 12


def own_rule(teams: Sequence[str]) -> Rule:
    """What is said of a refused file, to whom; it judges nothing."""
    text = (
        "The rules in force stay as they were. Mend the file and save it: {{ fault }}"
        "{% if owners %} (owners: {{ owners }}){% endif %}"
    )
    return _own_rule(REFUSED, ("file",), Severity.WARNING, "{{ labels.file }} was refused", text, teams)


def behind_rule(teams: Sequence[str]) -> Rule:
    """What is said of a source partition whose event time stays behind though it was read to its end."""
    text = (
        "{{ fault }}. Rules on this topic judge that moment, not now. What arrives does not advance event time: look "
        "for events sent again, refused ones (`lockstep dead events`), a sender's clock, or an old file that was sent."
    )
    summary = "{{ labels.topic }}, partition {{ labels.partition }}: event time is behind"
    return _own_rule(BEHIND, ("topic", "partition"), Severity.WARNING, summary, text, teams)


def unfinished_rule(teams: Sequence[str]) -> Rule:
    """What is said of an import that was broken off while live events wait for its end."""
    text = (
        "{{ fault }}. Give the same `lockstep import` command again and it goes on where it was broken off; or end it "
        "with `lockstep import --end`: what was imported counts, and live events are judged from there. "
        "`lockstep import --status` says how it stands."
    )
    return _own_rule(
        UNFINISHED,
        ("topic",),
        Severity.CRITICAL,
        "{{ labels.topic }}: nothing is judged, an import has not ended",
        text,
        teams,
    )


def _own_rule(
    name: str, by: tuple[str, ...], severity: Severity, summary: str, text: str, teams: Sequence[str]
) -> Rule:
    """A rule that judges nothing, with the same text for every team."""
    return Rule(
        name=name,
        by=by,
        condition=All((), severity),
        for_s=0,
        keep_firing_for_s=0,
        no_data=NoData.KEEP,
        teams=tuple(teams),
        say={"summary": summary, **dict.fromkeys(teams, text)},
    )


def own_rules(teams: Sequence[str]) -> tuple[Rule, ...]:
    """Every rule of Lockstep's own."""
    return own_rule(teams), behind_rule(teams), unfinished_rule(teams)


def refusal_of(
    file: str, faults: Sequence[str], rules: Iterable[Rule], *, is_new: bool, since: str | None, is_part: bool = False
) -> Refusal:
    """What is to be said of a refused file. rules: all in force; since: when their version began, None for the first.

    is_new: no version held the file. is_part: the rules in force are what is right in this very file.

    `owner` is free text that addresses nobody: the teams of the file's rules hear of it, and read whom to ask.
    """
    here = [r for r in rules if _stands_in(r, file)]
    names = ", ".join(r.name for r in here[:MOST_NAMES])
    if len(here) > MOST_NAMES:
        names += f" and {len(here) - MOST_NAMES} more"
    begun = "from the first start on" if since is None else f"since {since}"
    instead = f"its last good version, {begun}" + (f", with {names}" if names else "")
    if is_part:
        instead = f"what is right in it: {names}" if names else "nothing of this file"
    return Refusal(
        faults=tuple(faults[:MOST_FAULTS]),
        owners=tuple(dict.fromkeys(r.owner for r in here if r.owner)),
        teams=tuple(dict.fromkeys(team for r in here for team in r.teams)),
        in_force="nothing of this file, and all others as they are" if is_new else instead,
    )


def _stands_in(rule: Rule, file: str) -> bool:
    """Whether a rule stands in a file of the folder, `stock.yml` or `packs/stock.yml`."""
    path = f"/{rule.place.rpartition(':')[0]}"
    return path.endswith(f"/{file}") and (is_pack(file) or not is_pack(path))


def refused_transition(file: str, refusal: Refusal, *, now: datetime, after: str = "") -> Transition:
    """The alert about a file begins. after: the alert's episode before, where there was one.

    The same for the same file, faults and past, so that workers that refuse the same file tell it once.
    """
    alert = stable_id("alert", REFUSED, file)
    episode = stable_id("episode", alert, *refusal.faults, *filter(None, [after]))
    begun = _begun(REFUSED, {"file": file}, alert=alert, episode=episode, fault=_fault_of(refusal), now=now)
    return msgspec.structs.replace(begun, refusal=refusal)


def refused_otherwise(firing: Transition, refusal: Refusal, *, now: datetime) -> Transition:
    """The file is still refused, for other faults: the same trouble, which goes on. firing: its last transition."""
    number = firing.number + 1
    return msgspec.structs.replace(
        firing,
        transition_id=stable_id("transition", firing.episode_id, number),
        number=number,
        at=rfc3339_of(now),
        fault=_fault_of(refusal),
        refusal=refusal,
    )


def _fault_of(refusal: Refusal) -> str:
    more = f" (and {len(refusal.faults) - 1} more)" if len(refusal.faults) > 1 else ""
    return refusal.faults[0] + more


def _begun(
    rule: str,
    labels: dict[str, str],
    *,
    alert: str,
    episode: str,
    fault: str,
    now: datetime,
    severity: Severity = Severity.WARNING,
) -> Transition:
    at = rfc3339_of(now)
    return Transition(
        transition_id=stable_id("transition", episode, 1),
        alert_id=alert,
        episode_id=episode,
        number=1,
        rule=rule,
        labels=labels,
        state=TransitionName.FIRING,
        at=at,
        started_at=at,
        severity=severity.word,
        value=None,
        baseline=None,
        ratio=None,
        limit=None,
        window_start=None,
        window_end=None,
        so_far=False,
        watermark=None,
        rule_version="",
        fault=fault,
    )


Place = tuple[str, int]
"""A source topic and one of its partitions."""


def behind_text(place: Place, seconds: float, now: datetime) -> str:
    """What is said of a partition whose event time is so many seconds behind now."""
    stands_at = rfc3339_of(now - timedelta(seconds=round(seconds)))
    return (
        f"Event time of topic '{place[0]}', partition {place[1]}, stands at {stands_at}, "
        f"{duration_words(seconds)} behind, though all of it has been read"
    )


def behind_due(
    behind: Mapping[Place, str], caught_up: Collection[Place], latest: Iterable[Transition], *, now: datetime
) -> list[Transition]:
    """What is new about event time that is behind.

    behind: where, with what is said of it. caught_up: the partitions that this worker knows not to be behind: an alert
    about any other goes on, or is another worker's to end. latest: the last transition of each alert of this kind.
    """
    open_now = {(t.labels["topic"], int(t.labels["partition"])): t for t in latest if t.state is TransitionName.FIRING}
    new = []
    for place, fault in behind.items():
        if place not in open_now:
            labels = {"topic": place[0], "partition": str(place[1])}
            alert = stable_id("alert", BEHIND, place[0], place[1])
            episode = stable_id("episode", alert, rfc3339_of(now))
            new.append(_begun(BEHIND, labels, alert=alert, episode=episode, fault=fault, now=now))
    for place, there in open_now.items():
        if place in caught_up and place not in behind:
            new.append(mended_transition(there, now=now, reason=CAUGHT_UP))
    return new


def unfinished_text(unfinished: OpenImport, now: datetime, zone: ZoneInfo) -> str:
    """What is said of an import that stands still; times in the shop's zone."""
    since, upto = (time_text(rfc3339_of(moment), zone) for moment in (unfinished.written_at, now))
    reached = "before its first event"
    if unfinished.reached is not None:
        reached = f"at events of {time_text(rfc3339_of(unfinished.reached), zone)}"
    count = unfinished.waiting
    events = "1 live event waits" if count == 1 else f"{count:,} live events wait"
    return (
        f"The import of {unfinished.role} stands still since {since}, {reached}; {events} in topic "
        f"'{unfinished.topic}' for its end, as of {upto}"
    )


def unfinished_due(
    imports: Iterable[OpenImport], latest: Iterable[Transition], *, now: datetime, zone: ZoneInfo
) -> list[Transition]:
    """What is new about imports that live events wait for, though nothing comes to them any more.

    imports: all that have not ended; latest: the last transition of each alert of this kind. Every worker sees the same
    imports, and says the same of them.
    """
    begun = {}
    for unfinished in imports:
        if unfinished.waiting and now - unfinished.written_at >= STANDS_STILL_AFTER:
            alert = stable_id("alert", UNFINISHED, unfinished.topic)
            episode = stable_id("episode", alert, rfc3339_of(unfinished.written_at))
            begun[episode] = _begun(
                UNFINISHED,
                {"topic": unfinished.topic},
                alert=alert,
                episode=episode,
                fault=unfinished_text(unfinished, now, zone),
                now=now,
                severity=Severity.CRITICAL,
            )
    open_now = {t.episode_id: t for t in latest if t.state is TransitionName.FIRING}
    over = [mended_transition(t, now=now, reason=WENT_ON) for episode, t in open_now.items() if episode not in begun]
    return [*over, *(t for episode, t in begun.items() if episode not in open_now)]


def mended_transition(firing: Transition, *, now: datetime, reason: str = MENDED) -> Transition:
    """How an alert about Lockstep itself ends.

    The file is in order or gone, event time has caught up, or an import went on.
    firing: the last transition of the alert; all but state, number, time and reason are taken over from it.
    """
    return msgspec.structs.replace(
        firing,
        transition_id=stable_id("transition", firing.episode_id, firing.number + 1),
        number=firing.number + 1,
        state=TransitionName.RESOLVED,
        at=rfc3339_of(now),
        reason=reason,
    )


class OwnAlerts:
    """What a worker says of refused files, by what it refuses and by what all workers have published."""

    # An alert is over when no worker refuses the file any more. None knows what the others' folders hold, and none
    # remembers a former life, so what is published decides, and not memory. Where one worker is alone, all that is
    # published is its own, and what it does not refuse is over at once. Of several, each says now and then that it
    # still refuses a file; whoever hears nothing of an open alert for a minute ends it. So a worker that starts with a
    # mended folder ends what it left open, but not what another one still refuses, and what a worker left open that
    # never comes back ends, too. Neither the folder's path nor the host's name could tell whose an alert is: containers
    # share the one, and change the other. Nor need this worker's folder equal what is in force: who does not refuse a
    # file does not keep its alert, be it as it should or merely older.

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._said: dict[str, tuple[str, ...]] = {}

    def due(
        self,
        refused: Mapping[str, Refusal],
        latest: Iterable[Transition],
        heard: Mapping[str, datetime],
        *,
        looked: bool,
        now: datetime,
    ) -> tuple[list[Transition], list[Transition]]:
        """(what is new, what is only said again).

        latest: the last transition of each alert about a file. heard: alert id → when this worker last read of it.
        looked: whether this worker has seen its folder; before that it does not know what it refuses.
        """
        new: list[Transition] = []
        again: list[Transition] = []
        last = {t.labels["file"]: t for t in latest if t.rule == REFUSED}
        open_now = {file: t for file, t in last.items() if t.state is TransitionName.FIRING}
        for file, refusal in refused.items():
            there = open_now.get(file)
            # Another worker may refuse it for other faults: each says its own once, or they would talk for ever.
            is_said = there is not None and (self._said.get(file) == refusal.faults or _faults(there) == refusal.faults)
            if there is not None and not is_said:
                new.append(refused_otherwise(there, refusal, now=now))
            elif there is None:
                after = last[file].episode_id if file in last else ""
                new.append(refused_transition(file, refusal, now=now, after=after))
            elif not self._alone and _silent(there, heard, now) >= SAID_AGAIN:
                again.append(there)
        for file, there in open_now.items():
            if looked and file not in refused and (self._alone or _silent(there, heard, now) >= LAPSE):
                new.append(mended_transition(there, now=now))
        self._said = {file: refusal.faults for file, refusal in refused.items()}
        return new, again


def _faults(transition: Transition) -> tuple[str, ...]:
    return () if transition.refusal is None else transition.refusal.faults


def _silent(transition: Transition, heard: Mapping[str, datetime], now: datetime) -> timedelta:
    return now - heard.get(transition.alert_id, now)
