"""An event that came before is one of the same source with the same id."""

from types import SimpleNamespace

import pytest

from lockstep.event.seen_ids import SeenIds


def event(name: str) -> SimpleNamespace:
    """`shop/1`: event 1 of the shop."""
    source, number = name.split("/")
    return SimpleNamespace(source=source, id=number)


def seen(*names: str) -> SeenIds:
    return SeenIds.of([event(name) for name in names])


@pytest.mark.parametrize(
    ("names", "known", "unknown"),
    [
        pytest.param((), "", "shop/1", id="none"),
        pytest.param(("shop/1", "shop/2"), "shop/1 shop/2", "shop/3 till/1", id="of one source"),
        pytest.param(("shop/1", "till/1", "shop/1"), "shop/1 till/1", "till/2", id="of two, one of them twice"),
    ],
)
def test_who_was_seen(names, known, unknown):
    """Whether they came together, one by one, or as what others had seen."""
    one_by_one, updated = SeenIds(), seen(*names[:1])
    for name in names:
        one_by_one.add(event(name))
    updated.update(seen(*names[1:]))
    for ids in (seen(*names), one_by_one, updated):
        assert len(ids) == len(set(names))
        assert all(event(name) in ids for name in known.split())
        assert not any(event(name) in ids for name in unknown.split())


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(seen("shop/1"), seen("shop/2", "till/1"), True, id="the same id of another source"),
        pytest.param(seen("shop/1", "till/1"), seen("till/1"), False, id="one in common"),
        pytest.param(seen(), seen("shop/1"), True, id="nothing"),
    ],
)
def test_what_two_have_in_common(left, right, expected):
    assert left.is_disjoint(right) is right.is_disjoint(left) is expected
