"""`max_alerts`: of one rule a destination of people is told the first N by severity, and of the rest one summary.

An alert is told while fewer than N of its severity or above are open that were told; so a critical one is not kept back
by N warnings, and at most N of each severity are told. What is kept back is counted in every message of the rule.
Notify is one fold of `lockstep.alerts`, so it does not matter on which partition an alert was judged.
Weakness: what was kept back is not told later when others have ended; the count says that it is there.
"""

from dataclasses import dataclass, field

import msgspec

from lockstep.notification import Item
from lockstep.rule.condition.kinds import Severity

MOST_HELD = 2_000
"""Episodes that are remembered as kept back, a rule and destination; of more nothing is told either."""


@dataclass
class OpenEpisodes:
    """Which open episodes of one rule a destination was told of, and which were kept back from it.

    told, held: each episode's id → the rank of its severity. begun: whether a summary has been told of those held.
    """

    told: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    begun: bool = False

    def dropped(self, item: Item) -> None:
        """An item found no place in its message: it is one of those that are kept back, until it is over."""
        episode = item.episode_id
        if item.is_over:
            self.told.pop(episode, None)
            self.held.pop(episode, None)
        else:  # of what was told before and only got worse people still hear the end
            self._hold(episode, Severity.of(item.severity))

    def chosen(self, items: list[Item], cap: int, rule: str) -> list[Item]:
        """Those of a message's items that are told, most severe first as they came; the first summary among them."""
        kept: list[bool] = [True] * len(items)
        for n, item in enumerate(items):  # ends make room
            if item.state == "resolved":
                kept[n] = self._end(item.episode_id)
        for n, item in enumerate(items):
            if item.state != "resolved":
                kept[n] = self._begin(item, cap)
        chosen = [item for item, tell in zip(items, kept, strict=True) if tell]
        if not self.held:
            self.begun = False
        elif not self.begun:
            self.begun = True
            first = next((i for i, tell in zip(items, kept, strict=True) if not tell and not i.is_over), None)
            if first is not None:
                chosen.append(_summary(first, len(self.held), cap, rule))
        return chosen

    def _end(self, episode: str) -> bool:
        held = self.held.pop(episode, None) is not None
        was_told = self.told.pop(episode, None) is not None
        return was_told or not (held or self.begun)

    def _begin(self, item: Item, cap: int) -> bool:
        episode, rank = item.episode_id, Severity.of(item.severity)
        tell = episode in self.told or sum(1 for r in self.told.values() if r >= rank) < cap
        self.held.pop(episode, None)
        if item.is_over:  # it came and went
            return tell
        if tell:
            self.told[episode] = rank
        else:
            self._hold(episode, rank)
        return tell

    def _hold(self, episode: str, rank: int) -> None:
        if len(self.held) < MOST_HELD:
            self.held[episode] = rank


def _summary(item: Item, count: int, cap: int, rule: str) -> Item:
    """One item for all that are kept back, with the labels of the most severe."""
    alerts = "1 more alert fires" if count == 1 else f"{count} more alerts fire"
    text = f"{alerts} than the {cap} that this rule tells one by one (max_alerts); look for a cause that they share."
    return msgspec.structs.replace(
        item,
        state="firing",
        headline=f"{rule}: {alerts}; the most severe: {item.headline}",
        texts=dict.fromkeys(item.texts, text),
    )
