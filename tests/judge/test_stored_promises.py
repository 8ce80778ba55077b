"""What an upgrade must keep: ids that are stored or published, and the state that a version before has written."""

import json
from dataclasses import dataclass, fields, is_dataclass, make_dataclass, replace
from datetime import date, time
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from shorthand import LONDON
from stored_shop import PINNED, STATES, deliveries, of_last_monday, pinned, plan, stored, told
from tests.workload.fold import remembered

from lockstep.calendar import ENTRY_PARTS
from lockstep.identity import identity
from lockstep.judge.judge import Judge
from lockstep.judge.state import META, STATE_FORMAT, Sizes
from lockstep.judge.state.format3 import BLOCK, HEAD, LEVEL
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.history import unpack
from lockstep.rule.condition.kinds import Condition, Severity
from lockstep.rule.identity_parts import PARTS, version_of


@pytest.mark.parametrize("kind", ["series", "versions", "anomalies", "transitions", "deliveries"])
def test_ids_are_what_they_were(kind):
    """Whoever upgrades finds the series, versions, alerts and deliveries under the names that they were stored by.

    But for what is meant to be another thing: an anomaly that names no bucket is judged in shorter ones than at first,
    so its series and version (`Unusual`) are others; what it had learned is found, under its name in `anomalies`.
    """
    assert pinned()[kind] == json.loads(PINNED.read_text())[kind]


@pytest.mark.parametrize(
    ("kind", "by", "name", "is_another"),
    [
        ("order.cancelled", (), "z63gkjwo3c75gr5o", True),
        ("order.cancelled", ("currency",), "hs5yyy43p4o7ie4a", False),
        ("order.returned", (), "v2w454isrdmww2ck", True),
        ("order.returned", ("currency",), "yhafjstzxnl6dbt4", False),
    ],
)
def test_a_sum_that_learned_of_currencies_is_another(kind, by, name, is_another):
    """What was stored of it were numbers without a currency: they are not mixed with those that have one.

    name: of the sum before its type of event had a currency.
    """
    series = SeriesDef(Aggregate.SUM, kind, "orders", field="total", by=by)
    assert (series.id != name) is is_another


@pytest.mark.parametrize("writer", STATES)
def test_state_of_an_earlier_version_goes_on(writer):
    """A judge that takes back what an earlier version stored in the middle says the rest as one that never stopped."""
    taken_back, _ = told(stored(writer))
    assert _plain(of_last_monday(taken_back)) == _plain(of_last_monday(whole()))


@cache
def whole() -> list[bytes]:
    """What is said by judges that never stopped."""
    return told()[0]


@pytest.mark.parametrize("partition", [0, 1])
def test_an_earlier_format_is_written_anew_bit_by_bit(partition):
    """So many entries a cut, and a restart after each: all is there, and of the old format nothing is left."""

    def judge(sizes: Sizes) -> Judge:
        return Judge(plan(), zone=LONDON, partition=partition, partitions=2, sizes=sizes)

    entries = stored("format 3")[partition]
    expected = judge(Sizes())
    expected.restore(entries)
    old = [key for key in entries if key[:1] in (HEAD, BLOCK, LEVEL)]
    left = [len(old)]
    while left[-1]:
        again = judge(Sizes(rows=1, old_entries=4))
        again.restore(entries)
        assert remembered(again.histories) == remembered(expected.histories)
        entries = {key: value for key, value in (entries | again.cut().entries).items() if value is not None}
        left.append(sum(key in entries for key in old))
        assert left[-1] < left[-2]
    assert len(left) > 3
    assert unpack(entries[META])[0] == STATE_FORMAT


def test_without_its_state_a_judge_says_something_else():
    """The control: the comparison above notices a state that is not read."""
    forgotten, _ = told([{}, {}])
    assert _plain(of_last_monday(forgotten)) != _plain(of_last_monday(whole()))


@pytest.mark.parametrize("restart_after", [0, 7, 20])
def test_deliveries_keep_their_ids_over_a_restart(restart_after):
    """A group's number stands in its state."""
    published = of_last_monday(whole())
    assert [d["id"] for d in deliveries(published, restart_after=restart_after)] == [
        d["id"] for d in deliveries(published)
    ]


def _plain(published: list[bytes]) -> set[tuple[str, str, str]]:
    read = [json.loads(value)["data"] for value in published]
    return {(t["transition_id"], t["state"], t["at"]) for t in read}


# ---- identity -----------------------------------------------------------------------------------------------------


def test_a_condition_is_named_as_it_always_was():
    """The text is that of the first version, whose program asked Python for it and knew no later fields."""
    for rule in plan().rules:
        text = repr(rule.condition)
        for later in LATER:
            text = text.replace(later, "")
        assert identity(rule.condition, PARTS) == text


LATER = (", hours=(), closed=None", ", chooses=False")
"""Fields that were added since, as long as they say nothing."""


PLAIN = (None, True, 3, 0.1, "it's", (), (1,), (1, (2, "x")), frozenset({4, 0, 2}), frozenset(), Severity.WARNING)
MOMENTS = (date(2026, 12, 25), time(9, 30), time(0, 0), time(9, 30, 15))


@pytest.mark.parametrize("value", [*PLAIN, *MOMENTS], ids=repr)
def test_plain_values_are_named_as_they_always_were(value):
    assert identity(value, {}) == repr(value)


@dataclass(frozen=True)
class _Bound:
    above: float


_PARTS = {_Bound: ("above",)}


def test_a_field_that_is_added_later_changes_no_name():
    """A later version's field says by its default that all is as before; set, it is another thing."""
    later = make_dataclass("_Bound", [("above", float), ("hours", str, "")], frozen=True)
    parts = {later: _PARTS[_Bound]}
    assert identity(later(20.0), parts) == identity(_Bound(20.0), _PARTS) == "_Bound(above=20.0)"
    assert identity(later(20.0, "Mon-Fri"), parts) == "_Bound(above=20.0, hours='Mon-Fri')"


def test_what_has_no_lasting_text_names_nothing():
    """An object whose text could be another one tomorrow is refused, not hashed."""
    with pytest.raises(TypeError, match="list its fields"):
        identity(_Bound(1.0), {})
    with pytest.raises(TypeError, match="dict is no part"):
        identity({"a": 1}, {})


def _dataclasses(kind: Any, found: set[type]) -> set[type]:
    """Every dataclass that a value of this type can hold, of the fields that are compared."""
    for inner in get_args(kind) if get_origin(kind) in (tuple, frozenset, Union, UnionType) else (kind,):
        if get_origin(inner) is not None:
            _dataclasses(inner, found)
        elif is_dataclass(inner) and isinstance(inner, type) and inner not in found:
            found.add(inner)
            hints = get_type_hints(inner)
            for field in fields(inner):
                if field.compare:
                    _dataclasses(hints[field.name], found)
    return found


def test_every_part_of_a_condition_is_listed():
    """A new kind of condition, or a new value within one, has a name that was thought about."""
    assert _dataclasses(Condition, set()) - set(PARTS) == set()
    for kind, listed in {**PARTS, **ENTRY_PARTS}.items():
        assert set(listed) <= {field.name for field in fields(kind)}, kind


def test_texts_and_teams_make_no_new_version():
    """An edited text does not begin a rule anew; an edited number does."""
    rule = plan().rules[0]
    assert version_of(replace(rule, say={"summary": "x"}, teams=("x",), max_alerts=3)) == rule.version
    assert version_of(replace(rule, for_s=rule.for_s + 60)) != rule.version
