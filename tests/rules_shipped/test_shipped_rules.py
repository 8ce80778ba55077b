"""The shipped rules: without fault, quiet on quiet weeks, and they speak of what was planted and of nothing else."""

import os
import re
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from lockstep.adapters.rule_files import load_rules
from lockstep.tools.backtest.replay import backtest, episodes, replay_events
from lockstep.tools.demo import shop
from lockstep.tools.retail import ZONE, write_events

RULES = Path(__file__).parents[2] / "rules"
SIX_MONTHS = RULES.parents[1] / "shared/data/online-retail/online-retail-2010-12-to-2011-05.csv.gz"


@pytest.fixture(scope="module")
def loaded():
    return load_rules(RULES)


def _at(text):
    return datetime.fromisoformat(text)


def _fired(transitions):
    return [e for e in episodes(transitions) if e.fired is not None]


def test_they_have_no_fault(loaded):
    """Not even a warning."""
    assert [str(f) for f in loaded.faults] == []


def test_every_rule_speaks_to_both_teams(loaded):
    """In words of its own for each, and different ones."""
    for rule in loaded.plan.rules:
        assert set(rule.say) == {"summary", "marketing", "operations"}, rule.name
        assert len(set(rule.say.values())) == 3, rule.name


def test_every_rule_says_how_to_tune_it(loaded):
    """In a comment just above it."""
    text = "\n".join(f.read_text() for f in RULES.glob("*.yml"))
    for rule in loaded.plan.rules:
        before = text.partition(f"- name: {rule.name}\n")[0].rsplit("\n\n", 1)[-1]
        assert re.search(r"^ *# Tune: ", before, re.MULTILINE), rule.name


def test_quiet_weeks_are_quiet(loaded):
    """Six weeks of the shop as it was: nobody is told anything."""
    told = _fired(replay_events(loaded.plan, shop.events(planted=False), zone=ZONE))
    assert [(e.rule, e.labels, e.fired) for e in told] == []


def test_planted_trouble_is_told_and_nothing_else(loaded):
    """Each rule speaks of its trouble while it lasts, and every episode ends."""
    told = _fired(replay_events(loaded.plan, shop.events(), zone=ZONE))
    explained = []
    for trouble in shop.TRUTH:
        found = [
            e
            for e in told
            if e.rule in trouble.rules
            and trouble.starts <= datetime.fromisoformat(e.fired) <= trouble.ends
            and dict(trouble.labels).items() <= e.labels.items()
        ]
        assert {e.rule for e in found} == set(trouble.rules), trouble.name
        for episode in found:
            assert episode.ended is not None
            assert datetime.fromisoformat(episode.ended) <= trouble.ends + timedelta(hours=2), episode
        midnight = datetime.combine(trouble.ends.date() + timedelta(days=1), time(), ZONE)
        of_days = [e for e in told if e.rule in trouble.daily and trouble.starts <= _at(e.fired) <= midnight]
        assert {e.rule for e in of_days} == set(trouble.daily), trouble.name
        assert all(e.ended and _at(e.ended) <= midnight + timedelta(days=1) for e in of_days), of_days
        explained += [*found, *of_days]
    assert [e for e in told if e not in explained] == []


def test_six_months_of_a_real_shop(loaded, tmp_path):
    """Early holidays, a gap in the data and some rushes: at most two a week, none about days that are closed."""
    csv = Path(os.environ.get("LOCKSTEP_RETAIL_CSV", SIX_MONTHS))
    if not csv.exists():
        pytest.skip(f"{csv} is not here; name a copy of the data with LOCKSTEP_RETAIL_CSV")
    events = tmp_path / "events.ndjson"
    with events.open("w") as out:
        write_events(csv, out)
    replay = backtest(loaded.plan, [events], zone=ZONE)
    assert (replay.bad, replay.duplicates, replay.unknown) == (0, 0, 0)
    told = _fired(replay.transitions)
    closed = {"2010-12-24", "2011-04-22", "2011-04-24", "2011-04-29", "2011-05-02", "2011-05-30"}
    # What is told at midnight is of the day before.
    days = {(_at(e.fired).astimezone(ZONE) - timedelta(seconds=1)).date().isoformat() for e in told}
    assert days & closed == set()
    assert {"2010-12-22", "2011-04-07", "2011-05-10"} <= days
    assert len(told) <= 2 * 26, told
