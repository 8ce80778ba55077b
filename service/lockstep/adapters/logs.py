"""Logs: key and value, for people on a terminal and as JSON elsewhere; libraries' loggers go the same way."""

import logging
import sys
from typing import Any

import structlog

QUIET = ("lockstep.adapters", "faust", "mode", "aiokafka", "asyncio", "slack_sdk", "aiohttp.access", "watchfiles")


class Once(logging.Filter):
    """Lets the same message of a logger through once in `window` records of it, so that an outage is no flood."""

    def __init__(self, window: int = 200) -> None:
        super().__init__()
        self._window = window
        self._seen: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = str(record.msg)[:60]
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        if len(self._seen) > 1_000:
            self._seen.clear()
        return count % self._window == 0


def configure(log_format: str, level: str) -> None:
    """log_format: console, json or auto. level: debug, info, warning or error."""
    number = logging.getLevelNamesMapping()[level.upper()]
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
    )
    handler = logging.StreamHandler(sys.stderr)
    processors: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not console:
        processors.append(structlog.processors.format_exc_info)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*processors, renderer])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for name in QUIET:
        logger = logging.getLogger(name)
        logger.setLevel(max(number, logging.WARNING))
        logger.handlers = []
        logger.propagate = True
    handler.addFilter(_only_libraries(Once()))


def _only_libraries(once: Once) -> logging.Filter:
    class Libraries(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            return not record.name.startswith(QUIET) or once.filter(record)

    return Libraries()
