"""What the tests of `lockstep convert` share: a mapping and a file in, events and the report out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from lockstep.adapters.convert.conversion import events_of
from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.convert.mapping import read_mapping
from lockstep.event import parse_event
from lockstep.yaml.document import document_of

FIXTURES = Path(__file__).parent / "fixtures"
SETTING = Setting(ZoneInfo("Europe/London"), datetime(2026, 11, 24, 9, 30, tzinfo=UTC), b"a key of the tests")


def mapping_of(text):
    """The mapping in a text, and its faults as text."""
    document, faults = document_of("mine.yml", text.encode())
    mapping, wrong = (None, faults) if document is None else read_mapping(document)
    return mapping, [str(fault) for fault in wrong]


def converted(path, mapping=None, setting=SETTING):
    """(events, what was refused) of a file; every event is one that the contract accepts. mapping: as YAML."""
    chosen = None
    if mapping is not None:
        chosen, faults = mapping_of(mapping)
        assert faults == []
    events, report = events_of(path, setting=setting, mapping=chosen)
    for event in events:
        parse_event(event)
    said = [str(refused).replace(f"{path.parent}/", "") for refused in report.refused.values()]
    broken = [text.replace(f"{path.parent}/", "") for text in report.broken]
    return [json.loads(event) for event in events], said + broken


def data_of(events):
    """type and data of events, without what frames them."""
    return [(event["type"], event["time"], event["data"]) for event in events]
