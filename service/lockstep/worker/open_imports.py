"""The imports that have not ended, for which live events wait, as all workers see them."""

from collections.abc import Mapping, Sequence

from lockstep.adapters.import_log import ImportLog
from lockstep.event.imports import OpenImport


class OpenImports:
    """now: those that there were when `look` was last called. topics: role → topic."""

    def __init__(self, imports: ImportLog, topics: Mapping[str, str]) -> None:
        self._imports, self.topics = imports, topics
        self.now: Sequence[OpenImport] = ()

    async def look(self) -> None:
        """Ask the broker. Raises BrokerError."""
        self.now = await self._imports.open_imports(self.topics)
