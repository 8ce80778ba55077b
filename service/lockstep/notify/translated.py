"""What an alert means in the other team's numbers: sentences that follow a team's own words in each message."""

from lockstep.notify.advice import subject_of
from lockstep.notify.message_reason import leaf_of
from lockstep.rule import wording
from lockstep.rule.condition.kinds import Rule, series_of_condition
from lockstep.shop.catalogue import SOURCE
from lockstep.shop.names import NAMES
from lockstep.shop.translations import sentences
from lockstep.transition import Transition

MOST_SENTENCES = 3
"""Of what could be said of the shop; more is on its page."""


def translated(transition: Transition, rule: Rule | None, team: str) -> str:
    """The sentences for a team, "" where nothing of the shop is known, or the rule's own text speaks of it itself."""
    if not transition.shop or rule is None or _speaks_of_the_shop(rule.say.get(team, "")):
        return ""
    about = _about(transition, rule)
    visits = transition.value if about == "traffic" else None
    return " ".join(sentences(transition.shop, transition.labels, about, visits).get(team, ())[:MOST_SENTENCES])


def _speaks_of_the_shop(text: str) -> bool:
    return bool(text) and not NAMES.keys().isdisjoint(wording.names_in(text))


def _about(transition: Transition, rule: Rule) -> str:
    """What a rule is about: a subject of the catalogue, or one that advice knows."""
    subjects = {s.event_type.partition(".")[2] for s in series_of_condition(rule.condition) if s.source == SOURCE}
    return subjects.pop() if len(subjects) == 1 else subject_of(rule, leaf_of(transition))
