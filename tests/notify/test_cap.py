"""`max_alerts` by itself: whose beginnings and ends are told, and what is counted as kept back."""

import pytest

from lockstep.notification import CAME_AND_WENT, Item
from lockstep.notify.max_alerts import MOST_HELD, OpenEpisodes


def item(episode: str, state: str = "firing", severity: str = "warning") -> Item:
    shown = {"headline": f"{episode} is up", "value": "1", "usual": "", "usual_is": "usual", "window": "now"}
    times = {"at": "12:00", "since": "12:00", "value_bar": "", "usual_bar": ""}
    return Item(
        state=state,
        severity=severity,
        labels={},
        texts={"ops": ""},
        alert_id=episode,
        episode_id=episode,
        **shown,
        **times,
    )


def chosen(episodes: OpenEpisodes, *items: Item, cap: int = 1) -> list[str]:
    """What one message tells: `e1 firing`, and `summary: …` for the one of those that are kept back."""
    found = episodes.chosen(list(items), cap, "R")
    return [i.headline if i.headline.startswith("R:") else f"{i.episode_id} {i.state}" for i in found]


def test_what_was_told_is_told_when_it_gets_worse():
    """Also where as many as there may be are as severe as it is now."""
    episodes = OpenEpisodes()
    assert chosen(episodes, item("a")) == ["a firing"]
    assert chosen(episodes, item("b", severity="critical")) == ["b firing"]
    assert chosen(episodes, item("a", "severity", severity="critical")) == ["a severity"]


def test_what_came_and_went_takes_no_room():
    """It is told where there is room, and leaves it to the next one."""
    episodes = OpenEpisodes()
    assert chosen(episodes, item("a", CAME_AND_WENT), item("b", CAME_AND_WENT)) == [
        f"{e} {CAME_AND_WENT}" for e in "ab"
    ]
    assert (episodes.told, episodes.held) == ({}, {})
    assert chosen(episodes, item("c")) == ["c firing"]
    assert chosen(episodes, item("d", CAME_AND_WENT)) == []
    assert (list(episodes.told), episodes.held) == (["c"], {})


def test_a_summary_is_of_what_goes_on():
    """What came and went is no example of it."""
    episodes = OpenEpisodes()
    chosen(episodes, item("a"))
    said = chosen(episodes, item("b", CAME_AND_WENT), item("c"))
    assert said == ["R: 1 more alert fires; the most severe: c is up"]
    episodes = OpenEpisodes()
    episodes.dropped(item("x"))  # it found no place in its message
    chosen(episodes, item("a"))
    episodes.begun = False
    assert chosen(episodes, item("b", CAME_AND_WENT)) == []


@pytest.mark.parametrize("state", ["resolved", CAME_AND_WENT])
def test_an_end_that_finds_no_place_in_its_message_makes_room_all_the_same(state):
    """Else the rule would be silent for ever, and speak of alerts that are over."""
    episodes = OpenEpisodes()
    chosen(episodes, item("a"), item("b"))
    assert (list(episodes.told), list(episodes.held)) == (["a"], ["b"])
    episodes.dropped(item("a", state))
    episodes.dropped(item("b", state))
    assert (episodes.told, episodes.held) == ({}, {})
    assert chosen(episodes, item("c")) == ["c firing"]


def test_a_beginning_that_finds_no_place_is_kept_back():
    """It is counted, and its end says nothing to people who never heard of it."""
    episodes = OpenEpisodes()
    episodes.dropped(item("a"))
    assert list(episodes.held) == ["a"]
    assert chosen(episodes, item("a", "resolved")) == []
    assert episodes.held == {}


def test_who_heard_of_a_beginning_hears_of_its_end():
    """Also where its getting worse found no place meanwhile."""
    episodes = OpenEpisodes()
    chosen(episodes, item("a"))
    episodes.dropped(item("a", "severity", severity="critical"))
    assert list(episodes.held) == ["a"]
    assert chosen(episodes, item("a", "resolved")) == ["a resolved"]
    assert (episodes.told, episodes.held) == ({}, {})


def test_what_is_remembered_is_bounded():
    """Of more than that nothing is told either, ends included, as long as a summary stands for them."""
    episodes = OpenEpisodes()
    chosen(episodes, item("told"), *(item(f"e{n}") for n in range(MOST_HELD + 1)))
    assert len(episodes.held) == MOST_HELD
    assert chosen(episodes, item(f"e{MOST_HELD}", "resolved")) == []


def test_what_began_before_there_was_a_limit_is_told_of_its_end():
    """`max_alerts` is set while an alert is open that people heard of."""
    assert chosen(OpenEpisodes(), item("old", "resolved")) == ["old resolved"]
