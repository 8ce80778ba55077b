"""What people are told: who waits for what, what stops it when its turn comes, and the message that it becomes.

What is to be told waits in a message group. When the group is due, each part of `Hushing` is asked; what it stops is
held, and asked for again when its time has come or something has ended. Whatever is decided of an alert and a
destination is written to the log of decisions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from lockstep.notify.handling import handled_hush
from lockstep.notify.message import Writer
from lockstep.notify.pipeline.decision_log import DecisionLog
from lockstep.notify.pipeline.due_times import DueTimes
from lockstep.notify.pipeline.episodes import Episode, Episodes, Listener
from lockstep.notify.pipeline.group_message import MOST_ITEMS, Candidate, MessageMaker
from lockstep.notify.pipeline.hooks import Facts, Hush, Hushing, Planned
from lockstep.notify.pipeline.message_groups import DIGEST, Group, GroupKey, Groups, group_name
from lockstep.notify.pipeline.reason_words import reason_words
from lockstep.notify.receivers import can_edit, tells_each
from lockstep.notify.route import Hearer, Routing, teams_of
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.ports import Destination
from lockstep.response.decision import Outcome, Reason
from lockstep.rule.condition.kinds import Rule, Severity

MOST_MESSAGES = 20
MESSAGES_PER_S = 600.0
NEWS = frozenset({Reason.FIRST, Reason.NEW_ALERTS, Reason.WORSE})
_CALLS = frozenset({Reason.ESCALATION, Reason.FALLBACK})
_NOT_TOLD_AFTER = frozenset({Reason.SILENCED, Reason.INHIBITED, Reason.SNOOZED, Reason.CLOSED, Reason.ACKNOWLEDGED})
"""What keeps for good what began and ended in it, unless the route says `short_lived: tell`."""

Pair = tuple[str, str]
"""(episode's id, destination's id)."""


class People:
    """Everything that people wait for; its episodes and groups are parts of notify's state."""

    def __init__(
        self,
        *,
        rules: Mapping[str, Rule],
        routing: Routing,
        writer: Writer,
        hushing: Sequence[Hushing],
        decisions: DecisionLog,
        publish: Callable[[Planned, float], frozenset[str]],
        wait_s: float,
    ) -> None:
        """publish: takes a delivery, and says which of its episodes are kept for a summary.

        wait_s: of groups whose routes do not say.
        """
        self._rules, self._routing, self._writer, self._hushing = rules, routing, writer, hushing
        self._decisions, self._publish = decisions, publish
        self._wait_s = wait_s
        self.on_told: Callable[[Episode, Destination, Listener, float], None] = _nothing_follows
        """Called when a destination was told that an episode fires."""
        self.hearers: Callable[[Episode, float], Sequence[Hearer]] = _nobody
        """The people to whom the routes lead at a moment."""
        self.episodes, self.groups = Episodes(), Groups()
        self._maker = MessageMaker(rules, writer, self.groups)
        self._due: DueTimes[GroupKey] = DueTimes()
        self._repeats: DueTimes[Pair] = DueTimes()
        self._asks: DueTimes[Pair] = DueTimes()
        self._held: set[Pair] = set()
        self._undated: set[GroupKey] = set()
        self._order = 0

    # ---- state ----------------------------------------------------------------------------------------------------

    def restored(self) -> None:
        """Every entry has been taken back: what follows from them is made anew."""
        for group in self.groups:
            if group.is_undated:
                self._undated.add(group.key)
            if group.due is not None:
                self._due.set(group.key, group.due, longest_s=self._longest_s(group))
            elif group.items:
                self._undated.add(group.key)
        for episode in self.episodes:
            for destination_id, listener in episode.listeners.items():
                self._index(episode, destination_id, listener)
        for group in self.groups:  # those that wait stand in the order in which they came
            group.waiting = dict.fromkeys(sorted(group.waiting, key=lambda e: self._order_in(e, group)))

    def _index(self, episode: Episode, destination_id: str, listener: Listener) -> None:
        pair = episode.episode_id, destination_id
        self._order = max(self._order, listener.order)
        self._home(listener, destination_id).members.add(episode.episode_id)
        if listener.waits is not None:
            group = self._told_in(listener, destination_id)
            group.waiting[episode.episode_id] = None
            if group.due is None:
                self._undated.add(group.key)
        if listener.is_held:
            self._held.add(pair)
            if listener.held_until is not None:
                self._asks.set(pair, listener.held_until)
        if listener.told:  # also one that has ended, until that is told
            self._home(listener, destination_id).firing.add(episode.episode_id)
        if listener.told and not episode.is_over:
            self._set_repeat(pair, listener)

    def _order_in(self, episode_id: str, group: Group) -> int:
        episode = self.episodes.get(episode_id)
        return 0 if episode is None else episode.listeners[group.destination.id].order

    # ---- who waits for what ---------------------------------------------------------------------------------------

    def gather(
        self,
        episode: Episode,
        destination: Destination,
        routes: tuple[tuple[str, str], ...],
        reason: Reason,
        *,
        moment: float,
        why: str = "",
        note: str = "",
        knew: int = 0,
        at_once: bool = False,
    ) -> None:
        """A destination is to be told something of an episode. routes: (team, route) that lead there.

        knew: the rank of the severity that a version before this one told it, where nothing is known of it.
        """
        listener, is_call = episode.listeners.get(destination.id), reason in _CALLS
        if listener is None:
            (team, route), *_ = routes
            name = group_name(
                self._routing.tree.options(route), route, facts_of(episode, team), alert_id=episode.alert_id
            )
            listener = episode.listeners[destination.id] = Listener(group=name, routes=routes, is_called=is_call)
        self.lead(episode, destination.id, routes)
        listener.is_called = listener.is_called and is_call
        teams = teams_of(routes)
        home = self.groups.made(listener.group, destination, teams)
        listener.digest = reason is Reason.HELD
        home.members.add(episode.episode_id)
        if knew and not listener.told:
            listener.told = knew
            home.firing.add(episode.episode_id)
        group = self.groups.made(DIGEST, destination, teams) if listener.digest else home
        self._held.discard((episode.episode_id, destination.id))
        if listener.waits is None:
            self._order += 1
            listener.waits, listener.why, listener.order = reason, why, self._order
        elif listener.waits is Reason.RESPONSE or (reason is Reason.WORSE and listener.waits not in NEWS):
            listener.waits, listener.why = reason, why  # of two responses the later one is what stands
        listener.note = note or listener.note
        group.waiting[episode.episode_id] = None
        self.episodes.changed(episode)
        if at_once:
            self._hurry(group, moment)
            return
        options = self._options(listener)
        wait_s = self._wait_s if options.group_wait_s is None else options.group_wait_s
        interval_s = options.group_interval_s or 0.0
        if group.wait_s is None or wait_s < group.wait_s or interval_s < (group.interval_s or 0.0):
            group.wait_s = wait_s if group.wait_s is None else min(wait_s, group.wait_s)
            group.interval_s = interval_s if group.interval_s is None else min(interval_s, group.interval_s)
            group.is_undated = True
            self.groups.changed(group)
        if group.due is None or group.is_undated:
            self._undated.add(group.key)
        words = f"its message waits a moment, so that more of {group.title} can join it"
        self._decisions.heard(episode, listener, destination, "waits", Reason.GROUPED, words, moment=moment)

    def lead(self, episode: Episode, destination_id: str, routes: tuple[tuple[str, str], ...]) -> None:
        """The routes by which a listener hears of an episode are these from now on."""
        listener = episode.listeners[destination_id]
        if listener.routes != routes:
            listener.routes = routes
            if listener.told and not episode.is_over:
                self._set_repeat((episode.episode_id, destination_id), listener)

    def absorb(self, earlier: Iterable[Episode], into: Episode) -> None:
        """What destinations know of earlier episodes of an alert that flaps, they know of this one; those are gone."""
        for episode in earlier:
            for destination_id, known in list(episode.listeners.items()):
                listener = into.listeners.get(destination_id)
                if listener is None:
                    listener = into.listeners[destination_id] = Listener(group=known.group, routes=known.routes)
                if known.told > listener.told:
                    listener.told, listener.told_at, listener.delivery = known.told, known.told_at, known.delivery
                    self._set_repeat((into.episode_id, destination_id), listener)
                home = self._home(listener, destination_id)
                home.members.add(into.episode_id)
                if listener.told:
                    home.firing.add(into.episode_id)
                self._finish(episode, destination_id)
            self.episodes.drop(episode)
        self.episodes.changed(into)

    def _hurry(self, group: Group, moment: float) -> None:
        """What waits in a group goes out in this tick, unless too many messages did."""
        if group.due != moment and not (group.held and group.due is not None):
            group.due = moment
            self._due.set(group.key, moment, longest_s=self._longest_s(group))
            self._undated.discard(group.key)
            self.groups.changed(group)

    def look_again(self, moment: float, why: str, *, again: Callable[[Facts], bool] | None = None) -> None:
        """Something is over that kept people from being told: what still fires is told now.

        why: in words. again: of which open alerts they hear once more though nothing was held; None: of none.
        """
        for pair in sorted(self._held):
            self._ask(pair, moment, why)
        if again is None:
            return
        for episode in self.episodes:
            for destination_id, listener in list(episode.listeners.items()):
                teams = teams_of(listener.routes)
                if _knows_all(episode, listener) and any(again(facts_of(episode, team)) for team in teams):
                    self._remind(episode, destination_id, Reason.SILENCE_ENDED, moment, why)

    def remind(self, episode: Episode, moment: float, why: str) -> None:
        """Nobody has an episode any more, or it is snoozed no longer: who was told of it hears that it still fires."""
        for destination_id, listener in list(episode.listeners.items()):
            if listener.is_held:
                self._ask((episode.episode_id, destination_id), moment, why)
            elif listener.told and listener.waits is None:
                self._remind(episode, destination_id, Reason.SILENCE_ENDED, moment, why)

    def respond(self, episode: Episode, moment: float, why: str, reason: Reason = Reason.RESPONSE) -> None:
        """Somebody did something about an episode: it is shown where the message that told of it can be changed.

        A further message would wake everybody else for nothing; the next one and the page say it. why: "Anna has it".
        reason: REPEAT where nobody did, and it is about something else.
        """
        is_closed = episode.handling is not None and episode.handling.closed_by
        follows = "unless it gets worse, no message follows" if is_closed else "the next message says so"
        for destination_id, listener in list(episode.listeners.items()):
            if not listener.told or listener.waits not in (None, reason) or listener.is_held:
                continue
            destination = self.destination_of(listener, destination_id)
            if can_edit(destination):
                self._remind(episode, destination_id, reason, moment, why)
            else:
                said = f"{why}; {follows}"
                self._decisions.heard(episode, listener, destination, "not_told", Reason.SAME, said, moment=moment)

    def leave(self, episode: Episode, destination_id: str, why: str, moment: float) -> None:
        """A destination hears no more of an episode, not even its end. why: in words."""
        listener = episode.listeners[destination_id]
        destination = self.destination_of(listener, destination_id)
        self._decisions.heard(episode, listener, destination, "not_told", Reason.NOBODY, why, moment=moment)
        self._finish(episode, destination_id)

    def _remind(self, episode: Episode, destination_id: str, reason: Reason, moment: float, why: str) -> None:
        listener = episode.listeners[destination_id]
        destination = self.destination_of(listener, destination_id)
        self.gather(episode, destination, listener.routes, reason, moment=moment, why=why, at_once=True)

    def _ask(self, pair: Pair, moment: float, why: str) -> None:
        """Whether what was held is told now."""
        episode_id, destination_id = pair
        episode = self.episodes.get(episode_id)
        listener = None if episode is None else episode.listeners.get(destination_id)
        if episode is None or listener is None or not listener.is_held:
            return
        hush = self._hush(episode, listener, self.destination_of(listener, destination_id).target, moment)
        if hush is None:
            reason = Reason.HELD if listener.held is Reason.MUTED else Reason.SILENCE_ENDED
            why = listener.held_why if reason is Reason.HELD or not why else why
            self._remind(episode, destination_id, reason, moment, why)
        elif listener.held_until is None and hush.reason is listener.held:
            return
        elif listener.held_until is None or listener.held_until <= moment:
            # Another one takes over. Before its time is up nothing is said of that: a restart looks again, too.
            self._hold(episode, destination_id, listener, hush, moment)

    # ---- time -----------------------------------------------------------------------------------------------------

    def tick(self, moment: float) -> None:
        """Time passes: what is due is asked about, and told."""
        for key in self._due.put_back(moment):
            group = self.groups.get(key)
            if group is not None:
                group.due = self._due.get(key)
                self.groups.changed(group)
        self._asks.put_back(moment)
        for episode_id, destination_id in self._repeats.put_back(moment):
            episode = self.episodes.get(episode_id)
            if episode is not None:  # it counts as told when the clock says now, so that a restart knows it, too
                episode.listeners[destination_id].told_at = min(moment, episode.listeners[destination_id].told_at)
                self.episodes.changed(episode)
        for pair in sorted(self._asks.take(moment)):
            self._ask(pair, moment, "")
        for episode_id, destination_id in sorted(self._repeats.take(moment)):
            episode = self.episodes.get(episode_id)
            listener = None if episode is None else episode.listeners.get(destination_id)
            if episode is not None and listener is not None and _knows_all(episode, listener):
                self._repeat(episode, destination_id, listener, moment)
        for key in self._undated:
            group = self.groups.get(key)
            if group is not None:
                self._date(group, moment)
        self._undated.clear()
        while keys := sorted(self._due.take(moment)):  # in an order that a restart does not change
            for key in keys:
                group = self.groups.get(key)
                if group is not None:
                    self._close(group, moment)

    def _repeat(self, episode: Episode, destination_id: str, listener: Listener, moment: float) -> None:
        """It still fires: who was told hears it again, and where a shift has ended, who is on call now instead."""
        hearing = self.hearers(episode, moment)
        fresh = [h for h in hearing if _is_news_to(episode.listeners.get(h.destination.id))]
        for hearer in fresh:
            self.gather(episode, hearer.destination, hearer.routes, Reason.REPEAT, moment=moment, at_once=True)
            episode.listeners[hearer.destination.id].is_relieved = False
        if not fresh or any(h.destination.id == destination_id for h in hearing):
            self._remind(episode, destination_id, Reason.REPEAT, moment, "")
            return
        listener.is_relieved = True
        self.episodes.changed(episode)
        destination = self.destination_of(listener, destination_id)
        why = f"it still fires, and is told to {', '.join(h.destination.receiver for h in fresh)} now"
        self._decisions.heard(episode, listener, destination, "not_told", Reason.SAME, why, moment=moment)

    def _date(self, group: Group, moment: float) -> None:
        """When a group's next message goes out, now that something waits for it."""
        group.is_undated = False
        if group.held and group.due is not None:
            return
        wait_s = self._wait_s if group.wait_s is None else group.wait_s
        due = moment + wait_s
        if group.firing and group.last_sent is not None and group.interval_s:
            due = max(due, min(group.last_sent, moment) + group.interval_s)
        group.due = due if group.due is None else min(group.due, due)
        self._due.set(group.key, group.due, longest_s=self._longest_s(group))
        self.groups.changed(group)

    def _longest_s(self, group: Group) -> float:
        """How long a group may wait from any moment on, also where the clock was put back."""
        wait_s = self._wait_s if group.wait_s is None else group.wait_s
        return max(wait_s, group.interval_s or 0.0, MESSAGES_PER_S if group.held else 0.0)

    def _set_repeat(self, pair: Pair, listener: Listener) -> None:
        options = [self._routing.tree.options(route) for _, route in listener.routes]
        repeat_s = min((o.repeat_interval_s for o in options if o.repeat_interval_s is not None), default=None)
        if repeat_s is None or listener.is_relieved:
            self._repeats.drop(pair)
        else:
            self._repeats.set(pair, listener.told_at + repeat_s, longest_s=repeat_s)

    # ---- what stops it --------------------------------------------------------------------------------------------

    def _hush(self, episode: Episode, listener: Listener, target: str, moment: float) -> Hush | None:
        """Why a listener is not told now; None where one of the ways that lead there is open. target: whose it is, so
        that a silence can be for one address alone."""
        hush = handled_hush(episode, listener, moment, self._writer.zone)
        if hush is not None:
            return hush
        first: Hush | None = None
        severity = Severity(episode.rank)
        for team, route in listener.routes:
            facts, options = {"destination": target, **facts_of(episode, team)}, self._routing.tree.options(route)
            stopped = None
            for part in self._hushing:
                stopped = part.hushed(facts, severity, moment, options)
                if stopped is not None:
                    break
            if stopped is None:
                return None
            first = first or stopped
        return first

    def _hold(self, episode: Episode, destination_id: str, listener: Listener, hush: Hush, moment: float) -> None:
        pair = episode.episode_id, destination_id
        listener.waits, listener.held, listener.held_why, listener.held_until = None, hush.reason, hush.why, hush.until
        self._held.add(pair)
        if hush.until is None:
            self._asks.drop(pair)
        else:
            self._asks.set(pair, hush.until)
        self.episodes.changed(episode)
        destination = self.destination_of(listener, destination_id)
        outcome: Outcome = "waits" if hush.reason is Reason.MUTED else "not_told"  # a mute time has its digest
        self._decisions.heard(episode, listener, destination, outcome, hush.reason, hush.why, moment=moment)

    def _is_stopped(self, episode: Episode, group: Group, listener: Listener, moment: float) -> bool:
        """Whether nothing is told of it now: it is held, or there is nothing to say of it."""
        destination = group.destination
        hush = self._hush(episode, listener, destination.target, moment)
        reason, why = (None, "") if hush is None else (hush.reason, hush.why)
        never_began = episode.is_over and not listener.told and not listener.capped
        if hush is not None and listener.waits is Reason.RESPONSE:
            listener.waits = None
        elif hush is not None and hush.reason is Reason.CLOSED and episode.is_over:
            self._finish(episode, destination.id)
        elif never_began and self._is_skipped(listener, reason or listener.held):
            why = why or listener.held_why
            reason, why = Reason.SHORT_LIVED, f"it was over before anybody was told{f': {why}' if why else ''}"
            self._finish(episode, destination.id)
        elif hush is not None:
            self._hold(episode, destination.id, listener, hush, moment)
            return True
        elif not episode.is_over and listener.waits in NEWS and listener.told >= episode.rank:
            listener.waits, listener.held = None, None
            reason, why = Reason.SAME, "nothing is worse than what was told last"
        else:
            return False
        self.episodes.changed(episode)
        assert reason is not None
        self._decisions.heard(episode, listener, destination, "not_told", reason, why, moment=moment)
        return True

    def _is_skipped(self, listener: Listener, stopped_by: Reason | None) -> bool:
        """Whether people never hear of what began and ended unsaid."""
        says = self._options(listener).short_lived
        return says == "skip" or (says is None and stopped_by in _NOT_TOLD_AFTER)

    # ---- a message ------------------------------------------------------------------------------------------------

    def _close(self, group: Group, moment: float) -> None:
        """A group's message goes out, or what waits in it is held."""
        recent = [t for t in group.sent if moment - MESSAGES_PER_S < t <= moment]
        if len(recent) >= MOST_MESSAGES and not group.held:
            group.due, group.held, group.sent = recent[0] + MESSAGES_PER_S, True, recent
            self._due.set(group.key, group.due, longest_s=self._longest_s(group))
            self.groups.changed(group)
            return
        candidates = self._candidates(group, moment)
        size = MOST_ITEMS if tells_each(group.destination) else max(len(candidates), 1)
        for begin in range(0, max(len(candidates), 1), size):
            self._send(group, candidates[begin : begin + size], [*recent, moment][-MOST_MESSAGES:], moment)
        group.items, group.more, group.due, group.held, group.wait_s = [], 0, None, False, None
        group.waiting.clear()
        self.groups.changed(group)

    def _send(self, group: Group, candidates: list[Candidate], sent: list[float], moment: float) -> None:
        """One message of a group. sent: when its recent messages went out, this one among them."""
        items, more, shown = self._maker.items(group, candidates)
        if not items:
            for candidate in candidates:
                self._mark(group, candidate, "", moment, is_shown=False)
            return
        named = [c for c in candidates if id(c) in shown] or candidates[:1]
        planned = self._maker.message(group, items, more, named)
        group.number += 1
        group.items, group.more = [], 0
        kept = self._publish(planned, moment)
        group.sent, group.last_sent = sent, moment
        for candidate in candidates:
            is_kept = candidate.episode.episode_id in kept or len(kept) == len(planned.about)
            number = "" if is_kept else planned.number
            self._mark(group, candidate, number, moment, is_shown=id(candidate) in shown, is_kept=is_kept)

    def _candidates(self, group: Group, moment: float) -> list[Candidate]:
        """What is told of what waits in a group, most important first."""
        passed: list[tuple[Episode, Listener]] = []
        for episode_id in list(group.waiting):
            episode = self.episodes.get(episode_id)
            listener = None if episode is None else episode.listeners.get(group.destination.id)
            if episode is None or listener is None or listener.waits is None:
                continue
            if not self._is_stopped(episode, group, listener, moment):
                passed.append((episode, listener))
        is_first = not group.firing
        over = {episode.episode_id for episode, _ in passed if episode.is_over}
        end = Reason.SOME_OVER if group.firing - over or len(over) < len(passed) else Reason.ALL_OVER
        candidates = [Candidate(e, li, _reason(e, li, is_first=is_first, end=end)) for e, li in passed]
        return sorted(candidates, key=lambda c: c.weight, reverse=True)

    def _mark(
        self,
        group: Group,
        candidate: Candidate,
        delivery_id: str,
        moment: float,
        *,
        is_shown: bool,
        is_kept: bool = False,
    ) -> None:
        """A candidate has had its turn. delivery_id: of the message; "" where there was none.

        is_kept: it waits for a summary.
        """
        episode, listener, destination = candidate.episode, candidate.listener, group.destination
        is_capped = not is_shown and self._is_capped(episode)
        why = reason_words(candidate.reason, listener.why)
        if is_capped:
            why = f"kept back: more alerts of {episode.rule} fire than its max_alerts"
            self._decisions.heard(episode, listener, destination, "not_told", Reason.MAX_ALERTS, why, moment=moment)
        elif is_kept:
            why = f"{why}; it waits for a summary of much that is to be told at one time"
            self._decisions.heard(episode, listener, destination, "waits", Reason.STORM, why, moment=moment)
        else:
            if not is_shown:
                why = f"{why}; counted only, because the message names the {MOST_ITEMS} most severe"
            self._decisions.heard(
                episode, listener, destination, "told", candidate.reason, why, moment=moment, delivery_id=delivery_id
            )
        listener.waits, listener.why, listener.note, listener.digest = None, "", "", False
        listener.held, listener.held_until, listener.held_why = None, None, ""
        pair = episode.episode_id, destination.id
        self._asks.drop(pair)
        if episode.is_over:
            self._finish(episode, destination.id)
            return
        listener.capped = is_capped and not listener.told
        if not is_capped:
            listener.told, listener.told_at, listener.delivery = episode.rank, moment, delivery_id
            home = self._home(listener, destination.id)
            home.firing.add(episode.episode_id)
            self._set_repeat(pair, listener)
            self.on_told(episode, destination, listener, moment)
        self.episodes.changed(episode)

    def _is_capped(self, episode: Episode) -> bool:
        known = self._rules.get(episode.rule)
        return known is not None and known.max_alerts is not None

    def _finish(self, episode: Episode, destination_id: str) -> None:
        """A destination has nothing more to hear of an episode."""
        listener = episode.listeners.pop(destination_id)
        pair = episode.episode_id, destination_id
        for name in (listener.group, DIGEST):
            group = self.groups.get((name, destination_id))
            if group is not None:
                group.waiting.pop(episode.episode_id, None)
                group.firing.discard(episode.episode_id)
                group.members.discard(episode.episode_id)
                self.groups.changed(group)
        self._asks.drop(pair)
        self._repeats.drop(pair)
        self._held.discard(pair)
        self.episodes.changed(episode)
        self.drop_if_over(episode)

    def drop_if_over(self, episode: Episode) -> None:
        """Forget an episode that is over, when everybody has heard what there was to hear."""
        if episode.is_over and not episode.listeners:
            self.episodes.drop(episode)

    # ---- small answers --------------------------------------------------------------------------------------------

    def destination_of(self, listener: Listener, destination_id: str) -> Destination:
        """Where a listener is, as routing.yml says now, or said when it was told."""
        return self._home(listener, destination_id).destination

    def _home(self, listener: Listener, destination_id: str) -> Group:
        group = self.groups.get((listener.group, destination_id))
        assert group is not None, "a group lives as long as it has listeners"
        return group

    def _told_in(self, listener: Listener, destination_id: str) -> Group:
        digest = self.groups.get((DIGEST, destination_id)) if listener.digest else None
        return digest or self._home(listener, destination_id)

    def _options(self, listener: Listener) -> RouteOptions:
        return self._routing.tree.options(listener.routes[0][1])


def facts_of(episode: Episode, team: str) -> dict[str, str]:
    """What routes, silences and inhibitions match it by."""
    return {**episode.labels, "rule": episode.rule, "severity": Severity(episode.rank).word, "team": team}


def _is_news_to(listener: Listener | None) -> bool:
    """Whether somebody to whom the routes lead does not follow the episode yet, or no more."""
    return listener is None or listener.is_relieved


def _nobody(episode: Episode, moment: float) -> Sequence[Hearer]:
    """Where routes are not known."""
    return ()


def _nothing_follows(episode: Episode, destination: Destination, listener: Listener, moment: float) -> None:
    """Where nobody else has to know who was told."""


def _knows_all(episode: Episode, listener: Listener) -> bool:
    """Whether a listener was told of an open episode, and nothing of it waits or is held."""
    return bool(listener.told and listener.waits is None and listener.held is None) and not (
        episode.is_over or episode.flaps
    )


def _reason(episode: Episode, listener: Listener, *, is_first: bool, end: Reason) -> Reason:
    """Why a listener is told of an episode. is_first: nothing else fires in its group. end: what an end is in it."""
    assert listener.waits is not None
    if listener.waits is Reason.HELD:
        return Reason.HELD
    if episode.is_over:
        return end
    if listener.waits not in NEWS:
        return listener.waits
    if listener.told:
        return Reason.WORSE
    return Reason.FIRST if is_first else Reason.NEW_ALERTS
