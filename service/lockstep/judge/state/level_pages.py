"""A page of levels as bytes, and back: who stands in its rows, and what each of them was set to."""

from collections.abc import Sequence
from typing import Any

from lockstep.judge.state.rows import Table, divided
from lockstep.measure.history import LevelHistory, pack


def written(table: Table[LevelHistory], number: int, upto: int) -> tuple[list[bytes], int]:
    """The pieces of a page, and how many values they have. upto: the journal entry that is in them."""

    def encode(rows: Sequence[int]) -> bytes:
        states = [None if (level := table.histories[row]) is None else level.state() for row in rows]
        return pack([upto, rows[0], table.labels[rows[0] : rows[-1] + 1], states])

    rows = table.rows_of(number)
    return [value for _, value in divided(rows, table.sizes.bytes, encode)], len(rows)


def read(table: Table[LevelHistory], number: int, value: Sequence[Any]) -> None:
    """Take back one piece."""
    upto, first, names, states = value
    groups = [None if labels is None else tuple(labels) for labels in names]
    levels: list[LevelHistory | None] = []
    for labels, state in zip(groups, states, strict=True):
        if labels is None:
            levels.append(None)
            continue
        level = LevelHistory()
        level.restore(state)
        levels.append(level)
    table.put_run(first, groups, levels)
    table.pages[number].upto = upto
    table.pages[number].values += len(names)
