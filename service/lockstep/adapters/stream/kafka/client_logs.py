"""The Kafka client's own log lines, kept to a few."""

import logging


class FloodFilter(logging.Filter):
    """Lets one record of a kind through in EVERY_S; the client writes 75 errors a second while a broker is away."""

    EVERY_S = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, str(record.msg))
        last, held = self._kinds.get(kind, (None, 0))
        if last is not None and record.created - last < self.EVERY_S:
            self._kinds[kind] = (last, held + 1)
            return False
        self._kinds[kind] = (record.created, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more like this in {record.created - (last or 0):.0f} s)"
        return True


_FLOOD = FloodFilter()


def limit_client_logs() -> None:
    """Put the filter on every logger of the client: one on a parent would not see the records of its children."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] == "aiokafka" and isinstance(logger, logging.Logger):
            logger.addFilter(_FLOOD)
