"""What a judge stores, and how it is read back.

key                       value
m                         how far all of it has come: see `entries.Meta`
j number                  what was taken in one cut: see `journal`
p series page piece       rows of one series, as of a journal entry: see `rows`
c series page block part  buckets of these rows that change no more: see `flow_pages`
a rule edition labels     an alert, see `entries.StoredAlert`
w rule edition labels     what the detectors of a group have learned, see `entries.StoredWatches`

Labels are values in the order of the names that they belong to. Two versions of a rule may be at work at once, about
different things whose labels have the same values: so alerts and detectors are told apart by the rule's edition, too.

entries      meta, alerts, detectors
journal      what came since pages were written, in order
rows         the groups of a series by number, and which of them are written together
flow_pages   a page of flows as bytes, and back
level_pages  a page of levels as bytes, and back
format3      how series were stored at first: an entry a series and block
store        all of it: which page is written when, and the way back
"""

from lockstep.judge.state.entries import (
    ALERT,
    META,
    STATE_FORMAT,
    WATCHES,
    JudgeCounts,
    Known,
    Meta,
    StoredAlert,
    StoredWatches,
    alert_key,
    watches_key,
)
from lockstep.judge.state.rows import SeriesKey, Sizes

__all__ = [
    "ALERT",
    "META",
    "STATE_FORMAT",
    "WATCHES",
    "JudgeCounts",
    "Known",
    "Meta",
    "SeriesKey",
    "Sizes",
    "StoredAlert",
    "StoredWatches",
    "alert_key",
    "watches_key",
]
