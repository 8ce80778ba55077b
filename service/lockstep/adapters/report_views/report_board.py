"""The read model of reports: follows lockstep.reports, so that every worker shows the same ones."""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from lockstep.adapters.stream.follower import Follower
from lockstep.ports import Batch, Broker
from lockstep.reports.report_body import report_in
from lockstep.reports.report_record import Report
from lockstep.response.report_due import REPORTS, Kind, ReportDue, decode_due

log = structlog.get_logger("lockstep.follow")

_DUE = "due/"


class ReportBoard:
    """Reports that were written, and those that are due. `follow` keeps it up to date."""

    def __init__(self, broker: Broker) -> None:
        self._follower = Follower(broker, {REPORTS: None}, self._take)
        self._written: dict[str, bytes] = {}  # packed: a year of them is kept
        self._due: dict[str, ReportDue] = {}

    async def refresh(self) -> None:
        """Read on to the end of the topic. Raises BrokerError."""
        await self._follower.refresh()

    async def follow(self) -> None:
        """Read on for ever."""
        await self._follower.follow("the reports")

    def due(self) -> list[ReportDue]:
        """Those that nobody has written yet, the earliest first."""
        return sorted(self._due.values(), key=lambda due: (due.due_at, due.id))

    def ids(self, kind: Kind | None = None) -> list[str]:
        """Those that were written, the newest first of each kind."""
        return sorted(
            (number for number in self._written if kind is None or number.startswith(f"{kind}/")), reverse=True
        )

    def document(self, number: str) -> dict[str, Any] | None:
        """A report as webhooks got it; None where it is not known."""
        packed = self._written.get(number)
        if packed is None:
            return None
        document: dict[str, Any] = msgspec.json.decode(zlib.decompress(packed))
        return document

    def report(self, number: str) -> Report | None:
        """A report by its id; None where it is not known, or of a newer version."""
        document = self.document(number)
        return None if document is None else report_in(document)

    def latest(self, kind: Kind, *, before: str = "") -> Report | None:
        """The newest one of a kind; before: older than the one with this id."""
        older: Sequence[str] = [number for number in self.ids(kind) if not before or number < before]
        return self.report(older[0]) if older else None

    def _take(self, batch: Batch) -> None:
        for key, value in zip(batch.keys, batch.values, strict=True):
            name = (key or b"").decode(errors="replace")
            if name.startswith(_DUE):
                self._take_due(name.removeprefix(_DUE), value)
            elif value is None:
                self._written.pop(name, None)
            else:
                self._written[name] = zlib.compress(value, 6)

    def _take_due(self, number: str, value: bytes | None) -> None:
        self._due.pop(number, None)
        if value is not None:
            try:
                self._due[number] = decode_due(value)
            except msgspec.MsgspecError:
                log.warning("a report is due that this version does not know; update this worker", report=number)
