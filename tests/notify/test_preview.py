"""What a silence hits now and would have hit, before it is made."""

from datetime import timedelta

import msgspec
import pytest
from alert_samples import NOON, transition

from lockstep.notify.quiet.matchers import parse_matchers
from lockstep.notify.quiet.preview import MOST_HITS, preview

NOW = NOON + timedelta(days=7)
WEEK = 7 * 24 * 60
BOTH = ("marketing", "operations")

PAST = [
    transition("firing", "web", minute=WEEK - 60),
    transition("severity", "web", minute=WEEK - 50, severity="critical"),
    transition("resolved", "web", minute=WEEK - 40, severity="critical"),
    transition("firing", "web", minute=WEEK - 30, episode_id="again"),
    transition("resolved", "web", minute=WEEK - 20, episode_id="again"),
    transition("firing", "shop", minute=WEEK - 10),
    transition("pending", "phone", minute=WEEK - 5),
    transition("cancelled", "phone", minute=WEEK - 4),
    transition("firing", "fax", minute=-60),
    transition("resolved", "fax", minute=-1),
    transition("firing", "old", minute=-9_000),
    transition("firing", "imported", minute=WEEK - 10, past=True),
]


def seen(*matchers: str, teams: tuple[str, ...] = BOTH, transitions=PAST):
    return preview(parse_matchers(matchers), transitions, lambda t: teams, now=NOW)


@pytest.mark.parametrize(
    ("matchers", "hits"),
    [
        pytest.param(["channel=web"], ["web critical 2"], id="all episodes of a week"),
        pytest.param(["channel=web", "severity=warning"], ["web warning 2"], id="as far as it was a warning"),
        pytest.param(
            ["rule=OrderSpike"], ["old warning 1!", "shop warning 1!", "web critical 2"], id="what fires first"
        ),
        pytest.param(["team=operations", "channel=shop"], ["shop warning 1!"], id="of one team"),
        pytest.param(["team=nobody"], [], id="of no team"),
        pytest.param(["channel!=web"], ["old warning 1!", "shop warning 1!"], id="all but one"),
        pytest.param(["channel=fax"], [], id="longer ago"),
        pytest.param(["channel=phone"], [], id="what never fired"),
        pytest.param(["channel=imported"], [], id="what was told to nobody anyway"),
    ],
)
def test_hits(matchers, hits):
    """Alerts that fire now, however long, and those that fired within a week."""
    listed = [f"{h.labels['channel']} {h.severity} {h.times}{'!' * h.fires}" for h in seen(*matchers).hits]
    assert listed == hits


@pytest.mark.parametrize(
    ("matchers", "sentence"),
    [
        (
            ["rule=OrderSpike"],
            "hits 2 alerts now; in the last 7 days it would have hit 3 of 3 alerts, 4 times, 1 of them critical",
        ),
        (["channel=shop"], "hits 1 alert now; in the last 7 days it would have hit 1 of 3 alerts, 1 time"),
        (
            ["channel=web"],
            "hits nothing now; in the last 7 days it would have hit 1 of 3 alerts, 2 times, 1 of them critical",
        ),
        (["channel=wbe"], "matches nothing that fired in the last 7 days, and nothing that fires now"),
    ],
)
def test_sentence(matchers, sentence):
    """As people read it."""
    assert seen(*matchers).sentence == sentence


def test_which_matcher_matches_nothing():
    """A misspelled one is seen."""
    result = seen("channel=wbe", "severity=critical", 'sku=""')
    assert [(n.matcher, n.matches) for n in result.narrowing] == [
        ("channel=wbe", 0),
        ("severity=critical", 1),
        ('sku=""', 0),
    ]
    assert len(result.remarks) == 1


def test_the_same_twice_and_in_any_order():
    """A log may say a thing twice."""
    assert seen("channel=web", transitions=[*reversed(PAST), *PAST]) == seen("channel=web")


def test_what_is_listed_is_bounded():
    """All are counted, and it is plain JSON."""
    many = [transition("firing", f"c{n}", minute=WEEK) for n in range(MOST_HITS + 7)]
    result = seen("rule=OrderSpike", transitions=many)
    assert (result.now, len(result.hits)) == (MOST_HITS + 7, MOST_HITS)
    assert msgspec.json.decode(msgspec.json.encode(result))["now"] == MOST_HITS + 7
