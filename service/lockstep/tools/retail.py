"""Order lines of the UCI "Online Retail" files as CloudEvents, through their ready mapping.

What the file says and what is made of it stands in `convert/ready/online-retail.yml`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from lockstep.adapters.convert.conversion import events_of
from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.convert.mapping import ready_mappings
from lockstep.errors import EventError

ZONE = ZoneInfo("Europe/London")


def convert(csv_path: Path) -> Iterator[dict[str, Any]]:
    """The CloudEvents of a CSV file (`.gz` too) in the order of time, ids the invoice numbers.

    Raises EventError, naming file and line, for what cannot be read or is refused.
    """
    events, report = events_of(csv_path, setting=Setting(ZONE), mapping=ready_mappings()["online-retail"])
    faults = [*report.broken, *map(str, report.refused.values())]
    if faults:
        raise EventError("file", faults[0])
    yield from sorted((json.loads(event) for event in events), key=lambda event: event["time"])


def write_events(csv_path: Path, out: TextIO) -> int:
    """Write a CSV file's events, one a line; returns how many."""
    count = 0
    for event in convert(csv_path):
        out.write(json.dumps(event, separators=(",", ":")) + "\n")
        count += 1
    return count
