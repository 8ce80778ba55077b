"""The message that a group becomes: its items, most severe first, and why it is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from lockstep.labels import stable_id
from lockstep.notification import HANDLED, Item, Message
from lockstep.notify.handling import handled_words, standing
from lockstep.notify.message import Writer, came_and_went
from lockstep.notify.pipeline.episodes import Episode, Listener
from lockstep.notify.pipeline.hooks import Planned
from lockstep.notify.pipeline.message_groups import Group, Groups
from lockstep.notify.pipeline.message_heading import by_weight, state_of, subject_of
from lockstep.notify.pipeline.reason_words import is_evident, message_reason
from lockstep.notify.route import teams_of
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Rule, Severity
from lockstep.transition import decode

MOST_ITEMS = 30
"""Items shown in one message, the most severe of them; the rest is counted."""


@dataclass(frozen=True)
class Candidate:
    """What a message may tell: an episode, for the listener of the group's destination. item: as it would be shown."""

    episode: Episode
    listener: Listener
    reason: Reason

    @property
    def weight(self) -> tuple[bool, int]:
        """What goes first in a message and is dropped last: what goes on, then what is severe."""
        return not self.episode.is_over, self.episode.rank


class MessageMaker:
    """Writes the messages of groups. groups: those of rules remember what `max_alerts` keeps back."""

    def __init__(self, rules: Mapping[str, Rule], writer: Writer, groups: Groups) -> None:
        self._rules, self._writer, self._groups = rules, writer, groups
        self._overview = "" if writer.public_url is None else f"{writer.public_url.rstrip('/')}/"

    def items(self, group: Group, candidates: list[Candidate]) -> tuple[list[Item], int, dict[int, Item]]:
        """The items of a group's message, how many more there are, and which candidates are among the items.

        Those candidates by `id`, with their items.
        """
        shown = {id(candidate): self._item(candidate) for candidate in candidates[:MOST_ITEMS]}
        gathered = [*group.items, *shown.values()]
        items = by_weight(gathered) if group.items else gathered
        dropped, more = candidates[MOST_ITEMS:], group.more
        for rule in dict.fromkeys(item.rule or group.rule for item in items):
            known = self._rules.get(rule)
            cap = None if known is None else known.max_alerts
            of_rule = [item for item in items if (item.rule or group.rule) == rule]
            counted = [candidate for candidate in dropped if candidate.episode.rule == rule]
            home = group if group.rule == rule else None
            if cap is None:
                more += len(counted)
                if home is not None:
                    home.open = type(home.open)()
                continue
            home = home or self._groups.made(rule, group.destination, group.teams)
            for candidate in counted:
                home.open.dropped(_bare(candidate.episode))
            chosen = home.open.chosen(of_rule, cap, rule)
            more += len(home.open.held)
            kept = {id(item) for item in chosen}
            first = next((n for n, item in enumerate(items) if (item.rule or group.rule) == rule), 0)
            items = [item for item in items if (item.rule or group.rule) != rule]
            items[first:first] = chosen
            shown = {key: item for key, item in shown.items() if item.rule != rule or id(item) in kept}
            self._groups.changed(home)
        rules = {item.rule or group.rule for item in items}
        more += sum(1 for candidate in dropped if candidate.episode.rule not in rules) if rules else 0
        return by_weight(items), more, shown

    def _item(self, candidate: Candidate) -> Item:
        """What a message shows of a candidate."""
        episode, listener = candidate.episode, candidate.listener
        teams = teams_of(listener.routes)
        rule = self._rules.get(episode.rule)

        last_open = decode(episode.open)
        item = self._writer.item(last_open, rule, teams, fired_at=episode.fired_at)
        if episode.ended is not None:
            ended = decode(episode.ended)
            end = self._writer.item(ended, rule, teams, fired_at=episode.fired_at, begun=last_open)
            # Nobody was told that it began: one note, with the numbers of then, says that it came and went.
            is_told = listener.told or episode.from_before or listener.capped
            item = end if is_told else came_and_went(item, end)
        elif candidate.reason is Reason.RESPONSE:
            item = msgspec.structs.replace(item, state=HANDLED)
        elif candidate.reason is not Reason.WORSE:
            item = msgspec.structs.replace(item, state="firing")
        handled = handled_words(episode.handling, self._writer.zone)
        if handled:
            item = msgspec.structs.replace(item, handled=handled, standing=standing(episode.handling))
        return item.noted(listener.note) if listener.note else item

    def message(self, group: Group, items: list[Item], more: int, named: Sequence[Candidate]) -> Planned:
        """The delivery of a group's message. named: what its items tell of; none where a version before gathered it."""
        state = state_of(items)
        number = group.number + 1
        generation = [group.generation] if group.generation else []
        whys = {c.episode.episode_id: (c.reason, c.listener.why) for c in named}
        identity = stable_id("delivery", group.rule, group.destination.id, "group", number, *generation)
        rule = items[0].rule or group.rule
        return Planned(
            number=identity,
            destination=group.destination,
            rule=rule,
            state=state,
            about=tuple((item.alert_id, item.episode_id) for item in items),
            body=Message(
                subject=subject_of(items, more),
                state=state,
                rule=rule,
                severity=max(Severity.of(item.severity) for item in items).word,
                teams=group.teams,
                items=tuple(items),
                more=more,
                summary=group.held,
                reason=message_reason([*whys.values()]) if named else msgspec.UNSET,
                evident=is_evident([*whys.values()]) or msgspec.UNSET,
                overview=self._overview if len(items) + more > 1 and self._overview else msgspec.UNSET,
            ),
            reason=named[0].reason if named else Reason.FIRST,
            whys=whys,
        )


def _bare(episode: Episode) -> Item:
    """As much of an item as `max_alerts` needs of one that finds no place in its message."""
    transition = episode.last
    return Item(
        state=transition.state.value,
        severity=transition.severity,
        headline="",
        labels={},
        value="",
        usual="",
        usual_is="",
        window="",
        at="",
        since="",
        value_bar="",
        usual_bar="",
        texts={},
        alert_id=episode.alert_id,
        episode_id=episode.episode_id,
    )
